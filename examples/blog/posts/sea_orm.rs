//! With SeaORM: a few attributes, and every `insert`, `update` and `delete` of a model purges.

use sea_orm::prelude::*;
use sea_orm::{
    ConnectOptions, Database, DatabaseTransaction, IntoActiveModel as _, QueryOrder as _, Set,
    SqlErr, SqliteTransactionMode, TransactionOptions, TransactionTrait as _,
};

use super::{List, NewPost, Outcome, Posts, Row, SCHEMA, Shown};

mod post {
    use roan::purge_on;
    use sea_orm::entity::prelude::*;

    /// Its own page by its URL, which follows from the row. The lists by tags, since no template can write the URLs
    /// of all lists: a write purges each that shows the post, and if it may come or go, every list.
    #[purge_on(save, delete, url = "/posts/{slug}")]
    #[purge_on(save, delete, tag = "post-{slug}")]
    #[purge_on(create, update(author, topic), delete, tag = "posts")]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "posts")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(super) slug: String,
        pub(super) title: String,
        pub(super) author: String,
        pub(super) topic: String,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    #[roan::hooks]
    impl ActiveModelBehavior for ActiveModel {}
}

impl Row for post::Model {
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
pub(crate) struct SeaOrmPosts {
    db: DatabaseConnection,
}

impl SeaOrmPosts {
    pub(crate) async fn open(file: &str) -> Outcome<Self> {
        let mut options = ConnectOptions::new(format!("sqlite://{file}?mode=rwc"));
        options.sqlx_logging(false);
        let db = Database::connect(options).await?;
        db.execute_unprepared(SCHEMA).await?;
        Ok(Self { db })
    }

    /// The write and its purges are one transaction: both happen, or neither. The row is read first,
    /// so it begins as a writer: SQLite lets nobody write in between.
    async fn begin(&self) -> Result<DatabaseTransaction, DbErr> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        self.db.begin_with_options(options).await
    }
}

impl Posts for SeaOrmPosts {
    type Post = post::Model;

    async fn list(&self, list: List) -> Outcome<Vec<post::Model>> {
        let posts = post::Entity::find().order_by_asc(post::Column::Slug);
        let posts = match list {
            List::All => posts,
            List::By(author) => posts.filter(post::Column::Author.eq(author)),
            List::About(topic) => posts.filter(post::Column::Topic.eq(topic)),
        };
        Ok(posts.all(&self.db).await?)
    }

    async fn find(&self, slug: String) -> Outcome<Option<post::Model>> {
        Ok(post::Entity::find_by_id(slug).one(&self.db).await?)
    }

    async fn create(&self, post: NewPost) -> Outcome<bool> {
        let NewPost {
            slug,
            title,
            author,
            topic,
        } = post;
        let post = post::Model {
            slug,
            title,
            author,
            topic,
        };
        let post = post.into_active_model();
        let tx = self.begin().await?;
        match post.insert(&tx).await {
            Err(error) if is_taken(&error) => return Ok(false),
            inserted => inserted?,
        };
        tx.commit().await?;
        Ok(true)
    }

    async fn rename(&self, slug: String, title: String) -> Outcome<bool> {
        let tx = self.begin().await?;
        let Some(post) = post::Entity::find_by_id(slug).one(&tx).await? else {
            return Ok(false);
        };
        let mut post = post.into_active_model();
        post.title = Set(title);
        post.update(&tx).await?;
        tx.commit().await?;
        Ok(true)
    }

    async fn delete(&self, slug: String) -> Outcome<bool> {
        let tx = self.begin().await?;
        let Some(post) = post::Entity::find_by_id(slug).one(&tx).await? else {
            return Ok(false);
        };
        post.delete(&tx).await?;
        tx.commit().await?;
        Ok(true)
    }
}

fn is_taken(error: &DbErr) -> bool {
    matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_)))
}
