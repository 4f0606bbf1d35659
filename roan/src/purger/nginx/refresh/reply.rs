//! An order to nginx, and its reply.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use http::{HeaderMap, HeaderValue, StatusCode};
use reqwest::{Client, Request};

use super::page::{Page, Reading};
use crate::base::outcome::{Failure, Outcome};
use crate::purger::Answer;
use crate::purger::http::{execute, failure, retry_after};

/// The headers of an order, and the header of what became of it.
const SECRET: &str = "x-roan-secret";
const ORDER: &str = "x-roan-order";
const RESULT: &str = "x-roan-refresh";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// Fetch the page from the app, and store it.
    Refresh,
    /// Show what is stored, and do not ask the app.
    Peek,
    /// Store in place of the page that there is none.
    Drop,
}

impl Order {
    pub(super) fn put_into(self, headers: &mut HeaderMap, secret: &HeaderValue) {
        let order = match self {
            Self::Refresh => "refresh",
            Self::Peek => "peek",
            Self::Drop => "drop",
        };
        headers.insert(SECRET, secret.clone());
        headers.insert(ORDER, HeaderValue::from_static(order));
    }
}

/// What `$upstream_cache_status` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::purger::nginx) enum Cached {
    /// From the cache, fresh or not.
    Served,
    Missing,
    Expired,
    /// From upstream, whatever is in the cache.
    Bypassed,
    /// The location does not cache.
    Never,
}

impl Cached {
    /// Reads the value of `$upstream_cache_status`.
    pub(in crate::purger::nginx) fn named(status: &[u8]) -> Self {
        match status {
            b"HIT" | b"STALE" | b"UPDATING" | b"REVALIDATED" => Self::Served,
            b"MISS" => Self::Missing,
            b"EXPIRED" => Self::Expired,
            b"BYPASS" => Self::Bypassed,
            _ => Self::Never,
        }
    }
}

#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) cached: Cached,
    /// The key of the page; `None` if nginx did not take the order.
    pub(super) key: Option<Vec<u8>>,
    /// Whether that is known to be the key of the page.
    pub(super) verified: bool,
    pub(super) page: Page,
    pub(super) from: Option<SocketAddr>,
    pause: Option<Duration>,
}

impl Reply {
    pub(super) fn answer(&self, outcome: Outcome) -> Answer {
        let answer = Answer::new(outcome).status(self.status.as_u16());
        if self.verified {
            answer.verified()
        } else {
            answer
        }
    }

    /// The app, or nginx, failed: the old page stays until a retry.
    pub(super) fn failed(&self) -> Answer {
        let answer = self.answer(Outcome::Failed(Failure::Status(self.status.as_u16())));
        match self.pause {
            Some(pause) => answer.retry_after(pause),
            None => answer,
        }
    }
}

/// Sends a request, and reads the whole reply.
pub(super) async fn receive(http: &Client, request: Request) -> Result<Reply, Answer> {
    let error = |error| Answer::failed(failure(error));
    let mut response = execute(http, request).await.map_err(error)?;
    let status = response.status();
    let result = response.headers_mut().remove(RESULT);
    let (cached, key) = match result.as_ref().map(HeaderValue::as_bytes) {
        Some(result) => read(result),
        None => (Cached::Never, None),
    };
    let (from, pause) = (
        response.remote_addr(),
        retry_after(response.headers(), SystemTime::now()),
    );
    let mut page = Reading::new(status, response.headers());
    // nginx stores a page when it has all of it. What is not a page of ours may have no end.
    while key.is_some() {
        let chunk = response.chunk().await;
        match chunk.map_err(|broken| error(broken).status(status.as_u16()))? {
            Some(chunk) => page.chunk(&chunk),
            None => break,
        }
    }
    Ok(Reply {
        status,
        cached,
        key,
        verified: false,
        page: page.end(),
        from,
        pause,
    })
}

/// Reads `status=HIT key=www.example.org/a`.
fn read(result: &[u8]) -> (Cached, Option<Vec<u8>>) {
    const KEY: &[u8] = b" key=";
    let Some(rest) = result.strip_prefix(b"status=") else {
        return (Cached::Never, None);
    };
    let Some(end) = rest.windows(KEY.len()).position(|window| window == KEY) else {
        return (Cached::Never, None);
    };
    let cached = Cached::named(&rest[..end]);
    (cached, Some(rest[end + KEY.len()..].to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_a_cache_status_and_a_key() {
        let key = |key: &str| Some(key.as_bytes().to_vec());
        for (result, cached, key) in [
            (
                "status=HIT key=a/b c key=",
                Cached::Served,
                key("a/b c key="),
            ),
            ("status=BYPASS key=", Cached::Bypassed, key("")),
            // Without `proxy_cache`.
            ("status= key=a", Cached::Never, key("a")),
            ("HIT a", Cached::Never, None),
            ("status=HIT", Cached::Never, None),
            ("", Cached::Never, None),
        ] {
            assert_eq!(read(result.as_bytes()), (cached, key), "{result}");
        }
    }
}
