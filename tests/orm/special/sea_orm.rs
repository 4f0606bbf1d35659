//! SeaORM: the ways of saving that the suite does not take.

use roan::outbox::Dialect;
use roan_tests::{lock, wait};
use sea_orm::prelude::*;
use sea_orm::sea_query::OnConflict;
use sea_orm::{IntoActiveModel as _, Set, Statement, TransactionTrait, Unchanged};
use std::sync::Mutex;

use roan::orm::sea_orm::{PurgeExt as _, with_dispatcher};

use super::site::{LONG, Site};

mod article {
    use roan::purge_on;
    use sea_orm::entity::prelude::*;

    #[sea_orm::model]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "articles")]
    #[purge_on(save, delete, url = "/articles/{slug}")]
    #[purge_on(update(title), url = "/titles/{id}")]
    pub(super) struct Model {
        #[sea_orm(primary_key)]
        pub(super) id: i32,
        #[sea_orm(column_name = "address", unique)]
        pub(super) slug: String,
        pub(super) title: String,
        pub(super) views: i32,
    }

    static TOLD: std::sync::Mutex<Vec<String>> = std::sync::Mutex::new(Vec::new());

    fn tell(text: String) {
        TOLD.lock().unwrap().push(text);
    }

    /// What the bodies below have told.
    pub(super) fn told() -> Vec<String> {
        std::mem::take(&mut *TOLD.lock().unwrap())
    }

    #[roan::hooks]
    impl ActiveModelBehavior for ActiveModel {
        async fn before_save<D>(mut self, _: &D, is_new: bool) -> Result<Self, DbErr>
        where
            D: ConnectionTrait,
        {
            if let sea_orm::ActiveValue::Set(slug) = &self.slug {
                if slug.is_empty() {
                    return Err(DbErr::Custom("no slug".to_owned()));
                }
                self.slug = sea_orm::Set(slug.to_lowercase());
            }
            tell(format!("before save {is_new}"));
            Ok(self)
        }

        async fn after_delete<C>(self, db: &C) -> Result<Self, DbErr>
        where
            C: ConnectionTrait,
        {
            let _ = db.get_database_backend();
            tell("after delete".to_owned());
            Ok(self)
        }
    }
}

const ARTICLES: &str = "CREATE TABLE articles ({id}, address varchar(100) NOT NULL UNIQUE,
    title varchar(100) NOT NULL, views int NOT NULL)";

/// One at a time: they share what the bodies were told.
static TURN: Mutex<()> = Mutex::new(());

fn article(slug: &str) -> article::ActiveModel {
    article::ActiveModel {
        slug: Set(slug.to_owned()),
        title: Set("old".to_owned()),
        views: Set(0),
        ..Default::default()
    }
}

fn on_each_database(is_durable: bool, test: &impl AsyncFn(&Site) -> Result<(), DbErr>) {
    let _turn = lock(&TURN);
    for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::MySql] {
        crate::suite::block_on(async {
            let site = Site::new(dialect, &[ARTICLES], is_durable).await;
            let done = with_dispatcher(&site.roan, test(&site)).await;
            done.unwrap_or_else(|error| panic!("{dialect}: {error}"));
        });
    }
}

#[test]
fn every_way_of_saving_one_row_purges() {
    on_each_database(true, &async |site| {
        let db = &site.db;
        article::told();
        let made = article("A").save(db).await?;
        assert_eq!(site.purged().await, ["/articles/a"]);
        assert_eq!(article::told(), ["before save true"]);

        let mut changed = made.clone();
        changed.slug = Set("B".to_owned());
        changed.save(db).await?;
        assert_eq!(site.purged().await, ["/articles/a", "/articles/b"]);

        // The key alone is known of it.
        let id = made.id.clone().unwrap();
        let partial = article::ActiveModel {
            id: Unchanged(id),
            views: Set(1),
            ..Default::default()
        };
        partial.clone().update(db).await?;
        assert_eq!(site.purged().await, ["/articles/b"]);
        partial.update_without_returning(db).await?;
        assert_eq!(site.purged().await, ["/articles/b"]);

        let renamed = article::ActiveModel {
            id: Unchanged(id),
            slug: Set("c".to_owned()),
            title: Set("new".to_owned()),
            ..Default::default()
        };
        renamed.update_without_returning(db).await?;
        let both = ["/articles/b", "/articles/c", &format!("/titles/{id}")];
        assert_eq!(site.purged().await, both);

        let key = article::ActiveModel {
            id: Unchanged(id),
            ..Default::default()
        };
        key.delete(db).await?;
        assert_eq!(site.purged().await, ["/articles/c"]);
        assert_eq!(article::told().pop().as_deref(), Some("after delete"));
        Ok(())
    });
}

