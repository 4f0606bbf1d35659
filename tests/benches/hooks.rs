//! What a hook costs the thread that writes: `cargo bench -p roan-tests --bench hooks`.
//!
//! Two URL rules, both templates filled, both targets enqueued at the global dispatcher; beside it
//! the two `format!` calls that any hand-made hook would need. The dispatcher works meanwhile: its
//! node refuses connections, so that no server takes processor time from the threads measured. Then the same hook in a
//! POST of the web layer, which notes for the answer what fires. Then the same hook with the history and without, in turns; in a
//! request with a trace, too. Then while metrics are recorded and read, and while `tracing` has a subscriber.

#![allow(clippy::expect_used, reason = "a benchmark that cannot go on ends")]

use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, Response};
use metrics::{Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Recorder, SharedString, Unit};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusRecorder};
use roan::purger::{Answer, Cache, PurgeRequest, Purger};
use roan::web::{Web, WebLayer};
use roan::{Nginx, Roan, purge_on};
use tower::{Layer, ServiceExt, service_fn};
use tracing::subscriber::{Interest, Subscriber};
use tracing::{Level, Metadata};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;

const ROUNDS: usize = 9;
const HOOKS: usize = 200_000;

#[purge_on(save, delete, url = "/posts")]
#[purge_on(save, delete, url = "/posts/{slug}")]
struct Post {
    slug: String,
}

fn posts(thread: usize, distinct: usize) -> Vec<Post> {
    let post = |number| Post {
        slug: format!("thread-{thread}-post-number-{number}"),
    };
    (0..distinct).map(post).collect()
}

/// The median time of a hook in nanoseconds, over rounds in which `threads` threads fire at once.
fn measure(threads: usize, distinct: usize, fire: impl Fn(&Post) + Sync) -> f64 {
    let start = Instant::now();
    measure_by(&|| start.elapsed(), threads, distinct, fire)
}

/// The processor time that this thread has had.
fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

fn measure_by(
    clock: &(dyn Fn() -> Duration + Sync),
    threads: usize,
    distinct: usize,
    fire: impl Fn(&Post) + Sync,
) -> f64 {
    let mut rounds = Vec::new();
    for round in 0..ROUNDS {
        let barrier = Barrier::new(threads);
        let times: Vec<Duration> = thread::scope(|scope| {
            let runs: Vec<_> = (0..threads)
                .map(|thread| {
                    let (barrier, fire) = (&barrier, &fire);
                    scope.spawn(move || {
                        let posts = posts(thread + round * threads, distinct);
                        barrier.wait();
                        let start = clock();
                        for number in 0..HOOKS / threads {
                            fire(black_box(&posts[number % distinct]));
                        }
                        clock() - start
                    })
                })
                .collect();
            runs.into_iter()
                .map(|run| run.join().expect("no hook panics"))
                .collect()
        });
        let longest = times.into_iter().max().unwrap_or_default();
        rounds.push(longest.as_nanos() as f64 / HOOKS as f64);
    }
    rounds.sort_by(f64::total_cmp);
    rounds[ROUNDS / 2]
}

fn main() {
    let refusing = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = refusing.local_addr().expect("it is bound");
    drop(refusing);
    let roan = Roan::builder()
        .cache(Nginx::at(&format!("http://{address}/purge")).expect("a purge URL"))
        .site("https://www.example.org")
        .web(Web::new())
        .install()
        .expect("nothing was installed before");

    let format = |post: &Post| {
        black_box(String::from("/posts"));
        black_box(format!("/posts/{}", post.slug));
    };
    let hook = |post: &Post| roan::saved(post);

    println!(
        "{:<44} {:>9} {:>9} {:>7} {:>12}",
        "one write, two URLs", "format!", "hook", "ratio", "allocations"
    );
    for (name, threads, distinct) in [
        ("one row again and again, 1 thread", 1, 1),
        ("1,000 rows in turn, 1 thread", 1, 1000),
        ("each row once, 1 thread", 1, HOOKS),
        ("1,000 rows each in turn, 4 threads", 4, 1000),
        ("each row once, 4 threads", 4, HOOKS / 4),
    ] {
        let base = measure(threads, distinct, format);
        let hooked = measure(threads, distinct, hook);
        let sample = posts(999, distinct.min(1000));
        let counted = || (0..1000).for_each(|number| hook(&sample[number % sample.len()]));
        let allocations = allocation_counter::measure(counted).count_total;
        println!(
            "{name:<44} {base:>6.0} ns {hooked:>6.0} ns {:>7.2} {:>12.2}",
            hooked / base,
            allocations as f64 / 1000.0,
        );
        while roan.stats().waiting > 0 {
            thread::yield_now();
        }
    }
    println!();
    println!(
        "{:<44} {:>9} {:>9} {:>7}",
        "one write, two URLs", "hook", "in a POST", "ratio"
    );
    let layer = roan.web().expect("it has a layer");
    for (name, distinct) in [
        ("one row again and again in a request", 1),
        ("500 rows, each once in a request", 500),
    ] {
        let plain = measure_requests(distinct, None);
        let noted = measure_requests(distinct, Some(&layer));
        let ratio = noted / plain;
        println!("{name:<44} {plain:>6.0} ns {noted:>6.0} ns {ratio:>7.2}");
    }
    compare_history(&format!("http://{address}/purge"));
    observed();
}

