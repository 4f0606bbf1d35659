//! A page of a site that already runs.

use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use roan_examples::episodes::Site;
use tokio::process::Command;

/// The page, and the command that writes it.
pub(crate) struct OwnPage {
    url: String,
    command: String,
    last: AtomicU64,
}

/// Longer than the second purge takes by default.
const SETTLED: Duration = Duration::from_secs(4);

impl OwnPage {
    pub(crate) fn new(url: &str, command: &str) -> Self {
        // Numbers must grow from one run to the next.
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        Self {
            url: url.to_owned(),
            command: command.to_owned(),
            last: AtomicU64::new(now.map_or(0, |now| now.as_secs() * 1_000)),
        }
    }
}

impl Site for OwnPage {
    fn url(&self, _page: u64) -> String {
        self.url.clone()
    }

    async fn write(&self, _page: u64) -> Result<u64, String> {
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let command = self.command.replace("{}", &format!("race-{number}"));
        let shell = Command::new("sh")
            .arg("-c")
            .arg(&command)
            .stdin(Stdio::null())
            .output();
        let output = shell.await.map_err(|error| format!("sh: {error}"))?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr);
            return Err(format!("`{command}` failed: {}", message.trim()));
        }
        Ok(number)
    }

    async fn settle(&self) -> Result<(), String> {
        tokio::time::sleep(SETTLED).await;
        Ok(())
    }
}
