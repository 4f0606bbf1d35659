//! diesel-async.

use std::pin::Pin;

use diesel::prelude::*;
use diesel::result::Error;
use diesel::upsert::excluded;
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
use diesel_async::{
    AsyncConnection, AsyncMysqlConnection, AsyncPgConnection, RunQueryDsl,
    SimpleAsyncConnection as _,
};
use roan::Roan;
use roan::orm::diesel_async::{
    PurgeConnection as _, PurgeExt as _, TransactionTracker, delete, update, upsert,
};
use roan::outbox::Dialect;
use roan_tests::Database;
use tokio::runtime::Runtime;

use super::diesel::{Changes, Post, posts, url};
use crate::case::{End, Step};
use crate::suite::{Stage, Writer};

struct DieselAsyncWriter {
    runtime: Runtime,
    connection: AnyConnection,
}

enum AnyConnection {
    Postgres(Box<AsyncPgConnection>),
    MySql(AsyncMysqlConnection),
    Sqlite(SyncConnectionWrapper<SqliteConnection>),
}

impl AnyConnection {
    async fn open(database: &Database, roan: &Roan) -> Self {
        async fn open<C: AsyncConnection>(database: &Database, roan: &Roan) -> C {
            let mut connection = C::establish(url(database)).await.expect("a connection");
            connection.set_instrumentation(TransactionTracker::new().dispatcher(roan));
            connection
        }
        match database.dialect() {
            Dialect::Postgres => Self::Postgres(Box::new(open(database, roan).await)),
            Dialect::MySql => Self::MySql(open(database, roan).await),
            _ => Self::Sqlite(open(database, roan).await),
        }
    }
}

impl Writer for DieselAsyncWriter {
    fn connect(database: &Database, roan: &Roan) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        Self {
            connection: runtime.block_on(AnyConnection::open(database, roan)),
            runtime,
        }
    }

    fn run(&mut self, steps: &[Step], stage: &Stage<'_>) -> Result<(), String> {
        let runtime = &self.runtime;
        let done = match &mut self.connection {
            AnyConnection::Postgres(connection) => {
                runtime.block_on(postgres::steps(connection, steps, stage))
            }
            AnyConnection::MySql(connection) => {
                runtime.block_on(mysql::steps(connection, steps, stage))
            }
            AnyConnection::Sqlite(connection) => {
                runtime.block_on(sqlite::steps(connection, steps, stage))
            }
        };
        done.map_err(|error| error.to_string())
    }
}

crate::libraries::on_each_database!(DieselAsyncWriter);
crate::libraries::in_memory_on_each_database!(DieselAsyncWriter);

type Done<'a> = Pin<Box<dyn Future<Output = QueryResult<()>> + Send + 'a>>;

