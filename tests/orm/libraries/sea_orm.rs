//! SeaORM.

use roan::Roan;
use roan::orm::sea_orm::{PurgeExt as _, with_dispatcher};
use roan_tests::Database;
use sea_orm::prelude::*;
use sea_orm::sea_query::OnConflict;
use sea_orm::{
    ConnectOptions, DatabaseConnection, ExprTrait as _, IntoActiveModel as _, Set,
    TransactionSession, TransactionTrait,
};
use tokio::runtime::Runtime;

use crate::case::{self, End, Step};
use crate::suite::{Stage, Writer};

mod post {
    use sea_orm::entity::prelude::*;

    #[roan::purge_on(save, delete, url = "/posts")]
    #[roan::purge_on(save, delete, url = "/posts/{slug}")]
    #[roan::purge_on(update(title), url = "/titles/{id}")]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "posts")]
    pub(super) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(super) id: i64,
        pub(super) slug: String,
        pub(super) title: String,
        pub(super) author_id: i64,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(super) enum Relation {}

    #[roan::hooks]
    impl ActiveModelBehavior for ActiveModel {}
}

impl From<case::Post> for post::ActiveModel {
    fn from(post: case::Post) -> Self {
        Self {
            id: Set(post.id),
            slug: Set(post.slug.to_owned()),
            title: Set(post.title.to_owned()),
            author_id: Set(post.author_id),
        }
    }
}

struct SeaOrmWriter {
    runtime: Runtime,
    db: DatabaseConnection,
    roan: Roan,
}

impl Writer for SeaOrmWriter {
    fn connect(database: &Database, roan: &Roan) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let mut options = ConnectOptions::new(database.url());
        options.max_connections(1).sqlx_logging(false);
        let db = runtime.block_on(sea_orm::Database::connect(options));
        Self {
            runtime,
            db: db.expect("a database"),
            roan: roan.clone(),
        }
    }

    fn run(&mut self, steps: &[Step], stage: &Stage<'_>) -> Result<(), String> {
        let work = with_dispatcher(&self.roan, run(&self.db, steps, stage));
        let done = self.runtime.block_on(work);
        done.map_err(|error| error.to_string())
    }
}

crate::libraries::on_each_database!(SeaOrmWriter);

async fn run<C>(db: &C, steps: &[Step], stage: &Stage<'_>) -> Result<(), DbErr>
where
    C: ConnectionTrait + TransactionTrait + Send,
{
    for step in steps {
        Box::pin(one(db, step, stage)).await?;
    }
    Ok(())
}

async fn one<C>(db: &C, step: &Step, stage: &Stage<'_>) -> Result<(), DbErr>
where
    C: ConnectionTrait + TransactionTrait + Send,
{
    match step {
        Step::Create(post) => {
            post::ActiveModel::from(*post).insert(db).await?;
        }
        Step::Update { id, slug, title } => {
            let mut post = find(db, *id).await?.into_active_model();
            if let Some(slug) = slug {
                post.slug = Set((*slug).to_owned());
            }
            if let Some(title) = title {
                post.title = Set((*title).to_owned());
            }
            post.update(db).await?;
        }
        Step::UpdateStale {
            id,
            meanwhile,
            author_id,
        } => {
            let mut post = find(db, *id).await?.into_active_model();
            db.execute_unprepared(meanwhile).await?;
            post.author_id = Set(*author_id);
            post.update(db).await?;
        }
        Step::Rekey { author_id, title } => {
            let changed = post::Entity::update_many()
                .col_expr(post::Column::Title, Expr::value(*title))
                .col_expr(post::Column::Id, Expr::col(post::Column::Id).add(100))
                .filter(post::Column::AuthorId.eq(*author_id))
                .exec_and_purge(db)
                .await?;
            assert!(changed.iter().all(|post| post.id > 100), "{changed:?}");
        }
        Step::Delete(id) => {
            find(db, *id).await?.delete(db).await?;
        }
        Step::CreateMany(posts) => {
            let posts = posts.iter().copied().map(post::ActiveModel::from);
            post::Entity::insert_many(posts).exec_and_purge(db).await?;
        }
        Step::Upsert(posts) => {
            let on_conflict = OnConflict::column(post::Column::Id)
                .update_columns([post::Column::Slug, post::Column::Title])
                .to_owned();
            if let [post] = posts[..] {
                let insert = post::Entity::insert(post::ActiveModel::from(post));
                insert.on_conflict(on_conflict).exec_and_purge(db).await?;
            } else {
                let posts = posts.iter().copied().map(post::ActiveModel::from);
                let insert = post::Entity::insert_many(posts);
                insert.on_conflict(on_conflict).exec_and_purge(db).await?;
            }
        }
        Step::UpdateMany { author_id, title } => {
            post::Entity::update_many()
                .col_expr(post::Column::Title, Expr::value(*title))
                .filter(post::Column::AuthorId.eq(*author_id))
                .exec_and_purge(db)
                .await?;
        }
        Step::DeleteMany { author_id } => {
            post::Entity::delete_many()
                .filter(post::Column::AuthorId.eq(*author_id))
                .exec_and_purge(db)
                .await?;
        }
        Step::Raw(sql) => {
            db.execute_unprepared(sql).await?;
        }
        Step::Transaction(inner, end) => {
            let tx = db.begin().await?;
            run(&tx, inner, stage).await?;
            match end {
                End::Commit => tx.commit().await?,
                End::Rollback => tx.rollback().await?,
                End::Panic => panic!("as the case wants"),
            }
        }
        Step::Open(_) | Step::Await(_) | Step::CutOff => stage.step(step),
    }
    Ok(())
}

async fn find<C: ConnectionTrait>(db: &C, id: i64) -> Result<post::Model, DbErr> {
    let post = post::Entity::find_by_id(id).one(db).await?;
    post.ok_or_else(|| DbErr::RecordNotFound(format!("post {id}")))
}
