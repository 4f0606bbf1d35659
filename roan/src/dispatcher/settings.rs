//! What can be set about a dispatcher, and within which bounds.

use std::time::Duration;

use crate::error::ConfigError;
use crate::purger::Connecting;

/// Longer than any duration that makes sense, and short enough to be added to any time.
pub(crate) const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How purges are paced and repeated at each node.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    /// How long after an answered purge the same target is purged once more.
    pub(crate) rebound: Option<Duration>,
    /// How old a purge may be for another attempt.
    pub(crate) max_age: Duration,
    /// How many requests may be in flight at one node.
    pub(crate) concurrency: usize,
    /// How many targets may wait for one node.
    pub(crate) max_waiting: usize,
    pub(crate) backoff_base: Duration,
    pub(crate) backoff_cap: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) timeout: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            rebound: Some(Duration::from_secs(2)),
            max_age: Duration::from_secs(24 * 60 * 60),
            concurrency: 8,
            max_waiting: 1_000_000,
            backoff_base: Duration::from_millis(100),
            backoff_cap: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(2),
            timeout: Duration::from_secs(10),
        }
    }
}

impl Policy {
    pub(crate) fn connecting(&self) -> Connecting {
        Connecting {
            connect_timeout: self.connect_timeout,
            timeout: self.timeout,
            concurrency: self.concurrency,
        }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let durations = [
            ("rebound", self.rebound, false),
            ("max_age", Some(self.max_age), true),
            ("connect_timeout", Some(self.connect_timeout), true),
            ("timeout", Some(self.timeout), true),
            ("backoff", Some(self.backoff_base), true),
            ("backoff", Some(self.backoff_cap), true),
        ];
        for (setting, duration, must_last) in durations {
            let Some(duration) = duration else { continue };
            let problem = if duration > LONGEST {
                "is longer than a year"
            } else if must_last && duration.is_zero() {
                "is nothing, so that no purge could be sent"
            } else {
                continue;
            };
            return Err(ConfigError::Value {
                setting: setting.to_owned(),
                value: humantime::format_duration(duration).to_string(),
                problem: problem.to_owned(),
            });
        }
        for (setting, number, most) in [
            ("concurrency", self.concurrency, 1024),
            ("max_waiting", self.max_waiting, 1 << 30),
        ] {
            if !(1..=most).contains(&number) {
                return Err(ConfigError::Value {
                    setting: setting.to_owned(),
                    value: number.to_string(),
                    problem: format!("is not between 1 and {most}"),
                });
            }
        }
        Ok(())
    }
}
