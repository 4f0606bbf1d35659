//! Servers that keep the connection, and do not answer: nothing shows that the agent gets what the stream has.

use std::time::Duration;

use async_nats::jetstream::{self, stream};
use roan::agent::{Agent, RunningAgent};
use roan::fleet::{FleetAdmin, Nats as Servers, Stream};
use roan_tests::{Nats, NatsCluster, NatsOptions, logged, wait};

use crate::stand::{LONG, NODE, READY_LAG, Stand, connect, start_without_caches, wait_until_ready};

const BUCKET: &str = "KV_ROAN_AGENTS";

#[track_caller]
fn wait_until_silent(agent: &RunningAgent, words: &str) {
    wait::until(LONG, "the agent to say that nobody answers", || {
        agent.not_ready().is_some_and(|why| {
            why.starts_with("the servers have not answered for ") && why.contains(words)
        })
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_not_ready_while_its_server_hangs() {
    let stand = Stand::start().await;
    let agent = stand.agent().ready_lag(READY_LAG);
    let agent = agent.start(stand.caches()).await.unwrap();
    wait_until_ready(&agent);
    stand.nats.suspend();
    wait_until_silent(&agent, "");
    assert!(agent.status().connected);
    stand.nats.resume();
    wait_until_ready(&agent);
    assert_eq!(agent.status().emptied, 1);
}

/// The servers that are left have a leader, and the connections to the one that hangs are open.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_leaves_a_server_that_hangs_for_another_one() {
    let stand = Stand::start().await;
    let cluster = NatsCluster::start(&NatsOptions::default());
    let agent = Agent::new(Servers::at(cluster.url()).unwrap())
        .stream(Stream::new().replicas(3))
        .node(NODE)
        .empty_with(stand.empty());
    let agent = agent.start(stand.caches()).await.unwrap();
    wait_until_ready(&agent);
    stand.warm("/a", "old");
    let name = format!("roan agent of {NODE}");
    let has_agent = |server: &Nats| {
        let connections = server.monitor("/connz")["connections"].clone();
        let connections = connections.as_array().unwrap();
        connections.iter().any(|one| one["name"] == name)
    };
    let place = cluster.servers.iter().position(has_agent).unwrap();
    cluster.servers[place].suspend();

    let app = connect(&cluster.servers[(place + 1) % 3]).await;
    stand.origin.set("/a", "new");
    wait::until_async(LONG, "the stream to have a purge", async || {
        let sent = app.publish("roan.-.url", r#"{"v":1,"purge":["/a"]}"#.into());
        sent.await.unwrap().await.is_ok()
    })
    .await;
    stand.wait_until_shown("/a", "new");
    wait_until_ready(&agent);
    assert_eq!(agent.status().emptied, 1);
}

async fn agent_at(url: &str) -> RunningAgent {
    let stream = Stream::new().replicas(3);
    start_without_caches(Agent::new(Servers::at(url).unwrap()).stream(stream)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_not_ready_while_its_server_is_alone_of_three() {
    let mut cluster = NatsCluster::start(&NatsOptions::default());
    let agent = agent_at(&cluster.servers[0].url()).await;
    wait_until_ready(&agent);
    for server in &mut cluster.servers[1..] {
        server.kill();
    }
    wait_until_silent(&agent, "");
    assert!(agent.status().connected);
    for server in &mut cluster.servers[1..] {
        server.restart();
    }
    cluster.wait_until_whole();
    wait_until_ready(&agent);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_purges_while_its_heartbeats_cannot_be_written() {
    let stand = Stand::start().await;
    let agent = stand.agent().ready_lag(READY_LAG);
    let agent = agent.start(stand.caches()).await.unwrap();
    wait_until_ready(&agent);
    stand.warm("/a", "old");
    // In place of the bucket there is another stream, so that it cannot be made again.
    stand.jetstream.delete_stream(BUCKET).await.unwrap();
    let other = stream::Config {
        name: "OTHER".to_owned(),
        subjects: vec!["$KV.ROAN_AGENTS.>".to_owned()],
        max_message_size: 8,
        ..Default::default()
    };
    stand.jetstream.create_stream(other).await.unwrap();
    wait_until_silent(&agent, "the heartbeat in ROAN_AGENTS");
    let standing = stand.agent().standing().await.unwrap();
    let problem = standing.problem().unwrap();
    let words = "start `roan agent`; if it runs, its log says why it cannot write one";
    assert!(problem.ends_with(words), "{problem}");
    // For longer than after that many looks that fail.
    for round in 0..8 {
        let text = format!("new {round}");
        let number = stand.write("/a", &text).await;
        stand.wait_until_acknowledged(&agent, number);
        stand.wait_until_shown("/a", &text);
        assert!(agent.not_ready().is_some());
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    stand.jetstream.delete_stream("OTHER").await.unwrap();
    wait_until_ready(&agent);
    assert_eq!(agent.status().emptied, 1);
}

/// A bucket of the time when there was one server.
async fn make_bucket(app: &jetstream::Context) {
    let bucket = stream::Config {
        name: BUCKET.to_owned(),
        subjects: vec!["$KV.ROAN_AGENTS.>".to_owned()],
        max_messages_per_subject: 1,
        allow_rollup: true,
        deny_delete: true,
        num_replicas: 1,
        ..Default::default()
    };
    app.create_stream(bucket).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bucket_gets_as_many_copies_as_the_stream() {
    let cluster = NatsCluster::start(&NatsOptions::default());
    let app = connect(&cluster.servers[0]).await;
    make_bucket(&app).await;
    let agent = agent_at(&cluster.url()).await;
    wait::until_async(LONG, "three copies of the bucket", async || {
        let bucket = app.get_stream(BUCKET).await;
        bucket.is_ok_and(|bucket| bucket.cached_info().config.num_replicas == 3)
    })
    .await;
    wait_until_ready(&agent);
}

/// While its one server is away, the agents are not ready, and the purges go on.
#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_with_fewer_copies_than_the_stream_is_a_warning_with_what_to_type() {
    logged::start();
    let denied = "$JS.API.STREAM.UPDATE.>";
    let users = format!(
        "no_auth_user: agent\nauthorization {{ users: [ {{ user: app, password: a }}, {{ user: agent, password: b, \
         permissions: {{ publish: {{ deny: \"{denied}\" }} }} }} ] }}"
    );
    let cluster = NatsCluster::start(&NatsOptions::default().lines(&users));
    let app = async_nats::ConnectOptions::with_user_and_password("app".into(), "a".into());
    let app = jetstream::new(app.connect(cluster.servers[0].url()).await.unwrap());
    make_bucket(&app).await;
    let agent = agent_at(&cluster.url()).await;
    wait_until_ready(&agent);
    let words = "type `nats stream edit KV_ROAN_AGENTS --replicas=3`";
    wait::until(LONG, "the agent to say so", || {
        let warnings = logged::warnings_with(words);
        let mut warnings = warnings.iter();
        warnings.any(|warning| {
            warning.contains("allow this user to publish to `$JS.API.STREAM.UPDATE.")
        })
    });
    let servers = Servers::at(cluster.url()).unwrap();
    let admin = FleetAdmin::connect(&servers, &Stream::new()).await.unwrap();
    let few = async || {
        let status = admin.status().await.unwrap();
        let few = |warning: &String| warning.contains(words);
        status
            .warnings
            .iter()
            .filter(|warning| few(warning))
            .count()
    };
    assert_eq!(few().await, 1);
    let mut config = app
        .get_stream(BUCKET)
        .await
        .unwrap()
        .cached_info()
        .config
        .clone();
    config.num_replicas = 3;
    app.update_stream(config).await.unwrap();
    wait::until_async(LONG, "the warning to end", async || few().await == 0).await;
}
