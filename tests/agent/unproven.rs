//! A cache whose answers do not show that purges reach its pages.

use std::fs;

use roan_tests::Browser;

use crate::stand::{LONG, Stand};

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
    let admin =
        roan::fleet::FleetAdmin::connect(&stand.servers(), &roan::fleet::Stream::new()).await;
    let status = admin.unwrap().status().await.unwrap();
    let problem = status.nodes[0].problem(LONG).unwrap();
    assert!(problem.contains("location ^~ /purge/"), "{problem}");
    assert!(!status.nodes[0].has(number));
    assert!(stand.shown("/a").contains("old"));
    assert_eq!(agent.status().emptied, 1, "to empty it does not help yet");

    reconfigure(&mut stand, "location ^~ /elsewhere/", "location ^~ /purge/");
    stand.wait_until_ready(&agent);
    assert_eq!(agent.status().emptied, 2);
    assert!(stand.shown("/a").contains("new"));
}
