//! A consumer that is lost at the servers, while its stream goes on.

use async_nats::jetstream::consumer::pull;
use roan::agent::Agent;
use roan::fleet::{Nats, Stream};
use roan_tests::{NatsCluster, NatsOptions, wait};

use crate::stand::{CONSUMER, LONG, NODE, READY_LAG, Stand, wait_until_ready};

/// The servers keep one copy of it, and that is away: what is left of one whose other copies were lost.
#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_that_is_lost_for_good_is_made_anew_and_the_cache_keeps_its_pages() {
    let stand = Stand::start().await;
    let mut cluster = NatsCluster::start(&NatsOptions::default());
    let agent = Agent::new(Nats::at(cluster.url()).unwrap())
        .stream(Stream::new().replicas(3))
        .node(NODE)
        .empty_with(stand.empty())
        .ready_lag(READY_LAG);
    let agent = agent.start(stand.caches()).await.unwrap();
    wait_until_ready(&agent);
    let emptied = agent.status().emptied;
    for page in ["/a", "/b"] {
        stand.warm(page, "old");
    }

    let app = roan_tests::nats::connect(&cluster.url()).await;
    let stream = app.get_stream("ROAN").await.unwrap();
    let made = stream.consumer_info(CONSUMER).await.unwrap().config;
    let alone = pull::Config {
        durable_name: made.durable_name,
        description: made.description,
        deliver_policy: made.deliver_policy,
        ack_policy: made.ack_policy,
        ack_wait: made.ack_wait,
        max_ack_pending: made.max_ack_pending,
        inactive_threshold: made.inactive_threshold,
        num_replicas: 1,
        ..Default::default()
    };
    stream.create_consumer(alone).await.unwrap();
    let mut place = None;
    wait::until_async(LONG, "the consumer to have one copy", async || {
        let Ok(info) = stream.consumer_info(CONSUMER).await else {
            return false;
        };
        let copies = info.cluster.unwrap();
        place = copies.leader.as_deref().and_then(NatsCluster::place_of);
        copies.replicas.is_empty() && place.is_some()
    })
    .await;
    cluster.servers[place.unwrap()].kill();

    stand.origin.set("/a", "new");
    wait::until_async(LONG, "the stream to have a purge", async || {
        let sent = app.publish("roan.-.url", r#"{"v":1,"purge":["/a"]}"#.into());
        sent.await.unwrap().await.is_ok()
    })
    .await;
    wait::until(3 * LONG, "the page to be new", || {
        stand.shown("/a").contains("new")
    });
    wait_until_ready(&agent);
    assert_eq!(agent.status().emptied, emptied, "nothing is gone");
    stand.origin.set("/b", "new");
    assert!(
        stand.shown("/b").contains("old"),
        "it is still in the cache"
    );
}