#[test]
fn without_returning_in_a_transaction_the_commit_decides() {
    on_each_database(true, &async |site| {
        let made = article("a").insert(&site.db).await?;
        site.purged().await;
        for commits in [false, true] {
            let tx = site.db.begin().await?;
            let mut changed = made.clone().into_active_model();
            changed.slug = Set("b".to_owned());
            changed.update_without_returning(&tx).await?;
            assert!(site.purged().await.is_empty());
            if commits {
                tx.commit().await?;
                assert_eq!(site.purged().await, ["/articles/a", "/articles/b"]);
            } else {
                tx.rollback().await?;
                assert!(site.purged().await.is_empty());
            }
        }
        Ok(())
    });
}

#[test]
fn an_update_writes_one_row_of_the_outbox() {
    on_each_database(true, &async |site| {
        let made = article("a").insert(&site.db).await?;
        let tx = site.db.begin().await?;
        let mut changed = made.into_active_model();
        changed.title = Set("new".to_owned());
        changed.update(&tx).await?;
        tx.commit().await?;
        let counted = Statement::from_string(
            site.db.get_database_backend(),
            "SELECT count(*) FROM roan_outbox",
        );
        let row = site.db.query_one_raw(counted).await?.unwrap();
        assert_eq!(row.try_get_by_index::<i64>(0)?, 2);
        Ok(())
    });
}

#[test]
fn the_builder_and_generated_keys_purge() {
    on_each_database(true, &async |site| {
        let built = article::ActiveModel::builder()
            .set_slug("x")
            .set_title("old")
            .set_views(0);
        built.save(&site.db).await?;
        assert_eq!(site.purged().await, ["/articles/x"]);
        let many = ["y", "z"].map(article);
        let made = article::Entity::insert_many(many)
            .exec_and_purge(&site.db)
            .await?;
        assert_eq!(made.len(), 2);
        assert_eq!(site.purged().await, ["/articles/y", "/articles/z"]);
        Ok(())
    });
}

#[test]
fn a_write_that_fails_purges_nothing_of_it() {
    on_each_database(true, &async |site| {
        article("a").insert(&site.db).await?;
        site.purged().await;
        assert!(article("").insert(&site.db).await.is_err());
        assert!(article("a").insert(&site.db).await.is_err());
        assert!(site.purged().await.is_empty());
        let nobody = article::ActiveModel {
            id: Unchanged(999),
            title: Set("new".to_owned()),
            ..Default::default()
        };
        assert!(nobody.update(&site.db).await.is_err());
        assert!(site.purged().await.is_empty());
        Ok(())
    });
}

#[test]
fn without_an_outbox_a_scope_holds_the_purges() {
    on_each_database(false, &async |site| {
        let work = async {
            let tx = site.db.begin().await?;
            let made = article("a").insert(&tx).await?;
            let mut changed = made.into_active_model();
            changed.slug = Set("b".to_owned());
            changed.update(&tx).await?;
            assert!(site.purged().await.is_empty());
            tx.commit().await
        };
        roan::scope(work).await?;
        assert_eq!(site.purged().await, ["/articles/a", "/articles/b"]);
        Ok(())
    });
}

#[test]
fn without_outbox_and_scope_a_transaction_is_purged_now_and_again() {
    on_each_database(false, &async |site| {
        let tx = site.db.begin().await?;
        article("a").insert(&tx).await?;
        tx.commit().await?;
        wait::for_purges(&site.roan).await;
        let requests = site.recorder.requests();
        let requests: Vec<_> = requests.iter().map(ToString::to_string).collect();
        assert_eq!(requests, ["/articles/a", "/articles/a"]);
        Ok(())
    });
}

