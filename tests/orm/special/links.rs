//! SeaORM: what is written together with a row. Links to other rows, and rows that the database deletes.

use roan::orm::sea_orm::{PurgeExt as _, with_dispatcher};
use roan::outbox::Dialect;
use sea_orm::prelude::*;
use sea_orm::{DbBackend, IntoActiveModel as _, QueryTrait, Set};

use super::site::Site;

pub(super) mod post {
    use sea_orm::entity::prelude::*;

    #[roan::purge_on(save, delete, url = "/posts/{id}")]
    #[roan::purge_on(update(title), delete, related(super::tag::Model))]
    #[roan::purge_on(delete, related(super::comment::Model), when = self.title != "kept")]
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "posts")]
    pub(crate) struct Model {
        #[sea_orm(primary_key)]
        pub(crate) id: i32,
        pub(crate) title: String,
        #[sea_orm(has_many, via = "post_tag")]
        pub(crate) tags: HasMany<super::tag::Entity>,
        #[sea_orm(has_many)]
        pub(crate) comments: HasMany<super::comment::Entity>,
    }

    #[roan::hooks]
    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) mod tag {
    use sea_orm::entity::prelude::*;

    // Below: SeaORM copies it to `ModelEx`, too.
    #[sea_orm::model]
    #[roan::purge_on(save, delete, url = "/tags/{name}")]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "tags")]
    pub(crate) struct Model {
        #[sea_orm(primary_key)]
        pub(crate) id: i32,
        #[sea_orm(unique)]
        pub(crate) name: String,
        #[sea_orm(has_many, via = "post_tag")]
        pub(crate) posts: HasMany<super::post::Entity>,
        #[sea_orm(self_ref, via = "synonym", from = "Tag", to = "Other")]
        pub(crate) synonyms: HasMany<Entity>,
    }

    #[roan::hooks]
    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) mod post_tag {
    use sea_orm::entity::prelude::*;

    #[roan::purge_on(create, delete, url = "/links/{post_id}/{tag_id}")]
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "post_tags")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) post_id: i32,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) tag_id: i32,
        #[sea_orm(belongs_to, from = "post_id", to = "id")]
        pub(crate) post: HasOne<super::post::Entity>,
        #[sea_orm(belongs_to, from = "tag_id", to = "id")]
        pub(crate) tag: HasOne<super::tag::Entity>,
    }

    #[roan::hooks]
    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) mod synonym {
    use sea_orm::entity::prelude::*;

    #[roan::purge_on(create, delete, url = "/synonyms/{tag_id}/{other_id}")]
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "synonyms")]
    pub(crate) struct Model {
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) tag_id: i32,
        #[sea_orm(primary_key, auto_increment = false)]
        pub(crate) other_id: i32,
        #[sea_orm(belongs_to, from = "tag_id", to = "id")]
        pub(crate) tag: HasOne<super::tag::Entity>,
        #[sea_orm(belongs_to, relation_enum = "Other", from = "other_id", to = "id")]
        pub(crate) other: HasOne<super::tag::Entity>,
    }

    #[roan::hooks]
    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) mod comment {
    use sea_orm::entity::prelude::*;

    #[roan::purge_on(delete, url = "/comments/{id}")]
    #[roan::purge_on(delete, related(super::reply::Model))]
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "comments")]
    pub(crate) struct Model {
        #[sea_orm(primary_key)]
        pub(crate) id: i32,
        pub(crate) post_id: i32,
        #[sea_orm(belongs_to, from = "post_id", to = "id", on_delete = "Cascade")]
        pub(crate) post: HasOne<super::post::Entity>,
        #[sea_orm(has_many)]
        pub(crate) replies: HasMany<super::reply::Entity>,
    }

    #[roan::hooks]
    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) mod reply {
    use sea_orm::entity::prelude::*;

    #[roan::purge_on(save, url = "/replies/{id}")]
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "replies")]
    pub(crate) struct Model {
        #[sea_orm(primary_key)]
        pub(crate) id: i32,
        pub(crate) comment_id: Option<i32>,
        #[sea_orm(belongs_to, from = "comment_id", to = "id", on_delete = "SetNull")]
        pub(crate) comment: HasOne<super::comment::Entity>,
    }

    #[roan::hooks]
    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) mod remark {
    use sea_orm::entity::prelude::*;

    #[roan::purge_on(save, delete, related(super::tag::Model))]
    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "remarks")]
    pub(crate) struct Model {
        #[sea_orm(primary_key)]
        pub(crate) id: i32,
        pub(crate) tag_id: Option<i32>,
        #[sea_orm(belongs_to, from = "tag_id", to = "id")]
        pub(crate) tag: HasOne<super::tag::Entity>,
    }

    #[roan::hooks]
    impl ActiveModelBehavior for ActiveModel {}
}

