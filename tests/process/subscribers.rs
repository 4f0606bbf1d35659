//! `tracing` subscribers that fire hooks, or panic. They are code of the program, and run wherever
//! Roan or a library below it emits an event.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use roan::outbox::Outbox;
use roan::testing::Recorder;
use roan::triggers::Triggers;
use roan::{Roan, Target, assert_purged, purge_on};
use roan_tests::{Behaviour, Faulty};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::{Row, assert_says, run};

/// The row that a [`Saving`] subscriber writes.
const LOGGED: u32 = 1_000_000;
const LONG: Duration = Duration::from_secs(10);

static EVENTS: AtomicU32 = AtomicU32::new(0);

/// Its table has no trigger, which the dispatcher's thread says while it starts.
#[purge_on(save, url = "/notes/{id}", table = "notes")]
struct Note {
    id: i64,
}

/// Writes a row for each event, up to [`MOST`]: a purge may make events, which make purges.
struct Saving;

const MOST: u32 = 100;

impl<S: tracing::Subscriber> Layer<S> for Saving {
    fn on_event(&self, _: &tracing::Event<'_>, _: Context<'_, S>) {
        let number = EVENTS.fetch_add(1, Ordering::Relaxed);
        if number < MOST {
            roan::saved(&Row(LOGGED + number));
        }
    }
}

struct Panicking;

impl<S: tracing::Subscriber> Layer<S> for Panicking {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        panic!("at an event of {}", event.metadata().target());
    }
}

fn subscribe(layer: impl Layer<tracing_subscriber::Registry> + Send + Sync, level: LevelFilter) {
    tracing_subscriber::registry()
        .with(layer.with_filter(level))
        .init();
}

/// What the program does when it is one of these cases.
pub(crate) fn case(case: &str) {
    match case {
        "subscriber saves" => {
            subscribe(Saving, LevelFilter::INFO);
            roan::saved(&Row(1));
            let left = roan::global().unwrap().flush_blocking(LONG);
            println!("left: {left}");
        }
        "subscriber saves at every event of any library" => {
            subscribe(Saving, LevelFilter::TRACE);
            roan::saved(&Row(1));
            println!("asked: {}", roan::global().unwrap().stats().asked > 0);
        }
        "subscriber saves during the installation" => {
            let url = std::env::var("ROAN_OUTBOX").unwrap();
            let outbox = Outbox::at(&url).unwrap();
            outbox.migrate_blocking().unwrap();
            subscribe(Saving, LevelFilter::INFO);
            let recorder = Recorder::new();
            let roan = Roan::builder()
                .cache(recorder.clone())
                .named_site("shop", "shop.test")
                .outbox(outbox.triggers(Triggers::new()))
                .install()
                .unwrap();
            println!("saved: {}", EVENTS.load(Ordering::Relaxed) > 0);
            roan::saved(&Note { id: 1 });
            println!("left: {}", roan.flush_blocking(LONG));
            assert_purged!(recorder.purges(), format!("/rows/{LOGGED}"));
        }
        "subscriber saves where too many wait" => {
            subscribe(Saving, LevelFilter::WARN);
            let roan = Roan::builder()
                .named_site("shop", "shop.test")
                .cache(Recorder::new())
                .max_waiting(1)
                .install()
                .unwrap();
            (0..1000).for_each(|number| roan.saved(&Row(number)));
            println!("dropped: {}", roan.stats().dropped > 0);
        }
        "subscriber panics" => {
            subscribe(Panicking, LevelFilter::TRACE);
            let recorder = Recorder::new();
            let roan = Roan::builder()
                .named_site("shop", "shop.test")
                .cache(recorder.clone())
                .install()
                .unwrap();
            (0..1000).for_each(|number| roan.saved(&Row(number)));
            // Refused on the dispatcher's thread, which says so as loudly as it can.
            roan.purge(Target::url("/a").unwrap().at_site("nowhere"))
                .unwrap();
            let left = roan.shutdown_blocking(LONG);
            println!("left: {left}");
            let purges = recorder.purges();
            for number in 0..1000 {
                assert_purged!(purges, format!("/rows/{number}"));
            }
        }
        other => panic!("no such case: {other}"),
    }
}

#[test]
fn a_subscriber_may_fire_the_first_hook_and_any_other() {
    let endpoint = Faulty::start(Behaviour::Purged);
    let url = endpoint.purge_url();
    let variables = [("ROAN_PURGE_URL", &*url)];
    let (stdout, _) = run("subscriber saves", &variables);
    assert_says(&stdout, &["left: nothing is left"]);
    let arrived: Vec<_> = endpoint.requests();
    let logged = format!("/purge/rows/{LOGGED}");
    assert!(arrived.iter().any(|request| request.target == logged));
    let case = "subscriber saves at every event of any library";
    let (stdout, _) = run(case, &variables);
    assert_says(&stdout, &["asked: true"]);
}

#[test]
fn a_subscriber_may_fire_hooks_while_the_dispatcher_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", folder.path().join("db").display());
    let variables = [("ROAN_OUTBOX", &*url)];
    let (stdout, _) = run("subscriber saves during the installation", &variables);
    assert_says(&stdout, &["saved: true", "left: nothing is left"]);
}

#[test]
fn a_subscriber_that_fires_hooks_of_hooks_that_log_ends() {
    let (stdout, stderr) = run("subscriber saves where too many wait", &[]);
    assert_says(&stdout, &["dropped: true"]);
    assert_says(&stderr, &["is not purged (number"]);
}

#[test]
fn a_subscriber_that_panics_holds_up_no_purge() {
    let (stdout, stderr) = run("subscriber panics", &[]);
    assert_says(&stdout, &["left: nothing is left"]);
    assert_says(&stderr, &["roan: /a at site nowhere cannot be purged"]);
}
