//! With sqlx: `post.created`, `new.updated` and `post.deleted`, after each write in its transaction.

use roan::orm::sqlx::PurgeExt as _;
use roan::purge_on;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use sqlx::{Error, FromRow, SqliteExecutor, query_as};

use super::{List, NewPost, Outcome, Posts, Row, SCHEMA, Shown};

/// Its own page by its URL, which follows from the row. The lists by tags, since no template can write the URLs
/// of all lists: a write purges each that shows the post, and if it may come or go, every list.
#[purge_on(save, delete, url = "/posts/{slug}")]
#[purge_on(save, delete, tag = "post-{slug}")]
#[purge_on(create, update(author, topic), delete, tag = "posts")]
#[derive(Clone, FromRow)]
pub(crate) struct Post {
    slug: String,
    title: String,
    author: String,
    topic: String,
}

impl Row for Post {
    fn shown(&self) -> Shown<'_> {
        Shown {
            slug: &self.slug,
            title: &self.title,
            author: &self.author,
            topic: &self.topic,
        }
    }
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
    type Post = Post;

    async fn list(&self, list: List) -> Outcome<Vec<Post>> {
        let posts = match list {
            List::All => query_as("SELECT * FROM posts ORDER BY slug"),
            List::By(author) => {
                query_as("SELECT * FROM posts WHERE author = ? ORDER BY slug").bind(author)
            }
            List::About(topic) => {
                query_as("SELECT * FROM posts WHERE topic = ? ORDER BY slug").bind(topic)
            }
        };
        Ok(posts.fetch_all(&self.pool).await?)
    }

    async fn find(&self, slug: String) -> Outcome<Option<Post>> {
        Ok(find(&self.pool, &slug).await?)
    }

    /// The write and its purges are one transaction: both happen, or neither.
    async fn create(&self, post: NewPost) -> Outcome<bool> {
        let NewPost {
            slug,
            title,
            author,
            topic,
        } = post;
        let post = Post {
            slug,
            title,
            author,
            topic,
        };
        let mut tx = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let inserted =
            sqlx::query("INSERT INTO posts (slug, title, author, topic) VALUES (?, ?, ?, ?)")
                .bind(&post.slug)
                .bind(&post.title)
                .bind(&post.author)
                .bind(&post.topic)
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
        let new = Post {
            title,
            ..old.clone()
        };
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
    let post = query_as("SELECT * FROM posts WHERE slug = ?");
    post.bind(slug).fetch_optional(database).await
}
