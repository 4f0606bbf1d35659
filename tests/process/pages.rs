//! An app in the web layer is killed while it renders, and its database, too: no page is in nginx that a purge of its tag
//! does not reach.

use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use roan::outbox::Outbox;
use roan_tests::{
    Browser, Connection, MariaDb, Nginx, Options, Postgres, SqliteFile, lock, outbox, setting, wait,
};

const APP: &str = env!("CARGO_BIN_EXE_roan-tests-rendering");

/// The number of kills, and the number of readers meanwhile.
const KILLS: u64 = 12;
const READERS: u32 = 4;

/// The app is killed within so many milliseconds after its first page of this round.
const LONGEST_LIFE: u64 = 60;

/// The app, killed with this.
struct App(Child);

impl App {
    fn start(url: &str, nginx: &Nginx, listener: &TcpListener) -> Self {
        let listener = OwnedFd::from(listener.try_clone().expect("a listener"));
        let child = Command::new(APP)
            .args([url, &nginx.purge_url()])
            .env_clear()
            .stdin(listener)
            .spawn()
            .expect("the program can be run");
        Self(child)
    }
}

impl Drop for App {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Readers, and each URL that they have asked for.
struct Readers {
    asked: Arc<Mutex<Vec<String>>>,
    stops: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    fn start(browser: &Browser) -> Self {
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let stops = Arc::<AtomicBool>::default();
        let read = |reader: u32| {
            let (browser, asked, stops) = (browser.clone(), Arc::clone(&asked), Arc::clone(&stops));
            move || {
                for number in 0.. {
                    if stops.load(Ordering::Relaxed) {
                        return;
                    }
                    let url = format!("/{reader}/{number}");
                    lock(&asked).push(url.clone());
                    // While the app is down, there may be no answer.
                    let _ = browser.try_send("GET", &url, &[]);
                }
            }
        };
        let threads = (0..READERS).map(|reader| std::thread::spawn(read(reader)));
        let threads = threads.collect();
        Self {
            asked,
            stops,
            threads,
        }
    }

    fn count(&self) -> usize {
        lock(&self.asked).len()
    }

    fn stop(self) -> Vec<String> {
        self.stops.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().expect("it reads");
        }
        lock(&self.asked).clone()
    }
}

async fn run(url: &str, sql: &str) {
    let mut connection = Connection::open(url).await.expect("a connection");
    connection.run(sql).await.expect("it runs");
}

async fn is_drained(url: &str) -> bool {
    let mut connection = Connection::open(url).await.expect("a connection");
    outbox::is_drained(&mut connection).await
}

/// `crash` kills the database and starts it again.
fn prove(url: &str, crash: &mut dyn FnMut()) {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let tables = Outbox::at(url).expect("a URL");
    runtime.block_on(tables.migrate()).expect("tables");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("for tokio");
    let nginx = Nginx::start_before(
        listener.local_addr().expect("an address"),
        &Options::default(),
    );
    let browser = nginx.browser();
    let mut app = App::start(url, &nginx, &listener);
    let readers = Readers::start(&browser);
    for kill in 0..setting("ROAN_CRASHES").unwrap_or(KILLS) {
        let before = readers.count();
        wait::until(wait::LONG, "the readers go on", || {
            readers.count() > before + 10
        });
        std::thread::sleep(Duration::from_millis(fastrand::u64(..LONGEST_LIFE)));
        if kill % 3 == 0 {
            crash();
        }
        drop(app);
        app = App::start(url, &nginx, &listener);
    }
    let asked = readers.stop();
    let is_hit = |url: &String| browser.get(url).cache_status() == "HIT";
    assert!(asked.iter().any(is_hit), "nothing was cached");
    runtime.block_on(run(
        url,
        r#"INSERT INTO roan_outbox (payload) VALUES ('{"v":1,"purge":[{"tag":"all"}]}')"#,
    ));
    wait::until(2 * wait::LONG, "the purges", || {
        runtime.block_on(is_drained(url))
    });
    let missed: Vec<_> = asked.iter().filter(|url| is_hit(url)).collect();
    assert!(missed.is_empty(), "of {}: {missed:?}", asked.len());
    drop(app);
}

#[test]
fn no_page_is_lost_to_a_tag_on_sqlite() {
    let file = SqliteFile::new();
    prove(&file.url(), &mut || {}); // a file does not crash with its program
}

#[test]
fn no_page_is_lost_to_a_tag_on_postgres() {
    let mut server = Postgres::start();
    prove(&server.url(), &mut || {
        server.kill();
        server.restart();
    });
}

#[test]
fn no_page_is_lost_to_a_tag_on_mariadb() {
    let mut server = MariaDb::start();
    prove(&server.url(), &mut || {
        server.kill();
        server.restart();
    });
}
