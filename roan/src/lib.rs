//! Roan.
#![forbid(unsafe_code)]

#[doc(hidden)]
pub mod __private;
mod encode;
mod event;
mod model;
mod rule;
mod target;

pub use event::{Event, Events};
pub use model::Model;
pub use roan_macros::purge_on;
pub use rule::{Rule, Template, rules};
pub use target::{Target, TargetError, TargetKind};
