//! Behind a pooler nothing of Roan's stays on a connection that others use, too.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use roan::__private::index::{Key, Resolving, SharedIndex, open_store};
use roan::outbox::Dialect;
use roan::purge_on;
use roan::testing::Recorder;
use roan::triggers::Triggers;
use roan_tests::{Behaviour, Faulty, PgBouncer, PgBouncerOptions};

use crate::pages::{keys, url};
use crate::support::{Client, Database, builder, flush, urls};

/// With a table for triggers.
#[purge_on(save, url = "/pooled/{slug}", table = "pooled_posts")]
struct PooledPost {
    slug: String,
}

/// sqlx, which the tests' own clients use, sends the first of them; the second is what Roan asks for.
const IGNORED: [&str; 2] = ["extra_float_digits", "extra_float_digits, options"];

/// A pool before the PostgreSQL of all tests, and the tables as they are reached through it.
pub(crate) fn pool(direct: &Database, options: &PgBouncerOptions) -> (PgBouncer, Database) {
    let port = direct.url().rsplit_once(':').expect("a port").1;
    let postgres = port.split('/').next().expect("a port").parse();
    let pool = PgBouncer::start(&PgBouncerOptions {
        postgres: postgres.expect("a port"),
        ..options.clone()
    });
    let database = direct.at(pool.url());
    (pool, database)
}

pub(crate) fn transactions(pool_size: u16, ignored: &'static str) -> PgBouncerOptions {
    PgBouncerOptions {
        postgres: 0,
        mode: "transaction",
        pool_size,
        ignored,
    }
}

/// All that Roan might leave on the connection. It has no prepared statements but those of the test.
const LEFT: &str = "SELECT concat_ws(', ', \
     current_setting('synchronous_commit'), current_setting('idle_in_transaction_session_timeout'), \
     current_setting('lock_timeout'), current_setting('bytea_output'), \
     current_setting('default_transaction_isolation'), current_setting('transaction_isolation'), \
     (SELECT count(*) FROM pg_prepared_statements), \
     (SELECT count(*) FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'), \
     (SELECT count(*) FROM pg_listening_channels()))";

async fn assert_untouched(client: &mut Client) {
    assert_eq!(
        client.texts(LEFT).await,
        ["local, 7min, 7s, escape, repeatable read, repeatable read, 3, 0, 0"]
    );
    for number in 1..=3 {
        let sql = format!("EXECUTE sqlx_s_{number}");
        assert_eq!(client.texts(&sql).await, [format!("mine {number}")]);
    }
}

