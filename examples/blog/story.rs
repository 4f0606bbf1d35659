//! What the blog prints: where each page came from, and which pages each write purged.

use std::collections::BTreeSet;
use std::error::Error;
use std::time::Duration;

use roan::{Outcome, Report, Reports, Roan};
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

/// One write of each kind, what it purged, and all pages after it.
pub(crate) async fn tell(roan: &Roan, visitor: &Visitor) -> Told {
    let mut reports = roan.subscribe();
    let hello = ["/authors/ann", "/posts", "/posts/hello", "/topics/caching"];
    see(visitor, &PAGES, "Hello, cache", &hello).await?;

    let title = "Fresh from the database";
    visitor.rename("/posts/hello", title).await?;
    println!("\nsave   hello: its page by the URL, and the lists that show it by `post-hello`");
    purges(roan, &mut reports, &hello).await?;
    see(visitor, &hello, title, &hello).await?;

    let (author, topic) = (("author", "ann"), ("topic", "cooking"));
    let stew = [("slug", "stew"), ("title", "Stew"), author, topic];
    visitor.create(&stew).await?;
    println!(
        "\ncreate stew, by ann about cooking: every list by `posts`, since it may belong there"
    );
    purges(roan, &mut reports, &LISTS).await?;
    let stew = ["/authors/ann", "/posts", "/topics/cooking"];
    see(visitor, &LISTS, "Stew", &stew).await?;
    read(visitor, "/posts/stew", true, "Stew", &["/posts/stew"]).await?;

    visitor.delete("/posts/stew").await?;
    println!("\ndelete stew: its page by the URL, and every list by `posts`");
    let stew = "/posts/stew";
    let all = [&LISTS[..], &[stew]].concat();
    purges(roan, &mut reports, &all).await?;
    see(visitor, &LISTS, "Stew", &[]).await?;
    match visitor.is_gone(stew).await? {
        true => println!("GET    {stew:<16} gone"),
        false => return Err(format!("{stew} is still there").into()),
    }
    println!(
        "\nAfter each write every page was fresh, and what the write did not change was still cached."
    );
    Ok(())
}

/// Reads all pages. The cache has to ask the blog for those that were `purged`, and then has them, too. The pages of `on`
/// show the title.
async fn see(visitor: &Visitor, purged: &[&str], title: &str, on: &[&str]) -> Told {
    for path in PAGES {
        read(visitor, path, purged.contains(&path), title, on).await?;
    }
    Ok(())
}

async fn read(visitor: &Visitor, path: &str, purged: bool, title: &str, on: &[&str]) -> Told {
    let expected = if purged { "MISS, then HIT" } else { "HIT" };
    let mut seen = visitor.get(path).await?;
    let mut status = seen.cache_status;
    if purged {
        seen = visitor.get(path).await?;
        status = format!("{status}, then {}", seen.cache_status);
    }
    let shows = seen.page.contains(title);
    let shown = if shows { title } else { "" };
    let line = format!("GET    {path:<16} {status:<15} {shown}");
    println!("{}", line.trim_end());
    match status == expected && shows == on.contains(&path) {
        true => Ok(()),
        false => Err(format!("{path} is wrong: {expected} was right").into()),
    }
}

/// Prints the purges of a write. They must have removed these pages, and no others.
async fn purges(roan: &Roan, reports: &mut Reports, expected: &[&str]) -> Told {
    let expected: BTreeSet<_> = expected.iter().map(|path| (*path).to_owned()).collect();
    // The rebounds, too: they would purge what is read next.
    settle(roan).await?;
    let mut removed = BTreeSet::new();
    while let Ok(Some(report)) = tokio::time::timeout(Duration::ZERO, reports.next()).await {
        told(&report);
        if report.outcome == Outcome::Purged {
            removed.insert(report.target.as_str().to_owned());
        }
    }
    match removed == expected {
        true => Ok(()),
        false => Err(format!("{expected:?} should have been purged").into()),
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
        println!("purge  {:<16} {}", report.target.as_str(), report.outcome);
    }
}
