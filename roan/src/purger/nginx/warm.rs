//! Warming: pages are requested before visitors ask for them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;

use super::refresh::{Cached, RefreshNode};
use super::{Nginx, Node};
use crate::base::counted::counted;
use crate::base::outcome::{Failure, Outcome};
use crate::base::site::Site;
use crate::base::target::Target;
use crate::error::ConfigError;
use crate::purger::Answer;
use crate::purger::http::{Connecting, Endpoint, failure, unsendable};

/// How long one page may take.
const TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// What [`Nginx::warm`] found, counted for each page at each node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Warmed {
    /// The pages that were in the cache.
    pub hits: usize,
    /// The pages that were fetched from the app. nginx stores them, if it may.
    pub misses: usize,
    /// The answers that do not come from a cache: a redirect, or without `X-Cache-Status`.
    pub uncached: usize,
    /// The requests that failed, and the answers with a status of 400 or more.
    pub failed: usize,
    /// The first URL that failed, and why.
    pub first_failure: Option<String>,
}

impl fmt::Display for Warmed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            hits,
            misses,
            uncached,
            failed,
            ..
        } = self;
        write!(
            f,
            "{}, {}, {uncached} uncached, {failed} failed",
            counted(*hits, "hit"),
            counted(*misses, "miss")
        )?;
        match &self.first_failure {
            Some(first) => write!(f, " (first: {first})"),
            None => Ok(()),
        }
    }
}

/// What became of one page.
enum Found {
    Hit,
    Miss,
    Uncached,
    Failed(String),
}

impl Nginx {
    /// Requests pages through every node, so that visitors find them in the cache: after a deploy, or after the cache was
    /// emptied.
    ///
    /// The requests begin in the order of `urls`, so name the pages with the most visitors first. At most `concurrency` are
    /// in flight at a time; each that misses is a render of your app. A page that takes longer than a minute has failed.
    ///
    /// With [`refresh`](Self::refresh), pages that are cached are left alone, and the others are rendered for the scheme of
    /// the site. Otherwise nginx is asked over the scheme of the purge URL. If visitors come to nginx over `https`, and your
    /// app heeds `X-Forwarded-Proto`, then write an `https` purge URL: a page that was rendered for `http` is served to all.
    ///
    /// ```no_run
    /// # async fn deploy() -> Result<(), Box<dyn std::error::Error>> {
    /// let site = "https://www.example.org".parse()?;
    /// let warmed = roan::Nginx::from_env()?.warm(&site, ["/", "/posts", "/posts/hello"], 4).await?;
    /// println!("{warmed}"); // 0 hits, 3 misses, 0 uncached, 0 failed
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// If the settings of this nginx do not go together. A page that fails is not an error, but counted.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub async fn warm<U: AsRef<str>>(
        &self,
        site: &Site,
        urls: impl IntoIterator<Item = U>,
        concurrency: usize,
    ) -> Result<Warmed, ConfigError> {
        let connecting = Connecting {
            connect_timeout: CONNECT_TIMEOUT,
            timeout: TIMEOUT,
            concurrency,
        };
        let nodes: Vec<Arc<Node>> = self
            .nodes(&connecting)?
            .map(|(_, node)| Arc::new(node))
            .collect();
        let mut warmed = Warmed::default();
        let mut running: JoinSet<(String, Found)> = JoinSet::new();
        for url in urls {
            for node in &nodes {
                while running.len() >= concurrency.max(1) {
                    if let Some(done) = running.join_next().await {
                        warmed.count(done);
                    }
                }
                let (node, site) = (Arc::clone(node), site.clone());
                let url = url.as_ref().to_owned();
                running.spawn(async move {
                    let found = warm(&node, &site, &url).await;
                    (url, found)
                });
            }
        }
        while let Some(done) = running.join_next().await {
            warmed.count(done);
        }
        Ok(warmed)
    }
}

impl Warmed {
    fn count(&mut self, done: Result<(String, Found), tokio::task::JoinError>) {
        let (url, found) = match done {
            Ok(done) => done,
            Err(error) => (String::new(), Found::Failed(error.to_string())),
        };
        match found {
            Found::Hit => self.hits += 1,
            Found::Miss => self.misses += 1,
            Found::Uncached => self.uncached += 1,
            Found::Failed(why) => {
                self.failed += 1;
                self.first_failure
                    .get_or_insert_with(|| format!("{url}: {why}"));
            }
        }
    }
}

async fn warm(node: &Node, site: &Site, url: &str) -> Found {
    let target = match Target::url(url) {
        Ok(target) => target,
        Err(error) => return Found::Failed(error.to_string()),
    };
    let found = match node {
        Node::Refresh(node) => fill(node, &target, site).await,
        Node::Purge(node) => visit(&node.endpoint, &target, site).await,
    };
    found.unwrap_or_else(|answer| Found::Failed(answer.outcome.to_string()))
}

async fn fill(node: &RefreshNode, target: &Target, site: &Site) -> Result<Found, Answer> {
    let status = node.fill(target, site).await?;
    Ok(status.map_or(Found::Hit, |status| found(status, Cached::Missing)))
}

/// A request as of a visitor.
async fn visit(endpoint: &Endpoint, target: &Target, site: &Site) -> Result<Found, Answer> {
    let request = endpoint.visit(target, site).ok_or_else(unsendable)?;
    let error = |error| Answer::failed(failure(error));
    let mut response = endpoint.http.execute(request).await.map_err(error)?;
    let cached = response
        .headers()
        .get("x-cache-status")
        .map_or(Cached::Never, |status| Cached::named(status.as_bytes()));
    // nginx stores a page when it has all of it.
    while response.chunk().await.map_err(error)?.is_some() {}
    Ok(found(response.status(), cached))
}

fn found(status: http::StatusCode, cached: Cached) -> Found {
    let failed = || Outcome::Failed(Failure::Status(status.as_u16())).to_string();
    match cached {
        _ if status.as_u16() >= 400 => Found::Failed(failed()),
        _ if status.is_redirection() => Found::Uncached,
        Cached::Served => Found::Hit,
        Cached::Missing | Cached::Expired => Found::Miss,
        Cached::Bypassed | Cached::Never => Found::Uncached,
    }
}
