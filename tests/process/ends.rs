//! What becomes of purges that wait when the program ends.

use std::process::Command;

use roan_tests::{Behaviour, Faulty};

use crate::assert_says;

struct Ended {
    stdout: String,
    stderr: String,
    is_success: bool,
    /// The purges of rows that arrived.
    arrived: usize,
}

fn end(case: &str, behaviour: Behaviour) -> Ended {
    let endpoint = Faulty::start(behaviour);
    let output = Command::new(env!("CARGO_BIN_EXE_roan-tests-program"))
        .arg(case)
        .env_clear()
        .env("ROAN_PURGE_URL", endpoint.purge_url())
        .env("ROAN_SITE", "http://www.example.org")
        .env("ROAN_REBOUND", "10ms")
        .output()
        .expect("the program can be run");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended {
        stdout: text(&output.stdout),
        stderr: text(&output.stderr),
        is_success: output.status.success(),
        arrived: endpoint
            .requests()
            .iter()
            .filter(|request| request.target.starts_with("/purge/rows/"))
            .count(),
    }
}

/// Of 1,000 purges at a node that answers none.
#[track_caller]
fn assert_loses_all(case: &str) {
    let ended = end(case, Behaviour::Hang);
    let words = [
        " purges could be sent: they are lost",
        "`let _guard = roan::global()?.guard(Duration::from_secs(10));`",
    ];
    assert_says(&ended.stderr, &words);
    assert_eq!(
        ended.stderr.matches("roan: ").count(),
        1,
        "{}",
        ended.stderr
    );
    let (_, count) = ended.stderr.split_once("ends before ").expect("it says so");
    let count: u32 = count.split(' ').next().unwrap().parse().expect("a number");
    // One may be on its way from one place of waiting to the next, and is then seen at both.
    assert!((1000..=1001).contains(&count), "{}", ended.stderr);
    assert_eq!(ended.is_success, case != "panics");
}

#[track_caller]
fn assert_sends_all(case: &str) {
    let ended = end(case, Behaviour::Purged);
    assert_eq!(ended.stderr, "", "{case}");
    assert!(ended.is_success);
    assert_eq!(ended.arrived, 2000, "{case}: each, and its rebound");
}

#[test]
fn a_program_that_ends_says_what_it_loses() {
    assert_loses_all("returns");
    assert_loses_all("returns, and workers saved");
    assert_loses_all("exits");
    assert_loses_all("panics");
    assert_loses_all("returns, and its dispatcher was not the global one");
}

#[test]
fn rebounds_that_are_not_waited_for_are_named() {
    let endpoint = Faulty::start(Behaviour::Purged);
    let output = Command::new(env!("CARGO_BIN_EXE_roan-tests-program"))
        .arg("flushes")
        .env_clear()
        .env("ROAN_PURGE_URL", endpoint.purge_url())
        .env("ROAN_REBOUND", "1h")
        .output()
        .expect("the program can be run");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_says(
        &stderr,
        &["the program ends before 1 rebound could be sent"],
    );
}

#[test]
fn a_program_that_shuts_down_says_nothing() {
    let ended = end("shuts down", Behaviour::Purged);
    assert_eq!(ended.stderr, "");
    assert!(ended.is_success);
}

#[test]
fn a_guard_sends_everything() {
    assert_sends_all("is guarded");
    assert_sends_all("is guarded on one thread");
    assert_sends_all("is guarded on many threads");
}

#[test]
fn a_guard_sends_everything_after_a_panic() {
    let ended = end("is guarded, and panics", Behaviour::Purged);
    assert!(!ended.is_success);
    assert_says(&ended.stderr, &["as it was told to"]);
    assert!(!ended.stderr.contains("roan: "), "{}", ended.stderr);
    assert_eq!(ended.arrived, 2000);
}

#[track_caller]
fn assert_says_once_what_it_lost(case: &str) {
    let ended = end(case, Behaviour::Hang);
    let words = ["could not send everything within 50ms: 1000 purges and 0 rebounds"];
    assert_says(&ended.stderr, &words);
    assert_eq!(
        ended.stderr.matches("roan: ").count(),
        1,
        "{}",
        ended.stderr
    );
    assert!(ended.is_success);
}

#[test]
fn a_guard_says_what_it_could_not_send() {
    assert_says_once_what_it_lost("is guarded but cannot send");
}

/// Also if the caller drops the result.
#[test]
fn a_shutdown_says_what_it_could_not_send() {
    assert_says_once_what_it_lost("shuts down but cannot send");
    assert_says_once_what_it_lost("shuts down but cannot send twice");
}

#[test]
fn hooks_and_scopes_work_in_the_destructors_of_a_thread() {
    let ended = end("saves in a destructor", Behaviour::Purged);
    assert_says(&ended.stdout, &["held: true", "recorded:  /rows/2\n"]);
    assert_eq!(ended.stderr, "");
    assert!(ended.is_success);
    assert_eq!(ended.arrived, 6, "of three rows: each, and its rebound");
}
