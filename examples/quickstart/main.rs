//! A blog whose pages stay in the cache until a post changes.
//!
//! ```text
//! cargo run --example quickstart              shows what happens, line by line
//! cargo run --example quickstart -- --serve   keeps the blog up, to play with, and its dashboard
//! ```

use roan::{Cache, ConfigError, Roan, purge_on};

// ---- What you add to an app ------------------------------------------------------------------

/// On the model: the pages that show it.
#[purge_on(save, delete, url = "/posts")]
#[purge_on(save, delete, url = "/posts/{slug}")]
#[derive(Clone)]
struct Post {
    slug: String,
    title: String,
}

/// After a write: one call.
fn save(blog: &Blog, post: &Post) {
    blog.write(post);
    roan::saved(post);
}

/// At the start: the cache, here nginx or the embedded one, and the address that visitors see.
fn start(cache: Cache, address: &str) -> Result<Roan, ConfigError> {
    Roan::builder().cache(cache).site(address).install()
}

// ---- The app, which does not know about caches --------------------------------------------------

mod blog;
mod cache;
mod dashboard;
mod options;
mod story;

use std::error::Error;
use std::process::ExitCode;
use std::time::Duration;

use blog::Blog;
use options::Options;
use roan_examples::visitor::Visitor;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("quickstart: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let options = Options::from_args(std::env::args().skip(1))?;
    if options.help {
        print!("{}", options::HELP);
        return Ok(());
    }
    let blog = Blog::with_posts([
        ("hello", "Hello, cache"),
        ("roan", "A horse of two colours"),
    ]);
    let site = cache::serve(blog::app(blog), options.cache).await?;
    let roan = start(site.cache, &format!("http://{}", site.address))?;
    // At the end: sends what still waits, here the second purge of each page.
    let _guard = roan.guard(Duration::from_secs(10));
    let visitor = Visitor::new(site.address)?;

    println!(
        "A blog at {}, behind {}\n",
        visitor.url("/posts"),
        site.name
    );
    match options.serve {
        true => {
            println!("Its dashboard is at {}\n", dashboard::serve(&roan).await?);
            story::keep_up(&roan, &visitor).await
        }
        false => story::tell(&roan, &visitor).await,
    }
}
