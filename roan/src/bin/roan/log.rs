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

/// The same for a command that runs for long: its log.
#[cfg(feature = "agent")]
struct Everything;

/// From now on, all that the library logs is shown but for details.
#[cfg(feature = "agent")]
pub(crate) fn show_everything() {
    // Nothing else sets one.
    let _ = tracing::subscriber::set_global_default(Everything);
}

#[cfg(feature = "agent")]
impl Subscriber for Everything {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "roan" && *metadata.level() <= Level::INFO
    }

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let level = event.metadata().level();
        note(format_args!(
            "roan: {level}: {}{}",
            line.message, line.fields
        ));
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[cfg(feature = "agent")]
#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

#[cfg(feature = "agent")]
impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        use std::fmt::Write;
        // A string takes everything.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, " {name}={value:?}"),
        };
    }
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
