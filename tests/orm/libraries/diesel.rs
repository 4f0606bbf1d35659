//! Diesel.

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::result::Error;
use diesel::upsert::excluded;
use roan::orm::diesel::{
    PurgeConnection as _, PurgeExt as _, TransactionTracker, delete, update, upsert,
};
use roan::outbox::Dialect;
use roan::{Roan, purge_on};
use roan_tests::Database;

use crate::case::{self, End, Step};
use crate::suite::{Stage, Writer};

diesel::table! {
    posts (id) {
        id -> BigInt,
        slug -> VarChar,
        title -> VarChar,
        author_id -> BigInt,
    }
}

#[purge_on(save, delete, url = "/posts")]
#[purge_on(save, delete, url = "/posts/{slug}")]
#[purge_on(update(title), url = "/titles/{id}")]
#[derive(Debug, Clone, Queryable, Selectable, Insertable, Identifiable)]
#[diesel(table_name = posts)]
pub(super) struct Post {
    pub(super) id: i64,
    pub(super) slug: String,
    pub(super) title: String,
    pub(super) author_id: i64,
}

impl From<case::Post> for Post {
    fn from(post: case::Post) -> Self {
        Self {
            id: post.id,
            slug: post.slug.to_owned(),
            title: post.title.to_owned(),
            author_id: post.author_id,
        }
    }
}

#[derive(AsChangeset)]
#[diesel(table_name = posts)]
pub(super) struct Changes {
    pub(super) slug: Option<&'static str>,
    pub(super) title: Option<&'static str>,
}

/// Diesel opens SQLite's files by their paths.
pub(crate) fn url(database: &Database) -> &str {
    let url = database.url();
    match url.strip_prefix("sqlite://") {
        Some(path) => path.split('?').next().unwrap_or_default(),
        None => url,
    }
}

enum DieselWriter {
    Postgres(PgConnection),
    MySql(MysqlConnection),
    Sqlite(SqliteConnection),
}

impl Writer for DieselWriter {
    fn connect(database: &Database, roan: &Roan) -> Self {
        fn open<C: Connection>(database: &Database, roan: &Roan) -> C {
            let mut connection = C::establish(url(database)).expect("a connection");
            connection.set_instrumentation(TransactionTracker::new().dispatcher(roan));
            connection
        }
        match database.dialect() {
            Dialect::Postgres => Self::Postgres(open(database, roan)),
            Dialect::MySql => Self::MySql(open(database, roan)),
            _ => Self::Sqlite(open(database, roan)),
        }
    }

    fn run(&mut self, steps: &[Step], stage: &Stage<'_>) -> Result<(), String> {
        let done = match self {
            Self::Postgres(connection) => postgres::steps(connection, steps, stage),
            Self::MySql(connection) => mysql::steps(connection, steps, stage),
            Self::Sqlite(connection) => sqlite::steps(connection, steps, stage),
        };
        done.map_err(|error| error.to_string())
    }
}

crate::libraries::on_each_database!(DieselWriter);
crate::libraries::in_memory_on_each_database!(DieselWriter);

/// The steps on one kind of connection: Diesel's statements are typed by it.
macro_rules! steps {
    ($module:ident, $connection:ty, $insert:ident, $upsert:ident, $rekey:ident) => {
        mod $module {
            use super::*;

            type Conn = $connection;

            pub(super) fn steps(
                conn: &mut Conn,
                steps: &[Step],
                stage: &Stage<'_>,
            ) -> QueryResult<()> {
                steps.iter().try_for_each(|step| one(conn, step, stage))
            }

            fn one(conn: &mut Conn, step: &Step, stage: &Stage<'_>) -> QueryResult<()> {
                match step {
                    Step::Create(post) => $insert!(conn, vec![Post::from(*post)]),
                    Step::CreateMany(posts) => {
                        let posts: Vec<_> = posts.iter().copied().map(Post::from).collect();
                        $insert!(conn, posts)
                    }
                    Step::Upsert(posts) => {
                        let posts: Vec<_> = posts.iter().copied().map(Post::from).collect();
                        $upsert!(conn, posts)
                    }
                    Step::Update { id, slug, title } => {
                        let (slug, title) = (*slug, *title);
                        update(posts::table.find(id))
                            .set(Changes { slug, title })
                            .get_result_and_purge::<Post>(conn)
                            .map(|_| ())
                    }
                    Step::UpdateMany { author_id, title } => {
                        update(posts::table.filter(posts::author_id.eq(author_id)))
                            .set(posts::title.eq(title))
                            .execute_and_purge::<Post>(conn)
                            .map(|_| ())
                    }
                    Step::UpdateStale {
                        id,
                        meanwhile,
                        author_id,
                    } => {
                        let mut post: Post = posts::table.find(id).first(conn)?;
                        conn.batch_execute(meanwhile)?;
                        post.author_id = *author_id;
                        update(posts::table.find(post.id))
                            .set(posts::author_id.eq(post.author_id))
                            .execute_and_purge::<Post>(conn)
                            .map(|_| ())
                    }
                    Step::Rekey { author_id, title } => $rekey!(conn, *author_id, *title),
                    Step::Delete(id) => delete(posts::table.find(id))
                        .get_result_and_purge::<Post>(conn)
                        .map(|_| ()),
                    Step::DeleteMany { author_id } => {
                        delete(posts::table.filter(posts::author_id.eq(author_id)))
                            .execute_and_purge::<Post>(conn)
                            .map(|_| ())
                    }
                    Step::Raw(sql) => conn.batch_execute(sql),
                    Step::Transaction(inner, end) => {
                        let done = conn.transaction(|conn| {
                            steps(conn, inner, stage)?;
                            match end {
                                End::Commit => Ok(()),
                                End::Rollback => Err(Error::RollbackTransaction),
                                End::Panic => panic!("as the case wants"),
                            }
                        });
                        match (end, done) {
                            (End::Rollback, Err(Error::RollbackTransaction)) => Ok(()),
                            (_, done) => done,
                        }
                    }
                    Step::Open(_) | Step::Await(_) | Step::CutOff => {
                        stage.step(step);
                        Ok(())
                    }
                }
            }
        }
    };
}

