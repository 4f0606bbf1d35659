//! PostgreSQL, READ COMMITTED: what another transaction commits while a write waits for it.

use diesel::Connection as _;
use diesel_async::AsyncConnection as _;
use roan::orm::diesel::TransactionTracker;
use roan::orm::sea_orm::{PurgeExt as _, with_dispatcher};
use roan::outbox::Dialect;
use roan_tests::wait;
use sea_orm::prelude::*;
use sea_orm::{DatabaseTransaction, DbBackend, Statement, TransactionTrait};

use super::links::{self, post};
use super::site::{LONG, Site};
use crate::libraries::diesel::url;

pub(super) mod memo {
    use sea_orm::entity::prelude::*;

    #[roan::purge_on(save, delete, url = "/memos/{slug}")]
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "memos")]
    pub(crate) struct Model {
        #[sea_orm(primary_key)]
        pub(crate) id: i32,
        pub(crate) slug: String,
        pub(crate) title: String,
    }

    #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
    pub(crate) enum Relation {}

    #[roan::hooks]
    impl ActiveModelBehavior for ActiveModel {}
}

diesel::table! {
    memos (id) {
        id -> Integer,
        slug -> VarChar,
        title -> VarChar,
    }
}

#[roan::purge_on(save, delete, url = "/memos/{slug}")]
#[derive(Debug, diesel::Queryable, diesel::Selectable, diesel::Identifiable)]
#[diesel(table_name = memos)]
struct Memo {
    id: i32,
    slug: String,
    #[allow(dead_code, reason = "it is in the conditions")]
    title: String,
}

pub(super) const MEMOS: &str =
    "CREATE TABLE memos ({id}, slug varchar(100) NOT NULL, title varchar(100) NOT NULL)";

/// So many memos have the title `match`, and the last one has another.
async fn site(matching: i32) -> Result<Site, DbErr> {
    let site = Site::new(Dialect::Postgres, &[MEMOS], true).await;
    let memos = format!(
        "INSERT INTO memos (slug, title) SELECT 'm' || n, CASE WHEN n > {matching} THEN 'other' ELSE 'match' END \
         FROM generate_series(1, {matching} + 1) AS n"
    );
    site.db.execute_unprepared(&memos).await?;
    Ok(site)
}

/// A transaction that has locked the first memo, and made the last one match.
async fn another(site: &Site) -> Result<DatabaseTransaction, DbErr> {
    let tx = site.db.begin().await?;
    for sql in [
        "UPDATE memos SET slug = slug WHERE id = 1",
        "UPDATE memos SET title = 'match' WHERE title = 'other'",
    ] {
        tx.execute_unprepared(sql).await?;
    }
    Ok(tx)
}

/// Commits when another transaction waits for this one.
async fn commit_when_waited_for(tx: DatabaseTransaction) -> Result<(), DbErr> {
    let waiting = "SELECT count(*) FROM pg_locks \
        WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))";
    wait::until_async(LONG, "another transaction to wait", async || {
        let counted = Statement::from_string(DbBackend::Postgres, waiting);
        let row = tx.query_one_raw(counted).await.unwrap().expect("a count");
        row.try_get_by_index::<i64>(0).unwrap() > 0
    })
    .await;
    tx.commit().await
}

fn renames() -> sea_orm::UpdateMany<memo::Entity> {
    memo::Entity::update_many()
        .col_expr(memo::Column::Slug, Expr::cust("'x' || slug"))
        .filter(memo::Column::Title.eq("match"))
}

/// Runs the statement while another transaction makes more rows match.
async fn meanwhile<T>(
    site: &Site,
    statement: impl Future<Output = Result<T, DbErr>>,
) -> Result<T, DbErr> {
    let other = another(site).await?;
    let statement = with_dispatcher(&site.roan, statement);
    let (done, committed) = tokio::join!(statement, commit_when_waited_for(other));
    committed?;
    done
}

#[test]
fn an_update_writes_the_rows_that_it_has_read() -> Result<(), DbErr> {
    crate::suite::block_on(async {
        let site = site(1).await?;
        let changed = meanwhile(&site, Box::pin(renames().exec_and_purge(&site.db))).await?;
        assert_eq!(changed.len(), 1);
        assert_eq!(site.purged().await, ["/memos/m1", "/memos/xm1"]);
        Ok(())
    })
}

/// The statement cannot be restricted to their keys.
#[test]
fn an_update_of_many_rows_reads_again_what_it_writes() -> Result<(), DbErr> {
    crate::suite::block_on(async {
        let site = site(501).await?;
        let changed = meanwhile(&site, Box::pin(renames().exec_and_purge(&site.db))).await?;
        assert_eq!(changed.len(), 502);
        let purged = site.purged().await;
        assert_eq!(purged.len(), 2 * 502);
        assert!(purged.contains(&"/memos/m502".to_owned()), "{purged:?}");
        Ok(())
    })
}

