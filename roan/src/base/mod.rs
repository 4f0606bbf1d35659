//! The types that all other modules use. It imports none of them.

#[cfg(any(feature = "web", feature = "_sql"))]
#[cfg_attr(
    not(feature = "web"),
    allow(dead_code, reason = "the web layer uses all of it")
)]
pub(crate) mod area;
pub(crate) mod backoff;
#[cfg(any(feature = "web", feature = "_sql", feature = "embedded"))]
#[cfg_attr(
    not(any(feature = "web", feature = "_sql")),
    allow(dead_code, reason = "the embedded cache does not compare parameters")
)]
pub(crate) mod canonical;
pub(crate) mod cause;
pub mod encode;
pub(crate) mod event;
pub(crate) mod exit;
mod legality;
pub(crate) mod log;
#[cfg(any(feature = "web", feature = "_sql", all(unix, feature = "nginx-files")))]
pub(crate) mod noise;
pub(crate) mod outcome;
pub(crate) mod redact;
pub(crate) mod report;
pub(crate) mod rule;
pub(crate) mod site;
pub(crate) mod spelling;
pub(crate) mod target;
mod target_error;
mod url_syntax;
pub(crate) mod within;