macro_rules! returning {
    ($conn:expr, $posts:expr) => {
        diesel::insert_into(posts::table)
            .values($posts)
            .execute_and_purge::<Post>($conn)
            .map(|_| ())
    };
}

/// MySQL does not return rows; here they are known beforehand.
macro_rules! known {
    ($conn:expr, $posts:expr) => {{
        let posts = $posts;
        let insert = diesel::insert_into(posts::table).values(&posts);
        insert.execute($conn)?;
        $conn.run_hooks(None, || posts.iter().for_each(roan::created))
    }};
}

macro_rules! upsert_all {
    ($conn:expr, $posts:expr) => {{
        let posts = $posts;
        let statement = diesel::insert_into(posts::table)
            .values(&posts)
            .on_conflict(posts::id)
            .do_update()
            .set((
                posts::slug.eq(excluded(posts::slug)),
                posts::title.eq(excluded(posts::title)),
            ));
        let keys: Vec<_> = posts.iter().map(|post| post.id).collect();
        upsert(statement, posts::table.filter(posts::id.eq_any(keys)))
            .execute_and_purge::<Post>($conn)
            .map(|_| ())
    }};
}

/// SQLite's statements are of one row; MySQL's do not know the values of another one.
macro_rules! upsert_one_by_one {
    ($conn:expr, $posts:expr, $target:expr) => {
        $posts.iter().try_for_each(|post| {
            let statement = diesel::insert_into(posts::table)
                .values(post)
                .on_conflict($target)
                .do_update()
                .set((posts::slug.eq(&post.slug), posts::title.eq(&post.title)));
            upsert(statement, posts::table.find(post.id))
                .get_result_and_purge::<Post>($conn)
                .map(|_| ())
        })
    };
}

macro_rules! upsert_each {
    ($conn:expr, $posts:expr) => {
        upsert_one_by_one!($conn, $posts, posts::id)
    };
}

/// MySQL cannot name the key.
macro_rules! upsert_each_by_any_key {
    ($conn:expr, $posts:expr) => {
        upsert_one_by_one!($conn, $posts, diesel::dsl::DuplicatedKeys)
    };
}

macro_rules! rekey {
    ($conn:expr, $author_id:expr, $title:expr) => {
        update(posts::table.filter(posts::author_id.eq($author_id)))
            .set((posts::title.eq($title), posts::id.eq(posts::id + 100)))
            .execute_and_purge::<Post>($conn)
            .map(|_| ())
    };
}

/// MySQL does not return rows, so the update is refused before it is committed. What the error says to write.
macro_rules! rekey_by_hand {
    ($conn:expr, $author_id:expr, $title:expr) => {{
        let of_author = posts::table.filter(posts::author_id.eq($author_id));
        let refused = rekey!($conn, $author_id, $title);
        let told = refused.expect_err("its new rows are unknown").to_string();
        assert!(told.contains("this update changes keys"), "{told}");
        $conn.transaction(|conn| {
            let old: Vec<Post> = of_author.order(posts::id).for_update().load(conn)?;
            diesel::update(of_author)
                .set((posts::title.eq($title), posts::id.eq(posts::id + 100)))
                .execute(conn)?;
            let new: Vec<Post> = of_author.order(posts::id).load(conn)?;
            let mut rows = old.iter().zip(&new);
            rows.try_for_each(|(old, new)| new.updated(old, conn))
        })
    }};
}

steps!(postgres, PgConnection, returning, upsert_all, rekey);
steps!(
    mysql,
    MysqlConnection,
    known,
    upsert_each_by_any_key,
    rekey_by_hand
);
steps!(sqlite, SqliteConnection, returning, upsert_each, rekey);
