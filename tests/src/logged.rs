//! The errors that Roan has logged in this process.

use std::fmt;
use std::sync::{Mutex, Once, PoisonError};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

static ERRORS: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Keeping;

struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}");
        }
    }
}

impl<S: Subscriber> Layer<S> for Keeping {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        let mut errors = ERRORS.lock().unwrap_or_else(PoisonError::into_inner);
        errors.push(message.0);
    }
}

/// Begins to keep them.
pub fn start() {
    static START: Once = Once::new();
    let errors = Keeping.with_filter(LevelFilter::ERROR);
    START.call_once(|| tracing_subscriber::registry().with(errors).init());
}

/// Those that contain the text.
pub fn errors_with(text: &str) -> Vec<String> {
    let errors = ERRORS.lock().unwrap_or_else(PoisonError::into_inner);
    let with_text = errors.iter().filter(|error| error.contains(text));
    with_text.cloned().collect()
}