/// The steps on one kind of connection: Diesel's statements are typed by it.
macro_rules! steps {
    ($module:ident, $connection:ty, $insert:ident, $upsert:ident, $rekey:ident) => {
        mod $module {
            use super::*;

            type Conn = $connection;

            pub(super) fn steps<'a>(
                conn: &'a mut Conn,
                steps: &'a [Step],
                stage: &'a Stage<'_>,
            ) -> Done<'a> {
                Box::pin(async move {
                    for step in steps {
                        one(conn, step, stage).await?;
                    }
                    Ok(())
                })
            }

            async fn one(conn: &mut Conn, step: &Step, stage: &Stage<'_>) -> QueryResult<()> {
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
                            .await
                            .map(|_| ())
                    }
                    Step::UpdateMany { author_id, title } => {
                        update(posts::table.filter(posts::author_id.eq(author_id)))
                            .set(posts::title.eq(title))
                            .execute_and_purge::<Post>(conn)
                            .await
                            .map(|_| ())
                    }
                    Step::UpdateStale {
                        id,
                        meanwhile,
                        author_id,
                    } => {
                        let mut post: Post =
                            RunQueryDsl::first(posts::table.find(id), conn).await?;
                        conn.batch_execute(meanwhile).await?;
                        post.author_id = *author_id;
                        update(posts::table.find(post.id))
                            .set(posts::author_id.eq(post.author_id))
                            .execute_and_purge::<Post>(conn)
                            .await
                            .map(|_| ())
                    }
                    Step::Rekey { author_id, title } => $rekey!(conn, *author_id, *title),
                    Step::Delete(id) => delete(posts::table.find(id))
                        .get_result_and_purge::<Post>(conn)
                        .await
                        .map(|_| ()),
                    Step::DeleteMany { author_id } => {
                        delete(posts::table.filter(posts::author_id.eq(author_id)))
                            .execute_and_purge::<Post>(conn)
                            .await
                            .map(|_| ())
                    }
                    Step::Raw(sql) => conn.batch_execute(sql).await,
                    Step::Transaction(inner, end) => {
                        let done = conn.transaction(async |conn| {
                            steps(conn, inner, stage).await?;
                            match end {
                                End::Commit => Ok(()),
                                End::Rollback => Err(Error::RollbackTransaction),
                                End::Panic => panic!("as the case wants"),
                            }
                        });
                        match (end, done.await) {
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
            .await
            .map(|_| ())
    };
}

/// MySQL does not return rows; here they are known beforehand.
macro_rules! known {
    ($conn:expr, $posts:expr) => {{
        let posts = $posts;
        let insert = diesel::insert_into(posts::table).values(&posts);
        RunQueryDsl::execute(insert, $conn).await?;
        let hooks = || posts.iter().for_each(roan::created);
        $conn.run_hooks(None, hooks).await
    }};
}

/// diesel-async has no batches for SQLite.
macro_rules! one_by_one {
    ($conn:expr, $posts:expr) => {{
        for post in $posts {
            diesel::insert_into(posts::table)
                .values(post)
                .execute_and_purge::<Post>($conn)
                .await?;
        }
        Ok(())
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
            .await
            .map(|_| ())
    }};
}

macro_rules! upsert_one_by_one {
    ($conn:expr, $posts:expr, $target:expr) => {{
        for post in &$posts {
            let statement = diesel::insert_into(posts::table)
                .values(post)
                .on_conflict($target)
                .do_update()
                .set((posts::slug.eq(&post.slug), posts::title.eq(&post.title)));
            let upsert = upsert(statement, posts::table.find(post.id));
            upsert.get_result_and_purge::<Post>($conn).await?;
        }
        Ok(())
    }};
}

macro_rules! upsert_each {
    ($conn:expr, $posts:expr) => {
        upsert_one_by_one!($conn, $posts, posts::id)
    };
}

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
            .await
            .map(|_| ())
    };
}

/// As for Diesel.
macro_rules! rekey_by_hand {
    ($conn:expr, $author_id:expr, $title:expr) => {{
        let of_author = posts::table.filter(posts::author_id.eq($author_id));
        let refused = rekey!($conn, $author_id, $title);
        let told = refused.expect_err("its new rows are unknown").to_string();
        assert!(told.contains("this update changes keys"), "{told}");
        let done = $conn.transaction(async |conn| {
            let locked = of_author.order(posts::id).for_update();
            let old: Vec<Post> = RunQueryDsl::load(locked, conn).await?;
            let update = diesel::update(of_author)
                .set((posts::title.eq($title), posts::id.eq(posts::id + 100)));
            RunQueryDsl::execute(update, conn).await?;
            let new: Vec<Post> = RunQueryDsl::load(of_author.order(posts::id), conn).await?;
            for (old, new) in old.iter().zip(&new) {
                new.updated(old, conn).await?;
            }
            Ok(())
        });
        done.await
    }};
}

steps!(postgres, AsyncPgConnection, returning, upsert_all, rekey);
steps!(
    mysql,
    AsyncMysqlConnection,
    known,
    upsert_each_by_any_key,
    rekey_by_hand
);
steps!(
    sqlite,
    SyncConnectionWrapper<SqliteConnection>,
    one_by_one,
    upsert_each,
    rekey
);
