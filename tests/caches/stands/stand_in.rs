//! A cache of one's own, before the caching proxy of the harness: it shows the suite what a cache can claim that no server
//! here has, such as prefixes in batches, soft purges, and an answer that asks to come again later.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use roan::purger::{Answer, Limits, Mode, PurgeRequest, Purger, TagHeader};
use roan::{Cache, Failure, Target, TargetKind};
use roan_tests::{Edge, HOST, Select};

use crate::stand::{Fault, Setup, Stand};

struct StandIn {
    nodes: Vec<Node>,
    mode: Mode,
}

#[derive(Clone)]
struct Node {
    edge: Edge,
    mode: Mode,
    setup: Setup,
    is_down: Arc<AtomicBool>,
    is_silent: Arc<AtomicBool>,
    is_overloaded: Arc<AtomicBool>,
}

impl Node {
    fn fault(&self, fault: Fault) -> &AtomicBool {
        match fault {
            Fault::Down => &self.is_down,
            Fault::Silent => &self.is_silent,
            Fault::Overloaded => &self.is_overloaded,
        }
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault(fault).load(Ordering::SeqCst)
    }

    fn purge_one(&self, host: &str, target: &Target) -> usize {
        let text = target.as_str();
        let select = match target.kind() {
            TargetKind::Url => Select::Url(host, text),
            TargetKind::Tag => Select::Tag(text),
            TargetKind::Prefix => Select::Prefix(host, text),
            TargetKind::Host => Select::Host(host),
            _ => Select::Everything,
        };
        match self.mode {
            Mode::Soft => self.edge.purge_softly(select),
            _ => self.edge.purge(select),
        }
    }
}

impl Purger for Node {
    async fn purge(&self, request: PurgeRequest<'_>) -> Answer {
        if self.setup != Setup::Right {
            return Answer::refused("the stand-in refuses all");
        }
        if self.has(Fault::Down) {
            return Answer::failed(Failure::Connect("the stand-in is down".to_owned()));
        }
        if self.has(Fault::Silent) {
            std::future::pending::<()>().await;
        }
        if self.has(Fault::Overloaded) {
            let later = Answer::failed(Failure::Status(503));
            return later.retry_after(Duration::from_millis(50));
        }
        let host = request.site().map_or(HOST, |site| site.authority());
        let targets = request.targets().iter();
        let count: usize = targets.map(|target| self.purge_one(host, target)).sum();
        match count {
            0 => Answer::not_cached(),
            _ => Answer::purged(),
        }
    }
}

pub(crate) fn hard(apps: &[SocketAddr], setup: Setup) -> Option<Box<dyn Stand>> {
    start(apps, setup, Mode::Hard)
}

pub(crate) fn soft(apps: &[SocketAddr], setup: Setup) -> Option<Box<dyn Stand>> {
    start(apps, setup, Mode::Soft)
}

fn start(apps: &[SocketAddr], setup: Setup, mode: Mode) -> Option<Box<dyn Stand>> {
    let nodes = apps.iter().map(|app| Node {
        edge: Edge::start_before(*app, "surrogate-key"),
        mode,
        setup,
        is_down: Arc::default(),
        is_silent: Arc::default(),
        is_overloaded: Arc::default(),
    });
    Some(Box::new(StandIn {
        nodes: nodes.collect(),
        mode,
    }))
}

impl Stand for StandIn {
    fn nodes(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(|node| node.edge.addr()).collect()
    }

    fn caches(&self) -> Vec<Cache> {
        let all = [
            TargetKind::Url,
            TargetKind::Tag,
            TargetKind::Prefix,
            TargetKind::Host,
            TargetKind::Everything,
        ];
        let cache = Cache::new("stand-in")
            .purges(all, Limits::new().batch(3))
            .tag_header(TagHeader::surrogate_key())
            .mode(self.mode);
        let node = |cache: Cache, node: &Node| {
            let name = node.edge.addr().to_string();
            cache.node(&name, node.clone())
        };
        vec![self.nodes.iter().fold(cache, node)]
    }

    fn fail(&mut self, node: usize, fault: Fault) -> bool {
        self.nodes[node].fault(fault).store(true, Ordering::SeqCst);
        true
    }

    fn mend(&mut self, node: usize, fault: Fault) {
        self.nodes[node].fault(fault).store(false, Ordering::SeqCst);
    }
}
