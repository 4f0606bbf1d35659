//! A blog behind nginx, with its posts and the purges that wait in one SQLite file.
//!
//! ```text
//! cargo run -p roan-blog                      on sqlx
//! cargo run -p roan-blog --features sea-orm   on SeaORM
//! cargo run -p roan-blog --features diesel    on Diesel
//! ```
//!
//! Each needs nginx with the cache-purge module (on Debian: `apt install nginx
//! libnginx-mod-http-cache-purge`), and says so where it is missing. SQLite is built in: that takes the C
//! compiler that Rust links with. The blog stays up, to play with; the posts are in `blog.db`. With
//! `-- --once` it saves, creates and deletes a post, shows that the pages are fresh, and ends.
//!
//! What differs is in `posts/sqlx.rs`, `posts/sea_orm.rs` and `posts/diesel.rs`.

mod app;
mod options;
mod posts;

use std::error::Error;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::time::Duration;

use options::{HELP, Options};
use roan::Roan;
use roan_examples::nginx::{Nginx, Program};
use roan_examples::visitor::Visitor;
use tokio::net::TcpListener;

const HELLO: &str = "/posts/hello";
const TITLE: &str = "Fresh from the database";

type Outcome = Result<(), Box<dyn Error>>;

#[tokio::main]
async fn main() -> ExitCode {
    let options = match Options::from_args(std::env::args().skip(1)) {
        Ok(options) if options.help => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    match run(&options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("blog: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Outcome {
    let folder = tempfile::tempdir()?;
    let file = match options.once {
        true => folder.path().join("blog.db").display().to_string(),
        false => "blog.db".to_owned(),
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let nginx = Nginx::start(&Program::find()?, listener.local_addr()?).await?;
    let purge_url = format!("http://{}/purge", nginx.address());
    let cache = roan::Nginx::at(&purge_url)?;
    let (routes, roan) = app::start(options.library, &file, cache).await?;
    tokio::spawn(axum::serve(listener, routes).into_future());
    let visitor = Visitor::new(nginx.address())?;
    let page = visitor.url(HELLO);
    let library = options.library.name();
    println!("A blog on {library} at {page}, behind nginx; posts and purges in {file}\n");
    if options.once {
        write_once(&visitor, &roan).await?;
    } else {
        println!("    curl -i {page}\n    curl -d title=Fresh {page}\n    curl -i {page}\n");
        println!("Ctrl-C ends it.");
        tokio::signal::ctrl_c().await?;
    }
    println!("{}", roan.shutdown(Duration::from_secs(10)).await);
    Ok(())
}

/// One write of each kind. Before it a page is in the cache, behind it the page is fresh.
async fn write_once(visitor: &Visitor, roan: &Roan) -> Outcome {
    see_cached(visitor, HELLO, "Hello, cache").await?;
    visitor.rename(HELLO, TITLE).await?;
    purge("save", TITLE, roan).await;
    see_cached(visitor, HELLO, TITLE).await?;

    see_cached(visitor, "/posts", "Posts").await?;
    visitor.create("second", "Second").await?;
    purge("create", "Second", roan).await;
    see_cached(visitor, "/posts", "Posts").await?;

    see_cached(visitor, "/posts/second", "Second").await?;
    visitor.delete("/posts/second").await?;
    purge("delete", "Second", roan).await;
    if !visitor.is_gone("/posts/second").await? {
        return Err("the page of the deleted post is still there".into());
    }
    println!("GET    gone  /posts/second");
    see_cached(visitor, "/posts", "Posts").await
}

async fn purge(write: &str, title: &str, roan: &Roan) {
    println!("{write:<6} {title:?}");
    println!("purge  {}", roan.flush(Duration::from_secs(10)).await);
}

/// The cache has to ask the blog for the page, and then has it.
async fn see_cached(visitor: &Visitor, path: &str, heading: &str) -> Outcome {
    for expected in ["MISS", "HIT"] {
        let seen = visitor.get(path).await?;
        let status = &seen.cache_status;
        println!("GET    {status:<4}  {path}  {:?}", seen.heading());
        if status != expected || seen.heading() != heading {
            return Err(format!("{expected} with {heading:?} was right").into());
        }
    }
    Ok(())
}
