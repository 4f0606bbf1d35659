//! sqlx.

use roan::orm::sqlx::PurgeConnection as _;
use roan::{Roan, purge_on};
use roan_tests::{Connection, Database};
use sqlx::{AssertSqlSafe, Connection as _};
use tokio::runtime::Runtime;

use crate::case::{self, End, Step};
use crate::suite::{Stage, Writer};

#[purge_on(save, delete, url = "/posts")]
#[purge_on(save, delete, url = "/posts/{slug}")]
#[purge_on(update(title), url = "/titles/{id}")]
#[derive(Debug, Clone, sqlx::FromRow)]
struct Post {
    id: i64,
    slug: String,
    title: String,
    author_id: i64,
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

struct SqlxWriter {
    runtime: Runtime,
    connection: Connection,
    roan: Roan,
}

impl Writer for SqlxWriter {
    const BEGINS: bool = true;

    fn connect(database: &Database, roan: &Roan) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        Self {
            connection: runtime.block_on(database.connect()),
            runtime,
            roan: roan.clone(),
        }
    }

    fn run(&mut self, steps: &[Step], stage: &Stage<'_>) -> Result<(), String> {
        let (runtime, roan) = (&self.runtime, &self.roan);
        let done = match &mut self.connection {
            Connection::Postgres(connection) => {
                runtime.block_on(postgres::steps(connection, roan, steps, stage))
            }
            Connection::MySql(connection) => {
                runtime.block_on(mysql::steps(connection, roan, steps, stage))
            }
            Connection::Sqlite(connection) => {
                runtime.block_on(sqlite::steps(connection, roan, steps, stage))
            }
        };
        done.map_err(|error| error.to_string())
    }
}

crate::libraries::on_each_database!(SqlxWriter);

