//! A node: nginx and its agent on a machine of their own, with a reader before them.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use fastrand::Rng;
use roan_tests::{Agent, AgentOptions, Browser, Clock, Machine, Nginx, Options, lock, wait};

use crate::model::{self, PAGES};
use crate::stream;

/// nginx stores a page only if it has come within this time of its request (twice, with the connection), ...
pub(crate) const FILL: &str = "300ms";

/// ... and each purge is repeated after this one, which is longer: so a page from before a write is never stored after
/// the last purge, and the judgement needs no exception.
pub(crate) const REBOUND: Duration = Duration::from_secs(1);

/// Its parts are locked one by one: faults happen to them at the same time.
pub(crate) struct Node {
    pub(crate) machine: Machine,
    pub(crate) clock: Clock,
    pub(crate) nginx: Mutex<Nginx>,
    pub(crate) agent: Mutex<Agent>,
    servers: String,
    browser: Browser,
    cache: PathBuf,
    purge_url: String,
    /// How often it became a new node.
    generation: AtomicU64,
    /// How often earlier agents have emptied the cache.
    emptied: AtomicU64,
    reader: Reader,
}

impl Node {
    pub(crate) fn start(
        machine: Machine,
        app: SocketAddr,
        servers: &str,
        readers: &Arc<RwLock<()>>,
        rng: Rng,
    ) -> Self {
        let limits = format!("proxy_connect_timeout {FILL}; proxy_read_timeout {FILL};");
        let options = Options::default().one_worker().server_text(&limits);
        let nginx = machine.run(|| Nginx::start_before(app, &options));
        let clock = Clock::new();
        let browser = nginx.browser();
        let (cache, purge_url) = (nginx.cache_folder(), nginx.purge_url());
        let settings = settings(servers, machine.name(), &cache, &purge_url, &clock);
        let agent = machine.run(|| Agent::start(&settings));
        Self {
            reader: Reader::start(&machine, browser.clone(), Arc::clone(readers), rng),
            clock,
            nginx: Mutex::new(nginx),
            agent: Mutex::new(agent),
            servers: servers.to_owned(),
            browser,
            cache,
            purge_url,
            generation: AtomicU64::new(0),
            emptied: AtomicU64::new(0),
            machine,
        }
    }

    /// The name by which the fleet knows it.
    pub(crate) fn name(&self) -> String {
        match self.generation.load(Ordering::Relaxed) {
            0 => self.machine.name().to_owned(),
            generation => format!("{}-{generation}", self.machine.name()),
        }
    }

    pub(crate) fn agent(&self) -> MutexGuard<'_, Agent> {
        lock(&self.agent)
    }

    pub(crate) fn nginx(&self) -> MutexGuard<'_, Nginx> {
        lock(&self.nginx)
    }

    /// Gives the pages that are there to an agent of another name and without a memory.
    pub(crate) fn renew(&self) {
        self.generation.fetch_add(1, Ordering::Relaxed);
        self.emptied.store(self.emptied(), Ordering::Relaxed);
        let Self {
            servers, purge_url, ..
        } = self;
        let settings = settings(servers, &self.name(), &self.cache, purge_url, &self.clock);
        *self.agent() = self.machine.run(|| Agent::start(&settings));
    }

    /// How often its agents have begun to empty its cache.
    pub(crate) fn emptied(&self) -> u64 {
        let log = self.agent().log();
        let lines = log.lines().filter(|line| line.contains(" is emptied: "));
        self.emptied.load(Ordering::Relaxed) + lines.count() as u64
    }

    /// What visitors get, each page once: its text and whether it comes from the cache. An answer without the page, as when
    /// the app was slower than [`FILL`], is not one.
    pub(crate) fn pages(&self) -> Vec<(i64, String, bool)> {
        self.machine.run(|| {
            let page = |id| {
                let url = model::url(id);
                let answer = wait::until_some(wait::LONG, &url, || {
                    let answer = self.browser.get(&url);
                    (answer.status == 200).then_some(answer)
                });
                (id, answer.text(), answer.cache_status() == "HIT")
            };
            (0..PAGES).map(page).collect()
        })
    }

    /// The answer of the agent's health endpoint.
    pub(crate) fn health(&self) -> Result<(), String> {
        let addr = self.agent().addr();
        let answer = self
            .machine
            .run(|| Browser::new(addr).try_send("GET", "/", &[]));
        match answer {
            Ok(answer) if answer.status == 200 => Ok(()),
            Ok(answer) => Err(format!("{} {}", answer.status, answer.text())),
            Err(error) => Err(error.to_string()),
        }
    }

    /// Pages that its reader has got from the app.
    pub(crate) fn fills(&self) -> u64 {
        self.reader.fills.load(Ordering::Relaxed)
    }
}

fn settings(
    servers: &str,
    name: &str,
    cache: &std::path::Path,
    purge_url: &str,
    clock: &Clock,
) -> AgentOptions {
    AgentOptions {
        program: PathBuf::from(env!("CARGO_BIN_EXE_roan-tests-command")),
        config: stream::agent_config(servers, name, cache, purge_url),
        clock: Some(clock.clone()),
    }
}

/// Asks for one page after another until it is dropped.
struct Reader {
    ends: Arc<AtomicBool>,
    fills: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Reader {
    fn start(machine: &Machine, browser: Browser, turn: Arc<RwLock<()>>, mut rng: Rng) -> Self {
        let (ends, fills) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let (ending, filled, machine) = (Arc::clone(&ends), Arc::clone(&fills), machine.clone());
        let thread = thread::spawn(move || {
            machine.enter();
            while !ending.load(Ordering::Relaxed) {
                let answer = {
                    let _turn = turn.read().unwrap_or_else(PoisonError::into_inner);
                    let url = model::url(rng.i64(0..PAGES));
                    browser.try_send("GET", &url, &[])
                };
                let is_fill = answer
                    .as_ref()
                    .is_ok_and(|answer| answer.status == 200 && answer.cache_status() != "HIT");
                AtomicU64::fetch_add(&filled, is_fill.into(), Ordering::Relaxed);
                let pause = if answer.is_ok() { 10_000 } else { 30_000 };
                thread::sleep(Duration::from_micros(rng.u64(0..pause)));
            }
        });
        Self {
            ends,
            fills,
            thread: Some(thread),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ended = thread.join();
        }
    }
}