/// The same hook at a dispatcher that keeps a history, and at one that does not. They take turns, so that both meet the same
/// noise.
fn compare_history(node: &str) {
    let build = |purges: usize| {
        let roan = Roan::builder()
            .cache(Nginx::at(node).expect("a purge URL"))
            .site("https://www.example.org")
            .web(Web::new())
            .history(purges);
        roan.build().expect("it starts")
    };
    let (with, without) = (build(1000), build(0));
    println!();
    println!(
        "{:<44} {:>9} {:>9} {:>7}",
        "one write, two URLs", "without", "history", "ratio"
    );
    for (name, threads, distinct) in [
        ("one row again and again, 1 thread", 1, 1),
        ("1,000 rows in turn, 1 thread", 1, 1000),
        ("each row once, 1 thread", 1, HOOKS),
        ("1,000 rows each in turn, 4 threads", 4, 1000),
    ] {
        let mut pairs: Vec<(f64, f64)> = Vec::new();
        for _ in 0..5 {
            for (number, roan) in [&without, &with].into_iter().enumerate() {
                let time = measure(threads, distinct, |post| roan.saved(post));
                match number {
                    0 => pairs.push((time, 0.0)),
                    _ => pairs.last_mut().expect("the first is there").1 = time,
                }
                while roan.stats().waiting > 0 {
                    thread::yield_now();
                }
            }
        }
        pairs.sort_by(|one, other| (one.1 / one.0).total_cmp(&(other.1 / other.0)));
        let (base, noted) = pairs[pairs.len() / 2];
        println!(
            "{name:<44} {base:>6.0} ns {noted:>6.0} ns {:>7.2}",
            noted / base
        );
    }
}

/// The same hook while a recorder of metrics takes all or nothing, and while a subscriber of `tracing` hears spans or not. They
/// take turns, so that both meet the same noise, and the time is that of the processor: others take it from the threads
/// measured. The node answers at once: there is much to record.
fn observed() {
    let cache = Cache::new("quick").node("one", Quick);
    let roan = Roan::builder().cache(cache).build().expect("it starts");
    let exporter = PrometheusBuilder::new().build_recorder();
    let handle = exporter.handle();
    let _ = metrics::set_global_recorder(Switched(exporter));
    let subscriber = tracing_subscriber::registry().with(Heard);
    tracing::subscriber::set_global_default(subscriber).expect("there is none yet");
    let record = |on: bool| RECORDS.store(on, Ordering::Relaxed);
    let hear = |on: bool| {
        HEARS_SPANS.store(on, Ordering::Relaxed);
        tracing::callsite::rebuild_interest_cache();
    };
    for (what, switch) in [
        ("metrics", &record as &dyn Fn(bool)),
        ("a subscriber of DEBUG: spans", &hear),
    ] {
        println!();
        println!("{what:<44} {:>9} {:>9} {:>7}", "without", "with", "ratio");
        for (name, threads, distinct) in [
            ("one row again and again, 1 thread", 1, 1),
            ("1,000 rows in turn, 1 thread", 1, 1000),
            ("1,000 rows each in turn, 4 threads", 4, 1000),
        ] {
            let mut pairs: Vec<(f64, f64)> = Vec::new();
            for _ in 0..5 {
                let both = [false, true].map(|on| {
                    switch(on);
                    let time =
                        measure_by(&processor_time, threads, distinct, |post| roan.saved(post));
                    roan.update_metrics();
                    black_box(handle.render());
                    switch(false);
                    let _ = roan.flush_blocking(Duration::from_secs(60));
                    time
                });
                pairs.push((both[0], both[1]));
            }
            pairs.sort_by(|one, other| (one.1 / one.0).total_cmp(&(other.1 / other.0)));
            let (without, with) = pairs[pairs.len() / 2];
            let ratio = with / without;
            println!("{name:<44} {without:>6.0} ns {with:>6.0} ns {ratio:>7.2}");
        }
    }
}

