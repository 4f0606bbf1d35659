//! What both versions of the app do: they read commands, one a line, until standard input ends.

use std::io::BufRead;
use std::time::Duration;

use roan::outbox::Outbox;
use roan::triggers::Triggers;
use roan::{Nginx, Roan};
use roan_tests::{Connection, wait};

/// Runs the app. Its arguments are the URL of the database, that of the purge location, and in milliseconds the grace
/// period and the rebound. `shop` is the address of the site of that name, and `saved` fires the hooks of a post.
#[tokio::main]
pub(crate) async fn run(shop: Option<&str>, saved: fn(&str)) {
    wait::or_abort();
    let mut arguments = std::env::args().skip(1);
    let mut argument = move || arguments.next().expect("four arguments");
    let (database, purge_url) = (argument(), argument());
    let mut duration = || Duration::from_millis(argument().parse().expect("milliseconds"));
    let (grace, rebound) = (duration(), duration());
    let outbox = Outbox::at(&database)
        .expect("a URL")
        .lease(Duration::from_secs(1))
        .poll(Duration::from_millis(50))
        .grace_period(grace)
        .triggers(Triggers::new());
    let start = || {
        let mut builder = Roan::builder()
            .cache(Nginx::at(&purge_url).expect("a URL"))
            .site("http://www.test")
            .rebound(rebound)
            .outbox(outbox.clone());
        if let Some(shop) = shop {
            builder = builder.named_site("shop", shop);
        }
        builder.build().expect("an outbox")
    };
    let mut roan = None;
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("migrate", _) => outbox.migrate().await.expect("tables"),
            ("install", _) => outbox.install_triggers().await.expect("triggers"),
            ("start", _) => roan = Some(start()),
            ("save", slug) => {
                let roan = roan.as_ref().expect("it has started");
                let mut connection = Connection::open(&database).await.expect("a database");
                let insert = format!("BEGIN; INSERT INTO posts (slug) VALUES ('{slug}')");
                connection.run(&insert).await.expect("a row");
                let hooks = || saved(slug);
                connection.purge(roan, hooks).await.expect("its purges");
                connection.run("COMMIT").await.expect("a commit");
            }
            other => panic!("no such command: {other:?}"),
        }
        println!("done");
    }
}
