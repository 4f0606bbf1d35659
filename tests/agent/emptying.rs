//! When the cache is emptied, and in which order.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use roan::agent::{AgentPhase, Emptied};
use roan::fleet::Stream;
use roan_tests::wait;

use crate::stand::{CONSUMER, LONG, NODE, Stand, wait_until_ready};

#[tokio::test(flavor = "multi_thread")]
async fn a_new_node_is_emptied_and_then_purged() {
    let stand = Stand::start().await;
    stand.warm("/a", "old");
    // Nobody has published this write.
    stand.origin.set("/a", "new");
    let agent = stand.run().await;
    assert_eq!(agent.status().emptied, 1);
    assert!(stand.shown("/a").contains("new"));
    stand.warm("/b", "old");
    let number = stand.write("/b", "new").await;
    stand.wait_until_acknowledged(&agent, number);
    assert!(stand.shown("/b").contains("new"));
    assert_eq!(stand.consumer().await, Some((number, 0)));
    agent.stop(Duration::from_secs(5)).await;
    assert_eq!(agent.status().phase, AgentPhase::Ended);

    // A restart is not a new node.
    let number = stand.write("/b", "newer").await;
    let agent = stand.run().await;
    stand.wait_until_acknowledged(&agent, number);
    assert!(stand.shown("/b").contains("newer"));
    assert_eq!(agent.status().emptied, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_while_the_cache_is_emptied_is_purged() {
    let stand = Stand::start().await;
    let (emptied, go) = (stand.file("emptied"), stand.file("go"));
    let command = format!(
        "{} && touch {} && while [ ! -e {} ]; do sleep 0.02; done",
        stand.empty(),
        emptied.display(),
        go.display()
    );
    let agent = stand.agent().empty_with(command);
    let agent = agent.start(stand.caches()).await.unwrap();
    wait::until(LONG, "the cache to be empty", || emptied.exists());
    assert_eq!(agent.status().phase, AgentPhase::Emptying);
    // It is stored after the emptying, and its purge is published before the agent consumes.
    stand.warm("/a", "old");
    let number = stand.write("/a", "new").await;
    fs::write(&go, "").unwrap();
    stand.wait_until_acknowledged(&agent, number);
    assert!(stand.shown("/a").contains("new"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_node_under_load_shows_no_stale_page() {
    let stand = Stand::start().await;
    stand.stream_with_max_age(Duration::from_secs(3600)).await;
    let pages: Vec<_> = (0..20).map(|page| format!("/{page}")).collect();
    for page in &pages {
        stand.warm(page, "version 0.");
    }
    let done = AtomicBool::new(false);
    let written = AtomicUsize::new(0);
    let load = async {
        let mut version = 0;
        while !done.load(Ordering::Relaxed) {
            version += 1;
            for page in &pages {
                stand.write(page, &format!("version {version}.")).await;
                written.fetch_add(1, Ordering::Relaxed);
                // Visitors come all the time.
                let _ = stand.shown(page);
            }
        }
        version
    };
    let agent = async {
        let is_loaded = async || written.load(Ordering::Relaxed) >= 10;
        wait::until_async(LONG, "writes before the agent starts", is_loaded).await;
        // The default: pages are being rendered meanwhile.
        let caches = stand.caches().rebound(Duration::from_millis(200));
        let agent = stand.agent().start(caches).await.unwrap();
        let status = || agent.status();
        wait::until_async(LONG, "messages under load", async || status().taken > 200).await;
        done.store(true, Ordering::Relaxed);
        agent
    };
    let (version, agent) = tokio::join!(load, agent);
    let stream = stand.jetstream.get_stream("ROAN").await;
    let last = stream.unwrap().cached_info().state.last_sequence;
    stand.wait_until_acknowledged(&agent, last);
    for page in &pages {
        let text = stand.shown(page);
        assert!(
            text.contains(&format!("version {version}.")),
            "{page}: {text}"
        );
    }
    assert_eq!(agent.status().emptied, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_in_the_stream_empties_the_cache() {
    let stand = Stand::start().await;
    stand.stream_with_max_age(Duration::from_secs(2)).await;
    let agent = stand.run().await;
    agent.stop(Duration::from_secs(5)).await;
    stand.warm("/a", "old");
    stand.write("/a", "new").await;
    let stream = stand.jetstream.get_stream("ROAN").await.unwrap();
    wait::until_async(LONG, "the message to expire", async || {
        stream.get_info().await.unwrap().state.messages == 0
    })
    .await;
    let agent = stand.run().await;
    assert_eq!(agent.status().emptied, 1);
    assert!(stand.shown("/a").contains("new"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_that_opens_while_the_agent_runs_empties_the_cache() {
    let mut stand = Stand::start().await;
    stand.stream_with_max_age(Duration::from_secs(2)).await;
    // It takes one message, and cannot purge it.
    let agent = stand.agent().most_open(1).start(stand.caches());
    let agent = agent.await.unwrap();
    wait_until_ready(&agent);
    stand.warm("/a", "old");
    stand.nginx.kill();
    stand.publish("/other").await;
    wait::until(LONG, "the first message to be open", || {
        agent.status().open == 1
    });
    stand.write("/a", "new").await;
    wait::until(LONG, "the cache to be emptied again", || {
        agent.status().emptied == 2
    });
    stand.nginx.restart();
    stand.wait_until_shown("/a", "new");
    let number = stand.write("/a", "newer").await;
    stand.wait_until_acknowledged(&agent, number);
    assert!(stand.shown("/a").contains("newer"));
}

/// The consumer passes over them, and its floor moves on. The first of the stream stays.
#[tokio::test(flavor = "multi_thread")]
async fn messages_that_are_removed_from_the_middle_of_the_stream_empty_the_cache() {
    let mut stand = Stand::start().await;
    let agent = stand.run().await;
    let before = stand.publish("/before").await;
    stand.wait_until_acknowledged(&agent, before);
    agent.stop(Duration::from_secs(5)).await;
    stand.warm("/a", "old");
    let removed = [stand.write("/a", "new").await, stand.publish("/a").await];
    stand.publish("/b").await;
    let stream = stand.jetstream.get_stream("ROAN").await.unwrap();
    for number in removed {
        stream.delete_message(number).await.unwrap();
    }
    // Nothing is acknowledged meanwhile.
    stand.nginx.kill();
    let agent = stand.agent().start(stand.caches()).await.unwrap();
    wait::until(LONG, "the cache to be emptied", || {
        agent.status().emptied == 1
    });
    agent.stop(Duration::from_secs(5)).await;
    stand.nginx.restart();
    assert!(stand.shown("/a").contains("new"));

    // The last ones.
    let agent = stand.run().await;
    agent.stop(Duration::from_secs(5)).await;
    stand.warm("/c", "old");
    let last = stand.write("/c", "new").await;
    stream.delete_message(last).await.unwrap();
    let agent = stand.agent().start(stand.caches()).await.unwrap();
    wait::until(LONG, "the cache to be emptied again", || {
        agent.status().emptied == 1
    });
    assert!(stand.shown("/c").contains("new"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_that_has_another_cache_empties_it() {
    let stand = Stand::start().await;
    let agent = stand.run().await;
    agent.stop(Duration::from_secs(5)).await;
    let other = roan_tests::Nginx::start(&stand.origin, &roan_tests::Options::default());
    stand.origin.set("/a", "old");
    other.browser().warm("/a");
    // Nobody has published this write for it.
    stand.origin.set("/a", "new");
    let caches = |nodes: [&roan_tests::Nginx; 1]| {
        let nginx = roan::Nginx::at(&nodes[0].purge_url()).unwrap();
        let caches = roan::Roan::builder().cache(nginx);
        caches.site(roan_tests::HOST).rebound(None)
    };
    let settings = stand.agent().empty_with(format!(
        "find {} -type f -delete",
        other.cache_folder().display()
    ));
    let agent = settings.clone().start(caches([&other])).await.unwrap();
    wait::until(LONG, "the other cache to be emptied", || {
        agent.status().emptied == 1
    });
    assert!(other.browser().get("/a").text().contains("new"));
    wait_until_ready(&agent);
    agent.stop(Duration::from_secs(5)).await;
    // It is not another one any more.
    let agent = settings.start(caches([&other])).await.unwrap();
    wait_until_ready(&agent);
    assert_eq!(agent.status().emptied, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_or_a_stream_that_is_deleted_empties_the_cache() {
    let stand = Stand::start().await;
    let agent = stand.run().await;
    stand.warm("/a", "old");
    let stream = stand.jetstream.get_stream("ROAN").await.unwrap();
    stream.delete_consumer(CONSUMER).await.unwrap();
    // It may be lost: the agent has to find out.
    stand.write("/a", "new").await;
    wait::until(LONG, "the cache to be emptied again", || {
        agent.status().emptied == 2
    });
    wait_until_ready(&agent);
    stand.wait_until_shown("/a", "new");
    let number = stand.write("/a", "newer").await;
    stand.wait_until_acknowledged(&agent, number);

    stand.warm("/b", "old");
    stand.jetstream.delete_stream("ROAN").await.unwrap();
    stand.origin.set("/b", "new");
    wait::until(LONG, "the agent to say so", || {
        agent
            .not_ready()
            .is_some_and(|why| why.contains("there is no stream ROAN: the app makes it"))
    });
    // With the settings of the app, and not with those of the agent.
    assert!(stand.jetstream.get_stream("ROAN").await.is_err());
    stand.stream_with_max_age(Duration::from_secs(3600)).await;
    wait::until(LONG, "the cache to be emptied once more", || {
        agent.status().emptied == 3
    });
    wait_until_ready(&agent);
    assert!(stand.shown("/b").contains("new"));
    let number = stand.write("/b", "newer").await;
    assert_eq!(number, 1);
    stand.wait_until_acknowledged(&agent, number);
    stand.wait_until_shown("/b", "newer");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_way_to_empty_it_the_agent_waits_for_the_operator() {
    let stand = Stand::start().await;
    let nats = roan::fleet::Nats::at(stand.nats.url()).unwrap();
    let settings = roan::agent::Agent::new(nats)
        .stream(Stream::new().replicas(1))
        .node(NODE);
    let agent = settings.clone().start(stand.caches()).await.unwrap();
    wait::until(LONG, "the agent to wait", || {
        agent.status().phase == AgentPhase::WaitingForOperator
    });
    let why = agent.not_ready().unwrap();
    assert!(why.contains("waiting for the operator"), "{why}");
    stand.warm("/a", "old");
    stand.write("/a", "new").await;
    agent.stop(Duration::from_secs(5)).await;
    // Its restart has nothing forgotten.
    let agent = settings.clone().start(stand.caches()).await.unwrap();
    wait::until(LONG, "the agent to wait again", || {
        agent.status().phase == AgentPhase::WaitingForOperator
    });
    assert!(stand.shown("/a").contains("old"));
    assert_eq!(settings.note_emptied().await.unwrap(), Emptied::Consumes);
    wait_until_ready(&agent);
    // It was published before somebody said so, and after the consumer was made.
    stand.wait_until_shown("/a", "new");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_that_cannot_be_emptied_now_is_emptied_later() {
    let stand = Stand::start().await;
    let can = stand.file("can");
    let command = format!(
        "[ -e {} ] || {{ echo no disk >&2; exit 3; }}; {}",
        can.display(),
        stand.empty()
    );
    stand.warm("/a", "old");
    stand.origin.set("/a", "new");
    let agent = stand.agent().empty_with(command);
    let agent = agent.start(stand.caches()).await.unwrap();
    wait::until(LONG, "an attempt to fail", || {
        agent.not_ready().is_some_and(|why| why.contains("no disk"))
    });
    let nats = roan::fleet::Nats::at(stand.nats.url()).unwrap();
    let admin = roan::fleet::FleetAdmin::connect(&nats, &Stream::new()).await;
    let admin = admin.unwrap();
    wait::until_async(LONG, "the fleet to show it", async || {
        let status = admin.status().await.unwrap();
        let problem = status.nodes[0].problem(Duration::MAX);
        problem.is_some_and(|problem| {
            problem.contains("cannot be emptied") && problem.contains("no disk")
        })
    })
    .await;
    fs::write(&can, "").unwrap();
    wait_until_ready(&agent);
    assert!(stand.shown("/a").contains("new"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cache_that_can_purge_everything_is_emptied_by_that() {
    let stand = Stand::start().await;
    let varnish = roan_tests::Varnish::start(&stand.origin, &roan_tests::VarnishOptions::default());
    let browser = varnish.browser();
    stand.origin.set("/a", "old");
    browser.warm("/a");
    stand.origin.set("/a", "new");
    let nats = roan::fleet::Nats::at(stand.nats.url()).unwrap();
    let cache = roan::Varnish::at(&varnish.url()).unwrap();
    let caches = roan::Roan::builder()
        .cache(cache)
        .site(roan_tests::HOST)
        .rebound(Duration::from_millis(50));
    let agent = roan::agent::Agent::new(nats)
        .stream(Stream::new().replicas(1))
        .node(NODE)
        .start(caches);
    let agent = agent.await.unwrap();
    wait_until_ready(&agent);
    assert!(browser.get("/a").text().contains("new"));
    browser.warm("/a");
    stand.origin.set("/a", "newer");
    stand.publish("/a").await;
    wait::until(LONG, "the page to be fresh", || {
        browser.get("/a").text().contains("newer")
    });
}