pub(super) const TABLES: [&str; 7] = [
    "CREATE TABLE posts ({id}, title varchar(100) NOT NULL)",
    "CREATE TABLE tags ({id}, name varchar(100) NOT NULL)",
    "CREATE TABLE post_tags (post_id int, tag_id int, PRIMARY KEY (post_id, tag_id))",
    "CREATE TABLE synonyms (tag_id int, other_id int, PRIMARY KEY (tag_id, other_id))",
    "CREATE TABLE remarks ({id}, tag_id int)",
    "CREATE TABLE comments ({id}, post_id int NOT NULL,
        FOREIGN KEY (post_id) REFERENCES posts (id) ON DELETE CASCADE)",
    "CREATE TABLE replies ({id}, comment_id int,
        FOREIGN KEY (comment_id) REFERENCES comments (id) ON DELETE SET NULL)",
];

fn on_each_database(test: &impl AsyncFn(&Site) -> Result<(), DbErr>) {
    for (dialect, is_durable) in [
        (Dialect::Sqlite, true),
        (Dialect::Postgres, true),
        (Dialect::MySql, true),
        (Dialect::Sqlite, false),
    ] {
        crate::suite::block_on(async {
            let site = Site::new(dialect, &TABLES, is_durable).await;
            let done = with_dispatcher(&site.roan, test(&site)).await;
            done.unwrap_or_else(|error| panic!("{dialect}: {error}"));
        });
    }
}

/// A post with the tags `a` and `b`.
async fn tagged(site: &Site) -> Result<post::ModelEx, DbErr> {
    let tag = |name: &str| tag::ActiveModel::builder().set_name(name);
    let post = post::ActiveModel::builder().set_title("old");
    let post = post.add_tag(tag("a")).add_tag(tag("b"));
    post.insert(&site.db).await
}

#[test]
fn links_that_a_builder_makes_replaces_or_deletes_are_purged() {
    on_each_database(&async |site| {
        let post = tagged(site).await?;
        let made = ["/links/1/1", "/links/1/2", "/posts/1", "/tags/a", "/tags/b"];
        assert_eq!(site.purged().await, made);

        let first = post.tags[0].clone();
        let mut kept = post.clone().into_active_model();
        kept.tags.replace_all([first.into_active_model()]);
        kept.save(&site.db).await?;
        assert_eq!(site.purged().await, ["/links/1/2"]);

        post.delete(&site.db).await?;
        assert_eq!(site.purged().await, ["/links/1/1", "/posts/1", "/tags/a"]);
        Ok(())
    });
}

#[test]
fn links_of_a_row_to_rows_of_its_own_table_are_purged() {
    on_each_database(&async |site| {
        let other = tag::ActiveModel::builder().set_name("b");
        let tag = tag::ActiveModel::builder().set_name("a").add_synonym(other);
        let tag = tag.insert(&site.db).await?;
        assert_eq!(site.purged().await, ["/synonyms/1/2", "/tags/a", "/tags/b"]);
        tag.delete(&site.db).await?;
        assert_eq!(site.purged().await, ["/synonyms/1/2", "/tags/a"]);
        Ok(())
    });
}

