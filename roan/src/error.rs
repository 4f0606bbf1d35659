//! Errors of configuration. (Those of targets are in `base/target_error.rs`, those of sites in `base/site.rs`.)

use std::fmt;

use crate::base::cause::Cause;
use crate::base::site::SiteError;

/// Why a dispatcher could not be built or installed. Messages do not show secrets.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A setting has an invalid value.
    #[error("{setting}: {}{problem}", shown(value, problem))]
    Value {
        /// The setting: the name of an environment variable, a field or a method.
        setting: String,
        /// The value, without secrets. It is empty if it is not shown, or if there is none.
        value: String,
        /// What is wrong with it, and what to write.
        problem: String,
    },
    /// A purge URL is invalid.
    #[error("purge URL {url:?} {problem}")]
    PurgeUrl {
        /// The URL, without user name and password.
        url: String,
        /// What is wrong with it, and what to write.
        problem: String,
    },
    /// Two caches have the same name, or two nodes of one cache.
    #[error("{what} {name:?} is configured twice: remove one, or give each a name of its own")]
    SameName {
        /// `cache`, `node` or `site`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A rule needs something that no configured cache can do.
    #[error("rule {rule}: {problem}")]
    Rule {
        /// The rule with its file and line.
        rule: String,
        /// What is missing, and what to add.
        problem: String,
    },
    /// `roan::purge(...)` was given a target that cannot be purged.
    #[error("`roan::purge`: {0}")]
    RunTimeRule(String),
    /// The durable outbox cannot be used.
    #[cfg(feature = "_sql")]
    #[error(transparent)]
    Outbox(#[from] crate::outbox::OutboxError),
    /// [`Roan::web`](crate::Roan::web) was called on a dispatcher without the web layer.
    #[cfg(feature = "web")]
    #[error(
        "the dispatcher has no web layer: build it with `RoanBuilder::web(roan::web::Web::new())`"
    )]
    NoWebLayer,
    /// The HTTP client or the dispatcher's thread could not be created.
    #[error("cannot start the dispatcher: {0}")]
    Start(#[source] Cause),
    /// The global dispatcher exists already.
    #[error(
        "the global dispatcher is installed already: call `install()` once, before the first hook fires"
    )]
    AlreadyInstalled,
}

/// The value and a space; nothing if the problem is not about a value, or is about one that is not shown.
fn shown(value: &str, problem: &str) -> String {
    const WITHOUT_VALUE: [&str; 3] = ["(value not shown)", "is not set", "has no effect"];
    let has_none = WITHOUT_VALUE.iter().any(|words| problem.starts_with(words));
    if value.is_empty() && has_none {
        String::new()
    } else {
        format!("{value:?} ")
    }
}

impl ConfigError {
    pub(crate) fn value(
        setting: impl Into<String>,
        value: impl Into<String>,
        problem: impl Into<String>,
    ) -> Self {
        Self::Value {
            setting: setting.into(),
            value: value.into(),
            problem: problem.into(),
        }
    }

    /// A setting whose text is not a site.
    pub(crate) fn site(setting: &str, error: SiteError) -> Self {
        let problem = format!("{}: write `https://www.example.org`", error.problem);
        Self::value(setting, error.text, problem)
    }

    /// The same error, with the name by which the user knows the setting.
    pub(crate) fn about(self, name: &str) -> Self {
        match self {
            Self::Value { value, problem, .. }
            | Self::PurgeUrl {
                url: value,
                problem,
            } => Self::value(name, value, problem),
            other => other,
        }
    }
}

/// The message: a `main` that returns an error prints it so.
impl fmt::Debug for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
