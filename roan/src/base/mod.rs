//! The types that all other modules use. It imports none of them.

#[cfg_attr(
    not(all(feature = "web", feature = "_sql")),
    allow(dead_code, reason = "the web layer and the outbox use all of it")
)]
pub(crate) mod area;
pub(crate) mod backoff;
pub(crate) mod canonical;
pub(crate) mod cause;
pub(crate) mod counted;
#[cfg_attr(
    not(feature = "_sql"),
    allow(dead_code, reason = "only the outbox reads them")
)]
pub(crate) mod created;
pub mod encode;
pub(crate) mod event;
pub(crate) mod exit;
pub(crate) mod feature;
#[cfg_attr(
    not(any(feature = "web", feature = "_sql", feature = "embedded")),
    allow(
        dead_code,
        reason = "the web layer, the outbox and the embedded cache use all of it"
    )
)]
pub(crate) mod folder;
pub mod history;
mod legality;
pub(crate) mod lock;
pub(crate) mod log;
pub(crate) mod moment;
pub(crate) mod noise;
pub(crate) mod on_the_way;
pub(crate) mod origin;
pub(crate) mod outcome;
#[cfg(feature = "nats")]
pub(crate) mod purge_id;
pub(crate) mod redact;
pub(crate) mod report;
pub(crate) mod rule;
#[cfg(feature = "serde")]
pub(crate) mod serialize;
pub(crate) mod site;
pub(crate) mod spans;
pub(crate) mod spelling;
pub(crate) mod tally;
pub(crate) mod target;
mod target_error;
#[cfg(any(feature = "_sql", feature = "nats"))]
pub(crate) mod target_json;
mod url_syntax;
pub(crate) mod within;
