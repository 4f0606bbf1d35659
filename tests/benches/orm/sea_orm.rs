//! SeaORM: the same code with an entity that has rules and with one that has none.

use roan_tests::Database;
use sea_orm::prelude::*;
use sea_orm::{ConnectOptions, Set, TransactionTrait, Unchanged};
use tokio::runtime::Runtime;

use crate::{Library, Write};

/// An entity of this table.
macro_rules! entity {
    ($module:ident, $table:literal, [$(#[$rule:meta])*], [$(#[$hooks:meta])*]) => {
        mod $module {
            use sea_orm::entity::prelude::*;

            $(#[$rule])*
            #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
            #[sea_orm(table_name = $table)]
            pub(super) struct Model {
                #[sea_orm(primary_key, auto_increment = false)]
                pub(super) id: i64,
                pub(super) slug: String,
                pub(super) title: String,
                pub(super) views: i64,
            }

            #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
            pub(super) enum Relation {}

            $(#[$hooks])*
            impl ActiveModelBehavior for ActiveModel {}
        }
    };
}

entity!(plain, "plain", [], []);
entity!(
    posts,
    "posts",
    [
        #[roan::purge_on(save, delete, url = "/posts")]
        #[roan::purge_on(save, delete, url = "/posts/{slug}")]
    ],
    [#[roan::hooks]]
);

pub(crate) struct Writer {
    runtime: Runtime,
    db: DatabaseConnection,
}

impl Writer {
    pub(crate) fn new(database: &Database) -> Self {
        let runtime = Runtime::new().unwrap();
        let mut options = ConnectOptions::new(database.url());
        options.max_connections(1).sqlx_logging(false);
        let db = runtime.block_on(sea_orm::Database::connect(options));
        Self {
            runtime,
            db: db.unwrap(),
        }
    }
}

macro_rules! write {
    ($module:ident, $db:expr, $write:expr, $id:expr) => {{
        let tx = $db.begin().await?;
        // As a handler has it that has loaded the row.
        let mut post = $module::ActiveModel {
            id: Unchanged($id),
            slug: Unchanged(format!("moved-{}", $id)),
            title: Unchanged("A title".to_owned()),
            views: Unchanged(0),
        };
        match $write {
            Write::Insert => {
                post.id = Set($id);
                post.slug = Set(format!("post-{}", $id));
                post.title = Set("A title".to_owned());
                post.views = Set(0);
                post.insert(&tx).await?;
            }
            Write::UpdateSlug => {
                post.slug = Set(format!("moved-{}", $id));
                post.update(&tx).await?;
            }
            Write::UpdateViews => {
                post.views = Set(1);
                post.update(&tx).await?;
            }
            Write::Delete => {
                post.delete(&tx).await?;
            }
        }
        tx.commit().await
    }};
}

impl Library for Writer {
    fn write(&mut self, write: Write, with: bool, id: i64) {
        let work = async {
            if with {
                write!(posts, self.db, write, id)
            } else {
                write!(plain, self.db, write, id)
            }
        };
        let done: Result<(), DbErr> = self.runtime.block_on(work);
        done.unwrap();
    }
}
