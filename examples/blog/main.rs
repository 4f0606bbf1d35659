//! A blog behind a cache, with its posts and the purges that wait in one SQLite file.
//!
//! ```text
//! cargo run -p roan-blog                             on sqlx, behind nginx
//! cargo run -p roan-blog --features sea-orm          on SeaORM
//! cargo run -p roan-blog --features diesel           on Diesel
//! cargo run -p roan-blog -- --cache nginx-refresh    behind another cache
//! ```
//!
//! The default needs nginx with the cache-purge module (on Debian: `apt install nginx
//! libnginx-mod-http-cache-purge`), and says so where it is missing. SQLite is built in: that takes the C
//! compiler that Rust links with. The blog stays up, to play with; the posts are in `blog.db`. With
//! `-- --once` it saves, creates and deletes a post, shows which pages each write purges, and ends.
//!
//! The blog is the same behind each cache: which one it is, its environment says. `--cache` starts a cache, and then the blog
//! with the lines that it prints. Behind a cache of yours write them yourself, and start the blog with `--listen`.
//!
//! Begin with `app.rs`: its pages say what they show. What differs between the libraries is in `posts/sqlx.rs`,
//! `posts/sea_orm.rs` and `posts/diesel.rs`: the rules on the model, and the writes that fire them. What is
//! printed is in `story.rs`; the caches are started in `front.rs`.

mod app;
mod front;
mod metrics;
mod options;
mod posts;
mod story;

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use front::Front;
use options::{HELP, Options};
use roan::RoanBuilder;
use roan_examples::visitor::Visitor;
use tokio::process::Command;

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
    let ran = match options.listen {
        Some(address) => serve(&options, address).await,
        None => start(&options).await,
    };
    match ran {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("blog: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Starts a cache, and behind it this program once more, in an environment that names it.
async fn start(options: &Options) -> Outcome {
    let app = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let cache = options.cache.as_deref().unwrap_or("nginx");
    let front = Front::start(cache, app).await?;
    let mut variables = front.variables.clone();
    variables.push(("ROAN_SITE", format!("http://{}", front.address)));
    for (name, value) in &variables {
        println!("{name}={value}");
    }
    let mut blog = Command::new(std::env::current_exe()?);
    blog.args(["--listen", &app.to_string()]);
    blog.args(["--library", options.library.name()]);
    if options.once {
        blog.arg("--once");
    }
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("ROAN_") {
            blog.env_remove(name);
        }
    }
    // Ctrl-C is for the blog, which then sends what still waits to the cache.
    tokio::spawn(async { while tokio::signal::ctrl_c().await.is_ok() {} });
    let ended = blog.envs(variables).status().await?;
    match ended.success() {
        true => Ok(()),
        false => Err(format!("it did not work behind {cache}").into()),
    }
}

/// The blog, behind the cache of its environment.
async fn serve(options: &Options, address: SocketAddr) -> Outcome {
    let folder = tempfile::tempdir()?;
    let file = match options.once {
        true => folder.path().join("blog.db").display().to_string(),
        false => "blog.db".to_owned(),
    };
    let site = std::env::var("ROAN_SITE").unwrap_or_default();
    let visitors_go_to = site.strip_prefix("http://").unwrap_or(&site).parse();
    let visitors_go_to = visitors_go_to.map_err(|_| {
        format!(
            "ROAN_SITE is {site:?}: write the address of the cache, such as http://127.0.0.1:8080"
        )
    })?;
    let listener = tokio::net::TcpListener::bind(address).await?;
    let (app, roan) = app::start(options.library, &file, RoanBuilder::from_env()?).await?;
    tokio::spawn(axum::serve(listener, app).into_future());
    let visitor = Visitor::new(visitors_go_to)?;
    until_up(&visitor).await?;
    let page = visitor.url("/posts/hello");
    let library = options.library.name();
    println!("A blog on {library} at {page}; posts and purges in {file}");
    println!("Its dashboard is at http://{address}/roan\n");
    match options.once {
        true => story::tell(&roan, &visitor).await?,
        false => story::keep_up(&roan, &visitor).await?,
    }
    println!("{}", roan.shutdown(Duration::from_secs(10)).await);
    Ok(())
}

/// A cache that was there before the blog may take it for dead, until it has tried again.
async fn until_up(visitor: &Visitor) -> Outcome {
    let since = Instant::now();
    while !visitor.is_gone("/up").await.unwrap_or(false) {
        if since.elapsed() > Duration::from_secs(20) {
            return Err(format!("{} does not answer 404 for 20 s", visitor.url("/up")).into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
