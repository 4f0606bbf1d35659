//! Crashes: of the servers and of the cache.

use std::time::Duration;

use roan::Roan;
use roan::agent::{Agent, AgentError};
use roan::fleet::{FleetAdmin, FleetNodeState, Stream};
use roan_tests::{HOST, Nats, NatsOptions, Nginx, Options, wait};

use crate::stand::{LONG, Stand, connect, wait_until_ready};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_and_comes_back_loses_nothing() {
    let mut stand = Stand::start().await;
    let agent = stand.run().await;
    for page in 0..20 {
        stand.warm(&format!("/{page}"), "old");
    }
    for page in 0..10 {
        stand.write(&format!("/{page}"), "new").await;
    }
    stand.nats.kill();
    wait::until(LONG, "the agent to notice", || !agent.status().connected);
    stand.nats.restart();
    stand.jetstream = connect(&stand.nats).await;
    let mut last = 0;
    for page in 10..20 {
        last = stand.write(&format!("/{page}"), "new").await;
    }
    stand.wait_until_acknowledged(&agent, last);
    for page in 0..20 {
        stand.wait_until_shown(&format!("/{page}"), "new");
    }
    wait_until_ready(&agent);
    assert_eq!(agent.status().emptied, 1, "{:?}", agent.status());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_at_the_start_is_awaited() {
    let mut stand = Stand::start().await;
    stand.nats.kill();
    let agent = stand.agent().start(stand.caches()).await.unwrap();
    let why = agent.not_ready().unwrap();
    assert!(
        why.starts_with("not connected: cannot connect to nats://"),
        "{why}"
    );
    stand.nats.restart();
    wait_until_ready(&agent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_that_is_down_loses_no_purge_and_takes_no_more_messages_than_it_may() {
    let mut stand = Stand::start().await;
    let agent = stand
        .agent()
        .most_open(8)
        .ready_lag(Duration::from_millis(100));
    let agent = agent.start(stand.caches()).await.unwrap();
    wait_until_ready(&agent);
    for page in 0..30 {
        stand.warm(&format!("/{page}"), "old");
    }
    stand.nginx.kill();
    let mut last = 0;
    for page in 0..30 {
        last = stand.write(&format!("/{page}"), "new").await;
    }
    wait::until(LONG, "the node to be down", || {
        agent.roan().stats().nodes[0].down
    });
    wait::until(LONG, "the agent to lag", || {
        agent
            .not_ready()
            .is_some_and(|why| why.contains("8 messages are open"))
    });
    assert_eq!(agent.status().acknowledged, 0);
    stand.nginx.restart();
    stand.wait_until_acknowledged(&agent, last);
    for page in 0..30 {
        stand.wait_until_shown(&format!("/{page}"), "new");
    }
    wait_until_ready(&agent);
    let status = agent.status();
    // It has held them for less than the time after which they come again.
    assert_eq!((status.emptied, status.given_up), (1, 0), "{status:?}");
}

/// The status says why a purge waits, and the answer when it does not any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_cache_that_is_down_is_a_warning_until_it_answers() {
    let mut stand = Stand::start().await;
    let agent = stand.run().await;
    stand.warm("/first", "old");
    let first = stand.write("/first", "new").await;
    stand.wait_until_acknowledged(&agent, first);
    let admin = FleetAdmin::connect(&stand.servers(), &Stream::new()).await;
    let admin = admin.unwrap();
    let seen = async || admin.status().await.unwrap().nodes.remove(0);
    wait::until_async(LONG, "the status to have the first answer", async || {
        let answer = seen().await.last_answer;
        answer.is_some_and(|(_, outcome, target)| outcome == "purged" && target.ends_with("/first"))
    })
    .await;
    assert_eq!(seen().await.warnings, [] as [String; 0]);
    stand.warm("/late", "old");
    stand.nginx.kill();
    let late = stand.write("/late", "new").await;
    wait::until_async(
        Duration::from_secs(6),
        "the status to say why it waits",
        async || {
            let node = seen().await;
            node.warnings.iter().any(|warning| {
                warning.starts_with("nginx 127.0.0.1:")
                    && warning.contains(" is down, and its purges wait since ")
                    && warning.contains("Last attempt: cannot connect: ")
            })
        },
    )
    .await;
    let standing = stand.agent().standing().await.unwrap().to_string();
    assert!(
        standing.contains("warning    nginx 127.0.0.1:"),
        "{standing}"
    );
    stand.nginx.restart();
    stand.wait_until_acknowledged(&agent, late);
    wait::until_async(
        Duration::from_secs(6),
        "the status to say that it is well",
        async || seen().await.warnings.is_empty(),
    )
    .await;
    wait::until_async(LONG, "the status to have the late answer", async || {
        let answer = seen().await.last_answer;
        answer.is_some_and(|(_, outcome, target)| outcome == "purged" && target.ends_with("/late"))
    })
    .await;
    wait_until_ready(&agent);
}

/// What has failed at a node that is down need not wait for its own next attempt to find that the node is back.
#[tokio::test(flavor = "multi_thread")]
async fn a_cache_that_is_back_is_found_soon_after_many_attempts() {
    let mut stand = Stand::start().await;
    let hour = Duration::from_secs(3600);
    let caches = stand.caches().backoff(hour, hour);
    let agent = stand.agent().start(caches).await.unwrap();
    wait_until_ready(&agent);
    stand.nginx.kill();
    let mut last = 0;
    for page in 0..5 {
        last = stand.publish(&format!("/{page}")).await;
    }
    wait::until(LONG, "each purge to have failed", || {
        let node = agent.roan().stats().nodes.remove(0);
        node.down && node.failed >= 5
    });
    stand.nginx.restart();
    stand.wait_until_acknowledged(&agent, last);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_hands_back_what_is_not_answered() {
    let mut stand = Stand::start().await;
    let agent = stand.run().await;
    stand.warm("/a", "old");
    stand.nginx.kill();
    let number = stand.write("/a", "new").await;
    wait::until(LONG, "the purge to be held", || agent.status().open == 1);
    agent.stop(Duration::from_millis(100)).await;
    let (floor, left) = stand.consumer().await.unwrap();
    assert!(floor == 0 && left > 0, "{floor} {left}");
    stand.nginx.restart();
    let agent = stand.agent().start(stand.caches()).await.unwrap();
    stand.wait_until_acknowledged(&agent, number);
    assert!(stand.shown("/a").contains("new"));
    assert_eq!(agent.status().emptied, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_agent_of_one_name_does_not_take_itself_for_the_older_one() {
    let stand = Stand::start().await;
    let older = stand.run().await;
    let number = stand.publish("/a").await;
    stand.wait_until_acknowledged(&older, number);
    // Its cache has the same address: `http://127.0.0.1/purge` on another host.
    let newer = stand.agent().start(stand.caches()).await.unwrap();
    let ended = tokio::time::timeout(LONG, older.ended()).await.unwrap();
    assert!(
        matches!(ended, Err(AgentError::SameName { .. })),
        "{ended:?}"
    );
    wait::until(LONG, "the newer one to empty its cache", || {
        newer.status().emptied == 1
    });
    wait_until_ready(&newer);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_older_of_two_agents_of_one_name_ends() {
    let stand = Stand::start().await;
    let older = stand.run().await;
    // Beside another cache. The older one takes some of the purges.
    let nginx = Nginx::start(&stand.origin, &Options::default());
    let purge_url = roan::Nginx::at(&nginx.purge_url()).unwrap();
    let caches = Roan::builder().cache(purge_url).site(HOST).rebound(None);
    let empty = format!("find {} -type f -delete", nginx.cache_folder().display());
    let newer = stand.agent().empty_with(empty).start(caches).await.unwrap();
    let pages: Vec<_> = (0..20).map(|page| format!("/{page}")).collect();
    for page in &pages {
        stand.origin.set(page, "old");
        nginx.browser().warm(page);
    }
    for page in &pages {
        stand.write(page, "new").await;
    }
    let ended = tokio::time::timeout(LONG, older.ended()).await.unwrap();
    let Err(error @ AgentError::SameName { .. }) = ended else {
        panic!("{ended:?}");
    };
    let text = error.to_string();
    assert!(
        text.contains("edge-1.test") && text.contains("ROAN_NODE"),
        "{text}"
    );
    assert_eq!(older.not_ready().unwrap(), "the agent has ended");
    let number = stand.publish("/a").await;
    stand.wait_until_acknowledged(&newer, number);
    wait::until(LONG, "each page to be new at the newer one", || {
        let is_new = |page: &String| nginx.browser().get(page).text().contains("new");
        pages.iter().all(is_new)
    });
    // It has heard nothing more of the older one after its next heartbeat.
    wait::until_async(LONG, "another heartbeat", async || {
        let standing = stand.agent().standing().await.unwrap();
        standing.problem().is_none()
    })
    .await;
    assert_eq!(newer.not_ready(), None);
}

/// Whatever starts agents starts the one that has ended again, on a machine of its own.
#[tokio::test(flavor = "multi_thread")]
async fn the_status_says_that_two_agents_have_one_name_and_what_to_do() {
    let stand = Stand::start().await;
    let admin = FleetAdmin::connect(&stand.servers(), &Stream::new()).await;
    let admin = admin.unwrap();
    let older = stand.run().await;
    // Its cache has the same address: `http://127.0.0.1/purge` on another host. It can be emptied when the test says so.
    let go = stand.file("go");
    let empty = format!("while [ ! -e {} ]; do sleep 0.02; done", go.display());
    let agent = || stand.agent().empty_with(empty.clone());
    let newer = agent().start(stand.caches()).await.unwrap();
    let ended = tokio::time::timeout(LONG, older.ended()).await.unwrap();
    assert!(ended.is_err(), "{ended:?}");
    // From the first word on.
    let says_so = async |why: &str| {
        let mut status = None;
        wait::until_async(LONG, why, async || {
            let now = status.insert(admin.status().await.unwrap());
            let unclean = now.nodes[0].unclean.as_deref();
            unclean.is_some_and(|unclean| unclean.starts_with(why))
                && now.nodes[0].state == FleetNodeState::Emptying
        })
        .await;
        let of_status = status.unwrap().nodes[0].problem(LONG);
        let of_check = stand.agent().standing().await.unwrap().problem();
        for problem in [of_status, of_check] {
            let problem = problem.expect(why);
            for words in [
                "two agents have the name edge-1.test",
                "give each machine a `node` of its own",
            ] {
                assert!(problem.contains(words), "{problem}");
            }
        }
    };
    says_so("another agent of the same name has run beside this one").await;
    // It finds the words of the newer one, which empties its cache.
    let again = agent().start(stand.caches()).await.unwrap();
    says_so("it ended while its cache was being emptied").await;
    std::fs::write(&go, "").unwrap();
    let ended = tokio::time::timeout(LONG, newer.ended()).await.unwrap();
    assert!(ended.is_err(), "{ended:?}");
    wait_until_ready(&again);
    wait::until_async(LONG, "the status to be well", async || {
        let status = admin.status().await.unwrap();
        status.nodes[0].problem(LONG).is_none()
    })
    .await;
}

/// What a killed agent has sent may be written after what its successor has said.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_word_of_the_agent_before_is_not_another_agent() {
    const KEY: &str = "$KV.ROAN_AGENTS.edge-1=2Etest";
    let stand = Stand::start().await;
    let before = stand.run().await;
    let bucket = stand.jetstream.get_stream("KV_ROAN_AGENTS").await.unwrap();
    let late = bucket.get_last_raw_message_by_subject(KEY).await.unwrap();
    before.stop(LONG).await;
    let agent = stand.run().await;
    for _ in 0..3 {
        stand.publish_raw(KEY, late.payload.to_vec()).await;
        let number = stand.publish("/a").await;
        let admin = FleetAdmin::connect(&stand.servers(), &Stream::new()).await;
        let admin = admin.unwrap();
        wait::until_async(LONG, "the word of the agent that runs", async || {
            let status = admin.status().await.unwrap();
            status.nodes[0].has(number)
        })
        .await;
    }
    assert_eq!(agent.not_ready(), None);
    assert_eq!(agent.status().emptied, 0);
}

/// The consumer does not deliver, so no message comes that would be late.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_gets_nothing_of_what_the_stream_has_is_not_ready() {
    let stand = Stand::start().await;
    let users = NatsOptions::default().lines(
        "authorization { users: [ { user: app, password: a }, { user: agent, password: b, \
         permissions: { publish: { deny: \"$JS.API.CONSUMER.MSG.NEXT.>\" } } } ] }",
    );
    let nats = Nats::start(&users);
    let password = stand.file("password");
    std::fs::write(&password, "b").unwrap();
    let servers = roan::fleet::Nats::at(nats.url()).unwrap();
    let agent = Agent::new(servers.password_file("agent", password))
        .stream(Stream::new().replicas(1))
        .node("quiet")
        .empty_with(stand.empty())
        .ready_lag(Duration::from_millis(100));
    let agent = agent.start(stand.caches()).await.unwrap();
    let app = async_nats::ConnectOptions::with_user_and_password("app".into(), "a".into());
    let app = async_nats::jetstream::new(app.connect(nats.url()).await.unwrap());
    // What comes before it has made its consumer is covered by the emptying.
    wait::until_async(LONG, "the agent to be behind", async || {
        let sent = app.publish("roan.-.url", r#"{"v":1,"purge":["/a"]}"#.into());
        sent.await.unwrap().await.unwrap();
        agent.status().lag > Duration::from_secs(1)
    })
    .await;
    let why = agent.not_ready().unwrap();
    assert!(why.contains("the servers have not answered"), "{why}");
}
