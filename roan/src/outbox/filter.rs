//! Which of the purges in an outbox are meant.

use std::time::Duration;

/// Picks some of the purges in an outbox: all, or those for which everything holds that it asks for.
///
/// A number means at most so many, and numbers in a list mean the purges with these ids.
///
/// ```
/// # async fn example(roan: &roan::Roan) -> Result<(), roan::outbox::OutboxError> {
/// use roan::outbox::Filter;
///
/// let outbox = roan.outbox();
/// let timeouts = Filter::new().cache("nginx").error("timed out");
/// for purge in outbox.dead(timeouts.clone().limit(20)).await? {
///     println!("{} {}: {}", purge.node, purge.target, purge.error);
/// }
/// outbox.requeue(timeouts).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use]
pub struct Filter {
    pub(super) ids: Option<Vec<i64>>,
    pub(super) cache: Option<String>,
    pub(super) node: Option<String>,
    pub(super) target: Option<String>,
    pub(super) error: Option<String>,
    pub(super) older_than: Option<Duration>,
    pub(super) newer_than: Option<Duration>,
    pub(super) after: Option<i64>,
    pub(crate) newest_first: bool,
    pub(super) limit: Option<usize>,
}

impl Filter {
    /// All purges.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only purges with these ids.
    pub fn ids(mut self, ids: impl IntoIterator<Item = i64>) -> Self {
        self.ids = Some(ids.into_iter().collect());
        self
    }

    /// Only purges at the nodes of this cache.
    pub fn cache(mut self, name: impl Into<String>) -> Self {
        self.cache = Some(name.into());
        self
    }

    /// Only purges at nodes of this name.
    pub fn node(mut self, name: impl Into<String>) -> Self {
        self.node = Some(name.into());
        self
    }

    /// Only purges whose target, as the payload has it, contains this text. Capital letters differ from small ones. The
    /// empty text is in every target: check a text of others before you [discard](super::Admin::discard) by it.
    pub fn target(mut self, text: impl Into<String>) -> Self {
        self.target = Some(text.into());
        self
    }

    /// Only purges whose last error contains this text. Capital letters differ from small ones. The empty text is in
    /// every error, as in every [target](Self::target).
    pub fn error(mut self, text: impl Into<String>) -> Self {
        self.error = Some(text.into());
        self
    }

    /// Only purges whose write is longer ago.
    pub fn older_than(mut self, age: Duration) -> Self {
        self.older_than = Some(age);
        self
    }

    /// Only purges whose write is not as long ago.
    pub fn newer_than(mut self, age: Duration) -> Self {
        self.newer_than = Some(age);
        self
    }

    /// For the next page of a list: only purges after the one with this id, which is the last one of the page before.
    pub fn after(mut self, id: i64) -> Self {
        self.after = Some(id);
        self
    }

    /// Lists the newest first.
    pub fn newest_first(mut self) -> Self {
        self.newest_first = true;
        self
    }

    /// At most so many. By default a list has up to 100, and `requeue` and `discard` do all.
    pub fn limit(mut self, number: usize) -> Self {
        self.limit = Some(number);
        self
    }

    /// Whether it asks for a purge at a node, of which a row of the outbox itself has none.
    pub(super) fn is_for_nodes(&self) -> bool {
        self.cache.is_some() || self.node.is_some()
    }

    /// Whether a purge is picked, but for the order and the limit.
    pub(crate) fn picks(&self, purge: &super::DeadPurge) -> bool {
        let is = |wanted: &Option<String>, text: &str| wanted.as_ref().is_none_or(|it| it == text);
        let has = |wanted: &Option<String>, text: &str| {
            wanted.as_ref().is_none_or(|part| text.contains(part))
        };
        self.ids.as_ref().is_none_or(|ids| ids.contains(&purge.id))
            && is(&self.cache, &purge.cache)
            && is(&self.node, &purge.node)
            && has(&self.target, &purge.target)
            && has(&self.error, &purge.error)
            && self.older_than.is_none_or(|age| purge.age > age)
            && self.newer_than.is_none_or(|age| purge.age <= age)
            && self.after.is_none_or(|id| {
                if self.newest_first {
                    purge.id < id
                } else {
                    purge.id > id
                }
            })
    }

    /// The length of a list.
    pub(crate) fn page(&self) -> usize {
        self.limit.unwrap_or(100)
    }

    /// The most purges to requeue or discard.
    pub(crate) fn most(&self) -> usize {
        self.limit.unwrap_or(usize::MAX)
    }
}

impl From<usize> for Filter {
    fn from(limit: usize) -> Self {
        Self::new().limit(limit)
    }
}

impl From<&[i64]> for Filter {
    fn from(ids: &[i64]) -> Self {
        Self::new().ids(ids.iter().copied())
    }
}

impl<const COUNT: usize> From<&[i64; COUNT]> for Filter {
    fn from(ids: &[i64; COUNT]) -> Self {
        Self::new().ids(ids.iter().copied())
    }
}

impl From<&Filter> for Filter {
    fn from(filter: &Filter) -> Self {
        filter.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outbox::DeadPurge;

    #[test]
    fn a_filter_picks_by_all_that_it_asks_for() {
        let purge = DeadPurge {
            id: 7,
            cache: "nginx".to_owned(),
            node: "a".to_owned(),
            target: "\"/posts/1\"".to_owned(),
            attempts: 3,
            age: Duration::from_secs(60),
            error: "timed out".to_owned(),
        };
        let all = Filter::new;
        let minute = Duration::from_secs(60);
        for (filter, is_picked) in [
            (all(), true),
            (Filter::from(&[7, 8]), true),
            (Filter::from(&[8]), false),
            (all().ids([]), false),
            (all().cache("nginx").node("a"), true),
            (all().cache("ngin"), false),
            (all().node("b"), false),
            (all().target("/posts/"), true),
            (all().target("/Posts/"), false),
            (all().error("timed").target("/posts"), true),
            (all().error("refused"), false),
            (all().older_than(minute), false),
            (all().older_than(minute / 2), true),
            (all().newer_than(minute), true),
            (all().newer_than(minute / 2), false),
            (all().after(6), true),
            (all().after(7), false),
            (all().after(7).newest_first(), false),
            (all().after(8).newest_first(), true),
        ] {
            assert_eq!(filter.picks(&purge), is_picked, "{filter:?}");
        }
    }
}
