//! On Diesel, on each of its databases.

use std::error::Error;

use diesel::prelude::*;

diesel::table! {
    posts (id) {
        id -> Integer,
        slug -> Text,
        title -> Text,
    }
}

#[roan::purge_on(save, delete, url = "/posts/{slug}")]
#[derive(Queryable, Selectable, Identifiable)]
struct Post {
    id: i32,
    slug: String,
    title: String,
}

macro_rules! writes {
    ($($name:ident: $connection:ty),*) => {$(
        fn $name(conn: &mut $connection, id: i32, title: &str) -> Result<(), Box<dyn Error>> {
            use roan::orm::diesel::{PurgeExt, update};
            update(posts::table.find(id)).set(posts::title.eq(title)).execute_and_purge::<Post>(conn)?;
            Ok(())
        }
    )*};
}

writes!(on_sqlite: SqliteConnection, on_postgresql: PgConnection, on_mysql: MysqlConnection);
