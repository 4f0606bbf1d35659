//! Messages that are not as they should be, purges that the cache refuses, and servers that refuse the agent.

use std::time::Duration;

use roan::agent::{Agent, AgentPhase, Emptied, RunningAgent};
use roan::fleet::{FleetAdmin, FleetNodeState, Nats, Stream};
use roan_tests::{Behaviour, Browser, Faulty, HOST, NatsOptions, logged, wait};

use crate::stand::{LONG, NODE, Stand, wait_until_ready};

/// An agent that cannot empty its cache is clean from the start: somebody has said so.
async fn clean_agent(stand: &Stand) -> Agent {
    let nats = Nats::at(stand.nats.url()).unwrap();
    let agent = Agent::new(nats)
        .stream(Stream::new().replicas(1))
        .node(NODE)
        .listen(([127, 0, 0, 1], 0).into());
    let first = agent.clone().start(stand.caches()).await.unwrap();
    take_for_empty(&agent, &first).await;
    wait_until_ready(&first);
    first.stop(Duration::from_secs(5)).await;
    agent
}

/// Does what an operator does who has emptied the cache of an agent that waits for it.
async fn take_for_empty(settings: &Agent, agent: &RunningAgent) {
    wait::until(LONG, "the agent to wait", || {
        agent.status().phase == AgentPhase::WaitingForOperator
    });
    assert_eq!(settings.note_emptied().await.unwrap(), Emptied::Consumes);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_counted_and_holds_up_nothing() {
    let stand = Stand::start().await;
    let settings = clean_agent(&stand).await;
    let agent = settings.clone().start(stand.caches()).await.unwrap();
    wait_until_ready(&agent);
    let health = Browser::new(agent.listens().unwrap());
    assert_eq!(health.get("/").text(), "ready\n");
    stand.warm("/a", "old");
    stand.warm("/b", "old");

    stand.publish_raw("roan.-.url", "\0\u{1}").await;
    stand.publish_raw("roan.-.url", r#"{"v":9,"x":1}"#).await;
    stand.publish_raw("roan.other.thing", "hello").await;
    stand.publish_raw("roan.-.url", vec![b'x'; 1 << 20]).await;
    stand
        .publish_raw(
            "roan.shop.url",
            r#"{"v":1,"purge":[{"url":"/a","site":"shop"}]}"#,
        )
        .await;
    stand.origin.set("/a", "new");
    stand
        .publish_raw("roan.-.url", r#"{"v":1,"purge":["b","/a",{"tags":"x"}]}"#)
        .await;
    let number = stand.write("/b", "new").await;
    stand.wait_until_acknowledged(&agent, number);
    assert!(stand.shown("/a").contains("new"));
    assert!(stand.shown("/b").contains("new"));
    let status = agent.status();
    assert_eq!(
        (status.unread, status.newer, status.given_up),
        (6, 1, 6),
        "{status:?}"
    );
    assert_eq!(status.phase, AgentPhase::Unclean);
    let answer = health.get("/");
    assert_eq!(answer.status, 503);
    let text = answer.text();
    assert!(
        text.starts_with("unclean: message 1 of the subject roan.-.url: message is not valid JSON"),
        "{text}"
    );
    let figures = health.get("/metrics").text();
    for line in [
        "roan_agent_ready 0",
        "roan_agent_unclean 1",
        "roan_agent_messages_unread_total 6",
        "roan_agent_messages_newer_total 1",
        "roan_agent_messages_given_up_total 6",
        "roan_agent_acknowledged 7",
        "roan_agent_node_down{cache=\"nginx\",",
    ] {
        assert!(figures.contains(line), "{line}: {figures}");
    }
    assert_eq!(health.get("/other").status, 404);
    assert_eq!(health.send("POST", "/", &[]).status, 405);

    // It does not become clean by a restart.
    agent.stop(Duration::from_secs(5)).await;
    let agent = settings.clone().start(stand.caches()).await.unwrap();
    wait::until(LONG, "the agent to be unclean again", || {
        agent.status().phase == AgentPhase::Unclean
    });
    assert_eq!(settings.note_emptied().await.unwrap(), Emptied::Consumes);
    assert_eq!(agent.not_ready(), None);
    let admin = FleetAdmin::connect(&stand.servers(), &Stream::new())
        .await
        .unwrap();
    let status = admin.status().await.unwrap();
    assert_eq!(status.nodes[0].state, FleetNodeState::Consuming);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_that_can_be_emptied_is_clean_again_at_once() {
    let stand = Stand::start().await;
    let (agent, nats) = (stand.agent(), stand.nats.url());
    // The first emptying was a while ago.
    let _ = nats;
    let settings = clean_agent(&stand).await;
    let first = settings.start(stand.caches()).await.unwrap();
    wait_until_ready(&first);
    first.stop(Duration::from_secs(5)).await;
    let agent = agent.start(stand.caches()).await.unwrap();
    wait_until_ready(&agent);
    assert_eq!(agent.status().emptied, 0);
    stand.warm("/a", "old");
    stand.origin.set("/a", "new");
    stand.publish_raw("roan.-.url", "not ours").await;
    wait::until(LONG, "the cache to be emptied", || {
        agent.status().emptied == 1
    });
    wait_until_ready(&agent);
    assert!(stand.shown("/a").contains("new"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_purge_makes_the_node_unclean() {
    let stand = Stand::start().await;
    let faulty = Faulty::start(Behaviour::Answer(403, Vec::new()));
    let settings = clean_agent(&stand).await;
    let nginx = roan::Nginx::at(&faulty.purge_url()).unwrap();
    let caches = roan::Roan::builder().cache(nginx).site(HOST).rebound(None);
    let agent = settings.clone().start(caches).await.unwrap();
    // It is another cache than before.
    take_for_empty(&settings, &agent).await;
    wait_until_ready(&agent);
    let number = stand.publish("/a").await;
    stand.wait_until_acknowledged(&agent, number);
    let why = agent.not_ready().unwrap();
    assert!(why.starts_with("unclean: /a at nginx 127.0.0.1"), "{why}");
    assert!(why.contains("403"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sites_are_those_of_the_agent_or_of_the_message() {
    let stand = Stand::start().await;
    let nginx = roan::Nginx::at(&stand.nginx.purge_url()).unwrap();
    // It does not know any site.
    let caches = roan::Roan::builder().cache(nginx).rebound(None);
    let agent = stand.agent().start(caches).await.unwrap();
    wait_until_ready(&agent);
    stand.warm("/a", "old");
    stand.origin.set("/a", "new");
    let message = format!(r#"{{"v":1,"purge":["/a"],"site":"http://{HOST}"}}"#);
    let number = stand.publish_raw("roan.-.url", message).await;
    stand.wait_until_acknowledged(&agent, number);
    assert!(stand.shown("/a").contains("new"));
    agent.stop(Duration::from_secs(5)).await;

    // It serves the default site alone.
    let agent = stand.agent().sites(["-"]).start(stand.caches());
    let agent = agent.await.unwrap();
    stand
        .publish_raw(
            "roan.shop.url",
            r#"{"v":1,"purge":[{"url":"/a","site":"shop"}]}"#,
        )
        .await;
    let number = stand.write("/a", "newer").await;
    stand.wait_until_acknowledged(&agent, number);
    assert!(stand.shown("/a").contains("newer"));
    let status = agent.status();
    assert_eq!((status.elsewhere, status.given_up), (1, 0), "{status:?}");
    agent.stop(Duration::from_secs(5)).await;

    // One of the two addresses may be wrong.
    logged::start();
    let agent = stand.agent().start(stand.caches()).await.unwrap();
    let message = r#"{"v":1,"purge":["/a"],"site":"https://else.test"}"#;
    let number = stand.publish_raw("roan.-.url", message).await;
    stand.wait_until_acknowledged(&agent, number);
    let words = format!(
        "purges the pages of {HOST}, as its configuration says, where the app says else.test"
    );
    assert_eq!(logged::warnings_with(&words).len(), 1);
    let admin = FleetAdmin::connect(&stand.servers(), &Stream::new()).await;
    let admin = admin.unwrap();
    wait::until_async(LONG, "the fleet to show it", async || {
        let status = admin.status().await.unwrap();
        let warnings = status.nodes[0].warnings.join("; ");
        warnings.contains(&words) && status.nodes[0].problem(LONG).is_none()
    })
    .await;
    let standing = stand.agent().standing().await.unwrap().to_string();
    assert!(
        standing.contains(&format!("warning    the agent {words}")),
        "{standing}"
    );
    agent.stop(Duration::from_secs(5)).await;

    // All purges of the site would be left as those of others.
    let caches = || stand.caches().named_site("shop", "https://shop.test");
    let error = stand.agent().sites(["shop", "shpo"]).start(caches()).await;
    let error = error.unwrap_err().to_string();
    assert!(
        error.contains("sites: \"shpo\" is not a site of this agent (it has \"shop\")"),
        "{error}"
    );
    let agent = stand.agent().sites(["shop"]).start(caches()).await.unwrap();
    agent.stop(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_refuse_the_agent_are_an_error() {
    let nats = roan_tests::Nats::start(&NatsOptions::default().token("SECRET"));
    let agent = Agent::new(Nats::at(nats.url()).unwrap()).node(NODE);
    let caches = || {
        let nginx = roan::Nginx::at("http://127.0.0.1:1/purge").unwrap();
        roan::Roan::builder().cache(nginx)
    };
    let error = agent.clone().start(caches()).await.unwrap_err().to_string();
    assert!(error.contains("refuses the connection"), "{error}");
    assert!(
        error.contains("set a credentials file") && !error.contains("SECRET"),
        "{error}"
    );

    // A stream that drops what some nodes have not had.
    let nats = roan_tests::Nats::start(&NatsOptions::default());
    let jetstream = crate::stand::connect(&nats).await;
    let config = async_nats::jetstream::stream::Config {
        name: "ROAN".to_owned(),
        subjects: vec!["roan.>".to_owned()],
        retention: async_nats::jetstream::stream::RetentionPolicy::WorkQueue,
        ..Default::default()
    };
    jetstream.create_stream(config).await.unwrap();
    let agent = Agent::new(Nats::at(nats.url()).unwrap()).node(NODE);
    let error = agent.start(caches()).await.unwrap_err().to_string();
    assert!(error.contains("retention `workqueue`"), "{error}");
}
