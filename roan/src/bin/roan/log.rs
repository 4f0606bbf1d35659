//! What the library logs, on standard error.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::output::note;

/// Receives the events of the library in place of standard error. Of those it shows the warnings about the configuration:
/// the results of purges are the command's own to print.
struct Warnings {
    are_shown: bool,
}

/// From now on, the library's warnings are shown, or nothing that it logs.
pub(crate) fn show_warnings(are_shown: bool) {
    // Nothing else sets one.
    let _ = tracing::subscriber::set_global_default(Warnings { are_shown });
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "roan" && *metadata.level() <= Level::WARN
    }

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let is_result = metadata.fields().field("outcome").is_some();
        if self.are_shown && *metadata.level() == Level::WARN && !is_result {
            event.record(&mut Message);
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Message;

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            note(format_args!("roan: {value:?}"));
        }
    }
}
