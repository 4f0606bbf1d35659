//! A cache whose answers the URL says.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use roan::Failure;
use roan::purger::{Answer, Cache, PurgeRequest, Purger};
use roan_tests::lock;

/// A cache with one node, `one`.
pub(crate) fn cache(name: &str) -> Cache {
    Cache::new(name).node("one", Scripted::default())
}

/// How long a purge of `/slow/..` takes at least.
pub(crate) const SLOW: Duration = Duration::from_millis(20);

/// Purges `/purged/..`, has not `/missing/..`, refuses `/refused/..`, fails each `/late/..` twice, and each `/dead/..`.
#[derive(Default)]
struct Scripted(Mutex<HashMap<String, u32>>);

impl Purger for Scripted {
    async fn purge(&self, request: PurgeRequest<'_>) -> Answer {
        let url = request.target().as_str();
        let failed = || Answer::failed(Failure::Status(503)).status(503);
        match url.split('/').nth(1).unwrap_or_default() {
            "missing" => Answer::not_cached(),
            "slow" => {
                tokio::time::sleep(SLOW).await;
                Answer::purged()
            }
            "refused" => Answer::refused("of the test"),
            "dead" => failed(),
            "late" => {
                let mut attempts = lock(&self.0);
                let attempt = attempts.entry(url.to_owned()).or_default();
                *attempt += 1;
                match *attempt {
                    ..=2 => failed(),
                    _ => Answer::purged(),
                }
            }
            _ => Answer::purged(),
        }
    }
}
