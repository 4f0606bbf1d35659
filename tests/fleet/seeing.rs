//! How the nodes of a fleet are, as its servers know it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_nats::jetstream::consumer::pull;
use futures_util::StreamExt;
use roan::fleet::{FleetAdmin, FleetError, FleetNode, FleetNodeState, FleetStatus, Nats, Stream};
use roan_tests::nats::{Fleet, make_stream};
use roan_tests::{NatsCluster, NatsOptions, wait};
use serde_json::json;

async fn admin(url: &str) -> FleetAdmin {
    let nats = Nats::at(url).unwrap();
    FleetAdmin::connect(&nats, &Stream::new()).await.unwrap()
}

fn node<'a>(status: &'a FleetStatus, name: &str) -> &'a FleetNode {
    let mut nodes = status.nodes.iter();
    let found = nodes.find(|node| node.node == name);
    found.unwrap_or_else(|| panic!("{name} is missing in {status:#?}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn each_node_has_its_state_and_its_lag() {
    let server = roan_tests::Nats::start(&NatsOptions::default());
    let fleet = Fleet::at(&server.url()).await;
    let admin = admin(&server.url()).await;
    let empty = admin.status().await.unwrap();
    assert_eq!((empty.messages, empty.last, empty.nodes.len()), (0, 0, 0));

    fleet.publish("roan.-.url", "/before").await;
    let [done, late, new, _gone] = [
        fleet.consumer("done", "").await,
        fleet.consumer("late", "").await,
        fleet.consumer("new", "").await,
        fleet.consumer("gone", "").await,
    ];
    for node in ["done", "late", "new", "no=2Econsumer"] {
        fleet.beat(node, json!({"acknowledged": 1})).await;
    }
    let status = admin.status().await.unwrap();
    assert!(
        node(&status, "new").has(1),
        "it came after message 1: {status:#?}"
    );
    assert_eq!(node(&status, "new").lag, 0);

    for url in ["/a", "/b", "/c"] {
        fleet.publish("roan.-.url", url).await;
    }
    done.acknowledge(3).await;
    late.acknowledge(1).await;
    // Out of order: what was left is still the oldest.
    late.acknowledge_last_of(2).await;
    drop(new);
    let answer = json!({"at": 1, "outcome": "purged", "target": "/c"});
    fleet
        .beat(
            "done",
            json!({"last_answer": answer, "waiting": 2, "acknowledged": 4}),
        )
        .await;
    fleet.beat("new", json!({"state": "emptying"})).await;
    fleet.beat("late", json!({"acknowledged": 2})).await;
    fleet
        .beat(
            "unclean",
            json!({"state": "unclean", "unclean": "nginx refused /x"}),
        )
        .await;
    fleet.consumer("unclean", "").await;
    fleet.beat("strange", json!({"v": 7})).await;
    fleet.consumer("strange", "").await;

    let status = admin.status().await.unwrap();
    assert_eq!((status.first, status.last, status.messages), (1, 4, 4));
    let seen = |name: &str| {
        let node = node(&status, name);
        let oldest = node.oldest.map(|(sequence, _)| sequence);
        (node.state, node.acknowledged, node.lag, oldest, node.has(4))
    };
    assert_eq!(
        seen("done"),
        (FleetNodeState::Consuming, Some(4), 0, None, true)
    );
    assert_eq!(
        seen("late"),
        (FleetNodeState::Consuming, Some(2), 1, Some(3), false)
    );
    assert!(node(&status, "late").has(2));
    assert_eq!(
        seen("new"),
        (FleetNodeState::Emptying, Some(1), 3, Some(2), false)
    );
    assert_eq!(
        seen("gone"),
        (FleetNodeState::Gone, Some(1), 3, Some(2), false)
    );
    assert_eq!(
        seen("unclean"),
        (FleetNodeState::Unclean, Some(4), 0, None, false)
    );
    assert_eq!(
        seen("no.consumer"),
        (FleetNodeState::WithoutConsumer, None, 0, None, false)
    );
    assert_eq!(seen("strange").0, FleetNodeState::Unclean);
    let (_, outcome, target) = node(&status, "done").last_answer.clone().unwrap();
    assert_eq!((&*outcome, &*target), ("purged", "/c"));
    assert_eq!(node(&status, "done").waiting, 2);

    let problem = |name: &str, max_lag: Duration| node(&status, name).problem(max_lag);
    let long = Duration::from_secs(3600);
    assert_eq!(problem("done", Duration::ZERO), None);
    assert_eq!(problem("late", long), None);
    for (name, words) in [
        ("late", "message 3 waits"),
        ("gone", "nothing is known of its agent"),
        ("unclean", "nginx refused /x"),
        ("no.consumer", "start its agent again"),
        ("strange", "it has version 7"),
    ] {
        let problem = problem(name, Duration::ZERO).unwrap();
        assert!(problem.contains(words), "{name}: {problem}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_another_site_does_not_wait_for_a_purge_of_this_one() {
    let server = roan_tests::Nats::start(&NatsOptions::default());
    let fleet = Fleet::at(&server.url()).await;
    fleet.publish("roan.shop.url", "/before").await;
    let shop = fleet.consumer("shop", "roan.shop.>").await;
    fleet.beat("shop", json!({})).await;
    fleet.publish("roan.-.url", "/a").await;
    let of_shop = fleet.publish("roan.shop.url", "/b").await;
    let last = fleet.publish("roan.-.url", "/c").await;
    let admin = admin(&server.url()).await;
    let status = admin.status().await.unwrap();
    let lagging = node(&status, "shop");
    assert_eq!(
        (lagging.lag, lagging.oldest.map(|(at, _)| at)),
        (1, Some(of_shop))
    );
    assert!(
        lagging.has(of_shop - 1) && !lagging.has(of_shop),
        "{lagging:?}"
    );
    shop.acknowledge(1).await;
    let status = admin.status().await.unwrap();
    let node = node(&status, "shop");
    assert!(node.has(last) && node.oldest.is_none(), "{node:?}");
    assert!(!node.has_gap, "{node:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_is_seen_by_the_heartbeat_alone() {
    let server = roan_tests::Nats::start(&NatsOptions::default());
    let fleet = Fleet::at(&server.url()).await;
    fleet.consumer("away", "").await;
    fleet.beat("away", json!({"acknowledged": 0})).await;
    for url in ["/a", "/b", "/c"] {
        fleet.publish("roan.-.url", url).await;
    }
    let admin = admin(&server.url()).await;
    assert!(!node(&admin.status().await.unwrap(), "away").has_gap);
    let client = async_nats::connect(server.url()).await.unwrap();
    let stream = async_nats::jetstream::new(client);
    let stream = stream.get_stream("ROAN").await.unwrap();
    stream.purge().sequence(3).await.unwrap();
    let status = admin.status().await.unwrap();
    let away = node(&status, "away");
    // The server says that it has acknowledged the messages that are gone.
    assert_eq!(away.acknowledged, Some(0));
    assert!(away.has_gap && !away.has(1) && !away.has(3), "{away:?}");
}

/// Acknowledgements at the server are not enough: its floor may be wrong, and its consumer may lack messages.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_has_what_its_agent_says_that_it_has() {
    let server = roan_tests::Nats::start(&NatsOptions::default());
    let fleet = Fleet::at(&server.url()).await;
    let consumer = fleet.consumer("a", "").await;
    for url in ["/a", "/b", "/c"] {
        fleet.publish("roan.-.url", url).await;
    }
    consumer.acknowledge(3).await;
    let admin = admin(&server.url()).await;
    for (says, has) in [(0, 0), (2, 2), (3, 3), (2, 2)] {
        fleet.beat("a", json!({"acknowledged": says})).await;
        let status = admin.status().await.unwrap();
        let node = node(&status, "a");
        let oldest = node.oldest.map(|(sequence, _)| sequence);
        assert_eq!(oldest, (has < 3).then_some(has + 1), "{node:?}");
        assert!(
            node.has(has) && (has == 3 || !node.has(has + 1)),
            "{node:?}"
        );
    }
    // Of a stream that was there before this one, and had more messages.
    fleet.beat("a", json!({"acknowledged": 700})).await;
    let status = admin.status().await.unwrap();
    assert!(!node(&status, "a").has(1), "{status:?}");
}

/// The answers of a JetStream for a stream of 200 messages: at first those of a server that has 2 of them, while there is no
/// leader; then that of the leader; in the end that of one which is cut off. (A stand-in: with real servers it takes a slow link.)
async fn answer(client: async_nats::Client, ended: Arc<AtomicBool>) {
    let mut requests = client.subscribe("$JS.API.>").await.unwrap();
    let mut asked = 0;
    while let Some(request) = requests.next().await {
        let is_info = request.subject.as_str() == "$JS.API.STREAM.INFO.ROAN";
        asked += u32::from(is_info);
        let copies = |active_s: u64| {
            let active = active_s * 1_000_000_000;
            ["n2", "n3"].map(|name| json!({"name": name, "current": true, "active": active}))
        };
        let (cluster, last) = match asked {
            0..6 => (json!({"name": "x", "replicas": copies(1)}), 2),
            _ if ended.load(Ordering::Relaxed) => (
                json!({"name": "x", "leader": "n1", "replicas": copies(5)}),
                150,
            ),
            _ => (
                json!({"name": "x", "leader": "n1", "replicas": copies(1)}),
                200,
            ),
        };
        let at = "2026-01-01T00:00:00Z";
        let answer = match request.subject.as_str() {
            "$JS.API.STREAM.INFO.ROAN" => json!({
                "config": {
                    "name": "ROAN", "subjects": ["roan.>"], "retention": "limits", "max_consumers": -1, "max_msgs": -1,
                    "max_bytes": -1, "discard": "old", "max_age": 0, "storage": "file", "num_replicas": 3,
                },
                "created": at, "cluster": cluster,
                "state": {
                    "messages": last, "bytes": last, "first_seq": 1, "first_ts": at, "last_seq": last, "last_ts": at,
                    "consumer_count": 0,
                },
            }),
            "$JS.API.CONSUMER.LIST.ROAN" => {
                json!({"total": 0, "offset": 0, "limit": 256, "consumers": []})
            }
            _ => {
                json!({"error": {"code": 404, "err_code": 10059, "description": "stream not found"}})
            }
        };
        let reply = request.reply.unwrap();
        client
            .publish(reply, answer.to_string().into())
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lags_does_not_speak_for_the_stream() {
    let server = roan_tests::Nats::start(&NatsOptions::default().without_jetstream());
    let client = async_nats::connect(server.url()).await.unwrap();
    let ended = Arc::new(AtomicBool::new(false));
    let answering = tokio::spawn(answer(client, Arc::clone(&ended)));
    let admin = admin(&server.url()).await;
    wait::until_async(wait::LONG, "the answers", async || {
        let status = admin.status().await;
        status.is_ok_and(|status| {
            assert_eq!(status.last, 200, "{status:?}");
            true
        })
    })
    .await;
    ended.store(true, Ordering::Relaxed);
    let error = admin.status().await.unwrap_err().to_string();
    let words = "the server n1 of the stream ROAN hears 0 of 2 other copies: see that most servers";
    assert!(error.contains(words), "{error}");
    answering.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_dropped_with_all_that_is_known_of_it() {
    let server = roan_tests::Nats::start(&NatsOptions::default());
    let fleet = Fleet::at(&server.url()).await;
    fleet.consumer("a=2Eb", "").await;
    fleet.beat("a=2Eb", json!({"node": "a.b"})).await;
    fleet.beat("stays", json!({})).await;
    let admin = admin(&server.url()).await;
    assert!(admin.drop_node("a.b").await.unwrap());
    assert!(!admin.drop_node("a.b").await.unwrap());
    let status = admin.status().await.unwrap();
    let names: Vec<_> = status.nodes.iter().map(|node| &*node.node).collect();
    assert_eq!(names, ["stays"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_or_a_server_that_is_not_there_is_named() {
    let mut server = roan_tests::Nats::start(&NatsOptions::default());
    let admin = admin(&server.url()).await;
    let error = admin.status().await.unwrap_err();
    assert!(matches!(error, FleetError::JetStream { .. }), "{error:?}");
    assert!(
        error.to_string().contains("there is no stream ROAN"),
        "{error}"
    );
    server.kill();
    let nats = Nats::at(server.url()).unwrap();
    let error = FleetAdmin::connect(&nats, &Stream::new())
        .await
        .unwrap_err();
    assert!(matches!(error, FleetError::Connect { .. }), "{error:?}");
}

/// More consumers than a page of the server's list has, and two of three servers are enough.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_fleet_is_seen_as_a_whole_while_a_server_is_away() {
    const NODES: usize = 300;
    let mut cluster = NatsCluster::start(&NatsOptions::default());
    let fleet = Fleet::at(&cluster.url()).await;
    for number in 0..NODES {
        let name = format!("n{number}");
        fleet.consumer(&name, "").await;
        fleet.beat(&name, json!({})).await;
    }
    fleet.publish("roan.-.url", "/a").await;
    let admin = admin(&cluster.url()).await;
    // One that leads neither the stream nor the bucket.
    let leaders = [
        cluster.leader_of("ROAN"),
        cluster.leader_of("KV_ROAN_AGENTS"),
    ];
    let other = (0..3)
        .find(|number| !leaders.contains(&Some(*number)))
        .unwrap();
    cluster.servers[other].kill();
    let mut last = None;
    wait::until_async(3 * wait::LONG, "all nodes", async || {
        last = admin.status().await.ok();
        last.as_ref()
            .is_some_and(|status| status.nodes.len() == NODES)
    })
    .await;
    for node in last.unwrap().nodes {
        assert!(node.lag == 1 && !node.has(1), "{node:?}");
    }
}

/// The bucket has one copy, and its server is away. Its agents run.
#[tokio::test(flavor = "multi_thread")]
async fn without_heartbeats_nobody_is_called_gone() {
    let mut cluster = NatsCluster::start(&NatsOptions::default());
    let urls = cluster.servers.each_ref().map(roan_tests::Nats::url);
    let client = async_nats::connect(&urls[0]).await.unwrap();
    let stream = async_nats::jetstream::stream::Config {
        name: "ROAN".to_owned(),
        subjects: vec!["roan.>".to_owned()],
        num_replicas: 3,
        ..Default::default()
    };
    let jetstream = async_nats::jetstream::new(client);
    make_stream(&jetstream, stream).await;
    let fleet = Fleet::at(&urls[0]).await;
    let last = fleet.publish("roan.-.url", "/a").await;
    let stream = jetstream.get_stream("ROAN").await.unwrap();
    let consumer = pull::Config {
        durable_name: Some("roan-a".to_owned()),
        ..Default::default()
    };
    stream.create_consumer(consumer).await.unwrap();
    fleet.beat("a", json!({"acknowledged": last})).await;
    let place = cluster.leader_of("KV_ROAN_AGENTS").unwrap();
    cluster.servers[place].kill();
    let admin = admin(&urls[(place + 1) % 3]).await;
    wait::until_async(4 * wait::LONG, "what the stream knows", async || {
        let Ok(status) = admin.status().await else {
            return false;
        };
        let node = node(&status, "a");
        let problem = node.problem(Duration::MAX).unwrap();
        let why = status.problem.clone().unwrap_or_default();
        assert!(!problem.contains("drop"), "{problem}");
        why.contains("the heartbeats of the agents cannot be read")
            && node.state == FleetNodeState::Unknown
            && !node.has(last)
    })
    .await;
    cluster.servers[place].restart();
    // Not until the servers call themselves healthy, which has taken longer than a minute here, and is not what is tested.
    wait::until_async(4 * wait::LONG, "the heartbeat", async || {
        let status = admin.status().await;
        status.is_ok_and(|status| status.problem.is_none() && node(&status, "a").agent.is_some())
    })
    .await;
}

/// With three copies of all, each of the servers may be away. (Each time it is another cluster: nats-server 2.9 does not always
/// come back.)
#[tokio::test(flavor = "multi_thread")]
async fn the_heartbeats_are_seen_while_any_server_is_away() {
    for away in 0..3 {
        let mut cluster = NatsCluster::start(&NatsOptions::default());
        let fleet = Fleet::with_copies(3, &cluster.url()).await;
        fleet.consumer("a", "").await;
        let last = fleet.publish("roan.-.url", "/a").await;
        let other = cluster.servers[(away + 1) % 3].url();
        cluster.servers[away].kill();
        let admin = admin(&other).await;
        let mut seen = 0;
        wait::until_async(4 * wait::LONG, "ten looks in a row", async || {
            fleet.beat("a", json!({"acknowledged": last})).await;
            let status = admin.status().await;
            let is_seen = status
                .is_ok_and(|status| status.problem.is_none() && node(&status, "a").agent.is_some());
            seen = if is_seen { seen + 1 } else { 0 };
            seen == 10
        })
        .await;
    }
}

/// The one copy of the consumer is at a server that is away. What its agent has said is known.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_known_by_its_heartbeat_while_its_consumer_is_not() {
    let mut cluster = NatsCluster::start(&NatsOptions::default());
    let fleet = Fleet::with_copies(3, &cluster.url()).await;
    let client = roan_tests::nats::connect(&cluster.url()).await;
    let stream = client.get_stream("ROAN").await.unwrap();
    let consumer = pull::Config {
        durable_name: Some("roan-a".to_owned()),
        num_replicas: 1,
        ..Default::default()
    };
    let consumer = stream.create_consumer(consumer).await.unwrap();
    let last = fleet.publish("roan.-.url", "/a").await;
    let place = wait::until_some(wait::LONG, "the consumer to have a place", || {
        let info = consumer.cached_info().cluster.as_ref()?;
        NatsCluster::place_of(info.leader.as_deref()?)
    });
    cluster.servers[place].kill();
    let admin = admin(&cluster.servers[(place + 1) % 3].url()).await;
    for (acknowledged, lag) in [(last, 0), (last - 1, 1)] {
        wait::until_async(4 * wait::LONG, "the node to be known", async || {
            fleet.beat("a", json!({"acknowledged": acknowledged})).await;
            let Ok(status) = admin.status().await else {
                return false;
            };
            let node = node(&status, "a");
            (node.state, node.lag, node.has(last)) == (FleetNodeState::Consuming, lag, lag == 0)
        })
        .await;
    }
}
