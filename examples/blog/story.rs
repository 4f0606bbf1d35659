//! What the blog prints: where each page came from, and which pages each write purged.

use std::collections::BTreeSet;
use std::error::Error;
use std::time::Duration;

use roan::{Outcome, Report, Reports, Roan, TargetKind};
use roan_examples::settling::settle;
use roan_examples::visitor::Visitor;

/// The pages of the first two posts: hello, by ann about caching, and soup, by bob about cooking.
const PAGES: [&str; 7] = [
    "/authors/ann",
    "/authors/bob",
    "/posts",
    "/posts/hello",
    "/posts/soup",
    "/topics/caching",
    "/topics/cooking",
];
const LISTS: [&str; 5] = [
    "/authors/ann",
    "/authors/bob",
    "/posts",
    "/topics/caching",
    "/topics/cooking",
];

type Told = Result<(), Box<dyn Error>>;

/// What the cache has of a page before a visitor asks.
#[derive(Clone, Copy, PartialEq)]
enum State {
    Missing,
    Purged,
    Kept,
}

/// One write of each kind, what it purged, and all pages after it.
pub(crate) async fn tell(roan: &Roan, visitor: &Visitor) -> Told {
    let story = Story {
        roan,
        visitor,
        refreshes: std::env::var_os("ROAN_REFRESH_SECRET").is_some(),
    };
    story.tell().await
}

struct Story<'a> {
    roan: &'a Roan,
    visitor: &'a Visitor,
    /// Whether a purged page is fetched anew at once, so that no visitor waits for it.
    refreshes: bool,
}

impl Story<'_> {
    async fn tell(&self) -> Told {
        let mut reports = self.roan.subscribe();
        let hello = ["/authors/ann", "/posts", "/posts/hello", "/topics/caching"];
        for path in PAGES {
            let shows = hello.contains(&path);
            self.read(path, State::Missing, "Hello, cache", shows)
                .await?;
        }

        let title = "Fresh from the database";
        self.visitor.rename("/posts/hello", title).await?;
        println!("\nsave   hello: its page by the URL, and the lists that show it by `post-hello`");
        self.purges(&mut reports, &hello).await?;
        self.see(&hello, title, &hello).await?;

        let (author, topic) = (("author", "ann"), ("topic", "cooking"));
        let stew = [("slug", "stew"), ("title", "Stew"), author, topic];
        self.visitor.create(&stew).await?;
        println!(
            "\ncreate stew, by ann about cooking: every list by `posts`, since it may belong there"
        );
        self.purges(&mut reports, &LISTS).await?;
        let stew = ["/authors/ann", "/posts", "/topics/cooking"];
        self.see(&LISTS, "Stew", &stew).await?;
        self.read("/posts/stew", State::Missing, "Stew", true)
            .await?;

        self.visitor.delete("/posts/stew").await?;
        println!("\ndelete stew: its page by the URL, and every list by `posts`");
        let stew = "/posts/stew";
        let all = [&LISTS[..], &[stew]].concat();
        self.purges(&mut reports, &all).await?;
        self.see(&LISTS, "Stew", &[]).await?;
        match self.visitor.is_gone(stew).await? {
            true => println!("GET    {stew:<16} gone"),
            false => return Err(format!("{stew} is still there").into()),
        }
        println!(
            "\nAfter each write every page was fresh, and what the write did not change was still cached.\n"
        );
        self.metrics().await
    }

    /// What Prometheus would read.
    async fn metrics(&self) -> Told {
        let metrics = self.visitor.get("/metrics").await?.page;
        for name in [
            "roan_purges_total",
            "roan_purge_lag_seconds_count",
            "roan_outbox_up",
        ] {
            let is_it = |line: &&str| line.starts_with(name) && !line.ends_with(" 0");
            let line = metrics.lines().find(is_it);
            let line = line.ok_or_else(|| format!("/metrics does not have {name}:\n{metrics}"))?;
            println!("GET    /metrics         {line}");
        }
        Ok(())
    }

    /// Reads all pages. The cache has to ask the blog for those that were `purged`, and then has them, too. The pages of `on`
    /// show the title.
    async fn see(&self, purged: &[&str], title: &str, on: &[&str]) -> Told {
        for path in PAGES {
            let state = match purged.contains(&path) {
                true => State::Purged,
                false => State::Kept,
            };
            self.read(path, state, title, on.contains(&path)).await?;
        }
        Ok(())
    }

    async fn read(&self, path: &str, state: State, title: &str, is_on: bool) -> Told {
        let is_there = state == State::Kept || state == State::Purged && self.refreshes;
        let expected = if is_there { "HIT" } else { "MISS, then HIT" };
        let mut seen = self.visitor.get(path).await?;
        let mut status = seen.cache_status;
        if !is_there {
            seen = self.visitor.get(path).await?;
            status = format!("{status}, then {}", seen.cache_status);
        }
        let shows = seen.page.contains(title);
        let shown = if shows { title } else { "" };
        let line = format!("GET    {path:<16} {status:<15} {shown}");
        println!("{}", line.trim_end());
        match status == expected && shows == is_on {
            true => Ok(()),
            false => Err(format!("{path} is wrong: {expected} was right").into()),
        }
    }

    /// Prints the purges of a write. Where the cache does not know tags, they must be for these pages, and have removed no others.
    /// (A cache may have dropped the page of the write by itself: RFC 9111, section 4.4.)
    async fn purges(&self, reports: &mut Reports, expected: &[&str]) -> Told {
        let expected: BTreeSet<_> = expected.iter().map(|path| (*path).to_owned()).collect();
        // The rebounds, too: they would purge what is read next.
        settle(self.roan).await?;
        let mut purged = BTreeSet::new();
        let mut removed = BTreeSet::new();
        let mut knows_tags = false;
        while let Ok(Some(report)) = tokio::time::timeout(Duration::ZERO, reports.next()).await {
            told(&report);
            if !report.outcome.is_done() {
                return Err(report.to_string().into());
            }
            knows_tags |= report.target.kind() == TargetKind::Tag;
            purged.insert(report.target.as_str().to_owned());
            if report.outcome == Outcome::Purged {
                removed.insert(report.target.as_str().to_owned());
            }
        }
        match knows_tags || removed.is_subset(&expected) && expected.is_subset(&purged) {
            true => Ok(()),
            false => Err(format!("{expected:?} should have been purged").into()),
        }
    }
}

/// Prints every purge, until Ctrl-C.
pub(crate) async fn keep_up(roan: &Roan, visitor: &Visitor) -> Told {
    println!("Look at a list and at a post twice, change the post, and look again:\n");
    println!("    curl -i {}", visitor.url("/authors/ann"));
    println!("    curl -i {}", visitor.url("/posts/hello"));
    println!("    curl -d title=Fresh {}\n", visitor.url("/posts/hello"));
    println!("Ctrl-C ends it.\n");
    let mut reports = roan.subscribe();
    loop {
        tokio::select! {
            report = reports.next() => match report {
                Some(report) => told(&report),
                None => return Err("the dispatcher has ended".into()),
            },
            ended = tokio::signal::ctrl_c() => return Ok(ended?),
        }
    }
}

/// Without the rebounds: they find what was purged before, if nobody has read it since.
fn told(report: &Report) {
    if !report.rebound {
        println!(
            "purge  {:<16} {}",
            report.target.to_string(),
            report.outcome
        );
    }
}