#[test]
fn a_row_shows_on_the_pages_of_what_is_linked_to_it() {
    on_each_database(&async |site| {
        let post = tagged(site).await?;
        site.purged().await;
        let mut changed = post::Model::from(post).into_active_model();
        changed.title = Set("new".to_owned());
        let post = changed.update(&site.db).await?;
        assert_eq!(site.purged().await, ["/posts/1", "/tags/a", "/tags/b"]);
        post::Entity::update_many()
            .col_expr(post::Column::Title, Expr::value("newer"))
            .exec_and_purge(&site.db)
            .await?;
        assert_eq!(site.purged().await, ["/posts/1", "/tags/a", "/tags/b"]);
        post.delete(&site.db).await?;
        assert_eq!(site.purged().await, ["/posts/1", "/tags/a", "/tags/b"]);
        Ok(())
    });
}

/// Both owners show the change: the one that the row belonged to, and the one that it belongs to now.
#[test]
fn a_row_shows_on_the_pages_of_what_it_belongs_to() {
    on_each_database(&async |site| {
        tagged(site).await?;
        site.purged().await;
        let remark = remark::ActiveModel {
            tag_id: Set(Some(1)),
            ..Default::default()
        };
        let remark = remark.insert(&site.db).await?;
        assert_eq!(site.purged().await, ["/tags/a"]);
        let mut moved = remark.into_active_model();
        moved.tag_id = Set(Some(2));
        let remark = moved.update(&site.db).await?;
        assert_eq!(site.purged().await, ["/tags/a", "/tags/b"]);
        remark::Entity::update_many()
            .col_expr(remark::Column::TagId, Expr::value(1))
            .exec_and_purge(&site.db)
            .await?;
        assert_eq!(site.purged().await, ["/tags/a", "/tags/b"]);
        remark::Entity::update_many()
            .col_expr(remark::Column::TagId, Expr::value(None::<i32>))
            .exec_and_purge(&site.db)
            .await?;
        assert_eq!(site.purged().await, ["/tags/a"]);
        remark.delete(&site.db).await?;
        assert_eq!(site.purged().await, [] as [&str; 0]);
        Ok(())
    });
}

/// A post with a comment that has a reply, and the pages of all three.
async fn commented(site: &Site, title: &str) -> Result<(post::Model, [String; 3]), DbErr> {
    let post = post::ActiveModel {
        title: Set(title.to_owned()),
        ..Default::default()
    };
    let post = post.insert(&site.db).await?;
    let comment = comment::ActiveModel {
        post_id: Set(post.id),
        ..Default::default()
    };
    let comment = comment.insert(&site.db).await?;
    let reply = reply::ActiveModel {
        comment_id: Set(Some(comment.id)),
        ..Default::default()
    };
    let reply = reply.insert(&site.db).await?;
    site.purged().await;
    let pages = [
        format!("/comments/{}", comment.id),
        format!("/posts/{}", post.id),
        format!("/replies/{}", reply.id),
    ];
    Ok((post, pages))
}

#[test]
fn rows_that_the_database_deletes_with_a_row_are_purged() {
    on_each_database(&async |site| {
        let (post, pages) = commented(site, "old").await?;
        post.delete(&site.db).await?;
        assert_eq!(site.purged().await, pages);

        let (post, pages) = commented(site, "old").await?;
        let gone = post::Entity::delete_by_id(post.id);
        gone.exec_and_purge(&site.db).await?;
        assert_eq!(site.purged().await, pages);

        // SeaORM deletes and changes them itself.
        let (post, pages) = commented(site, "old").await?;
        post.cascade_delete(&site.db).await?;
        assert_eq!(site.purged().await, pages);

        // `when` is false.
        let (post, pages) = commented(site, "kept").await?;
        post.delete(&site.db).await?;
        assert_eq!(site.purged().await, pages[1..2]);
        Ok(())
    });
}

/// `REPLACE` deletes the old row, and the database what refers to it.
#[test]
fn rows_that_the_database_deletes_with_a_row_that_is_replaced_are_purged() {
    on_each_database(&async |site| {
        if site.db.get_database_backend() == DbBackend::Postgres {
            return Ok(());
        }
        let (post, pages) = commented(site, "old").await?;
        let mut replace = post::Entity::insert(post.into_active_model().reset_all());
        QueryTrait::query(&mut replace).replace();
        replace.exec_and_purge(&site.db).await?;
        assert_eq!(site.purged().await, pages);
        Ok(())
    });
}
