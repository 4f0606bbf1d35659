//! SeaORM: rows that show the one that is written.

use roan::orm::sea_orm::{PurgeExt as _, with_dispatcher};
use roan::outbox::Dialect;
use sea_orm::prelude::*;
use sea_orm::{IntoActiveModel as _, Set};

use super::site::Site;

mod author {
    use sea_orm::entity::prelude::*;

    #[roan::purge_on(save, delete, url = "/authors/{name}")]
    #[roan::purge_on(delete, url = "/departed")]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "authors")]
    pub(super) struct Model {
        #[sea_orm(primary_key)]
        pub(super) id: i32,
        pub(super) name: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(super) enum Relation {}

    #[roan::hooks]
    impl ActiveModelBehavior for ActiveModel {}
}

mod book {
    use sea_orm::entity::prelude::*;

    #[roan::purge_on(save, delete, url = "/books", related(author_id -> super::author::Model))]
    #[roan::purge_on(
        create,
        update(editor_id),
        related(editor_id? -> super::author::Model),
        when = self.title != "draft"
    )]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "books")]
    pub(super) struct Model {
        #[sea_orm(primary_key)]
        pub(super) id: i32,
        pub(super) title: String,
        pub(super) author_id: i32,
        pub(super) editor_id: Option<i32>,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(super) enum Relation {}

    #[roan::hooks]
    impl ActiveModelBehavior for ActiveModel {}
}

/// Who likes which book: many to many.
mod liking {
    use sea_orm::entity::prelude::*;

    #[roan::purge_on(
        create,
        delete,
        related(book_id -> super::book::Model, author_id -> super::author::Model)
    )]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "likings")]
    pub(super) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(super) book_id: i32,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(super) author_id: i32,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(super) enum Relation {}

    #[roan::hooks]
    impl ActiveModelBehavior for ActiveModel {}
}

const TABLES: [&str; 3] = [
    "CREATE TABLE authors ({id}, name varchar(100) NOT NULL)",
    "CREATE TABLE books ({id}, title varchar(100) NOT NULL, author_id int NOT NULL, editor_id int)",
    "CREATE TABLE likings (book_id int, author_id int, PRIMARY KEY (book_id, author_id))",
];

async fn author(site: &Site, name: &str) -> Result<i32, DbErr> {
    let author = author::ActiveModel {
        name: Set(name.to_owned()),
        ..Default::default()
    };
    Ok(author.insert(&site.db).await?.id)
}

#[test]
fn the_rows_that_show_a_row_are_purged_with_it() {
    for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::MySql] {
        crate::suite::block_on(async {
            let site = Site::new(dialect, &TABLES, true).await;
            let done = with_dispatcher(&site.roan, follow(&site)).await;
            done.unwrap_or_else(|error| panic!("{dialect}: {error}"));
        });
    }
}

async fn follow(site: &Site) -> Result<(), DbErr> {
    let db = &site.db;
    let (ann, bob) = (author(site, "ann").await?, author(site, "bob").await?);
    site.purged().await;

    let book = book::ActiveModel {
        title: Set("one".to_owned()),
        author_id: Set(ann),
        editor_id: Set(Some(bob)),
        ..Default::default()
    };
    let book = book.insert(db).await?;
    assert_eq!(
        site.purged().await,
        ["/authors/ann", "/authors/bob", "/books"]
    );

    // The editor is watched, and stays.
    let mut moved = book.clone().into_active_model();
    moved.title = Set("two".to_owned());
    let book = moved.update(db).await?;
    assert_eq!(site.purged().await, ["/authors/ann", "/books"]);

    // The old and the new parent.
    let mut moved = book.clone().into_active_model();
    moved.author_id = Set(bob);
    let book = moved.update(db).await?;
    assert_eq!(
        site.purged().await,
        ["/authors/ann", "/authors/bob", "/books"]
    );

    let mut moved = book.clone().into_active_model();
    moved.editor_id = Set(Some(ann));
    let book = moved.update(db).await?;
    assert_eq!(
        site.purged().await,
        ["/authors/ann", "/authors/bob", "/books"]
    );

    // `when`: a draft has no editor's page.
    let draft = book::ActiveModel {
        title: Set("draft".to_owned()),
        author_id: Set(bob),
        editor_id: Set(Some(ann)),
        ..Default::default()
    };
    let draft = draft.insert(db).await?;
    assert_eq!(site.purged().await, ["/authors/bob", "/books"]);

    let liking = liking::Model {
        book_id: draft.id,
        author_id: ann,
    };
    let liking = liking.into_active_model().reset_all().insert(db).await?;
    assert_eq!(site.purged().await, ["/authors/ann", "/books"]);
    liking.delete(db).await?;
    assert_eq!(site.purged().await, ["/authors/ann", "/books"]);

    book.delete(db).await?;
    assert_eq!(site.purged().await, ["/authors/bob", "/books"]);

    let all = book::Entity::update_many()
        .col_expr(book::Column::AuthorId, Expr::value(ann))
        .exec_and_purge(db)
        .await?;
    assert_eq!(all.len(), 1);
    assert_eq!(
        site.purged().await,
        ["/authors/ann", "/authors/bob", "/books"]
    );
    Ok(())
}
