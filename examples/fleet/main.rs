//! A blog behind three nginx nodes in different places: its purges go through a stream of NATS JetStream, and an agent
//! beside each node takes them.
//!
//! ```text
//! cargo run --example fleet --features fleet
//! ```
//!
//! It starts a nats-server, three nginx, and their agents, on ports of this machine. The agents run in this program here;
//! on a real node it is the command `roan agent`.

use roan::fleet::Stream;
use roan::{ConfigError, Fleet, Roan, purge_on};

// ---- What you add to an app ------------------------------------------------------------------

/// On the model: the pages that show it, as with any cache.
#[purge_on(save, delete, url = "/posts")]
#[purge_on(save, delete, url = "/posts/{slug}")]
#[derive(Clone)]
struct Post {
    slug: String,
    title: String,
}

/// At the start: the servers of NATS in place of the cache, and the address that visitors see.
fn start(nats: &str, address: &str) -> Result<Roan, ConfigError> {
    Roan::builder()
        .cache(Fleet::nats(nats)?.stream(stream()))
        .site(address)
        .install()
}

/// One server may lose what it has acknowledged when the power fails, and Roan says so. Here that does not matter; elsewhere
/// use three servers, and `.replicas(3)`.
fn stream() -> Stream {
    Stream::new().replicas(1).synced()
}

// ---- The app, which does not know about caches --------------------------------------------------

#[path = "../quickstart/blog.rs"]
mod blog;
mod node;
mod story;

use std::error::Error;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::time::Duration;

use blog::Blog;
use roan_examples::nats::{self, Nats};
use roan_examples::nginx;
use tokio::net::TcpListener;

use crate::node::Node;

fn save(blog: &Blog, post: &Post) {
    blog.write(post);
    roan::saved(post);
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fleet: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let (nats, nginx) = (nats::Program::find()?, nginx::Program::find()?);
    let nats = Nats::start(&nats).await?;
    let blog = Blog::with_posts([("hello", "Hello, cache")]);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let app = listener.local_addr()?;
    tokio::spawn(axum::serve(listener, blog::app(blog)).into_future());

    let roan = start(&nats.url(), node::SITE)?;
    let _guard = roan.guard(Duration::from_secs(10));
    let mut nodes = Vec::new();
    for name in ["paris", "oslo", "lima"] {
        nodes.push(Node::start(name, &nginx, app, &nats.url()).await?);
    }
    println!("A blog, a stream at {}, and three nodes\n", nats.url());
    story::tell(app, &mut nodes).await
}