#[test]
fn without_an_outbox_a_statement_for_many_rows_is_purged_once_after_its_commit() {
    on_each_database(false, &async |site| {
        let many = ["y", "z"].map(article);
        article::Entity::insert_many(many)
            .exec_and_purge(&site.db)
            .await?;
        wait::for_purges(&site.roan).await;
        assert_eq!(site.recorder.requests().len(), 2);
        Ok(())
    });
}

/// Its old page is purged once while it waits, and must be purged again when it is done.
#[test]
fn an_update_that_waits_for_a_lock_purges_the_old_page_after_it() {
    on_each_database(true, &async |site| {
        let backend = site.db.get_database_backend();
        if backend == sea_orm::DbBackend::Sqlite {
            return Ok(());
        }
        let made = article("a").insert(&site.db).await?;
        site.purged().await;
        let mut other = site.database.connect().await;
        other.run("BEGIN").await.unwrap();
        other.run("UPDATE articles SET views = 7").await.unwrap();
        let update = async {
            let mut changed = made.into_active_model();
            changed.slug = Set("b".to_owned());
            changed.update(&site.db).await
        };
        let unlock = async {
            wait::until_async(LONG, "a purge in the meantime", async || {
                !site.recorder.requests().is_empty()
            })
            .await;
            site.purged().await;
            other.run("COMMIT").await.unwrap();
        };
        let (updated, ()) = tokio::join!(update, unlock);
        updated?;
        assert_eq!(site.purged().await, ["/articles/a", "/articles/b"]);
        Ok(())
    });
}

#[test]
fn every_statement_of_an_entity_has_a_form_that_purges() {
    on_each_database(true, &async |site| {
        let db = &site.db;
        let made = article::Entity::insert(article("a"))
            .exec_and_purge(db)
            .await?;
        assert_eq!(made.slug, "a");
        assert_eq!(site.purged().await, ["/articles/a"]);

        let mut changed = made.clone().into_active_model();
        changed.slug = Set("b".to_owned());
        changed.title = Set("new".to_owned());
        let updated = article::Entity::update(changed).exec_and_purge(db).await?;
        assert_eq!(updated.slug, "b");
        let title = format!("/titles/{}", made.id);
        assert_eq!(site.purged().await, ["/articles/a", "/articles/b", &title]);
        // Sets nothing, so that no statement comes of it.
        let same = article::Entity::update(updated.clone().into_active_model());
        assert_eq!(same.validate()?.exec_and_purge(db).await?, updated);
        assert!(site.purged().await.is_empty());
        let nobody = article::ActiveModel {
            id: Unchanged(999),
            title: Set("new".to_owned()),
            ..Default::default()
        };
        assert!(
            article::Entity::update(nobody)
                .exec_and_purge(db)
                .await
                .is_err()
        );
        assert!(site.purged().await.is_empty());

        let gone = article::Entity::delete(updated.clone().into_active_model());
        assert_eq!(gone.exec_and_purge(db).await?, Some(updated));
        assert_eq!(site.purged().await, ["/articles/b"]);

        let made = article::Entity::insert(article("c"))
            .exec_and_purge(db)
            .await?;
        site.purged().await;
        let again = article::ActiveModel {
            id: Set(made.id),
            views: Set(1),
            ..article("c")
        };
        let on_conflict = OnConflict::column(article::Column::Id)
            .update_column(article::Column::Views)
            .to_owned();
        let upsert = article::Entity::insert(again).on_conflict(on_conflict);
        upsert.exec_and_purge(db).await?;
        // The row was there, and has the same title as before.
        assert_eq!(site.purged().await, ["/articles/c"]);
        let stored = article::Model { views: 1, ..made };
        for left in [Some(stored.clone()), None] {
            let gone = article::Entity::delete_by_id(stored.id)
                .exec_and_purge(db)
                .await?;
            assert_eq!(gone, left);
        }
        assert_eq!(site.purged().await, ["/articles/c"]);
        Ok(())
    });
}

