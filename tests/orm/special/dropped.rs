//! Futures that are dropped while the outbox takes their row.

use diesel_async::{AsyncConnection as _, AsyncPgConnection};
use roan::orm::diesel_async::{PurgeConnection as _, TransactionTracker};
use roan::orm::sea_orm::with_dispatcher;
use roan::orm::sqlx::PurgeConnection as _;
use roan::outbox::Dialect;
use roan_tests::wait;
use sea_orm::ActiveModelTrait as _;
use sqlx::Connection as _;
use tokio::time::{Duration, timeout};

use super::site::{LONG, Site};
use super::waits::{MEMOS, memo};

/// The write is committed, and nobody waits for the answer of the outbox any more.
#[test]
fn a_future_that_is_dropped_outside_of_a_transaction_purges_from_memory() {
    crate::suite::block_on(async {
        let site = Site::new(Dialect::Postgres, &[MEMOS], true).await;
        let roan = &site.roan;
        let url = site.database.url();
        let mut sqlx = sqlx::PgConnection::connect(url).await.unwrap();
        let mut diesel = AsyncPgConnection::establish(url).await.unwrap();
        diesel.set_instrumentation(TransactionTracker::new().dispatcher(roan));
        let mut other = site.database.connect().await;
        other.run("BEGIN").await.unwrap();
        other
            .run("LOCK TABLE roan_outbox IN SHARE MODE")
            .await
            .unwrap();

        let soon = Duration::from_millis(300);
        let row = |slug: &str| memo::Model {
            id: 1,
            slug: slug.to_owned(),
            title: String::new(),
        };
        let of_sqlx = sqlx.run_hooks(Some(roan), || roan::created(&row("sqlx")));
        timeout(soon, of_sqlx).await.expect_err("it waits");
        let of_diesel = diesel.run_hooks(None, || roan::created(&row("diesel")));
        timeout(soon, of_diesel).await.expect_err("it waits");
        let memo = memo::ActiveModel {
            slug: sea_orm::Set("sea_orm".to_owned()),
            title: sea_orm::Set(String::new()),
            ..Default::default()
        };
        let of_sea_orm = with_dispatcher(roan, memo.insert(&site.db));
        timeout(soon, of_sea_orm).await.expect_err("it waits");

        // The table is locked still, so these come from memory.
        let pages = ["/memos/diesel", "/memos/sea_orm", "/memos/sqlx"];
        wait::until(LONG, "the purges of dropped futures", || {
            let purges = site.recorder.purges();
            let purged: Vec<_> = purges.targets().iter().map(ToString::to_string).collect();
            purged == pages
        });
        other.run("ROLLBACK").await.unwrap();
    });
}
