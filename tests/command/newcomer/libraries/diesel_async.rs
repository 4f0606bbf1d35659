//! On diesel-async, on each of its databases.

use std::error::Error;

use diesel::prelude::*;
use diesel_async::{AsyncMysqlConnection, AsyncPgConnection};

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
        async fn $name(conn: &mut $connection, id: i32, title: &str) -> Result<(), Box<dyn Error>> {
            use roan::orm::diesel_async::{PurgeExt, update};
            update(posts::table.find(id)).set(posts::title.eq(title)).execute_and_purge::<Post>(conn).await?;
            Ok(())
        }
    )*};
}

writes!(on_postgresql: AsyncPgConnection, on_mysql: AsyncMysqlConnection);
