//! What the example prints: a page is read at each node, a post is saved, and each node turns fresh; then the same while
//! the agent of one node is away.

use std::error::Error;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use roan_examples::visitor::Visitor;
use tokio::time::sleep;

use crate::node::Node;

const PAGE: &str = "/posts/hello";
const TITLES: [&str; 3] = ["Hello, cache", "Fresh from the database", "Fresh once more"];

/// Longer than a purge takes on any machine.
const LONG: Duration = Duration::from_secs(10);

/// Succeeds if each node shows what it should.
pub(crate) async fn tell(app: SocketAddr, nodes: &mut [Node]) -> Result<(), Box<dyn Error>> {
    let writer = Visitor::new(app)?;
    for node in &*nodes {
        for expected in ["MISS", "HIT"] {
            shows(node, TITLES[0], expected).await?;
        }
    }

    let saved = save(&writer, TITLES[1]).await?;
    for (name, took) in fresh(nodes, TITLES[1], saved).await? {
        line(&name, "fresh", took);
    }

    let [others @ .., away] = nodes else {
        return Err("there is no node".into());
    };
    for node in others.iter().chain([&*away]) {
        node.settled().await;
        node.visitor.get(PAGE).await?;
    }
    away.stop_agent().await;
    println!("\nThe agent of {} is away.", away.name);
    let saved = save(&writer, TITLES[2]).await?;
    for (name, took) in fresh(others, TITLES[2], saved).await? {
        line(&name, "fresh", took);
    }
    shows(away, TITLES[1], "HIT").await?;
    println!("\nIt is back, and the purges that it has missed are in the stream.");
    let back = Instant::now();
    away.start_agent().await?;
    for (name, took) in fresh(std::slice::from_ref(away), TITLES[2], back).await? {
        line(&name, "fresh", took);
    }
    for node in nodes {
        node.stop_agent().await;
    }
    println!(
        "\nEach node was fresh as soon as its agent had the purge. Saving did not wait for any of them."
    );
    Ok(())
}

async fn shows(node: &Node, title: &str, status: &str) -> Result<(), Box<dyn Error>> {
    let seen = node.visitor.get(PAGE).await?;
    let (name, found) = (node.name, seen.heading().to_owned());
    println!("{name:6} {PAGE}   {:4}   {found:?}", seen.cache_status);
    match found == title && seen.cache_status == status {
        true => Ok(()),
        false => Err(format!("{name}: a {status} of {title:?} was right").into()),
    }
}

async fn save(writer: &Visitor, title: &str) -> Result<Instant, Box<dyn Error>> {
    let start = Instant::now();
    let took = writer.rename(PAGE, title).await?;
    println!("\nsaved  {PAGE}   {title:?} in {} us", took.as_micros());
    Ok(start)
}

/// Asks each node until it shows the title: the names in the order in which they turned fresh, and how long after `since`.
async fn fresh(
    nodes: &[Node],
    title: &str,
    since: Instant,
) -> Result<Vec<(String, Duration)>, Box<dyn Error>> {
    let mut turned = Vec::new();
    let mut waiting: Vec<&Node> = nodes.iter().collect();
    while !waiting.is_empty() {
        let mut still = Vec::new();
        for node in waiting {
            match node.visitor.get(PAGE).await?.heading() == title {
                true => turned.push((node.name.to_owned(), since.elapsed())),
                false => still.push(node),
            }
        }
        if since.elapsed() > LONG {
            let names: Vec<&str> = still.iter().map(|node| node.name).collect();
            return Err(format!("stale after {LONG:?}: {}", names.join(", ")).into());
        }
        waiting = still;
        sleep(Duration::from_millis(1)).await;
    }
    Ok(turned)
}

fn line(name: &str, what: &str, took: Duration) {
    println!("{name:6} {what:7} {:>7.1} ms", took.as_secs_f64() * 1e3);
}
