//! The settings of a dispatcher, and their bounds.

use std::time::Duration;

use crate::base::on_the_way::ON_THE_WAY;
use crate::base::report::Reports;
use crate::base::spelling::Spellings;
use crate::error::ConfigError;
use crate::purger::http::Connecting;

/// Longer than any useful duration, and short enough to be added to any time without overflow.
pub(crate) const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// The pacing and retries at each node.
#[derive(Debug, Clone)]
pub(crate) struct Policy {
    /// The delay after an answered purge at which the same target is purged once more.
    pub(crate) rebound: Option<Duration>,
    /// Whether the user has chosen it.
    pub(crate) rebound_is_set: bool,
    /// The maximum age of a purge for another attempt.
    pub(crate) max_age: Duration,
    /// The maximum number of requests in flight at one node.
    pub(crate) concurrency: usize,
    /// The maximum number of targets that wait for one node.
    pub(crate) max_waiting: usize,
    /// The number of reports that wait for a slow reader.
    pub(crate) max_reports: usize,
    /// The number of purges that are kept for the history; 0 for none.
    pub(crate) history: usize,
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
            rebound_is_set: false,
            max_age: Duration::from_secs(24 * 60 * 60),
            concurrency: 8,
            max_waiting: 1_000_000,
            max_reports: Reports::WAITING,
            history: 1000,
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

    /// Pages that were rendered before a purge are kept out of the caches: one that was not is at most on its way.
    #[cfg(feature = "web")]
    pub(crate) fn fenced(&mut self) {
        if !self.rebound_is_set {
            self.rebound = Some(Duration::from_millis(50));
        }
    }

    /// The rebound at the nodes of a cache that is `fenced`, or needs a second purge after the time `least`.
    pub(super) fn rebound_at(&self, fenced: bool, least: Option<Duration>) -> Option<Duration> {
        match least {
            _ if fenced => None,
            Some(least) => Some(self.rebound.unwrap_or_default().max(least)),
            None => self.rebound,
        }
    }

    /// Whether a page may arrive in a cache after the rebound, as far as anybody purges twice.
    pub(super) fn is_too_short(rebound: Option<Duration>) -> bool {
        rebound.is_some_and(|rebound| rebound < ON_THE_WAY)
    }

    /// Checks the bounds of every setting.
    pub(crate) fn check(&mut self) -> Result<(), ConfigError> {
        SETTINGS
            .iter()
            .try_for_each(|setting| setting.check(self, setting.name, None))
    }
}

/// A number or duration, with its names and bounds. [`Policy::default`] has the default.
pub(crate) struct Setting {
    /// The method of the builder, and the field of a config file.
    pub(crate) name: &'static str,
    /// The variable in the environment.
    pub(crate) variable: Option<&'static str>,
    field: Field,
}

enum Field {
    /// Any duration, or `off`.
    Delay(fn(&mut Policy) -> &mut Option<Duration>),
    /// A duration that must not be zero.
    Limit(fn(&mut Policy) -> &mut Duration),
    /// A number from one to this.
    Number(fn(&mut Policy) -> &mut usize, usize),
    /// `common` or `exact`.
    Spellings(fn(&mut Policy) -> &mut Spellings),
}

impl Setting {
    const fn new(name: &'static str, variable: &'static str, field: Field) -> Self {
        Self {
            name,
            variable: Some(variable),
            field,
        }
    }
}

pub(crate) const SETTINGS: [Setting; 9] = [
    Setting::new(
        "rebound",
        "ROAN_REBOUND",
        Field::Delay(|policy| &mut policy.rebound),
    ),
    Setting::new(
        "connect_timeout",
        "ROAN_CONNECT_TIMEOUT",
        Field::Limit(|policy| &mut policy.connect_timeout),
    ),
    Setting::new(
        "timeout",
        "ROAN_TIMEOUT",
        Field::Limit(|policy| &mut policy.timeout),
    ),
    Setting::new(
        "max_age",
        "ROAN_MAX_AGE",
        Field::Limit(|policy| &mut policy.max_age),
    ),
    Setting::new(
        "concurrency",
        "ROAN_CONCURRENCY",
        Field::Number(|policy| &mut policy.concurrency, 1024),
    ),
    Setting::new(
        "max_waiting",
        "ROAN_MAX_WAITING",
        Field::Number(|policy| &mut policy.max_waiting, 1 << 30),
    ),
    Setting::new(
        "spellings",
        "ROAN_SPELLINGS",
        Field::Spellings(|policy| &mut policy.spellings),
    ),
    Setting {
        name: "backoff",
        variable: None,
        field: Field::Limit(|policy| &mut policy.backoff_base),
    },
    Setting {
        name: "backoff",
        variable: None,
        field: Field::Limit(|policy| &mut policy.backoff_cap),
    },
];

