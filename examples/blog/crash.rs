//! A blog is killed between the COMMIT of a post and its purge; started again, it purges.
//!
//! ```text
//! cargo run -p roan-blog --bin crash                      on sqlx
//! cargo run -p roan-blog --bin crash --features sea-orm   on SeaORM
//! cargo run -p roan-blog --bin crash --features diesel    on Diesel
//! ```
//!
//! It needs what the blog needs. nginx lives on while the blog is dead, as it does in life. So that the kill
//! comes in time, the first blog cannot reach the purge location.

mod app;
mod metrics;
mod posts;

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use posts::Library;
use roan::Roan;
use roan_examples::nginx::{Nginx, Program};
use roan_examples::visitor::{Seen, Visitor};
use tokio::net::TcpListener;

/// The host that visitors type. (nginx's key does not have the port.)
const SITE: &str = "http://127.0.0.1";
const OLD: &str = "Hello, cache";
const NEW: &str = "Saved before the crash";
const PAGE: &str = "/posts/hello";
const LONG: Duration = Duration::from_secs(20);

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.as_slice() {
        [] => tell(Library::default()).await,
        [flag, library] if flag == "--library" => tell(library.parse()?).await,
        [library, port, file, purge_url] => {
            serve(library.parse()?, port.parse()?, file, purge_url).await
        }
        _ => Err("takes no argument but `--library NAME`".into()),
    }
}

/// The blog, in a process of its own.
async fn serve(library: Library, port: u16, file: &str, purge_url: &str) -> Outcome<()> {
    // The same node under each URL: what waits for it waits under its name.
    let nginx = roan::Nginx::new().named_node("nginx", purge_url)?;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
    let roan = Roan::builder().cache(nginx).site(SITE);
    let (routes, _roan) = app::start(library, file, roan).await?;
    axum::serve(listener, routes).await?;
    Ok(())
}

async fn tell(library: Library) -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("blog.db").display().to_string();
    let app = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let nginx = Nginx::start(&Program::find()?, app).await?;
    let visitor = Visitor::new(nginx.address())?;
    // Takes connections, and never answers.
    let unreachable = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;

    let mut blog = start(library, app, &file, unreachable.local_addr()?)?;
    until_up(&Visitor::new(app)?).await?;
    line(
        "start",
        "the blog: its posts and its purges are in one SQLite file",
    );
    see(&visitor, "MISS", OLD).await?;
    see(&visitor, "HIT", OLD).await?;
    visitor.rename(PAGE, NEW).await?;
    line(
        "save",
        &format!("{NEW:?} is committed; its purge cannot leave yet"),
    );
    blog.0.kill()?;
    blog.0.wait()?;
    line("kill", "the blog, by SIGKILL");
    see(&visitor, "HIT", OLD).await?;
    line("", "the page is stale, but the purge is in the file");

    let _blog = start(library, app, &file, nginx.address())?;
    line("start", "the blog again");
    let since = Instant::now();
    loop {
        let seen = visitor.get(PAGE).await?;
        if seen.heading() == NEW {
            show(&seen);
            break;
        }
        if since.elapsed() > LONG {
            return Err(format!("the page is still stale after {LONG:?}").into());
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    println!("\nNothing was lost: the purge was written by the transaction of the post.");
    Ok(())
}

/// Killed when dropped.
struct Blog(Child);

impl Drop for Blog {
    fn drop(&mut self) {
        // It may be dead already, which is what is wanted.
        let _killed = self.0.kill();
        let _reaped = self.0.wait();
    }
}

fn start(library: Library, app: SocketAddr, file: &str, purge: SocketAddr) -> Outcome<Blog> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .arg(library.name())
        .arg(app.port().to_string())
        .arg(file);
    command.arg(format!("http://{purge}/purge"));
    Ok(Blog(command.spawn()?))
}

async fn until_up(blog: &Visitor) -> Outcome<()> {
    let since = Instant::now();
    while let Err(error) = blog.get(PAGE).await {
        if since.elapsed() > LONG {
            return Err(error);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}

async fn see(visitor: &Visitor, expected: &str, title: &str) -> Outcome<()> {
    let seen = visitor.get(PAGE).await?;
    show(&seen);
    match seen.cache_status == expected && seen.heading() == title {
        true => Ok(()),
        false => Err(format!("{expected} with {title:?} was right").into()),
    }
}

fn show(seen: &Seen) {
    let (status, heading) = (&seen.cache_status, seen.heading());
    line("GET", &format!("{PAGE}  {status:<4}  {heading:?}"));
}

fn line(what: &str, rest: &str) {
    println!("{what:<6} {rest}");
}
