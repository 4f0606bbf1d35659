//! With SeaORM: two attributes, and every `insert`, `update` and `delete` of a model purges.

use sea_orm::prelude::*;
use sea_orm::{
    ConnectOptions, Database, DatabaseTransaction, IntoActiveModel as _, QueryOrder as _, Set,
    SqlErr, SqliteTransactionMode, TransactionOptions, TransactionTrait as _,
};

use super::{Outcome, Posts, SCHEMA};

mod post {
    use roan::purge_on;
    use sea_orm::entity::prelude::*;

    /// On the model: the pages that show it.
    #[purge_on(save, delete, url = "/posts")]
    #[purge_on(save, delete, url = "/posts/{slug}")]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "posts")]
    pub(super) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(super) slug: String,
        pub(super) title: String,
    }

    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub(super) enum Relation {}

    #[roan::hooks]
    impl ActiveModelBehavior for ActiveModel {}
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
    async fn all(&self) -> Outcome<Vec<(String, String)>> {
        let posts = post::Entity::find().order_by_asc(post::Column::Slug);
        let posts = posts.all(&self.db).await?;
        Ok(posts
            .into_iter()
            .map(|post| (post.slug, post.title))
            .collect())
    }

    async fn title(&self, slug: &str) -> Outcome<Option<String>> {
        let post = post::Entity::find_by_id(slug).one(&self.db).await?;
        Ok(post.map(|post| post.title))
    }

    async fn create(&self, slug: String, title: String) -> Outcome<bool> {
        let tx = self.begin().await?;
        let post = post::Model { slug, title }.into_active_model();
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
