//! A stream, an app that publishes, and an nginx with an agent beside it.

use std::path::PathBuf;
use std::time::Duration;

use async_nats::jetstream::{self, Context};
use roan::agent::{Agent, RunningAgent};
use roan::fleet::Stream;
use roan::{Roan, RoanBuilder};
use roan_tests::{HOST, Nats, NatsOptions, Nginx, Options, Origin, wait};

/// The name of the node in most tests.
pub(crate) const NODE: &str = "edge-1.test";

/// Its consumer.
pub(crate) const CONSUMER: &str = "roan-edge-1=2Etest";

/// Of an agent that shall soon say that its servers do not answer.
pub(crate) const READY_LAG: Duration = Duration::from_secs(3);

/// Long enough for a message to be delivered again, and its emptying with retries.
pub(crate) const LONG: Duration = Duration::from_secs(40);

pub(crate) struct Stand {
    pub(crate) origin: Origin,
    pub(crate) nginx: Nginx,
    pub(crate) nats: Nats,
    pub(crate) jetstream: Context,
}

impl Stand {
    pub(crate) async fn start() -> Self {
        let nats = Nats::start(&NatsOptions::default());
        let origin = Origin::start();
        let nginx = Nginx::start(&origin, &Options::default());
        let jetstream = connect(&nats).await;
        Self {
            origin,
            nginx,
            nats,
            jetstream,
        }
    }

    /// The stream, made before the agent comes, which keeps messages for this time.
    pub(crate) async fn stream_with_max_age(&self, max_age: Duration) {
        let config = jetstream::stream::Config {
            name: "ROAN".to_owned(),
            subjects: vec!["roan.>".to_owned()],
            max_age,
            duplicate_window: max_age.min(Duration::from_secs(120)),
            ..Default::default()
        };
        self.jetstream.create_stream(config).await.unwrap();
    }

    pub(crate) fn agent(&self) -> Agent {
        Agent::new(self.servers())
            .stream(Stream::new().replicas(1))
            .node(NODE)
            .empty_with(self.empty())
            .listen(([127, 0, 0, 1], 0).into())
    }

    pub(crate) fn servers(&self) -> roan::fleet::Nats {
        roan::fleet::Nats::at(self.nats.url()).unwrap()
    }

    /// The command that empties the cache.
    pub(crate) fn empty(&self) -> String {
        format!(
            "find {} -type f -delete",
            self.nginx.cache_folder().display()
        )
    }

    pub(crate) fn caches(&self) -> RoanBuilder {
        let nginx = roan::Nginx::at(&self.nginx.purge_url()).unwrap();
        Roan::builder().cache(nginx).site(HOST).rebound(None)
    }

    pub(crate) async fn run(&self) -> RunningAgent {
        let agent = self.agent().start(self.caches()).await.unwrap();
        wait_until_ready(&agent);
        agent
    }

    /// Publishes a purge as an app does, and waits until the stream has it. Returns its number.
    pub(crate) async fn publish(&self, url: &str) -> u64 {
        let message = format!(r#"{{"v":1,"purge":["{url}"],"asked":1795665105175}}"#);
        self.publish_raw("roan.-.url", message).await
    }

    pub(crate) async fn publish_raw(&self, subject: &str, message: impl Into<Vec<u8>>) -> u64 {
        let subject = subject.to_owned();
        let published = self.jetstream.publish(subject, message.into().into()).await;
        published.unwrap().await.unwrap().sequence
    }

    /// Writes a row, and publishes the purge of its page.
    pub(crate) async fn write(&self, url: &str, text: &str) -> u64 {
        self.origin.set(url, text);
        self.publish(url).await
    }

    /// The page is in the cache, with this text.
    #[track_caller]
    pub(crate) fn warm(&self, url: &str, text: &str) {
        self.origin.set(url, text);
        self.nginx.browser().warm(url);
        assert!(self.shown(url).contains(text));
    }

    pub(crate) fn shown(&self, url: &str) -> String {
        self.nginx.browser().get(url).text()
    }

    #[track_caller]
    pub(crate) fn wait_until_shown(&self, url: &str, text: &str) {
        let what = format!("{url} to show {text}");
        wait::until(LONG, &what, || self.shown(url).contains(text));
    }

    #[track_caller]
    pub(crate) fn wait_until_acknowledged(&self, agent: &RunningAgent, number: u64) {
        let what = format!("message {number} to be acknowledged");
        wait::until(LONG, &what, || {
            let status = agent.status();
            status.acknowledged >= number && status.open == 0
        });
    }

    /// The server's view of the consumer: its acknowledged floor, and what is neither acknowledged nor delivered.
    pub(crate) async fn consumer(&self) -> Option<(u64, u64)> {
        let stream = self.jetstream.get_stream("ROAN").await.ok()?;
        let info = stream.consumer_info(CONSUMER).await.ok()?;
        let left = info.num_pending + info.num_ack_pending as u64;
        Some((info.ack_floor.stream_sequence, left))
    }

    /// A file that a command of the test waits for, or makes.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.nginx.folder().join(name)
    }
}

pub(crate) async fn connect(nats: &Nats) -> Context {
    roan_tests::nats::connect(&nats.url()).await
}

/// An agent whose caches do not answer: it is clean as long as nothing is purged.
pub(crate) async fn start_without_caches(agent: Agent) -> RunningAgent {
    let agent = agent.node(NODE).empty_with("true").ready_lag(READY_LAG);
    let nginx = roan::Nginx::at("http://127.0.0.1:1/purge").unwrap();
    let caches = Roan::builder().cache(nginx).rebound(None);
    agent.start(caches).await.unwrap()
}

#[track_caller]
pub(crate) fn wait_until_ready(agent: &RunningAgent) {
    wait::until_ok(LONG, "the agent to be ready", || {
        agent.not_ready().map_or(Ok(()), Err)
    });
}
