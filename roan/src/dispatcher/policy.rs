//! The settings of a dispatcher, and their bounds.

use std::time::Duration;

use crate::base::spelling::Spellings;
use crate::error::ConfigError;
use crate::purger::http::Connecting;

/// Longer than any useful duration, and short enough to be added to any time without overflow.
pub(crate) const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How purges are paced and repeated at each node.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    /// The delay after an answered purge at which the same target is purged once more.
    pub(crate) rebound: Option<Duration>,
    /// The maximum age of a purge for another attempt.
    pub(crate) max_age: Duration,
    /// The maximum number of requests in flight at one node.
    pub(crate) concurrency: usize,
    /// The maximum number of targets that wait for one node.
    pub(crate) max_waiting: usize,
    pub(crate) backoff_base: Duration,
    pub(crate) backoff_cap: Duration,
    pub(crate) connect_timeout: Duration,
    pub(crate) timeout: Duration,
    /// The spellings of a URL that are purged.
    pub(crate) spellings: Spellings,
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
            spellings: Spellings::default(),
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

    /// Checks the bounds of every setting.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let shown = |duration| humantime::format_duration(duration).to_string();
        if let Some(delay) = self.rebound {
            check_delay("rebound", delay, &shown(delay))?;
        }
        for (setting, duration) in [
            ("max_age", self.max_age),
            ("connect_timeout", self.connect_timeout),
            ("timeout", self.timeout),
            ("backoff", self.backoff_base),
            ("backoff", self.backoff_cap),
        ] {
            check_duration(setting, duration, &shown(duration))?;
        }
        check_number("concurrency", self.concurrency, MOST_CONCURRENCY)?;
        check_number("max_waiting", self.max_waiting, MOST_WAITING)
    }
}

pub(crate) const MOST_CONCURRENCY: usize = 1024;
pub(crate) const MOST_WAITING: usize = 1 << 30;

/// Checks the bounds of a delay, which may be zero. `shown` is the value as the user wrote it.
pub(crate) fn check_delay(setting: &str, delay: Duration, shown: &str) -> Result<(), ConfigError> {
    if delay > LONGEST {
        return Err(out_of_bounds(setting, shown, "must be at most a year"));
    }
    Ok(())
}

/// Checks the bounds of a duration that must be positive. `shown` is the value as the user wrote it.
pub(crate) fn check_duration(
    setting: &str,
    duration: Duration,
    shown: &str,
) -> Result<(), ConfigError> {
    if duration.is_zero() {
        let problem = "must be greater than zero";
        return Err(out_of_bounds(setting, shown, problem));
    }
    check_delay(setting, duration, shown)
}

pub(crate) fn check_number(setting: &str, number: usize, most: usize) -> Result<(), ConfigError> {
    if (1..=most).contains(&number) {
        return Ok(());
    }
    let problem = format!("must be between 1 and {most}");
    Err(out_of_bounds(setting, &number.to_string(), &problem))
}

fn out_of_bounds(setting: &str, value: &str, problem: &str) -> ConfigError {
    ConfigError::Value {
        setting: setting.to_owned(),
        value: value.to_owned(),
        problem: problem.to_owned(),
    }
}