impl Setting {
    /// Reads a text from a file or the environment. `known_as` is the name by which the user knows the setting.
    pub(crate) fn read(
        &self,
        policy: &mut Policy,
        known_as: &str,
        text: &str,
    ) -> Result<(), ConfigError> {
        match self.field {
            Field::Delay(field) => {
                policy.rebound_is_set = true;
                *field(policy) = match text {
                    "off" => None,
                    text => Some(duration(
                        known_as,
                        text,
                        &format!("{}` or `off", self.default()),
                    )?),
                }
            }
            Field::Limit(field) => *field(policy) = duration(known_as, text, &self.default())?,
            Field::Number(field, _) => {
                *field(policy) = text.parse().map_err(|_| {
                    let problem = format!(
                        "is not a whole number: write one such as `{}`",
                        self.default()
                    );
                    ConfigError::value(known_as, text, problem)
                })?;
            }
            Field::Spellings(field) => {
                *field(policy) = match text {
                    "common" => Spellings::Common,
                    "exact" => Spellings::Exact,
                    _ => {
                        let problem = "is not known: write `common` or `exact`";
                        return Err(ConfigError::value(known_as, text, problem));
                    }
                }
            }
        }
        self.check(policy, known_as, Some(text))
    }

    /// `shown` is the value as the user wrote it.
    fn check(
        &self,
        policy: &mut Policy,
        known_as: &str,
        shown: Option<&str>,
    ) -> Result<(), ConfigError> {
        let default = self.default();
        let (value, problem) = match self.field {
            Field::Spellings(_) => return Ok(()),
            Field::Delay(field) => match *field(policy) {
                Some(delay) if delay > LONGEST => (
                    humantime::format_duration(delay).to_string(),
                    TOO_LONG.to_owned(),
                ),
                _ => return Ok(()),
            },
            Field::Limit(field) => match *field(policy) {
                Duration::ZERO => (
                    "0s".to_owned(),
                    format!("must be longer than zero: the default is `{default}`"),
                ),
                limit if limit > LONGEST => (
                    humantime::format_duration(limit).to_string(),
                    TOO_LONG.to_owned(),
                ),
                _ => return Ok(()),
            },
            Field::Number(field, most) => match *field(policy) {
                number if (1..=most).contains(&number) => return Ok(()),
                number => (
                    number.to_string(),
                    format!("must be between 1 and {most}: the default is {default}"),
                ),
            },
        };
        Err(ConfigError::value(
            known_as,
            shown.unwrap_or(&value),
            problem,
        ))
    }

    /// The default, as a user writes it.
    pub(crate) fn default(&self) -> String {
        let mut policy = Policy::default();
        let shown = |duration| humantime::format_duration(duration).to_string();
        match self.field {
            Field::Delay(field) => field(&mut policy).map_or_else(|| "off".to_owned(), shown),
            Field::Limit(field) => shown(*field(&mut policy)),
            Field::Number(field, _) => field(&mut policy).to_string(),
            Field::Spellings(_) => "common".to_owned(),
        }
    }
}

const TOO_LONG: &str = "is longer than a year: write at most `365days`";

/// Reads a duration with its unit. `such_as` is an example for the message.
pub(crate) fn duration(known_as: &str, text: &str, such_as: &str) -> Result<Duration, ConfigError> {
    humantime::parse_duration(text).map_err(|_| {
        let problem =
            format!("is not a duration: write a number and its unit, such as `{such_as}`");
        ConfigError::value(known_as, text, problem)
    })
}

#[cfg(test)]
#[cfg(feature = "web")]
mod tests {
    use super::*;

    #[test]
    fn a_cache_may_need_a_longer_rebound_than_the_site() {
        let seconds = Duration::from_secs;
        let rebound = |set: Option<Duration>, fenced, least| {
            let policy = Policy {
                rebound: set,
                ..Policy::default()
            };
            policy.rebound_at(fenced, least)
        };
        let two = Some(seconds(2));
        assert_eq!(rebound(None, false, two), two);
        assert_eq!(rebound(Some(seconds(1)), false, two), two);
        assert_eq!(rebound(Some(seconds(3)), false, two), Some(seconds(3)));
        assert_eq!(rebound(Some(seconds(1)), false, None), Some(seconds(1)));
        assert_eq!(rebound(two, true, two), None);
    }

    #[test]
    fn a_rebound_that_was_set_stays() {
        let mut policy = Policy::default();
        policy.fenced();
        assert_eq!(policy.rebound, Some(Duration::from_millis(50)));
        let setting = SETTINGS
            .iter()
            .find(|setting| setting.name == "rebound")
            .unwrap();
        for (text, set) in [("2s", Some(Duration::from_secs(2))), ("off", None)] {
            let mut policy = Policy::default();
            setting.read(&mut policy, "rebound", text).unwrap();
            policy.fenced();
            assert_eq!(policy.rebound, set);
        }
    }
}
