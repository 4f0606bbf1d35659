//! What the example prints: two pages are read twice, a post is saved, and they are read again.

use std::error::Error;
use std::fmt::Display;
use std::time::Duration;

use roan::{Outcome, Report, Roan};
use roan_examples::visitor::Visitor;

const PAGES: [&str; 2] = ["/posts", "/posts/hello"];
const OLD_TITLE: &str = "Hello, cache";
const NEW_TITLE: &str = "Fresh from the database";

/// Succeeds if each page came from where it should, and shows what it should.
pub(crate) async fn tell(roan: &Roan, visitor: &Visitor) -> Result<(), Box<dyn Error>> {
    read(visitor, OLD_TITLE).await?;

    let mut reports = roan.subscribe();
    let took = visitor.rename("/posts/hello", NEW_TITLE).await?;
    line("save", "hello", "saved", took, format!("{NEW_TITLE:?}"));
    for _ in PAGES {
        let next = tokio::time::timeout(Duration::from_secs(10), reports.next());
        let report = next.await.map_err(|_| "no purge was reported in 10 s")?;
        let report = report.ok_or("the dispatcher has ended")?;
        told(&report);
        // The embedded cache has dropped the page that the form was posted to by itself (RFC 9111, section 4.4).
        if ![Outcome::Purged, Outcome::NotCached].contains(&report.outcome) {
            return Err(format!("not purged: {report}").into());
        }
    }

    read(visitor, NEW_TITLE).await?;
    println!("\nBoth pages were fresh at once, and were rendered once for each save.");
    Ok(())
}

/// Reads each page twice: the first time the blog renders it, the second time the cache has it.
async fn read(visitor: &Visitor, title: &str) -> Result<(), Box<dyn Error>> {
    for path in PAGES {
        for expected in ["MISS", "HIT"] {
            let seen = visitor.get(path).await?;
            let is_right = seen.page.contains(title);
            let shown = match is_right {
                true => format!("{title:?}"),
                false => format!("not {title:?}"),
            };
            line("GET", path, &seen.cache_status, seen.took, shown);
            if !is_right {
                return Err(format!("{path} is stale: it does not show {title:?}").into());
            }
            if seen.cache_status != expected {
                let found = seen.cache_status;
                return Err(format!("{path} was a {found} where {expected} was right").into());
            }
        }
    }
    Ok(())
}

/// Prints every purge, until Ctrl-C.
pub(crate) async fn keep_up(roan: &Roan, visitor: &Visitor) -> Result<(), Box<dyn Error>> {
    let page = visitor.url("/posts/hello");
    println!("Look at a page twice, change it, and look again:\n");
    println!("    curl -i {page}");
    println!("    curl -d title=Fresh {page}\n");
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

fn told(report: &Report) {
    let node = match report.cache == report.node {
        true => report.cache.to_string(),
        false => format!("{} {}", report.cache, report.node),
    };
    let status = report.status.map(|status| format!(", status {status}"));
    let again = if report.rebound { ", once more" } else { "" };
    let rest = format!("by {node}{}{again}", status.unwrap_or_default());
    line(
        "purge",
        report.target.as_str(),
        &report.outcome.to_string(),
        report.took,
        rest,
    );
}

fn line(what: &str, of: &str, outcome: &str, took: Duration, rest: impl Display) {
    let micros = took.as_micros();
    println!("{what:<6} {of:<14} {outcome:<10} {micros:>6} us   {rest}");
}
