//! The nodes of a fleet on the page.

use roan::Fleet;
use roan::dashboard::Dashboard;
use roan_tests::nats::Fleet as Servers;
use roan_tests::{Nats, NatsOptions};
use serde_json::json;

use crate::axe;
use crate::page::{assert_quiet, open, row_with};
use crate::service::get;
use crate::support::Program;

fn program(server: &Nats) -> Program {
    let fleet = Fleet::nats(&server.url()).unwrap();
    Program::with(Dashboard::without_auth, |builder| builder.cache(fleet))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_nodes_of_a_fleet_are_shown_while_they_change() {
    let server = Nats::start(&NatsOptions::default());
    let servers = Servers::at(&server.url()).await;
    let well = servers.consumer("eu-1", "").await;
    servers.beat("eu-1", json!({})).await;
    servers.consumer("us-1", "").await;
    let because = json!({"state": "unclean", "unclean": "nginx refused <b>/x</b>"});
    servers.beat("us-1", because).await;
    let program = program(&server);
    let tab = open(&program).await;
    tab.until("the nodes", &row_with("consuming", "fleet-table"))
        .await;
    let rows = tab.texts("#fleet-table tbody tr").await;
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert!(
        rows[0].contains("eu-1") && rows[0].contains("● consuming"),
        "{rows:?}"
    );
    assert!(rows[1].contains("✕ unclean"), "{rows:?}");
    assert!(
        rows[1].contains("nginx refused <b>/x</b>: empty its cache"),
        "{rows:?}"
    );
    assert!(
        tab.text("#fleet-note")
            .await
            .contains("Stream ROAN: no message.")
    );

    servers.publish("roan.-.url", "/a").await;
    tab.until("the lag", &row_with("1, ", "fleet-table")).await;
    well.acknowledge(1).await;
    servers.beat("eu-1", json!({"acknowledged": 1})).await;
    tab.until(
        "the acknowledgement",
        "document.querySelector('#fleet-table tbody tr').cells[3].innerText === '–'",
    )
    .await;
    let note = tab.text("#fleet-note").await;
    assert!(note.contains("1 message, 1 to 1"), "{note}");
    axe::check(&tab, "the fleet").await;
    assert_quiet(&tab, &program).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_do_not_answer_are_named() {
    let mut server = Nats::start(&NatsOptions::default());
    let fleet = Fleet::nats(&server.url()).unwrap();
    server.kill();
    let program = Program::with(Dashboard::behind_auth, |builder| builder.cache(fleet));
    let (status, answer) = get(&program.dashboard, "/api/fleet").await;
    assert_eq!(status, 503, "{answer}");
    assert!(
        answer["error"]
            .as_str()
            .unwrap()
            .contains("cannot connect to"),
        "{answer}"
    );
    let tab = open(&program).await;
    tab.until(
        "the error",
        "document.getElementById('fleet-note').innerText.includes('cannot connect to')",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_without_a_fleet_does_not_show_one() {
    let program = Program::with(Dashboard::behind_auth, |builder| builder);
    let (status, answer) = get(&program.dashboard, "/api/fleet").await;
    assert_eq!(
        (status.as_u16(), &answer["error"]),
        (404, &json!("no cache of this program is a fleet"))
    );
    let tab = open(&program).await;
    assert!(!tab.text("main").await.contains("Fleet"));
}
