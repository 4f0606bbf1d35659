//! Users who may not do all that an agent does: the error names what to allow, as the guide's `users.conf` has it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use async_nats::ConnectOptions;
use roan::agent::Agent;
use roan::fleet::{FleetAdmin, Nats as Servers, Stream};
use roan_tests::{Behaviour, Faulty, Nats, NatsOptions, wait};

use crate::stand::{LONG, NODE, start_without_caches, wait_until_ready};

const USERS: &str = include_str!("../conf/fleet/users.conf");

/// A stream for which an agent looks after itself every 2 s.
const MAX_AGE: Duration = Duration::from_secs(16);

/// A server with the users of the guide, of whom the agent lacks this right.
fn server(lacks: &str) -> Nats {
    let (before, agent) = USERS.split_once("user: agent,").unwrap();
    let lacks = format!("\"{lacks}\"");
    assert_eq!(agent.matches(&lacks).count(), 1, "{lacks}");
    let agent = agent.replacen(&lacks, "\"nothing\"", 1);
    Nats::start(&NatsOptions::default().lines(&format!("{before}user: agent,{agent}")))
}

fn servers(server: &Nats, folder: &Path) -> Servers {
    let file = folder.join("password");
    fs::write(&file, "password-of-the-agents").unwrap();
    Servers::at(server.url())
        .unwrap()
        .password_file("agent", file)
}

async fn stream(server: &Nats) -> async_nats::jetstream::Context {
    let options =
        ConnectOptions::with_user_and_password("app".to_owned(), "password-of-the-app".to_owned());
    let client = options.connect(server.url()).await.unwrap();
    let jetstream = async_nats::jetstream::new(client);
    let config = async_nats::jetstream::stream::Config {
        name: "ROAN".to_owned(),
        subjects: vec!["roan.>".to_owned()],
        max_age: MAX_AGE,
        duplicate_window: MAX_AGE,
        ..Default::default()
    };
    jetstream.create_stream(config).await.unwrap();
    jetstream
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_may_not_make_its_consumer_names_the_subject() {
    let folder = tempfile::tempdir().unwrap();
    let server = server("$JS.API.CONSUMER.*.ROAN.>");
    stream(&server).await;
    let agent = start_without_caches(Agent::new(servers(&server, folder.path()))).await;
    wait::until(LONG, "the agent to say so", || {
        agent.not_ready().is_some_and(|why| {
            why.contains("allow this user to publish to `$JS.API.CONSUMER.INFO.ROAN.>`")
        })
    });
}

/// A server does not answer such a request, and the agent would wait for messages for ever.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_may_not_ask_for_messages_is_not_ready() {
    let folder = tempfile::tempdir().unwrap();
    let server = server("$JS.API.CONSUMER.MSG.NEXT.ROAN.>");
    let jetstream = stream(&server).await;
    let agent = start_without_caches(Agent::new(servers(&server, folder.path()))).await;
    // Not for a moment: nothing shows that it gets what is published.
    let until = std::time::Instant::now() + Duration::from_secs(5);
    while std::time::Instant::now() < until {
        assert!(agent.not_ready().is_some());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let message = r#"{"v":1,"purge":["/a"],"asked":1795665105175}"#;
    jetstream
        .publish("roan.-.url", message.into())
        .await
        .unwrap()
        .await
        .unwrap();
    wait::until(LONG, "the agent to say so", || {
        agent.not_ready().is_some_and(|why| {
            why.contains("the servers have not answered ")
                && why.contains("allow this user to publish to `$JS.API.CONSUMER.MSG.NEXT.ROAN.>`")
        })
    });
}

/// The purges reach the cache, again and again.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_may_not_acknowledge_says_so_in_its_heartbeat() {
    let folder = tempfile::tempdir().unwrap();
    let server = server("$JS.ACK.ROAN.>");
    let jetstream = stream(&server).await;
    let faulty = Faulty::start(Behaviour::Purged);
    let nginx = roan::Nginx::at(&faulty.purge_url()).unwrap();
    let caches = roan::Roan::builder().cache(nginx).rebound(None);
    let servers = servers(&server, folder.path());
    let agent = || Agent::new(servers.clone()).node(NODE).empty_with("true");
    let running = agent().start(caches).await.unwrap();
    wait_until_ready(&running);
    let message = r#"{"v":1,"purge":["/a"],"asked":1795665105175}"#;
    let published = jetstream.publish("roan.-.url", message.into());
    published.await.unwrap().await.unwrap();
    let admin = FleetAdmin::connect(&servers, &Stream::new()).await.unwrap();
    let words = "allow this user to publish to `$JS.ACK.ROAN.>`";
    wait::until_async(LONG, "the fleet to show it", async || {
        let status = admin.status().await.unwrap();
        let mut warnings = status.nodes.iter().flat_map(|node| &node.warnings);
        warnings.any(|warning| warning.contains(words))
    })
    .await;
    let standing = agent().standing().await.unwrap().to_string();
    assert!(standing.contains(words), "{standing}");
}

/// With the changes that the guide has for an agent that is not trusted with the places of others.
#[tokio::test(flavor = "multi_thread")]
async fn a_user_of_one_node_has_the_rights_that_its_agent_needs() {
    let folder = tempfile::tempdir().unwrap();
    let (before, agent) = USERS.split_once("user: agent,").unwrap();
    let (agent, after) = agent.split_once("# You,").unwrap();
    let agent = agent
        .replace("\"$JS.ACK.ROAN.>\"", "\"$JS.ACK.ROAN.roan-eu-1.>\"")
        .replace("ROAN.>\"", "ROAN.roan-eu-1\"")
        .replace("\"$KV.ROAN_AGENTS.>\"", "\"$KV.ROAN_AGENTS.eu-1\"");
    let users = format!("{before}user: agent,{agent}# You,{after}");
    let server = Nats::start(&NatsOptions::default().lines(&users));
    let jetstream = stream(&server).await;
    let faulty = Faulty::start(Behaviour::Purged);
    let caches = || {
        let nginx = roan::Nginx::at(&faulty.purge_url()).unwrap();
        roan::Roan::builder().cache(nginx).rebound(None)
    };
    let servers = servers(&server, folder.path());
    let agent = |node| Agent::new(servers.clone()).node(node).empty_with("true");
    let eu = agent("eu-1").start(caches()).await.unwrap();
    let message = r#"{"v":1,"purge":["/a"],"asked":1795665105175}"#;
    let published = jetstream.publish("roan.-.url", message.into());
    published.await.unwrap().await.unwrap();
    wait::until(LONG, "the purge to be acknowledged", || {
        eu.not_ready().is_none() && eu.status().acknowledged == 1
    });
    // Another place is not its own.
    let us = agent("us-1").start(caches()).await.unwrap();
    wait::until(LONG, "the other agent to say so", || {
        us.not_ready()
            .is_some_and(|why| why.contains("allow this user to publish to"))
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_look_at_a_fleet_learns_what_to_allow() {
    let folder = tempfile::tempdir().unwrap();
    let server = server("$JS.API.CONSUMER.LIST.ROAN");
    stream(&server).await;
    let admin = FleetAdmin::connect(&servers(&server, folder.path()), &Stream::new())
        .await
        .unwrap();
    let error = admin.status().await.unwrap_err().to_string();
    assert!(
        error.contains("allow this user to publish to `$JS.API.CONSUMER.LIST.ROAN`"),
        "{error}"
    );
}
