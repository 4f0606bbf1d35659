//! Promise 6: the save path is sacred. And promise 1, as far as memory goes: scopes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use roan::testing::{record, record_blocking};
use roan::{Roan, assert_not_purged, assert_purged, purge_on};
use roan_tests::{Behaviour, Faulty, wait};

use crate::support::{builder, flush};

#[purge_on(save, delete, url = "/{0}")]
struct Row(u32);

fn requests(endpoint: &Faulty) -> Vec<String> {
    endpoint
        .requests()
        .into_iter()
        .map(|request| request.target)
        .collect()
}

fn recording() -> (Faulty, Roan) {
    let endpoint = Faulty::start(Behaviour::Purged);
    let roan = builder(&[endpoint.purge_url()]).build().unwrap();
    (endpoint, roan)
}

#[test]
fn a_hook_returns_while_every_node_hangs() {
    let nodes = [
        Behaviour::Ignore,
        Behaviour::Hang,
        Behaviour::StallMidAnswer,
    ]
    .map(Faulty::start);
    let roan = builder(&nodes.each_ref().map(Faulty::purge_url))
        .build()
        .unwrap();
    for number in 0..10_000 {
        roan.saved(&Row(number));
    }
    // No node has answered anything, so no hook can have waited for one.
    let stats = roan.stats();
    assert_eq!(stats.asked, 10_000);
    assert!(
        stats
            .nodes
            .iter()
            .all(|node| node.purged + node.not_cached + node.failed == 0)
    );
}

#[test]
fn a_scope_sends_each_purge_once_when_its_work_is_over() {
    let (endpoint, roan) = recording();
    roan::scope_blocking(|| {
        for _ in 0..10 {
            roan.saved(&Row(1));
        }
        roan::scope_blocking(|| roan.saved(&Row(2)));
        flush(&roan);
        assert_eq!(requests(&endpoint), [""; 0]);
    });
    flush(&roan);
    let mut sent = requests(&endpoint);
    sent.sort();
    assert_eq!(sent, ["/purge/1", "/purge/2"]);
}

#[test]
fn a_scope_sends_after_a_panic() {
    let (endpoint, roan) = recording();
    let work = || {
        roan::scope_blocking(|| {
            roan.saved(&Row(1));
            panic!("after the write");
        })
    };
    assert!(catch_unwind(AssertUnwindSafe(work)).is_err());
    flush(&roan);
    assert_eq!(requests(&endpoint), ["/purge/1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_sends_after_a_cancellation_and_not_before() {
    let (endpoint, roan) = recording();
    let work = roan::scope(async {
        roan.saved(&Row(1));
        std::future::pending::<()>().await;
    });
    let ended = tokio::time::timeout(Duration::from_millis(50), work).await;
    assert!(ended.is_err());
    wait::for_purges(&roan).await;
    assert_eq!(requests(&endpoint), ["/purge/1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spawned_task_stays_in_the_scope_if_told_to() {
    let (endpoint, roan) = recording();
    let (wait, until) = tokio::sync::oneshot::channel::<()>();
    let late = roan::scope(async {
        let roan = roan.clone();
        let task = tokio::spawn(roan::in_scope({
            let roan = roan.clone();
            async move { roan.saved(&Row(1)) }
        }));
        let thread = std::thread::spawn(roan::in_scope_blocking({
            let roan = roan.clone();
            move || roan.saved(&Row(2))
        }));
        task.await.unwrap();
        thread.join().unwrap();
        wait::for_purges(&roan).await;
        assert_eq!(requests(&endpoint), [""; 0]);
        Some(tokio::spawn(roan::in_scope(async move {
            roan.saved(&Row(3));
            until.await
        })))
    })
    .await
    .unwrap();
    wait::for_purges(&roan).await;
    let mut sent = requests(&endpoint);
    sent.sort();
    assert_eq!(
        sent,
        ["/purge/1", "/purge/2"],
        "the work of the third is not over"
    );
    wait.send(()).unwrap();
    late.await.unwrap().unwrap();
    wait::for_purges(&roan).await;
    assert_eq!(
        requests(&endpoint).len(),
        3,
        "it outlived the scope, and was sent at its own end"
    );
}

#[test]
fn a_discard_drops_what_the_innermost_scope_holds() {
    let purges = record_blocking(|| {
        roan::scope_blocking(|| {
            roan::saved(&Row(1));
            roan::scope_blocking(|| {
                roan::saved(&Row(2));
                roan::discard_scope();
                roan::saved(&Row(3));
            });
        });
    });
    assert_purged!(purges, "/1");
    assert_not_purged!(purges, "/2");
    assert_purged!(purges, "/3");
}

#[tokio::test]
async fn a_recording_sees_asynchronous_work() {
    let purges = record(async {
        roan::saved(&Row(1));
        tokio::task::yield_now().await;
        roan::deleted(&Row(2));
    })
    .await;
    assert_eq!(purges.to_string(), "  /1\n  /2\n");
}

#[test]
fn rules_made_at_run_time_fire_for_any_type() {
    #[purge_on(save, url = "/ruled/{0}")]
    struct Ruled(u32);
    struct Plain;
    roan::purge("/plain")
        .and("/list")
        .on_save::<Plain>()
        .on_save::<Ruled>();
    roan::purge("/plain").on_delete::<Plain>();
    let saved = record_blocking(|| roan::saved(&roan::External(&Plain)));
    assert_eq!(saved.to_string(), "  /list\n  /plain\n");
    let deleted = record_blocking(|| roan::deleted(&roan::External(&Plain)));
    assert_eq!(deleted.to_string(), "  /plain\n");
    let row = record_blocking(|| roan::created(&Ruled(7)));
    assert_eq!(row.to_string(), "  /list\n  /plain\n  /ruled/7\n");
}
