//! The posts, in SQLite, and the purges that wait in the same file.

use roan::orm::sqlx::Purging;
use roan::purge_on;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePool};
use sqlx::{Error, Row};

/// On the model: the pages that show it.
#[purge_on(save, delete, url = "/posts")]
#[purge_on(save, delete, url = "/posts/{slug}")]
#[derive(Clone)]
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
        let row = sqlx::query("SELECT title FROM posts WHERE slug = ?").bind(slug);
        let row = row.fetch_optional(&self.pool).await?;
        row.map(|row| {
            Ok(Post {
                slug: slug.to_owned(),
                title: row.try_get("title")?,
            })
        })
        .transpose()
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

    pub(crate) async fn update(&self, old: &Post, new: &Post) -> Result<(), Error> {
        let mut tx = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        sqlx::query("UPDATE posts SET slug = ?, title = ? WHERE slug = ?")
            .bind(&new.slug)
            .bind(&new.title)
            .bind(&old.slug)
            .execute(&mut *tx)
            .await?;
        tx.updated(old, new).await?;
        tx.commit().await
    }
}
