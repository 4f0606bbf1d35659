//! A cache whose answers do not show that purges reach its pages.

use std::fs;

use roan::agent::Agent;
use roan::fleet::{FleetAdmin, Stream};
use roan_tests::{Browser, HOST, Nginx, Options, SECRET, logged, wait};

use crate::stand::{LONG, NODE, Stand, wait_until_ready};

/// Writes the configuration of nginx anew, and starts it again.
fn reconfigure(stand: &mut Stand, text: &str, with: &str) {
    stand.nginx.stop();
    let file = stand.file("nginx.conf");
    let conf = fs::read_to_string(&file).unwrap();
    assert_eq!(conf.matches(text).count(), 1);
    fs::write(&file, conf.replace(text, with)).unwrap();
    stand.nginx.restart();
}

/// Without a purge location the app answers purges: 404, which looks as if the page were not cached.
#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_a_purge_location_is_not_ready_until_it_has_one() {
    let mut stand = Stand::start().await;
    stand.origin.status_of_unset(404);
    let agent = stand.run().await;
    let health = Browser::new(agent.listens().unwrap());
    stand.warm("/a", "old");
    reconfigure(&mut stand, "location ^~ /purge/", "location ^~ /elsewhere/");
    let number = stand.write("/a", "new").await;
    stand.wait_until_acknowledged(&agent, number);
    // It has acknowledged a purge that nothing shows.
    let why = agent.not_ready().unwrap();
    assert!(why.starts_with("unclean: nginx 127.0.0.1"), "{why}");
    assert!(
        why.contains("nothing shows that purges reach the pages"),
        "{why}"
    );
    assert!(why.contains("has `location ^~ /purge/`"), "{why}");
    assert!(why.contains("mend that, and the agent"), "{why}");
    assert_eq!(health.get("/").status, 503);
    let standing = stand.agent().standing().await.unwrap();
    let problem = standing.problem().unwrap();
    assert!(problem.contains("location ^~ /purge/"), "{problem}");
    let admin = FleetAdmin::connect(&stand.servers(), &Stream::new()).await;
    let status = admin.unwrap().status().await.unwrap();
    let problem = status.nodes[0].problem(LONG).unwrap();
    assert!(problem.contains("location ^~ /purge/"), "{problem}");
    assert!(!status.nodes[0].has(number));
    assert!(stand.shown("/a").contains("old"));
    assert_eq!(agent.status().emptied, 1, "to empty it does not help yet");

    reconfigure(&mut stand, "location ^~ /elsewhere/", "location ^~ /purge/");
    wait_until_ready(&agent);
    assert_eq!(agent.status().emptied, 2);
    assert!(stand.shown("/a").contains("new"));
}

/// The location takes the orders, but nobody knows whether its key is that of the page.
#[tokio::test(flavor = "multi_thread")]
async fn a_refreshed_node_whose_keys_are_not_known_is_not_ready() {
    let mut stand = Stand::start().await;
    let (key, other) = (
        "set $roan_key \"$host$roan_uri\";",
        "set $roan_key \"v2 $host $roan_uri\";",
    );
    let options = Options::default().refresh().edit(key, other);
    stand.nginx = Nginx::start(&stand.origin, &options);
    let nginx = roan::Nginx::at(&stand.nginx.url()).unwrap();
    let caches = roan::Roan::builder()
        .cache(nginx.refresh(SECRET).unwrap())
        .site(HOST)
        .rebound(None);
    stand.origin.set("/a", "old");
    let agent = stand.agent().start(caches).await.unwrap();
    let words =
        "nothing shows that refreshes reach the pages: nginx returned the key \"v2 site.test ";
    wait::until(LONG, "the agent to be unclean", || {
        agent.not_ready().is_some_and(|why| why.contains(words))
    });
    let emptied = agent.status().emptied;
    stand.write("/a", "new").await;
    reconfigure(&mut stand, other, key);
    wait_until_ready(&agent);
    assert!(agent.status().emptied >= emptied);
    stand.nginx.browser().warm("/a");
    stand.write("/a", "newer").await;
    stand.wait_until_shown("/a", "newer");
}

/// What is refused by the purge location is mended there; then somebody empties the cache.
#[tokio::test(flavor = "multi_thread")]
async fn a_purge_location_that_refuses_is_named_with_what_follows() {
    logged::start();
    let mut stand = Stand::start().await;
    let agent = stand.run().await;
    let text = "allow 127.0.0.1; allow ::1; ";
    stand.write("/b", "new").await;
    reconfigure(&mut stand, text, "");
    let number = stand.write("/a", "new").await;
    let words = "status 403: `allow` this machine's address in the purge location: mend that, then wait: the agent empties its \
                 cache by itself, in at most ";
    let which = format!("gives up message {number} (");
    wait::until(LONG, "the agent to say so", || {
        let said = logged::errors_with(words);
        said.iter().any(|words| words.contains(&which))
    });
    wait::until(LONG, "the cache to be emptied", || {
        agent.status().emptied == 2
    });
    wait_until_ready(&agent);
    let admin = FleetAdmin::connect(&stand.servers(), &Stream::new()).await;
    let admin = admin.unwrap();
    wait::until_async(LONG, "the refusal to be a warning", async || {
        let status = admin.status().await.unwrap();
        let node = &status.nodes[0];
        let words = "and the next purge that goes well ends this";
        node.problem(LONG).is_none() && node.warnings.iter().any(|warning| warning.ends_with(words))
    })
    .await;
    agent.stop(LONG).await;

    // It cannot empty the cache any more.
    let settings = Agent::new(stand.servers()).node(NODE);
    let agent = settings.clone().start(stand.caches()).await.unwrap();
    wait_until_ready(&agent);
    stand.write("/a", "newer").await;
    let words = "in the purge location: mend that, then empty its cache, and type `roan agent --node edge-1.test --emptied`";
    wait::until(LONG, "the agent to be unclean", || {
        agent.not_ready().is_some_and(|why| why.contains(words))
    });
    // The command says it in the same words, wherever it is asked.
    wait::until_async(LONG, "the servers to know it", async || {
        let status = admin.status().await.unwrap();
        let said = status.nodes[0].problem(LONG);
        said.is_some_and(|problem| problem.contains(words))
    })
    .await;
    let status = admin.status().await.unwrap();
    let (_, outcome, target) = status.nodes[0].last_answer.clone().unwrap();
    assert!(outcome.starts_with("refused: "), "{outcome}");
    assert!(target.contains("/a"), "{target}");
    assert_eq!(
        settings.standing().await.unwrap().problem(),
        status.nodes[0].problem(LONG)
    );
}