#[test]
fn a_delete_purges_the_rows_that_it_deletes() -> Result<(), DbErr> {
    crate::suite::block_on(async {
        let site = site(1).await?;
        let delete = memo::Entity::delete_many().filter(memo::Column::Title.eq("match"));
        let deleted = meanwhile(&site, delete.exec_and_purge(&site.db)).await?;
        let slugs: Vec<String> = deleted
            .iter()
            .map(|memo| format!("/memos/{}", memo.slug))
            .collect();
        assert_eq!(site.purged().await, slugs);
        Ok(())
    })
}

#[test]
fn an_update_by_diesel_reads_again_what_it_writes() -> Result<(), DbErr> {
    use diesel::ExpressionMethods as _;
    use diesel::QueryDsl as _;
    use roan::orm::diesel::{PurgeExt as _, update};

    crate::suite::block_on(async {
        let site = site(1).await?;
        let mut conn = diesel::PgConnection::establish(url(&site.database)).expect("a connection");
        conn.set_instrumentation(TransactionTracker::new().dispatcher(&site.roan));
        let update = move || {
            update(memos::table.filter(memos::title.eq("match")))
                .set(memos::slug.eq("x"))
                .execute_and_purge::<Memo>(&mut conn)
        };
        let update = async {
            let update = tokio::task::spawn_blocking(update);
            Ok(update.await.expect("it does not panic"))
        };
        assert_eq!(meanwhile(&site, update).await?, Ok(2));
        let all = ["/memos/m1", "/memos/m2", "/memos/x"];
        assert_eq!(site.purged().await, all);
        Ok(())
    })
}

#[test]
fn an_update_by_diesel_async_reads_again_what_it_writes() -> Result<(), DbErr> {
    use diesel::ExpressionMethods as _;
    use diesel::QueryDsl as _;
    use roan::orm::diesel_async::{PurgeExt as _, update};

    crate::suite::block_on(async {
        let site = site(1).await?;
        let conn = diesel_async::AsyncPgConnection::establish(url(&site.database));
        let mut conn = conn.await.expect("a connection");
        conn.set_instrumentation(TransactionTracker::new().dispatcher(&site.roan));
        let update = async {
            let update = update(memos::table.filter(memos::title.eq("match")))
                .set(memos::slug.eq("x"))
                .execute_and_purge::<Memo>(&mut conn);
            Ok(update.await)
        };
        assert_eq!(meanwhile(&site, update).await?, Ok(2));
        let all = ["/memos/m1", "/memos/m2", "/memos/x"];
        assert_eq!(site.purged().await, all);
        Ok(())
    })
}

/// What is purged with post 1 if this is inserted while it is deleted.
async fn deleted_with(
    inserted: &str,
    delete: impl AsyncFn(&Site) -> Result<(), DbErr>,
) -> Result<Vec<String>, DbErr> {
    let site = Site::new(Dialect::Postgres, &links::TABLES, true).await;
    for sql in [
        "INSERT INTO posts (title) VALUES ('old')",
        "INSERT INTO comments (post_id) VALUES (1)",
    ] {
        site.db.execute_unprepared(sql).await?;
    }
    let other = site.db.begin().await?;
    other.execute_unprepared(inserted).await?;
    let delete = with_dispatcher(&site.roan, delete(&site));
    let (deleted, committed) = tokio::join!(delete, commit_when_waited_for(other));
    committed?;
    deleted?;
    Ok(site.purged().await)
}

#[test]
fn a_delete_purges_the_children_that_are_just_inserted() -> Result<(), DbErr> {
    crate::suite::block_on(async {
        let by_hook = async |site: &Site| {
            let post = post::Entity::find_by_id(1).one(&site.db).await?;
            let tx = site.db.begin().await?;
            post.expect("a post").delete(&tx).await?;
            tx.commit().await
        };
        let by_statement = async |site: &Site| {
            let delete = post::Entity::delete_by_id(1).exec_and_purge(&site.db);
            delete.await.map(drop)
        };
        let comment = "INSERT INTO comments (post_id) VALUES (1)";
        let all = ["/comments/1", "/comments/2", "/posts/1"];
        assert_eq!(deleted_with(comment, by_hook).await?, all);
        assert_eq!(deleted_with(comment, by_statement).await?, all);
        let reply = "INSERT INTO replies (comment_id) VALUES (1)";
        let all = ["/comments/1", "/posts/1", "/replies/1"];
        assert_eq!(deleted_with(reply, by_hook).await?, all);
        assert_eq!(deleted_with(reply, by_statement).await?, all);
        Ok(())
    })
}
