//! With Diesel: a statement keeps its form, and the method that runs it ends in `_and_purge`.

use diesel::connection::SimpleConnection as _;
use diesel::prelude::*;
use diesel::r2d2::{ConnectionManager, CustomizeConnection, Error as PoolError, Pool};
use diesel::result::{DatabaseErrorKind, Error};
use roan::orm::diesel::{PurgeExt as _, delete, update};
use roan::purge_on;

use super::{List, NewPost, Outcome, Posts, Row, SCHEMA, Shown};

diesel::table! {
    posts (slug) {
        slug -> Text,
        title -> Text,
        author -> Text,
        topic -> Text,
    }
}

/// Its own page by its URL, which follows from the row. The lists by tags, since no template can write the URLs
/// of all lists: a write purges each that shows the post, and if it may come or go, every list.
#[purge_on(save, delete, url = "/posts/{slug}")]
#[purge_on(save, delete, tag = "post-{slug}")]
#[purge_on(create, update(author, topic), delete, tag = "posts")]
#[derive(Queryable, Selectable, Insertable, Identifiable)]
#[diesel(primary_key(slug))]
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
pub(crate) struct DieselPosts {
    pool: Pool<ConnectionManager<SqliteConnection>>,
}

/// The relay of the outbox writes, too: a writer waits for it.
#[derive(Debug)]
struct Patient;

impl CustomizeConnection<SqliteConnection, PoolError> for Patient {
    fn on_acquire(&self, conn: &mut SqliteConnection) -> Result<(), PoolError> {
        let set = conn.batch_execute("PRAGMA busy_timeout = 5000");
        set.map_err(PoolError::QueryError)
    }
}

impl DieselPosts {
    pub(crate) async fn open(file: &str) -> Outcome<Self> {
        let connections = ConnectionManager::new(file);
        let pool = Pool::builder().connection_customizer(Box::new(Patient));
        let pool = tokio::task::spawn_blocking(move || pool.build(connections)).await??;
        let posts = Self { pool };
        posts.run(|conn| conn.batch_execute(SCHEMA)).await?;
        Ok(posts)
    }

    /// Diesel waits for the database: not on a thread of the web server.
    async fn run<T, F>(&self, work: F) -> Outcome<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    {
        let pool = self.pool.clone();
        let work = move || Ok(work(&mut *pool.get()?)?);
        tokio::task::spawn_blocking(work).await?
    }
}

impl Posts for DieselPosts {
    type Post = Post;

    async fn list(&self, list: List) -> Outcome<Vec<Post>> {
        let posts = posts::table.order(posts::slug).into_boxed();
        let posts = match list {
            List::All => posts,
            List::By(author) => posts.filter(posts::author.eq(author)),
            List::About(topic) => posts.filter(posts::topic.eq(topic)),
        };
        self.run(|conn| posts.load(conn)).await
    }

    async fn find(&self, slug: String) -> Outcome<Option<Post>> {
        let post = posts::table.find(slug);
        self.run(|conn| post.first(conn).optional()).await
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
        let insert = diesel::insert_into(posts::table).values(post);
        self.run(|conn| match insert.execute_and_purge::<Post>(conn) {
            Err(Error::DatabaseError(DatabaseErrorKind::UniqueViolation, _)) => Ok(false),
            inserted => inserted.map(|count| count == 1),
        })
        .await
    }

    /// Roan's `update` reads the old row first, in the same transaction.
    async fn rename(&self, slug: String, title: String) -> Outcome<bool> {
        let update = update(posts::table.find(slug)).set(posts::title.eq(title));
        self.run(|conn| update.execute_and_purge::<Post>(conn))
            .await
            .map(|count| count == 1)
    }

    async fn delete(&self, slug: String) -> Outcome<bool> {
        let delete = delete(posts::table.find(slug));
        self.run(|conn| delete.execute_and_purge::<Post>(conn))
            .await
            .map(|count| count == 1)
    }
}
