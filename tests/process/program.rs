//! A program that writes rows and ends: how is told by its argument. What happens then depends on its
//! being a program of its own, with a `main` that returns.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on fails"
)]

use std::time::Duration;

use roan::{Roan, purge_on};

const LONG: Duration = Duration::from_secs(30);

#[purge_on(save, url = "/rows/{0}")]
struct Row(u32);

fn save(count: u32) {
    (0..count).for_each(|number| roan::saved(&Row(number)));
}

fn global() -> &'static Roan {
    roan::global().expect("a configuration")
}

fn main() {
    roan_tests::wait::or_abort();
    match std::env::args().nth(1).as_deref().unwrap_or_default() {
        "returns" => save(1000),
        "returns, and workers saved" => {
            // The main thread has nothing to do with Roan.
            std::thread::spawn(|| save(1000)).join().expect("it ends");
        }
        "returns, and its dispatcher was not the global one" => {
            let builder = roan::RoanBuilder::from_env().expect("a configuration");
            let roan = builder.build().expect("a configuration");
            (0..1000).for_each(|number| roan.saved(&Row(number)));
        }
        "exits" => {
            save(1000);
            std::process::exit(0);
        }
        "panics" => {
            save(1000);
            panic!("as it was told to");
        }
        "flushes" => {
            save(1);
            assert_eq!(global().flush_blocking(LONG).pending(), 0);
        }
        "shuts down" => {
            // A thread that ends while purges wait is not the end of the program.
            std::thread::spawn(|| save(1000)).join().expect("it ends");
            save(1);
            assert_eq!(global().shutdown_blocking(LONG).pending(), 0);
        }
        "is guarded" => {
            let _guard = global().guard(LONG);
            save(1000);
        }
        "is guarded, and panics" => {
            let _guard = global().guard(LONG);
            save(1000);
            panic!("as it was told to");
        }
        "is guarded but cannot send" => {
            let _guard = global().guard(Duration::from_millis(50));
            save(1000);
        }
        "shuts down but cannot send" => {
            save(1000);
            drop(global().shutdown_blocking(Duration::from_millis(50)));
        }
        "shuts down but cannot send twice" => {
            save(1000);
            for _ in 0..2 {
                drop(global().shutdown_blocking(Duration::from_millis(50)));
            }
        }
        "is guarded on one thread" => on_one_thread(),
        "is guarded on many threads" => on_many_threads(),
        "saves in a destructor" => in_a_destructor(),
        other => panic!("no such case: {other}"),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn on_one_thread() {
    let _guard = global().guard(LONG);
    save(1000);
}

#[tokio::main]
async fn on_many_threads() {
    let _guard = global().guard(LONG);
    tokio::spawn(async { save(1000) }).await.expect("it ends");
}

/// The last that a thread does, when it has lost what else was local to it.
fn in_a_destructor() {
    struct Last;

    impl Drop for Last {
        fn drop(&mut self) {
            roan::scope_blocking(|| {
                roan::saved(&Row(1));
                let left = global().flush_blocking(LONG);
                println!(
                    "held: {}",
                    left.pending() == 0 && global().stats().asked == 0
                );
            });
            let purges = roan::testing::record_blocking(|| roan::saved(&Row(2)));
            println!("recorded:{purges}");
            roan::in_scope_blocking(|| roan::saved(&Row(3)))();
            roan::saved(&Row(4));
        }
    }

    thread_local! {
        static LAST: Last = const { Last };
    }
    let _guard = global().guard(LONG);
    let thread = std::thread::spawn(|| {
        LAST.with(|_| {});
        // These come into being after it, and so are gone before it.
        roan::scope_blocking(|| roan::testing::record_blocking(|| save(1)));
    });
    thread.join().expect("it ends");
}
