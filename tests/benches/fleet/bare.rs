//! What a program without Roan would do: publish messages with an id, and consume and read them with durable consumers, by
//! `async-nats` and `serde_json` alone.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::stream::{Config, StorageType};
use async_nats::jetstream::{self, Context};
use futures_util::StreamExt as _;
use serde_json::Value;

const STREAM: &str = "BARE";

/// Publishes so many messages before it waits for the acknowledgement of the first.
const IN_FLIGHT: usize = 256;

/// Messages a second that all consumers have taken and acknowledged, with one connection each. `payload` is the text of a
/// message with a given number.
pub(crate) async fn rate(
    url: &str,
    consumers: usize,
    messages: usize,
    payload: fn(usize) -> String,
) -> f64 {
    let context = connect(url).await;
    let _none_yet = context.delete_stream(STREAM).await;
    let stream = context
        .create_stream(Config {
            name: STREAM.to_owned(),
            subjects: vec!["bare.>".to_owned()],
            storage: StorageType::File,
            max_age: Duration::from_secs(7 * 86_400),
            ..Config::default()
        })
        .await
        .expect("a stream");
    let mut tasks = Vec::new();
    for number in 0..consumers {
        let name = format!("bare-{number}");
        stream
            .create_consumer(pull::Config {
                durable_name: Some(name.clone()),
                deliver_policy: DeliverPolicy::New,
                ack_policy: AckPolicy::Explicit,
                ..pull::Config::default()
            })
            .await
            .expect("a consumer");
        tasks.push(tokio::spawn(consume(url.to_owned(), name, messages)));
    }
    let start = Instant::now();
    publish(&context, messages, payload).await;
    for task in tasks {
        task.await.expect("a consumer that took all");
    }
    let rate = messages as f64 / start.elapsed().as_secs_f64();
    context.delete_stream(STREAM).await.expect("our own stream");
    rate
}

async fn publish(context: &Context, messages: usize, payload: fn(usize) -> String) {
    let mut in_flight = VecDeque::new();
    for number in 0..messages {
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", format!("bare-{number}").as_str());
        let publishing =
            context.publish_with_headers("bare.-.url", headers, payload(number).into());
        in_flight.push_back(publishing.await.expect("a message that leaves"));
        if in_flight.len() >= IN_FLIGHT
            && let Some(first) = in_flight.pop_front()
        {
            first.await.expect("an acknowledgement");
        }
    }
    for one in in_flight {
        one.await.expect("an acknowledgement");
    }
}

async fn consume(url: String, name: String, messages: usize) {
    let context = connect(&url).await;
    let stream = context.get_stream(STREAM).await.expect("the stream");
    let consumer: jetstream::consumer::Consumer<pull::Config> =
        stream.get_consumer(&name).await.expect("the consumer");
    let mut coming = consumer.messages().await.expect("messages");
    for _ in 0..messages {
        let message = coming.next().await.expect("another message");
        let message = message.expect("a message");
        let read: Value = serde_json::from_slice(&message.payload).expect("JSON");
        assert!(read["purge"].is_array(), "{read}");
        message.ack().await.expect("an acknowledgement that leaves");
    }
}

async fn connect(url: &str) -> Context {
    let client = async_nats::connect(url).await;
    jetstream::new(client.expect("the server"))
}
