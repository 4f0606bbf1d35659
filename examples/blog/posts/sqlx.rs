//! With sqlx: `post.created`, `new.updated` and `post.deleted`, after each write in its transaction.

use roan::orm::sqlx::PurgeExt as _;
use roan::purge_on;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use sqlx::{Error, FromRow, SqliteExecutor};

use super::{Outcome, Posts, SCHEMA};

/// On the model: the pages that show it.
#[purge_on(save, delete, url = "/posts")]
#[purge_on(save, delete, url = "/posts/{slug}")]
#[derive(Clone, FromRow)]
struct Post {
    slug: String,
    title: String,
}

#[derive(Clone)]
pub(crate) struct SqlxPosts {
    pool: SqlitePool,
}

impl SqlxPosts {
    pub(crate) async fn open(file: &str) -> Outcome<Self> {
        let options = SqliteConnectOptions::new();
        let options = options.filename(file).create_if_missing(true);
        let pool = SqlitePool::connect_with(options).await?;
        sqlx::raw_sql(SCHEMA).execute(&pool).await?;
        Ok(Self { pool })
    }
}

impl Posts for SqlxPosts {
    async fn all(&self) -> Outcome<Vec<(String, String)>> {
        let posts = sqlx::query_as("SELECT slug, title FROM posts ORDER BY slug");
        Ok(posts.fetch_all(&self.pool).await?)
    }

    async fn title(&self, slug: &str) -> Outcome<Option<String>> {
        let post = find(&self.pool, slug).await?;
        Ok(post.map(|post| post.title))
    }

    /// The write and its purges are one transaction: both happen, or neither.
    async fn create(&self, slug: String, title: String) -> Outcome<bool> {
        let post = Post { slug, title };
        let mut tx = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let inserted = sqlx::query("INSERT INTO posts (slug, title) VALUES (?, ?)")
            .bind(&post.slug)
            .bind(&post.title)
            .execute(&mut *tx)
            .await;
        match inserted {
            Err(Error::Database(error)) if error.is_unique_violation() => return Ok(false),
            inserted => inserted?,
        };
        post.created(&mut tx).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// The old row is read in the transaction, too: nobody can change it before the purges of what it
    /// shows are written.
    async fn rename(&self, slug: String, title: String) -> Outcome<bool> {
        let mut tx = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let Some(old) = find(&mut *tx, &slug).await? else {
            return Ok(false);
        };
        let new = Post { slug, title };
        sqlx::query("UPDATE posts SET title = ? WHERE slug = ?")
            .bind(&new.title)
            .bind(&new.slug)
            .execute(&mut *tx)
            .await?;
        new.updated(&old, &mut tx).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn delete(&self, slug: String) -> Outcome<bool> {
        let mut tx = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let Some(post) = find(&mut *tx, &slug).await? else {
            return Ok(false);
        };
        sqlx::query("DELETE FROM posts WHERE slug = ?")
            .bind(&slug)
            .execute(&mut *tx)
            .await?;
        post.deleted(&mut tx).await?;
        tx.commit().await?;
        Ok(true)
    }
}

async fn find(database: impl SqliteExecutor<'_>, slug: &str) -> Result<Option<Post>, Error> {
    let post = sqlx::query_as("SELECT slug, title FROM posts WHERE slug = ?");
    post.bind(slug).fetch_optional(database).await
}
