//! sqlx.

use roan::orm::sqlx::PurgeExt as _;
use roan_tests::Database;
use sqlx::{Connection as _, PgConnection};
use tokio::runtime::Runtime;

use crate::{Library, Write};

#[roan::purge_on(save, delete, url = "/posts")]
#[roan::purge_on(save, delete, url = "/posts/{slug}")]
#[derive(sqlx::FromRow)]
struct Post {
    slug: String,
}

pub(crate) struct Writer {
    runtime: Runtime,
    connection: PgConnection,
}

impl Writer {
    pub(crate) fn new(database: &Database) -> Self {
        let runtime = Runtime::new().unwrap();
        let connection = runtime.block_on(PgConnection::connect(database.url()));
        Self {
            runtime,
            connection: connection.unwrap(),
        }
    }
}

impl Library for Writer {
    fn write(&mut self, write: Write, with: bool, id: i64) {
        let work = async {
            if with {
                purging(&mut self.connection, write, id).await
            } else {
                plain(&mut self.connection, write, id).await
            }
        };
        self.runtime.block_on(work).unwrap();
    }
}

async fn plain(connection: &mut PgConnection, write: Write, id: i64) -> sqlx::Result<()> {
    let mut tx = connection.begin().await?;
    let query = match write {
        Write::Insert => sqlx::query("INSERT INTO plain VALUES ($1, $2, 'A title', 0)")
            .bind(id)
            .bind(format!("post-{id}")),
        Write::UpdateSlug => sqlx::query("UPDATE plain SET slug = $2 WHERE id = $1")
            .bind(id)
            .bind(format!("moved-{id}")),
        Write::UpdateViews => sqlx::query("UPDATE plain SET views = 1 WHERE id = $1").bind(id),
        Write::Delete => sqlx::query("DELETE FROM plain WHERE id = $1").bind(id),
    };
    query.execute(&mut *tx).await?;
    tx.commit().await
}

/// As the guide writes it: an update that may move the row reads it before.
async fn purging(connection: &mut PgConnection, write: Write, id: i64) -> sqlx::Result<()> {
    let mut tx = connection.begin().await?;
    match write {
        Write::Insert => {
            let sql = "INSERT INTO posts VALUES ($1, $2, 'A title', 0) RETURNING slug";
            let query = sqlx::query_as(sql).bind(id).bind(format!("post-{id}"));
            let post: Post = query.fetch_one(&mut *tx).await?;
            post.created(&mut tx).await?;
        }
        Write::UpdateSlug => {
            let sql = "SELECT slug FROM posts WHERE id = $1 FOR UPDATE";
            let old: Post = sqlx::query_as(sql).bind(id).fetch_one(&mut *tx).await?;
            let sql = "UPDATE posts SET slug = $2 WHERE id = $1 RETURNING slug";
            let query = sqlx::query_as(sql).bind(id).bind(format!("moved-{id}"));
            let new: Post = query.fetch_one(&mut *tx).await?;
            new.updated(&old, &mut tx).await?;
        }
        Write::UpdateViews => {
            let sql = "UPDATE posts SET views = 1 WHERE id = $1 RETURNING slug";
            let post: Post = sqlx::query_as(sql).bind(id).fetch_one(&mut *tx).await?;
            post.saved(&mut tx).await?;
        }
        Write::Delete => {
            let sql = "DELETE FROM posts WHERE id = $1 RETURNING slug";
            let post: Post = sqlx::query_as(sql).bind(id).fetch_one(&mut *tx).await?;
            post.deleted(&mut tx).await?;
        }
    }
    tx.commit().await
}