/// The key is generated, and the conflict is on another column; MySQL learns of it from the entity.
#[test]
fn an_upsert_on_a_unique_column_purges_the_old_pages() {
    on_each_database(true, &async |site| {
        let db = &site.db;
        for slug in ["a", "b"] {
            article(slug).insert(db).await?;
        }
        site.purged().await;
        let on_conflict = || {
            OnConflict::column(article::Column::Slug)
                .update_column(article::Column::Title)
                .to_owned()
        };
        let retitled = |slug: &str| article::ActiveModel {
            title: Set("new".to_owned()),
            ..article(slug)
        };
        let upsert = article::Entity::insert(retitled("a")).on_conflict(on_conflict());
        let stored = upsert.exec_and_purge(db).await?;
        assert_eq!((stored.id, stored.title.as_str()), (1, "new"));
        assert_eq!(site.purged().await, ["/articles/a", "/titles/1"]);

        let many = ["a", "b", "c"].map(retitled);
        let upsert = article::Entity::insert_many(many).on_conflict(on_conflict());
        let stored = upsert.exec_and_purge(db).await?;
        assert_eq!(stored.len(), 3);
        let title = format!("/titles/{}", stored[2].id);
        let pages = [
            "/articles/a",
            "/articles/b",
            "/articles/c",
            "/titles/2",
            &title,
        ];
        let mut pages = pages.map(str::to_owned);
        pages.sort();
        // What is set is what was there: the title of "a" is the same.
        assert_eq!(site.purged().await, pages);
        Ok(())
    });
}

#[test]
fn an_upsert_that_changes_a_key_purges_the_pages_of_both_keys() {
    on_each_database(true, &async |site| {
        let db = &site.db;
        article("a").insert(db).await?;
        site.purged().await;
        let on_conflict = OnConflict::column(article::Column::Slug)
            .update_columns([article::Column::Id, article::Column::Title])
            .to_owned();
        let moved = article::ActiveModel {
            id: Set(9),
            title: Set("new".to_owned()),
            ..article("a")
        };
        let upsert = article::Entity::insert_many([moved]).on_conflict(on_conflict);
        let stored = upsert.exec_and_purge(db).await?;
        assert_eq!((stored.len(), stored[0].id), (1, 9));
        let pages = ["/articles/a", "/titles/1", "/titles/9"];
        assert_eq!(site.purged().await, pages);
        Ok(())
    });
}

#[test]
fn an_insert_that_ignores_conflicts_purges_what_it_has_inserted() {
    on_each_database(true, &async |site| {
        let db = &site.db;
        article("a").insert(db).await?;
        site.purged().await;
        let many = ["a", "b"].map(article);
        let insert =
            article::Entity::insert_many(many).on_conflict_do_nothing_on([article::Column::Slug]);
        let inserted = insert.exec_and_purge(db).await?;
        assert_eq!(inserted.len(), 1);
        let purged = site.purged().await;
        assert!(purged.contains(&"/articles/b".to_owned()), "{purged:?}");
        assert!(!purged.contains(&"/articles/a".to_owned()), "{purged:?}");
        let insert = article::Entity::insert(article("a"))
            .on_conflict_do_nothing_on([article::Column::Slug]);
        assert!(insert.exec_and_purge(db).await?.is_empty());
        assert!(site.purged().await.is_empty());
        Ok(())
    });
}

/// Of SQLite: a transaction that has begun with reading cannot write once another connection has.
#[test]
fn updates_succeed_beside_another_writer() {
    let _turn = lock(&TURN);
    crate::suite::block_on(async {
        let site = Site::new(Dialect::Sqlite, &[ARTICLES], true).await;
        let mut other = site.database.connect().await;
        other.run("CREATE TABLE others (id integer)").await.unwrap();
        let writing = async {
            loop {
                other.run("INSERT INTO others VALUES (1)").await.unwrap();
            }
        };
        let updating = async {
            let made = article("a").insert(&site.db).await?;
            for number in 0..200 {
                let tx = site.db.begin().await?;
                let mut changed = made.clone().into_active_model();
                changed.title = Set(number.to_string());
                changed.update(&tx).await?;
                tx.commit().await?;
            }
            Ok::<_, DbErr>(())
        };
        tokio::select! {
            updated = with_dispatcher(&site.roan, updating) => updated.unwrap(),
            () = writing => {}
        }
    });
}
