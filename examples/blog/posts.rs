//! The posts, in SQLite, and the purges that wait in the same file.

use roan::orm::sqlx::Purging;
use roan::purge_on;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool};
use sqlx::{Error, Row, SqliteExecutor};

/// On the model: the pages that show it.
#[purge_on(save, delete, url = "/posts")]
#[purge_on(save, delete, url = "/posts/{slug}")]
#[derive(Clone, serde::Deserialize)]
pub(crate) struct Post {
    pub(crate) slug: String,
    pub(crate) title: String,
}

/// The database. Clones share it.
#[derive(Clone)]
pub(crate) struct Posts {
    pool: SqlitePool,
}

impl Posts {
    pub(crate) async fn open(file: &str) -> Result<Self, Error> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal);
        let pool = SqlitePool::connect_with(options).await?;
        sqlx::query(
            "CREATE TABLE IF NOT EXISTS posts (slug TEXT PRIMARY KEY, title TEXT NOT NULL)",
        )
        .execute(&pool)
        .await?;
        // Not through the outbox: no cache has seen a page yet, and no purge but those of the
        // writes that are shown shall make one fresh.
        sqlx::query(
            "INSERT INTO posts SELECT 'hello', 'Hello, cache' WHERE NOT EXISTS (SELECT 1 FROM posts)",
        )
        .execute(&pool)
        .await?;
        Ok(Self { pool })
    }

    pub(crate) async fn all(&self) -> Result<Vec<Post>, Error> {
        let rows = sqlx::query("SELECT slug, title FROM posts ORDER BY slug");
        let rows = rows.fetch_all(&self.pool).await?;
        let posts = rows.iter().map(|row| {
            Ok(Post {
                slug: row.try_get("slug")?,
                title: row.try_get("title")?,
            })
        });
        posts.collect()
    }

    pub(crate) async fn find(&self, slug: &str) -> Result<Option<Post>, Error> {
        find(&self.pool, slug).await
    }

    /// The write and its purges are one transaction: both happen, or neither.
    pub(crate) async fn create(&self, post: &Post) -> Result<(), Error> {
        let mut tx = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("INSERT INTO posts (slug, title) VALUES (?, ?)")
            .bind(&post.slug)
            .bind(&post.title)
            .execute(&mut *tx)
            .await?;
        tx.created(post).await?;
        tx.commit().await
    }

    /// Whether there was such a post. The old row is read in the transaction, too: nobody can change
    /// it before the purges of what it shows are written.
    pub(crate) async fn rename(&self, slug: &str, title: &str) -> Result<bool, Error> {
        let mut tx = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let Some(old) = find(&mut *tx, slug).await? else {
            return Ok(false);
        };
        sqlx::query("UPDATE posts SET title = ? WHERE slug = ?")
            .bind(title)
            .bind(slug)
            .execute(&mut *tx)
            .await?;
        let title = title.to_owned();
        let new = Post {
            title,
            ..old.clone()
        };
        tx.updated(&old, &new).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Whether there was such a post.
    pub(crate) async fn delete(&self, slug: &str) -> Result<bool, Error> {
        let mut tx = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let Some(post) = find(&mut *tx, slug).await? else {
            return Ok(false);
        };
        sqlx::query("DELETE FROM posts WHERE slug = ?")
            .bind(slug)
            .execute(&mut *tx)
            .await?;
        tx.deleted(&post).await?;
        tx.commit().await?;
        Ok(true)
    }
}

async fn find(database: impl SqliteExecutor<'_>, slug: &str) -> Result<Option<Post>, Error> {
    let row = sqlx::query("SELECT title FROM posts WHERE slug = ?").bind(slug);
    let row = row.fetch_optional(database).await?;
    row.map(|row| {
        Ok(Post {
            slug: slug.to_owned(),
            title: row.try_get("title")?,
        })
    })
    .transpose()
}
