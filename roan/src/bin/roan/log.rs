//! What the library logs, on standard error.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use crate::output::note;

/// What is shown of the library's events. With a subscriber, the library itself writes nothing to standard error.
enum Shown {
    Nothing,
    /// Those about the configuration: the results of purges are the command's own to print, and what the settings of a stream may
    /// lose is for the start of an app or an agent, and for `roan fleet status`.
    Warnings,
    /// All but details: the log of a command that runs for long.
    #[cfg(feature = "agent")]
    Everything,
}

/// From now on, all that the library logs is shown but for details.
#[cfg(feature = "agent")]
pub(crate) fn show_everything() {
    show(Shown::Everything);
}

/// From now on, the library's warnings are shown, or nothing that it logs.
pub(crate) fn show_warnings(are_shown: bool) {
    show(match are_shown {
        true => Shown::Warnings,
        false => Shown::Nothing,
    });
}

fn show(shown: Shown) {
    // Nothing else sets one.
    let _ = tracing::subscriber::set_global_default(shown);
}

impl Subscriber for Shown {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let most = match self {
            Self::Nothing | Self::Warnings => Level::WARN,
            #[cfg(feature = "agent")]
            Self::Everything => Level::INFO,
        };
        metadata.target() == "roan" && *metadata.level() <= most
    }

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        match self {
            Self::Nothing => {}
            Self::Warnings => {
                let has = |field| metadata.fields().field(field).is_some();
                let is_elsewhere = has("outcome") || has("stream");
                if *metadata.level() == Level::WARN && !is_elsewhere {
                    event.record(&mut Message);
                }
            }
            #[cfg(feature = "agent")]
            Self::Everything => {
                let mut line = Line::default();
                event.record(&mut line);
                let (level, Line { message, fields }) = (metadata.level(), line);
                note(format_args!("roan: {level}: {message}{fields}"));
            }
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

struct Message;

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            note(format_args!("roan: {value:?}"));
        }
    }
}
