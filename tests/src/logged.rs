//! The errors and warnings that Roan has logged in this process.

use std::fmt;
use std::sync::{Mutex, Once};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::lock;

static LOGGED: Mutex<Vec<(Level, String)>> = Mutex::new(Vec::new());

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
        let mut logged = lock(&LOGGED);
        logged.push((*event.metadata().level(), message.0));
    }
}

/// Begins to keep them.
pub fn start() {
    static START: Once = Once::new();
    let both = Keeping.with_filter(LevelFilter::WARN);
    START.call_once(|| tracing_subscriber::registry().with(both).init());
}

/// The errors that contain the text.
pub fn errors_with(text: &str) -> Vec<String> {
    of(Level::ERROR, text)
}

/// The warnings that contain the text.
pub fn warnings_with(text: &str) -> Vec<String> {
    of(Level::WARN, text)
}

fn of(level: Level, text: &str) -> Vec<String> {
    let logged = lock(&LOGGED);
    let found = logged
        .iter()
        .filter(|(of, words)| *of == level && words.contains(text));
    found.map(|(_, words)| words.clone()).collect()
}
