//! A blog behind nginx, with its posts and the purges that wait in one SQLite file.
//!
//! ```text
//! cargo run --example blog                        keeps it up, to play with; the posts are in blog.db
//! cargo run --example blog -- --once              saves a post, and shows that its page is fresh
//! cargo run --example blog -- --library sea-orm   the same on SeaORM
//! cargo run --example blog -- --library diesel    the same on Diesel
//! ```
//!
//! What differs is in `posts/sqlx.rs`, `posts/sea_orm.rs` and `posts/diesel.rs`.
//!
//! It needs nginx with the cache-purge module.

mod app;
mod options;
mod posts;

use std::error::Error;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::time::Duration;

use options::{HELP, Options};
use roan_examples::nginx::{Nginx, Program};
use roan_examples::visitor::Visitor;
use tokio::net::TcpListener;

const TITLE: &str = "Fresh from the database";

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

async fn run(options: &Options) -> Result<(), Box<dyn Error>> {
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
    let page = visitor.url("/posts/hello");
    let library = options.library.name();
    println!("A blog on {library} at {page}, behind nginx; posts and purges in {file}\n");
    if options.once {
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
