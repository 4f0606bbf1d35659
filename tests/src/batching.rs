//! A cache whose requests take several targets, for tests of the dispatcher.

use std::sync::{Arc, Mutex};

use roan::purger::{Answer, Cache, Limits, PurgeRequest, Purger};
use roan::{Failure, TargetKind};
use tokio::sync::watch;

use crate::lock;

/// A cache of one node that notes the requests that it gets. Clones are the same node.
#[derive(Debug, Clone)]
pub struct Batching {
    requests: Arc<Mutex<Vec<Vec<String>>>>,
    open: watch::Sender<bool>,
    answer: fn(&[String]) -> Answer,
}

impl Batching {
    /// It answers nothing until [`open`](Self::open).
    pub fn closed(answer: fn(&[String]) -> Answer) -> Self {
        Self {
            requests: Arc::default(),
            open: watch::Sender::new(false),
            answer,
        }
    }

    /// Answers from now on.
    pub fn open(&self) {
        self.open.send_replace(true);
    }

    /// The requests so far.
    pub fn requests(&self) -> Vec<Vec<String>> {
        lock(&self.requests).clone()
    }

    /// A cache with this node.
    pub fn cache(&self, limits: Limits) -> Cache {
        Cache::new("batching")
            .purges([TargetKind::Url, TargetKind::Tag], limits)
            .node("one", self.clone())
    }
}

impl Purger for Batching {
    async fn purge(&self, request: PurgeRequest<'_>) -> Answer {
        let targets: Vec<_> = request.targets().iter().map(ToString::to_string).collect();
        let answer = (self.answer)(&targets);
        lock(&self.requests).push(targets);
        match self.open.subscribe().wait_for(|open| *open).await {
            Ok(_) => answer,
            Err(_) => Answer::failed(Failure::Timeout),
        }
    }
}
