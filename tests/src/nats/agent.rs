//! What an agent leaves at the servers, made as a test says: a consumer, heartbeats, acknowledgements.

use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use async_nats::jetstream::{self, Context};
use futures_util::StreamExt;
use serde_json::{Value, json};

use crate::wait;

/// A client of these servers, for what Roan does not do.
///
/// # Panics
///
/// When none of them can be reached.
pub async fn connect(urls: &str) -> Context {
    let servers = urls.split(',').map(|url| url.parse().expect("a URL"));
    let servers: Vec<async_nats::ServerAddr> = servers.collect();
    let client = async_nats::connect(servers).await;
    jetstream::new(client.expect("a connection"))
}

/// The stream and the bucket of a fleet, as a test writes to them without Roan.
#[derive(Debug, Clone)]
pub struct Fleet {
    jetstream: Context,
}

impl Fleet {
    /// Makes both, or finds them.
    ///
    /// # Panics
    ///
    /// When the servers do not do it.
    pub async fn at(url: &str) -> Self {
        Self::with_copies(1, url).await
    }

    /// The same, with so many copies of both at the servers of a cluster.
    ///
    /// # Panics
    ///
    /// As [`at`](Self::at) does.
    pub async fn with_copies(copies: usize, url: &str) -> Self {
        let jetstream = connect(url).await;
        let stream = jetstream::stream::Config {
            name: "ROAN".to_owned(),
            subjects: vec!["roan.>".to_owned()],
            max_age: Duration::from_secs(7 * 86_400),
            num_replicas: copies,
            ..Default::default()
        };
        make_stream(&jetstream, stream).await;
        // A key-value bucket is a stream. The client's own way to make one does not understand nats-server 2.9.
        let bucket = jetstream::stream::Config {
            name: "KV_ROAN_AGENTS".to_owned(),
            subjects: vec!["$KV.ROAN_AGENTS.>".to_owned()],
            max_messages_per_subject: 1,
            deny_delete: true,
            allow_rollup: true,
            num_replicas: copies,
            ..Default::default()
        };
        make_stream(&jetstream, bucket).await;
        Self { jetstream }
    }

    /// Sends a purge, and returns its sequence.
    pub async fn publish(&self, subject: &str, url: &str) -> u64 {
        let message = json!({"v": 1, "purge": [url]}).to_string();
        self.send(subject, &message).await
    }

    /// Sends it until the stream acknowledges it: one that was just made in a cluster, or whose server was killed, may not
    /// have a leader yet.
    async fn send(&self, subject: &str, text: &str) -> u64 {
        wait::until_ok_async(wait::LONG, "the stream to store it", async || {
            let sent = (self.jetstream).publish(subject.to_owned(), text.to_owned().into());
            let sent = sent.await.expect("it is sent").await;
            sent.map(|acknowledged| acknowledged.sequence)
        })
        .await
    }

    /// Makes the consumer of a node, for the messages from now on of all sites, or of some subjects.
    pub async fn consumer(&self, node: &str, subjects: &str) -> Consumer {
        let stream = self.jetstream.get_stream("ROAN").await.expect("a stream");
        let config = pull::Config {
            durable_name: Some(format!("roan-{node}")),
            ack_policy: AckPolicy::Explicit,
            deliver_policy: DeliverPolicy::ByStartSequence {
                start_sequence: stream.cached_info().state.last_sequence + 1,
            },
            filter_subject: subjects.to_owned(),
            ..Default::default()
        };
        let made = stream.create_consumer(config).await;
        Consumer(made.expect("a consumer"))
    }

    /// Writes a heartbeat, with some values in place of those of an agent that is well.
    pub async fn beat(&self, node: &str, values: Value) {
        let mut beat = json!({
            "v": 1, "node": node, "version": "0.0.0", "started": 1, "at": 1, "state": "consuming", "acknowledged": 0,
            "waiting": 0, "last_answer": null, "cache": "nginx", "unclean": null,
        });
        let beat_of = beat.as_object_mut().expect("an object");
        beat_of.extend(values.as_object().expect("an object").clone());
        let key = format!("$KV.ROAN_AGENTS.{node}");
        self.send(&key, &beat.to_string()).await;
    }
}

/// Makes a stream, or finds it. The leader of a cluster that has just started may take another server for offline.
///
/// # Panics
///
/// When the servers do not do it in time.
pub async fn make_stream(jetstream: &Context, config: jetstream::stream::Config) {
    wait::until_ok_async(wait::LONG, &config.name, async || {
        jetstream.get_or_create_stream(config.clone()).await
    })
    .await;
}

/// The consumer of a node.
#[derive(Debug)]
pub struct Consumer(PullConsumer);

impl Consumer {
    /// Takes so many messages, and acknowledges them; the server has read each acknowledgement.
    pub async fn acknowledge(&self, count: usize) {
        let batch = self.0.fetch().max_messages(count).messages();
        let mut batch = batch.await.expect("messages");
        let mut taken = 0;
        while let Some(message) = batch.next().await {
            let message = message.expect("a message");
            message.double_ack().await.expect("it is acknowledged");
            taken += 1;
        }
        assert_eq!(taken, count, "so many messages were there");
    }

    /// Takes so many messages, and acknowledges the last one alone.
    pub async fn acknowledge_last_of(&self, count: usize) {
        let batch = self.0.fetch().max_messages(count).messages();
        let mut batch = batch.await.expect("messages");
        let mut last = None;
        while let Some(message) = batch.next().await {
            last = Some(message.expect("a message"));
        }
        let last = last.expect("a message");
        last.double_ack().await.expect("it is acknowledged");
    }
}