/// A node that is never busy.
struct Quick;

impl Purger for Quick {
    async fn purge(&self, _: PurgeRequest<'_>) -> Answer {
        Answer::purged()
    }
}

static RECORDS: AtomicBool = AtomicBool::new(false);

/// An exporter's recorder that takes all or nothing.
struct Switched(PrometheusRecorder);

struct SwitchedHistogram(Histogram);

impl HistogramFn for SwitchedHistogram {
    fn record(&self, value: f64) {
        if RECORDS.load(Ordering::Relaxed) {
            self.0.record(value);
        }
    }
}

impl Recorder for Switched {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, about: &metrics::Metadata<'_>) -> Counter {
        match RECORDS.load(Ordering::Relaxed) {
            true => self.0.register_counter(key, about),
            false => Counter::noop(),
        }
    }

    fn register_gauge(&self, key: &Key, about: &metrics::Metadata<'_>) -> Gauge {
        match RECORDS.load(Ordering::Relaxed) {
            true => self.0.register_gauge(key, about),
            false => Gauge::noop(),
        }
    }

    fn register_histogram(&self, key: &Key, about: &metrics::Metadata<'_>) -> Histogram {
        let histogram = self.0.register_histogram(key, about);
        Histogram::from_arc(Arc::new(SwitchedHistogram(histogram)))
    }
}

static HEARS_SPANS: AtomicBool = AtomicBool::new(false);

/// Hears all of INFO, and spans of DEBUG at times.
struct Heard;

impl<S: Subscriber> tracing_subscriber::Layer<S> for Heard {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        let most = match metadata.is_span() && HEARS_SPANS.load(Ordering::Relaxed) {
            true => Level::DEBUG,
            false => Level::INFO,
        };
        match *metadata.level() <= most {
            true => Interest::always(),
            false => Interest::never(),
        }
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(match HEARS_SPANS.load(Ordering::Relaxed) {
            true => LevelFilter::DEBUG,
            false => LevelFilter::INFO,
        })
    }
}

/// The median time of a hook in nanoseconds, over requests that fire 500 each; in the layer or outside of it.
fn measure_requests(distinct: usize, layer: Option<&WebLayer>) -> f64 {
    const REQUESTS: usize = 401;
    const WRITES: usize = 500;
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime");
    let mut times = Vec::new();
    for number in 0..REQUESTS {
        let posts = Arc::new(posts(10_000 + number, distinct));
        let fire = move |_: Request<()>| {
            let start = Instant::now();
            for number in 0..WRITES {
                roan::saved(black_box(&posts[number % posts.len()]));
            }
            let time = start.elapsed().as_nanos() as f64 / WRITES as f64;
            let mut response = Response::new(Body::empty());
            response.extensions_mut().insert(time);
            async { Ok::<_, std::convert::Infallible>(response) }
        };
        let app = service_fn(fire);
        let request = Request::post("http://www.example.org/posts").body(());
        let request = request.expect("a request");
        let time = match layer {
            Some(layer) => runtime
                .block_on(layer.layer(app).oneshot(request))
                .map(|response| time_of(&response)),
            None => runtime
                .block_on(app.oneshot(request))
                .map(|response| time_of(&response)),
        };
        times.push(time.unwrap_or_else(|never| match never {}));
    }
    times.sort_by(f64::total_cmp);
    times[REQUESTS / 2]
}

fn time_of<B>(response: &Response<B>) -> f64 {
    let time = response.extensions().get::<f64>();
    *time.expect("the app has measured it")
}
