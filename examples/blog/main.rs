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
//! `-- --once` it saves, creates and deletes a post, shows which pages each write purges, and ends.
//!
//! Begin with `app.rs`: its pages say what they show. What differs between the libraries is in `posts/sqlx.rs`,
//! `posts/sea_orm.rs` and `posts/diesel.rs`: the rules on the model, and the writes that fire them. What is
//! printed is in `story.rs`.

mod app;
mod options;
mod posts;
mod story;

use std::error::Error;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::time::Duration;

use options::{HELP, Options};
use roan_examples::nginx::{Nginx, Program};
use roan_examples::visitor::Visitor;
use tokio::net::TcpListener;

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
    let page = visitor.url("/posts/hello");
    let library = options.library.name();
    println!("A blog on {library} at {page}, behind nginx; posts and purges in {file}\n");
    match options.once {
        true => story::tell(&roan, &visitor).await?,
        false => story::keep_up(&roan, &visitor).await?,
    }
    println!("{}", roan.shutdown(Duration::from_secs(10)).await);
    Ok(())
}
