//! SeaORM.

use roan::orm::sea_orm::PurgeExt as _;
use sea_orm::prelude::*;
use sea_orm::sea_query::OnConflict;
use sea_orm::{IntoActiveModel as _, Set};

use super::Purges::{ByItself, WithRule, WithWord};
use super::Word::{With, Without};
use super::{POST, Purges, Way};
use crate::special::links::{post, post_tag, tag};
use crate::special::site::Site;

const RETITLED: &[&str] = &["/posts/7", "/tags/a"];
/// Nobody knows whether another writer has inserted it in between.
const CREATED: &[&str] = &["/posts/8", "/tags/a"];
const DELETED: &[&str] = &["/comments/1", "/posts/7", "/tags/a"];
const UNLINKED: &[&str] = &["/comments/1", "/links/7/1", "/posts/7", "/tags/a"];

async fn found(site: &Site) -> Result<post::Model, DbErr> {
    let found = post::Entity::find_by_id(7).one(&site.db).await?;
    found.ok_or(DbErr::RecordNotFound("post 7".to_owned()))
}

fn new() -> post::ActiveModel {
    titled(8, "new")
}

fn titled(id: i32, title: &str) -> post::ActiveModel {
    post::ActiveModel {
        id: Set(id),
        title: Set(title.to_owned()),
    }
}

fn on_conflict() -> OnConflict {
    OnConflict::column(post::Column::Id)
        .update_column(post::Column::Title)
        .to_owned()
}

/// A link of the tag to the post that comes next: a rule for `update` purges its page.
async fn link_to_new(site: &Site) -> Result<(), DbErr> {
    let sql = "INSERT INTO post_tags (post_id, tag_id) VALUES (8, 1)";
    site.db.execute_unprepared(sql).await?;
    Ok(())
}

async fn retitled(site: &Site) -> Result<post::ActiveModel, DbErr> {
    let mut post = found(site).await?.into_active_model();
    post.title = Set("new".to_owned());
    Ok(post)
}

/// A statement of an entity, by `exec` or by `exec_and_purge`.
macro_rules! exec {
    ($site:ident, $word:ident, $statement:expr) => {{
        let statement = $statement;
        match $word {
            With => {
                statement.exec_and_purge(&$site.db).await?;
            }
            Without => {
                statement.exec(&$site.db).await?;
            }
        }
    }};
}