/// Leaves on the connection what another program may have left there.
async fn mark_as_of_another(other: &mut Client) {
    other
        .run(
            "SET synchronous_commit = local; SET idle_in_transaction_session_timeout = '7min'; \
             SET lock_timeout = '7s'; SET bytea_output = escape; \
             SET default_transaction_isolation = 'repeatable read'",
        )
        .await;
    for number in 1..=3 {
        // By the names that sqlx would give.
        other
            .run(&format!(
                "PREPARE sqlx_s_{number} AS SELECT 'mine {number}'"
            ))
            .await;
    }
    assert_untouched(other).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_relay_sets_ends_with_its_transaction() {
    for ignored in IGNORED {
        let direct = Database::of(Dialect::Postgres);
        // All share one connection to the server.
        let (_pool, pooled) = pool(&direct, &transactions(1, ignored));
        let mut own = direct.client().await;
        own.run(
            "DROP TABLE IF EXISTS pooled_posts; CREATE TABLE pooled_posts (slug text NOT NULL)",
        )
        .await;
        let mut other = pooled.client().await;
        mark_as_of_another(&mut other).await;

        let triggers = Triggers::new().without("posts").strict();
        let outbox = pooled.outbox().await.triggers(triggers);
        assert_untouched(&mut other).await;
        outbox.install_triggers().await.expect("triggers");
        assert_untouched(&mut other).await;

        let recorder = Recorder::new();
        let down = Faulty::start(Behaviour::Answer(503, Vec::new()));
        let roan = builder(&recorder)
            .cache(roan::Nginx::at(&down.purge_url()).unwrap())
            .outbox(outbox.clone().max_attempts(1))
            .build()
            .unwrap();
        assert_untouched(&mut other).await;
        for number in 0..4 {
            own.run(&format!(
                "INSERT INTO pooled_posts VALUES ('it''s \\ {number}')"
            ))
            .await;
            roan.outbox().committed();
            assert_untouched(&mut other).await;
        }
        own.run("INSERT INTO {}outbox (payload) VALUES ('it''s \\ no payload')")
            .await;
        flush(&roan).await;
        // The quote has two spellings in a URL.
        assert_eq!(urls(&recorder).len(), 8);
        assert_untouched(&mut other).await;

        let dead = roan.outbox().dead(100).await.unwrap();
        assert_eq!(dead.len(), 9);
        let spellings = ["'", "%27"].map(|quote| format!("/pooled/it{quote}s%20%5C%200"));
        assert!(
            spellings.iter().any(|url| dead[0].target.contains(url)),
            "{dead:?}"
        );
        assert_eq!(dead[0].error, "failed: status 503");
        assert_eq!(dead[8].target, r"it's \ no payload");
        assert!(dead[8].error.contains("JSON"), "{dead:?}");
        assert_eq!(roan.outbox().discard_all().await, Ok(9));
        let long_ago = SystemTime::now() - Duration::from_secs(3600);
        assert_eq!(roan.outbox().purge_since(long_ago).await, Ok(4));
        flush(&roan).await;
        assert_untouched(&mut other).await;
        let _ = roan.shutdown(Duration::from_secs(5)).await;
        assert_untouched(&mut other).await;
        outbox.drop_triggers().await.expect("no triggers");
        assert_untouched(&mut other).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_index_and_the_fence_leave_nothing_behind() {
    for ignored in IGNORED {
        let direct = Database::of(Dialect::Postgres);
        let (_pool, pooled) = pool(&direct, &transactions(1, ignored));
        let outbox = pooled.outbox().await;
        let mut other = pooled.client().await;
        mark_as_of_another(&mut other).await;

        let index = SharedIndex::open(&outbox).await.unwrap();
        let mut relay = open_store(&outbox).await.unwrap();
        assert_untouched(&mut other).await;
        let page = url("/it's?\\$1").at_site("d'or \\ $2");
        let carried: Arc<[Key]> = keys(&["it%27s:/=%241", "b"]).into();
        let since = index.number();
        let learned = index.learn(page.clone(), Arc::clone(&carried)).await;
        assert_eq!(learned, Ok(true));
        assert_untouched(&mut other).await;
        let check = || index.check(Arc::clone(&carried), since);
        assert!(!check().await.unwrap().is_purged);
        assert!(relay.mark(&[carried[1].hash()]).await.unwrap().is_some());
        assert!(check().await.unwrap().is_purged);
        assert_untouched(&mut other).await;
        let mut resolving = Resolving::new([carried[0].hash()]);
        let found = relay.resolve(&mut resolving, 1).await.unwrap();
        assert_eq!(found[0].page, page);
        assert_eq!(
            relay.tags_of(&page).await.unwrap().map(|tags| tags.len()),
            Some(2)
        );
        assert!(!relay.sweep_but(-1).await.unwrap());
        assert_eq!(relay.forget(0, 10).await.unwrap(), 1);
        assert_untouched(&mut other).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_of_sessions_serves_a_relay_too() {
    for ignored in IGNORED {
        let direct = Database::of(Dialect::Postgres);
        let (_pool, pooled) = pool(
            &direct,
            &PgBouncerOptions {
                mode: "session",
                ..transactions(4, ignored)
            },
        );
        let recorder = Recorder::new();
        let roan = builder(&recorder)
            .outbox(pooled.outbox().await)
            .build()
            .unwrap();
        pooled.client().await.save(&roan, "a").await;
        flush(&roan).await;
        assert_eq!(urls(&recorder), ["/posts", "/posts/a"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_through_a_pool_leaves_no_lock_behind() {
    let direct = Database::of(Dialect::Postgres);
    let (_pool, pooled) = pool(&direct, &transactions(3, IGNORED[0]));
    let all = (0..6).map(|_| {
        let outbox = pooled.bare_outbox();
        tokio::spawn(async move { outbox.migrate().await })
    });
    for migrated in all.collect::<Vec<_>>() {
        assert_eq!(migrated.await.unwrap(), Ok(()));
    }
    // One that fails gives its lock back, too.
    let mut own = direct.client().await;
    own.run("UPDATE {}schema SET version = 2").await;
    assert!(pooled.bare_outbox().migrate().await.is_err());
    own.run("UPDATE {}schema SET version = 1").await;
    assert_eq!(direct.bare_outbox().migrate().await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn to_listen_through_a_pool_is_refused() {
    for ignored in IGNORED {
        let direct = Database::of(Dialect::Postgres);
        let (_pool, pooled) = pool(&direct, &transactions(2, ignored));
        let outbox = pooled.outbox().await.notify();
        let refused = builder(&Recorder::new()).outbox(outbox).build();
        let error = refused.expect_err("it is refused").to_string();
        assert!(error.contains("outbox notify"), "{error}");
        assert!(error.contains("pooler"), "{error}");
        assert!(error.contains("`Outbox::at`"), "{error}");
    }
}
