//! The settings of the stream: who makes it, and what is said when somebody changes them.

use std::time::Duration;

use async_nats::jetstream::stream::Config;
use roan::agent::Agent;
use roan::fleet::{FleetAdmin, Stream};
use roan_tests::{Browser, logged, wait};

use crate::stand::{LONG, NODE, Stand, wait_until_ready};

/// A stream for which an agent looks after its settings every 2 s.
const MAX_AGE: Duration = Duration::from_secs(16);

impl Stand {
    async fn change_stream(&self, change: impl FnOnce(&mut Config)) {
        let stream = self.jetstream.get_stream("ROAN").await.unwrap();
        let mut config = stream.cached_info().config.clone();
        change(&mut config);
        self.jetstream.update_stream(config).await.unwrap();
    }

    async fn admin(&self) -> FleetAdmin {
        FleetAdmin::connect(&self.servers(), &Stream::new())
            .await
            .unwrap()
    }
}

/// An agent that starts before the app would make the stream with one copy, where the app wants three.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_was_not_told_the_copies_waits_for_the_stream() {
    let stand = Stand::start().await;
    let agent = Agent::new(stand.servers())
        .node(NODE)
        .empty_with(stand.empty());
    let problem = agent.standing().await.unwrap().problem().unwrap();
    assert!(
        problem.contains("start the app, which makes it"),
        "{problem}"
    );
    let agent = agent.start(stand.caches()).await.unwrap();
    let why = agent.not_ready().unwrap();
    assert!(
        why.contains("there is no stream ROAN: the app makes it"),
        "{why}"
    );
    assert!(
        why.contains("if `replicas` (`ROAN_FLEET_REPLICAS`)"),
        "{why}"
    );
    assert!(stand.jetstream.get_stream("ROAN").await.is_err());

    // The app starts, and purges nothing yet.
    let fleet = roan::Fleet::nats(&stand.nats.url()).unwrap();
    let fleet = fleet.stream(Stream::new().max_age(Duration::from_secs(3600)));
    let _app = roan::Roan::builder().cache(fleet).build().unwrap();
    wait_until_ready(&agent);
    assert_eq!(agent.status().emptied, 1);
    let mut stream = stand.jetstream.get_stream("ROAN").await.unwrap();
    let config = &stream.info().await.unwrap().config;
    assert_eq!(config.max_age, Duration::from_secs(3600), "that of the app");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_lose_purges_are_noticed_while_the_agent_runs() {
    let stand = Stand::start().await;
    stand.stream_with_max_age(MAX_AGE).await;
    let agent = stand.run().await;
    let health = Browser::new(agent.listens().unwrap());
    let admin = stand.admin().await;
    assert_eq!(admin.status().await.unwrap().problem, None);

    stand
        .change_stream(|config| config.max_messages_per_subject = 1)
        .await;
    let words = "drops purges when a subject has more than 1";
    let problem = admin.status().await.unwrap().problem.unwrap();
    assert!(problem.contains(words), "{problem}");
    wait::until(LONG, "the agent to notice", || {
        agent.not_ready().is_some_and(|why| why.contains(words))
    });
    let why = agent.not_ready().unwrap();
    assert!(why.starts_with("unclean: stream ROAN at nats://"), "{why}");
    assert!(
        why.contains("`nats stream edit ROAN --max-msgs-per-subject=-1`"),
        "{why}"
    );
    assert!(why.contains("mend that, and the agent"), "{why}");
    assert_eq!(health.get("/").status, 503);
    wait::until_async(LONG, "the fleet to show it", async || {
        let status = admin.status().await.unwrap();
        let problem = status.nodes[0].problem(LONG);
        problem.is_some_and(|problem| problem.contains(words))
    })
    .await;
    let standing = stand.agent().standing().await.unwrap();
    assert!(standing.problem().unwrap().contains(words));
    assert_eq!(agent.status().emptied, 1, "purges are still lost");

    // What was lost meanwhile nobody knows.
    stand
        .change_stream(|config| config.max_messages_per_subject = -1)
        .await;
    wait_until_ready(&agent);
    assert_eq!(agent.status().emptied, 2);
    assert_eq!(admin.status().await.unwrap().problem, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_of_the_stream_is_a_warning_when_it_is_set() {
    logged::start();
    let stand = Stand::start().await;
    stand.stream_with_max_age(MAX_AGE).await;
    let agent = stand.run().await;
    let limit = format!(
        "stream ROAN at {} holds at most 1234 bytes",
        stand.nats.url()
    );
    assert!(logged::warnings_with(&limit).is_empty());
    stand.change_stream(|config| config.max_bytes = 1234).await;
    wait::until(LONG, "the warning", || {
        !logged::warnings_with(&limit).is_empty()
    });
    assert_eq!(agent.not_ready(), None, "an agent notices what is dropped");
    let status = stand.admin().await.status().await.unwrap();
    assert_eq!(status.problem, None);
    assert!(
        status
            .warnings
            .iter()
            .any(|warning| warning.contains(&limit)),
        "{status:#?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_keeps_purges_for_a_shorter_time_than_before_is_a_warning() {
    logged::start();
    let stand = Stand::start().await;
    let before = 2 * MAX_AGE;
    stand.stream_with_max_age(before).await;
    let agent = stand.run().await;
    let admin = stand.admin().await;
    let set = async |max_age: Duration| {
        stand
            .change_stream(|config| {
                (config.max_age, config.duplicate_window) = (max_age, MAX_AGE.min(max_age));
            })
            .await;
    };
    let words = format!(
        "the stream ROAN keeps messages for {}, and kept them for {}",
        humantime::format_duration(MAX_AGE),
        humantime::format_duration(before)
    );
    let is_shown = async || {
        let status = admin.status().await.unwrap();
        let mut warnings = status.nodes.iter().flat_map(|node| &node.warnings);
        warnings.any(|warning| warning.contains(&words))
    };
    set(MAX_AGE).await;
    wait::until_async(LONG, "the fleet to show it", async || is_shown().await).await;
    assert_eq!(logged::warnings_with(&words).len(), 1);
    assert_eq!(agent.not_ready(), None);
    set(before).await;
    wait::until_async(LONG, "the warning to end", async || !is_shown().await).await;
}