/// The steps on one kind of connection: sqlx's types differ for each.
macro_rules! steps {
    ($module:ident, $database:ident, $sql:expr, $begin:expr, $lock:expr, $on_conflict:expr) => {
        mod $module {
            use super::*;

            type Connection = <sqlx::$database as sqlx::Database>::Connection;

            pub(super) async fn steps(
                connection: &mut Connection,
                roan: &Roan,
                steps: &[Step],
                stage: &Stage<'_>,
            ) -> Result<(), sqlx::Error> {
                for step in steps {
                    Box::pin(one(connection, roan, step, stage)).await?;
                }
                Ok(())
            }

            async fn one(
                connection: &mut Connection,
                roan: &Roan,
                step: &Step,
                stage: &Stage<'_>,
            ) -> Result<(), sqlx::Error> {
                match step {
                    Step::Create(post) => {
                        let post = Post::from(*post);
                        insert(connection, &post).await?;
                        connection
                            .run_hooks(Some(roan), || roan::created(&post))
                            .await
                    }
                    Step::Update { id, slug, title } => {
                        let old = find(connection, "id", *id).await?.remove(0);
                        let mut new = old.clone();
                        new.slug = slug.map_or(new.slug, str::to_owned);
                        new.title = title.map_or(new.title, str::to_owned);
                        sqlx::query($sql("UPDATE posts SET slug = ?, title = ? WHERE id = ?"))
                            .bind(&new.slug)
                            .bind(&new.title)
                            .bind(id)
                            .execute(&mut *connection)
                            .await?;
                        connection
                            .run_hooks(Some(roan), || roan::updated(&old, &new))
                            .await
                    }
                    Step::UpdateStale {
                        id,
                        meanwhile,
                        author_id,
                    } => {
                        let known = find(connection, "id", *id).await?.remove(0);
                        sqlx::raw_sql(*meanwhile).execute(&mut *connection).await?;
                        let mut tx = $begin(connection).await?;
                        let old = find(&mut tx, "id", known.id).await?.remove(0);
                        sqlx::query($sql("UPDATE posts SET author_id = ? WHERE id = ?"))
                            .bind(author_id)
                            .bind(id)
                            .execute(&mut *tx)
                            .await?;
                        let new = find(&mut tx, "id", *id).await?.remove(0);
                        let hooks = || roan::updated(&old, &new);
                        tx.run_hooks(Some(roan), hooks).await?;
                        tx.commit().await
                    }
                    Step::Delete(id) => {
                        let post = find(connection, "id", *id).await?.remove(0);
                        sqlx::query($sql("DELETE FROM posts WHERE id = ?"))
                            .bind(id)
                            .execute(&mut *connection)
                            .await?;
                        connection
                            .run_hooks(Some(roan), || roan::deleted(&post))
                            .await
                    }
                    Step::CreateMany(posts) => {
                        let posts: Vec<_> = posts.iter().copied().map(Post::from).collect();
                        for post in &posts {
                            insert(connection, post).await?;
                        }
                        let hooks = || posts.iter().for_each(roan::created);
                        connection.run_hooks(Some(roan), hooks).await
                    }
                    Step::Upsert(posts) => {
                        let mut tx = $begin(connection).await?;
                        for post in posts.iter().copied().map(Post::from) {
                            let old = find(&mut tx, "id", post.id).await?.pop();
                            if let Some(old) = &old {
                                let lock = format!("SELECT 1 FROM posts WHERE id = ?{}", $lock);
                                let lock = sqlx::query($sql(&lock)).bind(old.id);
                                lock.execute(&mut *tx).await?;
                            }
                            let sql = "INSERT INTO posts (id, slug, title, author_id) VALUES (?, ?, ?, ?)";
                            sqlx::query($sql(&format!("{sql} {}", $on_conflict)))
                                .bind(post.id)
                                .bind(&post.slug)
                                .bind(&post.title)
                                .bind(post.author_id)
                                .execute(&mut *tx)
                                .await?;
                            let hooks = || match &old {
                                Some(old) => roan::updated(old, &post),
                                None => roan::saved(&post),
                            };
                            tx.run_hooks(Some(roan), hooks).await?;
                        }
                        tx.commit().await
                    }
                    Step::UpdateMany { author_id, title } | Step::Rekey { author_id, title } => {
                        let mut tx = $begin(connection).await?;
                        let old = find(&mut tx, "author_id", *author_id).await?;
                        let set = match step {
                            Step::Rekey { .. } => "title = ?, id = id + 100",
                            _ => "title = ?",
                        };
                        sqlx::query($sql(&format!("UPDATE posts SET {set} WHERE author_id = ?")))
                            .bind(title)
                            .bind(author_id)
                            .execute(&mut *tx)
                            .await?;
                        let new = find(&mut tx, "author_id", *author_id).await?;
                        let hooks = || {
                            for (old, new) in old.iter().zip(&new) {
                                roan::updated(old, new);
                            }
                        };
                        tx.run_hooks(Some(roan), hooks).await?;
                        tx.commit().await
                    }
                    Step::DeleteMany { author_id } => {
                        let mut tx = $begin(connection).await?;
                        let old = find(&mut tx, "author_id", *author_id).await?;
                        sqlx::query($sql("DELETE FROM posts WHERE author_id = ?"))
                            .bind(author_id)
                            .execute(&mut *tx)
                            .await?;
                        let hooks = || old.iter().for_each(roan::deleted);
                        tx.run_hooks(Some(roan), hooks).await?;
                        tx.commit().await
                    }
                    Step::Raw(sql) => {
                        sqlx::raw_sql(*sql).execute(connection).await?;
                        Ok(())
                    }
                    Step::Transaction(inner, end) => {
                        let mut tx = $begin(connection).await?;
                        steps(&mut tx, roan, inner, stage).await?;
                        match end {
                            End::Commit => tx.commit().await,
                            End::Rollback => tx.rollback().await,
                            End::Panic => panic!("as the case wants"),
                        }
                    }
                    Step::Open(_) | Step::Await(_) | Step::CutOff => {
                        stage.step(step);
                        Ok(())
                    }
                }
            }

            async fn insert(connection: &mut Connection, post: &Post) -> Result<(), sqlx::Error> {
                let sql = "INSERT INTO posts (id, slug, title, author_id) VALUES (?, ?, ?, ?)";
                sqlx::query($sql(sql))
                    .bind(post.id)
                    .bind(&post.slug)
                    .bind(&post.title)
                    .bind(post.author_id)
                    .execute(connection)
                    .await?;
                Ok(())
            }

            async fn find(
                connection: &mut Connection,
                column: &str,
                value: i64,
            ) -> Result<Vec<Post>, sqlx::Error> {
                let sql = format!("SELECT * FROM posts WHERE {column} = ? ORDER BY id");
                sqlx::query_as($sql(&sql))
                    .bind(value)
                    .fetch_all(connection)
                    .await
            }
        }
    };
}

const ON_CONFLICT: &str =
    "ON CONFLICT (id) DO UPDATE SET slug = excluded.slug, title = excluded.title";

steps!(
    postgres,
    Postgres,
    numbered,
    sqlx::Connection::begin,
    " FOR NO KEY UPDATE",
    ON_CONFLICT
);
steps!(
    mysql,
    MySql,
    as_written,
    sqlx::Connection::begin,
    " FOR UPDATE",
    "ON DUPLICATE KEY UPDATE slug = VALUES(slug), title = VALUES(title)"
);
steps!(sqlite, Sqlite, as_written, begin_writing, "", ON_CONFLICT);

/// SQLite: a transaction that begins by reading could not write beside the relay.
async fn begin_writing(
    connection: &mut sqlx::SqliteConnection,
) -> Result<sqlx::Transaction<'_, sqlx::Sqlite>, sqlx::Error> {
    if connection.is_in_transaction() {
        connection.begin().await
    } else {
        connection.begin_with("BEGIN IMMEDIATE").await
    }
}

fn as_written(sql: &str) -> AssertSqlSafe<String> {
    AssertSqlSafe(sql.to_owned())
}

/// With `$1`, `$2`, ... in place of each `?`.
fn numbered(sql: &str) -> AssertSqlSafe<String> {
    let mut pieces = sql.split('?');
    let first = pieces.next().unwrap_or_default().to_owned();
    let whole = pieces.zip(1..).fold(first, |sql, (piece, number)| {
        format!("{sql}${number}{piece}")
    });
    AssertSqlSafe(whole)
}
