//! Waits for what takes its time, never for a time alone.

use std::fmt::Display;
use std::thread;
use std::time::{Duration, Instant};

use roan::Roan;

/// Long enough for anything that a test waits for, on a machine that is busy with other tests.
pub const LONG: Duration = Duration::from_mins(1);

const SHORTEST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(25);

/// Polls until `condition` holds.
///
/// It blocks its thread: in an async test, use tokio's `multi_thread` flavor.
///
/// # Panics
///
/// When the condition does not hold by `deadline` from now; the message names `what`.
#[track_caller]
pub fn until(deadline: Duration, what: &str, mut condition: impl FnMut() -> bool) {
    until_some(deadline, what, || condition().then_some(()));
}

/// Polls until `attempt` yields something, and returns that.
///
/// # Panics
///
/// When it has yielded nothing by `deadline` from now; the message names `what`.
#[track_caller]
pub fn until_some<T>(deadline: Duration, what: &str, mut attempt: impl FnMut() -> Option<T>) -> T {
    until_ok(deadline, what, || attempt().ok_or(""))
}

/// Polls until `attempt` succeeds, and returns what it yields.
///
/// # Panics
///
/// When it has not succeeded by `deadline` from now; the message names `what` and the last error.
#[track_caller]
pub fn until_ok<T, E: Display>(
    deadline: Duration,
    what: &str,
    mut attempt: impl FnMut() -> Result<T, E>,
) -> T {
    let start = Instant::now();
    let mut pause = SHORTEST_PAUSE;
    loop {
        let error = match attempt() {
            Ok(outcome) => return outcome,
            Err(error) => error,
        };
        assert!(
            start.elapsed() < deadline,
            "waited {deadline:?} without success for: {what}\n{error}"
        );
        thread::sleep(pause);
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// As [`until`], for a condition that has to be awaited: other tasks go on meanwhile.
///
/// # Panics
///
/// As [`until`] does.
pub async fn until_async(deadline: Duration, what: &str, mut condition: impl AsyncFnMut() -> bool) {
    until_ok_async(deadline, what, async || match condition().await {
        true => Ok(()),
        false => Err(""),
    })
    .await;
}

/// As [`until_ok`], for an attempt that has to be awaited: other tasks go on meanwhile.
///
/// # Panics
///
/// As [`until_ok`] does.
pub async fn until_ok_async<T, E: Display>(
    deadline: Duration,
    what: &str,
    mut attempt: impl AsyncFnMut() -> Result<T, E>,
) -> T {
    let start = Instant::now();
    loop {
        let error = match attempt().await {
            Ok(outcome) => return outcome,
            Err(error) => error,
        };
        assert!(
            start.elapsed() < deadline,
            "waited {deadline:?} without success for: {what}\n{error}"
        );
        tokio::time::sleep(LONGEST_PAUSE).await;
    }
}

/// Waits until nothing is on its way: no purge at a node, and no row in the outbox.
///
/// # Panics
///
/// When something is left after half a minute, and when the outbox could not be read.
pub async fn for_purges(roan: &Roan) {
    for_purges_within(Duration::from_secs(30), roan).await;
}

/// As [`for_purges`], for many.
///
/// # Panics
///
/// When something is left by `deadline` from now, and when the outbox could not be read.
pub async fn for_purges_within(deadline: Duration, roan: &Roan) {
    let start = Instant::now();
    let left = roan.flush(deadline).await;
    let told = left.to_string();
    assert_eq!(told, "nothing is left", "after {:?}", start.elapsed());
}

/// Waits until no purge is left and no rebound either, at whatever cache. A flush does not wait for rebounds.
///
/// # Panics
///
/// When some are left after [`LONG`].
#[track_caller]
pub fn until_settled(roan: &Roan) {
    until(LONG, "all purges and rebounds", || {
        let stats = roan.stats();
        let mut nodes = stats.nodes.iter();
        stats.waiting == 0 && nodes.all(|node| node.pending + node.rebounds == 0)
    });
}

/// Lets this program, which is a case of a test, hang for three times [`LONG`] at most: it is then
/// aborted, and the test sees that.
pub fn or_abort() {
    thread::spawn(|| {
        thread::sleep(3 * LONG);
        std::process::abort();
    });
}
