//! The metrics of a durable outbox.

use std::time::Duration;

use metrics::with_local_recorder;
use roan::outbox::Outbox;
use roan::{Nginx, Roan, RoanBuilder};
use roan_tests::{Behaviour, Connection, Faulty, HOST, MariaDb, Postgres, SqliteFile, wait};

use crate::support::{builder, value};

/// What an exporter shows of the outbox.
fn shown(roan: &Roan, name: &str) -> Option<f64> {
    let recorder = builder().build_recorder();
    with_local_recorder(&recorder, || roan.update_metrics());
    value(&recorder.handle().render(), name, "")
}

fn roan(cache: Nginx, outbox: Outbox) -> RoanBuilder {
    let builder = Roan::builder().cache(cache).site(HOST).outbox(outbox);
    builder.rebound(None)
}

async fn each_kind_of_row_is_counted(url: &str) {
    let outbox = Outbox::at(url).unwrap();
    outbox.migrate().await.unwrap();
    let endpoint = Faulty::start(Behaviour::Answer(503, Vec::new()));
    let nginx = Nginx::at(&endpoint.purge_url()).unwrap();
    let roan = roan(nginx, outbox).build().unwrap();
    wait::until(wait::LONG, "the outbox to be counted", || {
        shown(&roan, "roan_outbox_up") == Some(1.0)
    });
    assert_eq!(shown(&roan, "roan_outbox_oldest_seconds"), Some(0.0));
    assert_eq!(shown(&roan, "roan_outbox_dead"), Some(0.0));

    let mut connection = Connection::open(url).await.unwrap();
    let row = |url: &str| {
        format!("INSERT INTO roan_outbox (payload) VALUES ('{{\"v\":1,\"purge\":[\"{url}\"]}}')")
    };
    for number in 0..4 {
        connection.run(&row(&format!("/{number}"))).await.unwrap();
    }
    connection
        .run("INSERT INTO roan_outbox (payload) VALUES ('nonsense')")
        .await
        .unwrap();
    wait::until(wait::LONG, "them to be counted", || {
        let deliveries = shown(&roan, "roan_outbox_deliveries");
        let dead = shown(&roan, "roan_outbox_dead");
        deliveries >= Some(1.0) && dead == Some(1.0)
    });
    assert!(shown(&roan, "roan_outbox_oldest_seconds") > Some(0.0));
    endpoint.set(Behaviour::Purged);
    wait::until(wait::LONG, "it to be empty", || {
        let names = [
            "roan_outbox_purges",
            "roan_outbox_deliveries",
            "roan_outbox_oldest_seconds",
        ];
        names.iter().all(|name| shown(&roan, name) == Some(0.0))
    });
    let left = roan.shutdown(Duration::from_secs(10)).await;
    assert_eq!(left.pending(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite_each_kind_of_row_is_counted() {
    let file = SqliteFile::new();
    each_kind_of_row_is_counted(&file.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_each_kind_of_row_is_counted() {
    let server = Postgres::start();
    each_kind_of_row_is_counted(&server.url()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_mariadb_each_kind_of_row_is_counted() {
    let server = MariaDb::start();
    each_kind_of_row_is_counted(&server.url()).await;
}

/// The lag counts from the row, also if another program has written it.
#[tokio::test(flavor = "multi_thread")]
async fn the_lag_counts_from_the_commit() {
    let exporter = crate::support::exporter();
    let mut server = Postgres::start();
    let url = server.url();
    let outbox = Outbox::at(&url).unwrap();
    outbox.migrate().await.unwrap();
    let endpoint = Faulty::start(Behaviour::Purged);
    let nginx = Nginx::new()
        .name("committed")
        .named_node("one", &endpoint.purge_url())
        .unwrap();
    let mut connection = Connection::open(&url).await.unwrap();
    // Written an hour ago.
    let hour_ago = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint - 3600000";
    let payload = r#"{"v":1,"purge":["/old"]}"#;
    let row =
        format!("INSERT INTO roan_outbox (payload, created_ms) VALUES ('{payload}', {hour_ago})");
    connection.run(&row).await.unwrap();
    let roan = roan(nginx, outbox).build().unwrap();
    wait::for_purges(&roan).await;
    let lag = crate::support::of_node(
        &exporter.render(),
        "roan_purge_lag_seconds_sum",
        "committed",
    );
    assert!(lag >= Some(3600.0), "{lag:?}");

    // A database that is gone is shown as such.
    let up = || shown(&roan, "roan_outbox_up");
    wait::until(wait::LONG, "it to be up", || up() == Some(1.0));
    server.stop();
    wait::until(wait::LONG, "it to be down", || up() == Some(0.0));
    server.restart();
    wait::until(wait::LONG, "it to be back", || up() == Some(1.0));
}
