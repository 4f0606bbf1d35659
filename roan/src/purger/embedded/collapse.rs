//! Requests for a page that is being rendered wait for it, in place of rendering it again: a cache may *collapse* requests
//! (RFC 9111, section 4).

use std::collections::HashMap;
use std::time::{Duration, Instant};

use http::HeaderValue;
use tokio::sync::watch;

use super::label::Label;
use crate::pages::Start;

/// For so long, requests do not wait for a page whose last answer was not for others: each of them would, for nothing.
pub(super) const ALONE: Duration = Duration::from_secs(10);

/// The number of such pages that are remembered.
pub(super) const MOST_ALONE: u64 = 10_000;

/// What requests have to have in common to wait for each other: the page, and the headers that its `Vary` names.
pub(super) type FlightKey = (Label, Vec<HeaderValue>);

/// How a render has ended, for those who wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    Stored,
    /// It cannot be stored, so each must render for itself.
    NotForOthers,
}

/// A render that others wait for. Only its [`Lead`] ends it.
#[derive(Debug)]
struct Flight {
    number: u64,
    start: Start,
    since: Instant,
    ended: watch::Receiver<Option<Ended>>,
}

/// The renders that others wait for.
#[derive(Debug, Default)]
pub(super) struct Flights {
    by_key: HashMap<FlightKey, Flight>,
    last: u64,
}

impl Flights {
    /// The render to wait for: `is_useful` says of its start whether the cache could still store it. One that takes longer
    /// than `longest` is not waited for.
    pub(super) fn join(
        &self,
        key: &FlightKey,
        longest: Duration,
        is_useful: impl FnOnce(Start) -> bool,
    ) -> Option<Waiting> {
        let flight = self.by_key.get(key)?;
        let is_young = flight.since.elapsed() < longest;
        (is_young && is_useful(flight.start)).then(|| Waiting(flight.ended.clone()))
    }

    /// Later requests wait for this one.
    pub(super) fn lead(&mut self, key: FlightKey, start: Start) -> Lead {
        self.last += 1;
        let (ends, ended) = watch::channel(None);
        let flight = Flight {
            number: self.last,
            start,
            since: Instant::now(),
            ended,
        };
        self.by_key.insert(key.clone(), flight);
        Lead {
            key,
            number: self.last,
            ends,
        }
    }

    /// Nobody waits for it from now on.
    pub(super) fn leave(&mut self, lead: &Lead) {
        let flight = self.by_key.get(&lead.key);
        if flight.is_some_and(|flight| flight.number == lead.number) {
            self.by_key.remove(&lead.key);
        }
    }
}

/// The side that renders. If it is dropped without an end, those who wait have to try again.
#[derive(Debug)]
pub(super) struct Lead {
    key: FlightKey,
    number: u64,
    ends: watch::Sender<Option<Ended>>,
}

impl Lead {
    pub(super) fn end(&self, ended: Ended) {
        // Nobody may wait.
        let _ = self.ends.send(Some(ended));
    }
}

/// The side that waits.
#[derive(Debug)]
pub(super) struct Waiting(watch::Receiver<Option<Ended>>);

impl Waiting {
    /// `None` if the visitor of that request has left, or the page was purged meanwhile.
    pub(super) async fn ended(&mut self) -> Option<Ended> {
        let ended = self.0.wait_for(Option::is_some).await;
        ended.ok().and_then(|ended| *ended)
    }
}
