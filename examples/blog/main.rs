//! A blog behind nginx, with its posts and the purges that wait in one SQLite file.
//!
//! ```text
//! cargo run --example blog                  keeps it up, to play with; the posts are in blog.db
//! cargo run --example blog -- --once        saves a post, and shows that its page is fresh
//! ```
//!
//! It needs nginx with the cache-purge module.

mod app;
mod posts;

use std::error::Error;
use std::net::Ipv4Addr;
use std::time::Duration;

use roan_examples::nginx::{Nginx, Program};
use roan_examples::visitor::Visitor;
use tokio::net::TcpListener;

const TITLE: &str = "Fresh from the database";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let is_once = std::env::args().any(|argument| argument == "--once");
    let folder = tempfile::tempdir()?;
    let file = match is_once {
        true => folder.path().join("blog.db").display().to_string(),
        false => "blog.db".to_owned(),
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let nginx = Nginx::start(&Program::find()?, listener.local_addr()?).await?;
    let purge_url = format!("http://{}/purge", nginx.address());
    let (posts, roan) = app::start(&file, roan::Nginx::at(&purge_url)?).await?;
    tokio::spawn(axum::serve(listener, app::routes(posts)).into_future());
    let visitor = Visitor::new(nginx.address())?;
    let page = visitor.url("/posts/hello");
    println!("A blog at {page}, behind nginx; posts and purges in {file}\n");
    if is_once {
        save_once(&visitor, &roan).await?;
    } else {
        println!("    curl -i {page}\n    curl -d title=Fresh {page}\n    curl -i {page}\n");
        println!("Ctrl-C ends it.");
        tokio::signal::ctrl_c().await?;
    }
    println!("{}", roan.shutdown(Duration::from_secs(10)).await);
    Ok(())
}

async fn save_once(visitor: &Visitor, roan: &roan::Roan) -> Result<(), Box<dyn Error>> {
    for expected in ["MISS", "HIT"] {
        see(visitor, expected, "Hello, cache").await?;
    }
    visitor.rename("/posts/hello", TITLE).await?;
    println!("save   {TITLE:?}");
    println!("purge  {}", roan.flush(Duration::from_secs(10)).await);
    for expected in ["MISS", "HIT"] {
        see(visitor, expected, TITLE).await?;
    }
    Ok(())
}

async fn see(visitor: &Visitor, expected: &str, title: &str) -> Result<(), Box<dyn Error>> {
    let seen = visitor.get("/posts/hello").await?;
    let status = &seen.cache_status;
    println!("GET    {status:<4}  {:?}", seen.heading());
    match status == expected && seen.heading() == title {
        true => Ok(()),
        false => Err(format!("{expected} with {title:?} was right").into()),
    }
}