pub(super) fn ways() -> Vec<Way> {
    const WITH: Purges = WithWord("exec_and_purge");
    vec![
        way!("SeaORM", "insert", ByItself, &["/posts/8"], |site, word| {
            new().insert(&site.db).await?
        }),
        way!("SeaORM", "update", ByItself, RETITLED, |site, word| {
            retitled(site).await?.update(&site.db).await?
        }),
        way!("SeaORM", "save", ByItself, RETITLED, |site, word| {
            retitled(site).await?.save(&site.db).await?
        }),
        way!("SeaORM", "delete", ByItself, DELETED, |site, word| {
            found(site).await?.delete(&site.db).await?
        }),
        way!(
            "SeaORM",
            "update_without_returning",
            ByItself,
            RETITLED,
            |site, word| {
                retitled(site)
                    .await?
                    .update_without_returning(&site.db)
                    .await?
            }
        ),
        way!(
            "SeaORM",
            "ActiveModel::builder()",
            ByItself,
            &["/links/8/1", "/posts/8"],
            |site, word| {
                let tag = tag::Entity::find_by_id(1)
                    .one(&site.db)
                    .await?
                    .ok_or("a tag")?;
                let mut built = post::ActiveModel::builder().set_title("new");
                built.tags.push(tag.into_ex().into_active_model());
                built.id = Set(8);
                built.insert(&site.db).await?
            }
        ),
        way!(
            "SeaORM",
            "ModelEx::delete",
            ByItself,
            UNLINKED,
            |site, word| { found(site).await?.into_ex().delete(&site.db).await? }
        ),
        way!(
            "SeaORM",
            "Model::cascade_delete",
            ByItself,
            UNLINKED,
            |site, word| { found(site).await?.cascade_delete(&site.db).await? }
        ),
        way!(
            "SeaORM",
            "links that these add, replace or remove",
            ByItself,
            &["/links/7/1"],
            |site, word| {
                let mut kept = found(site).await?.into_ex().into_active_model();
                kept.tags.replace_all([]);
                kept.save(&site.db).await?
            }
        ),
        way!(
            "SeaORM",
            "Entity::insert",
            WITH,
            &["/posts/8"],
            |site, word| {
                exec!(site, word, post::Entity::insert(new()));
            }
        ),
        way!(
            "SeaORM",
            "Entity::insert_many",
            WITH,
            &["/posts/8"],
            |site, word| {
                exec!(site, word, post::Entity::insert_many([new()]));
            }
        ),
        way!("SeaORM", "Entity::update", WITH, RETITLED, |site, word| {
            exec!(site, word, post::Entity::update(retitled(site).await?));
        }),
        way!(
            "SeaORM",
            "Entity::update_many",
            WITH,
            RETITLED,
            |site, word| {
                let update = post::Entity::update_many();
                exec!(
                    site,
                    word,
                    update.col_expr(post::Column::Title, Expr::value("new"))
                );
            }
        ),
        way!("SeaORM", "Entity::delete", WITH, DELETED, |site, word| {
            exec!(
                site,
                word,
                post::Entity::delete(found(site).await?.into_active_model())
            );
        }),
        way!(
            "SeaORM",
            "Entity::delete_by_id",
            WITH,
            DELETED,
            |site, word| {
                exec!(site, word, post::Entity::delete_by_id(7));
            }
        ),
        way!(
            "SeaORM",
            "Entity::delete_many",
            WITH,
            DELETED,
            |site, word| {
                exec!(site, word, post::Entity::delete_many());
            }
        ),
        way!("SeaORM", "on_conflict", WITH, RETITLED, |site, word| {
            let insert = post::Entity::insert(titled(7, "new"));
            exec!(site, word, insert.on_conflict(on_conflict()));
        }),
        // The title, which the rule for the tag watches, is the same.
        way!("SeaORM", "on_conflict", WITH, POST, |site, word| {
            let insert = post::Entity::insert(titled(7, "old"));
            let insert = insert.on_conflict(on_conflict());
            match word {
                With => {
                    insert.exec_and_purge(&site.db).await?;
                }
                // `exec` takes it for a failure that MySQL has changed nothing.
                Without => {
                    insert.exec_without_returning(&site.db).await?;
                }
            }
        }),
        way!("SeaORM", "on_conflict", WITH, CREATED, |site, word| {
            link_to_new(site).await?;
            let insert = post::Entity::insert(titled(8, "new"));
            exec!(site, word, insert.on_conflict(on_conflict()));
        }),
        way!(
            "SeaORM",
            "on_conflict",
            WITH,
            &["/posts/7", "/posts/8", "/tags/a"],
            |site, word| {
                let insert = post::Entity::insert_many([titled(7, "new"), titled(8, "new")]);
                exec!(site, word, insert.on_conflict(on_conflict()));
            }
        ),
        way!("SeaORM", "on_conflict", WITH, RETITLED, |site, word| {
            let insert = post::Entity::insert(titled(7, "new"));
            let insert = insert.on_conflict(on_conflict());
            exec!(site, word, insert.try_insert());
        }),
        way!("SeaORM", "on_conflict", WITH, CREATED, |site, word| {
            link_to_new(site).await?;
            let insert = post::Entity::insert(titled(8, "new"));
            let insert = insert.on_conflict(on_conflict());
            exec!(site, word, insert.try_insert());
        }),
        way!(
            "SeaORM",
            "rows that a foreign key deletes or changes when their parent is deleted",
            WithRule("related(child::Model)"),
            DELETED,
            |site, word| exec!(site, word, post::Entity::delete_by_id(7))
        ),
        // Its other end has rules, too.
        way!(
            "SeaORM",
            "delete",
            ByItself,
            &["/links/7/1"],
            |site, word| {
                let link = post_tag::Entity::find_by_id((7, 1)).one(&site.db).await?;
                link.ok_or("a link")?.delete(&site.db).await?
            }
        ),
    ]
}
