//! Cloudflare and Fastly: the caching proxy of the harness, purged by the stand-in of their API. Each node is the one of a zone or
//! service of its own.
//!
//! CloudFront does not tell the hosts of a distribution apart, as the checks of two sites ask.

use std::net::SocketAddr;

use roan::Cache;
use roan::purger::Token;
use roan::purger::cloudflare::{Cloudflare, Plan};
use roan::purger::fastly::Fastly;
use roan_tests::stand_ins::{CloudflareApi, FastlyApi, Fault as ApiFault, Purged, Reply, StandIn};
use roan_tests::{Edge, HOST, Select};
use tempfile::NamedTempFile;

use crate::site::OTHER_HOST;
use crate::stand::{Fault, Setup, Stand};

const TOKEN: &str = "8M7wS6hCpXVc-DoRnPPY_UCWPgy8aea4Wy6kCe5T";

struct Cdns<R> {
    apis: Vec<StandIn<R>>,
    edges: Vec<Edge>,
    token: NamedTempFile,
    cache: fn(&StandIn<R>, usize, Token) -> Cache,
}

pub(crate) fn cloudflare(apps: &[SocketAddr], setup: Setup) -> Option<Box<dyn Stand>> {
    let api = |node: usize, hosts: Vec<String>| {
        let api = CloudflareApi::start(&zone(node), TOKEN, HOST);
        api.rules(|rules| rules.hosts.extend(hosts));
        api
    };
    start(apps, setup, "cache-tag", api, |api, node, token| {
        let zone = Cloudflare::zone(&zone(node)).unwrap();
        let zone = zone
            .name(&format!("cloudflare {node}"))
            .plan(Plan::Enterprise);
        let zone = zone.endpoint(&format!("{}/client/v4", api.url())).unwrap();
        zone.token(token).into()
    })
}

fn zone(node: usize) -> String {
    format!("{node:032x}")
}

pub(crate) fn fastly(apps: &[SocketAddr], setup: Setup) -> Option<Box<dyn Stand>> {
    start(
        apps,
        setup,
        "surrogate-key",
        fastly_api,
        |api, node, token| fastly_service(api, node, token).into(),
    )
}

pub(crate) fn fastly_soft(apps: &[SocketAddr], setup: Setup) -> Option<Box<dyn Stand>> {
    start(
        apps,
        setup,
        "surrogate-key",
        fastly_api,
        |api, node, token| fastly_service(api, node, token).soft().into(),
    )
}

fn fastly_api(node: usize, hosts: Vec<String>) -> StandIn<FastlyApi> {
    let api = FastlyApi::start(&service(node), TOKEN, HOST);
    api.rules(|rules| rules.hosts.extend(hosts));
    api
}

fn fastly_service(api: &StandIn<FastlyApi>, node: usize, token: Token) -> Fastly {
    let service = Fastly::service(&service(node)).unwrap();
    let service = service.name(&format!("fastly {node}"));
    service.endpoint(&api.url()).unwrap().token(token)
}

fn service(node: usize) -> String {
    format!("SU1Z0isxPaozGVKXdv0eY{node}")
}

fn start<R: 'static>(
    apps: &[SocketAddr],
    setup: Setup,
    tag_header: &'static str,
    api: impl Fn(usize, Vec<String>) -> StandIn<R>,
    cache: fn(&StandIn<R>, usize, Token) -> Cache,
) -> Option<Box<dyn Stand>> {
    let token = match setup {
        Setup::Right => TOKEN,
        Setup::Refusing => "a-token-of-somebody-else",
        Setup::UnknownMethod => return None,
    };
    let file = NamedTempFile::new().unwrap();
    std::fs::write(file.path(), token).unwrap();
    let edges = apps.iter().map(|app| Edge::start_before(*app, tag_header));
    let edges: Vec<_> = edges.collect();
    let apis = edges.iter().enumerate().map(|(node, edge)| {
        // The race asks for pages at the address of the proxy.
        let api = api(node, vec![OTHER_HOST.to_owned(), edge.addr().to_string()]);
        let edge = edge.clone();
        api.on_purge(move |purged| purge(&edge, purged));
        api
    });
    let apis = apis.collect();
    Some(Box::new(Cdns {
        apis,
        edges,
        token: file,
        cache,
    }))
}

fn purge(edge: &Edge, purged: &Purged) {
    let _count = match purged {
        Purged::Soft(purged) => edge.purge_softly(select(purged)),
        purged => edge.purge(select(purged)),
    };
}

fn select(purged: &Purged) -> Select<'_> {
    match purged {
        Purged::Url(host, url) => Select::Url(host, url),
        Purged::Tag(tag) => Select::Tag(tag),
        Purged::Prefix(host, prefix) => Select::Prefix(host, prefix),
        Purged::Host(host) => Select::Host(host),
        Purged::Everything | Purged::Soft(_) => Select::Everything,
    }
}

impl<R> Stand for Cdns<R> {
    fn nodes(&self) -> Vec<SocketAddr> {
        self.edges.iter().map(Edge::addr).collect()
    }

    fn caches(&self) -> Vec<Cache> {
        let apis = self.apis.iter().enumerate();
        let token = || Token::from_file(self.token.path());
        apis.map(|(node, api)| (self.cache)(api, node, token()))
            .collect()
    }

    fn fail(&mut self, node: usize, fault: Fault) -> bool {
        let fault = match fault {
            Fault::Down => ApiFault::Close,
            Fault::Silent => ApiFault::Hang,
            Fault::Overloaded => {
                let later = Reply::new(503, "").header("Retry-After", "0");
                ApiFault::Answer(later)
            }
        };
        self.apis[node].fail(std::iter::repeat_n(fault, 1000));
        true
    }

    fn mend(&mut self, node: usize, _fault: Fault) {
        self.apis[node].mend();
    }
}
