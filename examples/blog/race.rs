//! Two instances of the blog, on one file, behind one nginx: while readers read and posts are saved, no page stays stale.
//! `ROAN_RACE_WRITES` sets how many writes each line has.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use roan_examples::episodes::{Mode, Race, Site};
use roan_examples::nginx::{Nginx, Program};
use roan_examples::visitor::Visitor;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool};
use tempfile::TempDir;
use tokio::time::sleep;

/// All of them show the post: the list, that of its author, that of its topic, and its own page.
const PAGES: [&str; 4] = ["/posts", "/authors/ann", "/topics/caching", "/posts/hello"];

const SHORT: u64 = 20;

struct Blog {
    visitor: Visitor,
    last: AtomicU64,
    purges: SqlitePool,
    _instances: [Instance; 2],
    _nginx: Nginx,
    _folder: TempDir,
}

struct Instance(Child);

impl Instance {
    fn start(app: SocketAddr, nginx: SocketAddr, folder: &Path) -> Self {
        let mut blog = Command::new(env!("CARGO_BIN_EXE_blog"));
        blog.args(["--listen", &app.to_string(), "--library", "sqlx"])
            .env("ROAN_PURGE_URL", format!("http://{nginx}/purge"))
            .env("ROAN_SITE", format!("http://{nginx}"))
            .current_dir(folder)
            .stdout(Stdio::null());
        Self(blog.spawn().expect("the blog starts"))
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

impl Blog {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let held = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
        let apps = held.map(|held| held.and_then(|held| held.local_addr()).expect("a port"));
        let program = Program::find().expect("nginx");
        let nginx = Nginx::start_before(&program, &apps).await.expect("nginx");
        let instances = apps.map(|app| Instance::start(app, nginx.address(), folder.path()));
        let visitor = Visitor::new(nginx.address()).expect("a client");
        let deadline = Instant::now() + Duration::from_secs(30);
        for app in apps {
            let instance = Visitor::new(app).expect("a client");
            while instance.get("/posts").await.is_err() {
                assert!(Instant::now() < deadline, "{app} does not answer");
                sleep(Duration::from_millis(20)).await;
            }
        }
        let file = SqliteConnectOptions::new().filename(folder.path().join("blog.db"));
        let blog = Self {
            visitor,
            last: AtomicU64::new(0),
            purges: SqlitePool::connect_with(file).await.expect("blog.db"),
            _instances: instances,
            _nginx: nginx,
            _folder: folder,
        };
        blog.write(0).await.expect("a first write");
        blog
    }
}

impl Site for Blog {
    fn url(&self, page: u64) -> String {
        let [list, author, topic, post] = PAGES;
        self.visitor.url(match page % 4 {
            0 => list,
            1 => author,
            2 => topic,
            _ => post,
        })
    }

    /// nginx takes turns at asking the instances, also to save.
    async fn write(&self, _page: u64) -> Result<u64, String> {
        let number = self.last.fetch_add(1, Ordering::SeqCst) + 1;
        let title = format!("race-{number}");
        let saved = self.visitor.rename("/posts/hello", &title).await;
        saved.map_err(|error| error.to_string())?;
        Ok(number)
    }

    /// A row is over when its second purge was answered.
    async fn settle(&self) -> Result<(), String> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let open = "SELECT count(*) FROM roan_outbox WHERE state < 2";
            let open: i64 = sqlx::query_scalar(open)
                .fetch_one(&self.purges)
                .await
                .map_err(|error| error.to_string())?;
            match open {
                0 => return Ok(()),
                _ if Instant::now() > deadline => return Err(format!("{open} purges wait")),
                _ => sleep(Duration::from_millis(20)).await,
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_page_of_two_instances_stays_stale() {
    let writes = std::env::var("ROAN_RACE_WRITES").ok();
    let writes = writes.map_or(SHORT, |text| text.parse().expect("a number of writes"));
    let blog = Arc::new(Blog::start().await);
    for mode in [Mode::Pair, Mode::Steady] {
        let race = Race {
            mode,
            readers: 10,
            episodes: writes.div_ceil(mode.writes()).max(4),
            at_a_time: 1,
            window: Duration::from_millis(300),
        };
        let tally = race.run(Arc::clone(&blog), 0).await.expect("a race");
        println!(
            "{:<7} {} of {} stale for good, {} of {} reads stale",
            mode.name(),
            tally.stale_for_good,
            tally.pages,
            tally.stale_reads,
            tally.reads
        );
        assert_eq!(tally.stale_for_good, 0, "{}", mode.name());
    }
}
