//! One node under examination: visits, purges, and what follows from both.

use std::sync::Arc;
use std::time::Duration;

use super::finding::{Fault, Finding, Mend, NodeName};
use super::visit::{Seen, Visitor};
use crate::base::outcome::{Failure, Outcome};
use crate::base::site::Site;
use crate::base::target::Target;
use crate::dispatcher::Node;
use crate::purger::access::Software;
use crate::purger::{Answer, Mode, PurgeRequest, caught};

/// A page is asked for so often until it comes from the cache.
const VISITS: usize = 5;

/// Between two of them, from the second on: nginx may send the end of a page a moment before it has stored it.
const PAUSE: Duration = Duration::from_millis(40);

/// Other visitors may fill the cache between a purge and the visit after it. Not so often in a row.
const PURGES: usize = 3;

/// A node, and how the doctor reaches it.
pub(super) struct Patient {
    pub(super) node: Arc<Node>,
    /// Cache and node, for messages.
    pub(super) name: NodeName,
    pub(super) visitor: Visitor,
    pub(super) mode: Mode,
    pub(super) site: Site,
}

/// How a purge of one URL went.
#[derive(Debug)]
pub(super) enum Trial {
    /// The page does not answer 200, so nothing can be shown with it.
    NotServed(Seen),
    /// It never came from the cache.
    NeverCached(Seen),
    /// The purge made it fresh. The response is the one from the cache before.
    Evicted(Seen),
    /// It came from the cache after each purge.
    Stays { answer: Answer, after: Seen },
    /// No purge was answered.
    Unanswered(Failure),
}

impl Patient {
    /// Visits a page until it comes from the cache. `Err` is the last response.
    pub(super) async fn warm(
        &self,
        page: &Target,
        headers: &[(&str, &str)],
    ) -> Result<Result<Seen, Seen>, Failure> {
        let mut last = self.visitor.get(page, headers).await?;
        for visit in 1..VISITS {
            if last.is_cached() {
                return Ok(Ok(last));
            }
            if visit > 1 {
                tokio::time::sleep(PAUSE).await;
            }
            last = self.visitor.get(page, headers).await?;
        }
        Ok(if last.is_cached() {
            Ok(last)
        } else {
            Err(last)
        })
    }

    pub(super) async fn purge(&self, page: &Target) -> Answer {
        let request = PurgeRequest::new(std::slice::from_ref(page), Some(&self.site));
        caught(|| self.node.purger.purge(request))
            .await
            .unwrap_or_else(|panic| Answer::failed(Failure::Panic(panic)))
    }

    /// Fills the cache with a page, purges it, and looks whether it is gone.
    pub(super) async fn trial(&self, page: &Target) -> Result<Trial, Failure> {
        let before = match self.warm(page, &[]).await? {
            Ok(before) => before,
            Err(seen) if seen.status == 200 => return Ok(Trial::NeverCached(seen)),
            Err(seen) => return Ok(Trial::NotServed(seen)),
        };
        let mut stays = None;
        for _ in 0..PURGES {
            let answer = self.purge(page).await;
            if let Outcome::Failed(failure) = &answer.outcome {
                return Ok(Trial::Unanswered(failure.clone()));
            }
            let after = self.visitor.get(page, &[]).await?;
            let is_fresh = match self.mode {
                // The node has compared what it serves with what the app has rendered.
                Mode::Refresh => answer.outcome == Outcome::Purged,
                Mode::Hard => !after.is_cached(),
                Mode::Soft => {
                    let shown = after.shown.as_ref().map(ToString::to_string);
                    !shown.is_some_and(|shown| shown.to_ascii_uppercase().contains("HIT"))
                }
            };
            if is_fresh {
                return Ok(Trial::Evicted(before));
            }
            stays = Some((answer, after));
        }
        match stays {
            Some((answer, after)) => Ok(Trial::Stays { answer, after }),
            None => Ok(Trial::Evicted(before)),
        }
    }

    pub(super) fn finding(
        &self,
        fault: Fault,
        seen: impl Into<String>,
        why: impl Into<String>,
        mend: Vec<Mend>,
    ) -> Finding {
        Finding {
            fault,
            cache: self.name.cache.clone(),
            node: self.name.node.clone(),
            seen: seen.into(),
            why: why.into(),
            mend,
        }
    }

    pub(super) fn is_nginx(&self) -> bool {
        self.software() == Software::Nginx
    }

    pub(super) fn software(&self) -> Software {
        let access = self.visitor.access.as_ref();
        access.map_or(Software::Other, |access| access.software)
    }

    /// Whether purges are requests to a location, as nginx has it.
    pub(super) fn has_purge_location(&self) -> bool {
        let access = self.visitor.access.as_ref();
        access.is_some_and(|access| access.purge.is_some())
    }

    /// The path of the purge location, as `/purge`.
    pub(super) fn path(&self) -> &str {
        self.visitor
            .access
            .as_ref()
            .map_or("", |access| &access.path)
    }
}
