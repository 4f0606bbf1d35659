//! Which purges of the history are looked for.

use std::time::SystemTime;

use super::record::{AnswerKind, PurgeRecord};
use crate::base::area::Area;
use crate::base::canonical;
use crate::base::target::{Target, TargetKind, TargetRef};

/// Which purges of the history are looked for, and how many: the newest of those that meet every condition.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use roan::Target;
/// use roan::history::{AnswerKind, Filter};
///
/// let dead_of_today = Filter::new()
///     .target(Target::url("/posts/hello")?)
///     .result(AnswerKind::Dead)
///     .since(SystemTime::now() - Duration::from_secs(24 * 60 * 60))
///     .limit(10);
/// # Ok::<(), roan::TargetError>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "give it to `Roan::history`"]
pub struct Filter {
    pub(crate) target: Option<Target>,
    pub(crate) tags: Vec<Target>,
    pub(crate) any_site: bool,
    pub(crate) text: Option<String>,
    pub(crate) node: Option<String>,
    pub(crate) result: Option<AnswerKind>,
    pub(crate) since: Option<SystemTime>,
    pub(crate) before: Option<i64>,
    pub(crate) after: Option<i64>,
    pub(crate) limit: usize,
}

impl Default for Filter {
    fn default() -> Self {
        Self {
            target: None,
            tags: Vec::new(),
            any_site: false,
            text: None,
            node: None,
            result: None,
            since: None,
            before: None,
            after: None,
            limit: 100,
        }
    }
}

impl Filter {
    /// Finds the newest 100 purges.
    pub fn new() -> Self {
        Self::default()
    }

    /// Purges of this target. A URL finds those of the same page under any spelling of it, and those of prefixes, hosts and
    /// everything that include it; see also [`tags`](Self::tags). A prefix finds those of the pages and prefixes below it, too.
    pub fn target(mut self, target: Target) -> Self {
        self.target = Some(target);
        self
    }

    /// The [target](Self::target) is a page that carries these tags: their purges are purges of the page, too. The
    /// [web layer](crate::guide::web) knows the tags of a page (`WebLayer::tags_of`).
    pub fn tags(mut self, tags: impl IntoIterator<Item = Target>) -> Self {
        self.tags.extend(tags);
        self
    }

    /// Finds the [target](Self::target) at any site, not at its own alone.
    pub fn any_site(mut self) -> Self {
        self.any_site = true;
        self
    }

    /// Purges with a target that contains this text.
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.text = Some(text.into());
        self
    }

    /// Purges that this node has answered, or is to answer: its name, or the name of its cache.
    pub fn node(mut self, node: impl Into<String>) -> Self {
        self.node = Some(node.into());
        self
    }

    /// Purges with such an answer; with [`node`](Self::node), of that node.
    pub fn result(mut self, result: AnswerKind) -> Self {
        self.result = Some(result);
        self
    }

    /// Purges of writes since then.
    pub fn since(mut self, time: SystemTime) -> Self {
        self.since = Some(time);
        self
    }

    /// Purges with a lower [`id`](PurgeRecord::id): the next page of the list.
    pub fn before(mut self, id: i64) -> Self {
        self.before = Some(id);
        self
    }

    /// Purges with a higher [`id`](PurgeRecord::id).
    pub fn after(mut self, id: i64) -> Self {
        self.after = Some(id);
        self
    }

    /// The maximum number of purges.
    pub fn limit(mut self, purges: usize) -> Self {
        self.limit = purges;
        self
    }
}

/// A filter, prepared.
#[derive(Debug)]
pub(crate) struct Finder<'f> {
    filter: &'f Filter,
    /// Of the URL that is looked for.
    place: Option<(String, Vec<String>)>,
}

impl<'f> Finder<'f> {
    pub(crate) fn new(filter: &'f Filter) -> Self {
        let url = filter.target.as_ref();
        let url = url.filter(|target| target.kind() == TargetKind::Url);
        Self {
            filter,
            place: url.map(place),
        }
    }

    /// Whether the purge is looked for. Notes which targets it was found by.
    pub(crate) fn finds(&self, record: &mut PurgeRecord) -> bool {
        let filter = self.filter;
        if filter.since.is_some_and(|since| record.asked < since) {
            return false;
        }
        if filter.target.is_some() {
            let targets = record.targets.iter().enumerate();
            let found = targets.filter(|(_, target)| self.includes(target));
            record.found = found.map(|(number, _)| number).collect();
            if record.found.is_empty() {
                return false;
            }
        }
        let text = filter.text.as_deref();
        let has_text = |text: &str| {
            let mut targets = record.targets.iter();
            targets.any(|target| target.as_str().contains(text))
        };
        if text.is_some_and(|text| !has_text(text)) {
            return false;
        }
        if filter.node.is_none() && filter.result.is_none() {
            return true;
        }
        record.answers.iter().any(|answer| {
            let is_of_node = filter
                .node
                .as_deref()
                .is_none_or(|node| *answer.node == *node || *answer.cache == *node);
            is_of_node && filter.result.is_none_or(|result| answer.result == result)
        })
    }

    /// Whether a purge of `purged` is one of the target that is looked for.
    fn includes(&self, purged: &Target) -> bool {
        let Some(target) = &self.filter.target else {
            return true;
        };
        let is_of_site = self.filter.any_site || target.site() == purged.site();
        match purged.kind() {
            TargetKind::Everything => true,
            TargetKind::Tag => {
                let is_it =
                    |tag: &Target| tag.kind() == TargetKind::Tag && tag.as_str() == purged.as_str();
                is_it(target) || self.filter.tags.iter().any(is_it)
            }
            _ if !is_of_site => false,
            TargetKind::Host => target.kind() != TargetKind::Everything,
            TargetKind::Prefix => match target.kind() {
                TargetKind::Url => is_below(target, purged),
                TargetKind::Prefix => is_below(target, purged) || is_below(purged, target),
                _ => false,
            },
            TargetKind::Url => match &self.place {
                Some(known) => target == purged || *known == place(purged),
                None => target.kind() == TargetKind::Prefix && is_below(purged, target),
            },
        }
    }
}

/// Whether a URL or a prefix is below a prefix, whatever their sites.
fn is_below(target: &Target, prefix: &Target) -> bool {
    let there = TargetRef::new(target.kind(), target.as_str(), 0).to_target();
    let there = match prefix.site() {
        Some(site) => there.at_site(site),
        None => there,
    };
    Area::of(prefix).is_some_and(|area| area.covers(&there))
}

/// A page, whatever the spelling of its URL.
fn place(url: &Target) -> (String, Vec<String>) {
    (
        canonical::path(url.as_str()),
        canonical::parameters(url.as_str()),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Target {
        Target::url(text).unwrap()
    }

    fn finds(filter: &Filter, purged: &Target) -> bool {
        Finder::new(filter).includes(purged)
    }

    #[test]
    fn a_url_finds_what_has_purged_its_page() {
        let page = Filter::new()
            .target(url("/docs/caf%C3%A9"))
            .tags([Target::tag("a").unwrap()]);
        for purged in [
            url("/docs/caf%C3%A9"),
            url("/docs/caf%c3%a9/"),
            url("/docs/caf%C3%A9?utm_source=x"),
            Target::prefix("/docs/").unwrap(),
            Target::host(),
            Target::everything(),
            Target::tag("a").unwrap(),
        ] {
            assert!(finds(&page, &purged), "{purged}");
        }
        for other in [
            url("/docs/caf"),
            url("/docs/caf%C3%A9?page=2"),
            url("/docs/caf%C3%A9").at_site("shop"),
            Target::prefix("/doc/").unwrap(),
            Target::prefix("/docs/").unwrap().at_site("shop"),
            Target::host().at_site("shop"),
            Target::tag("b").unwrap(),
        ] {
            assert!(!finds(&page, &other), "{other}");
        }
        let anywhere = page.any_site();
        for purged in [
            url("/docs/caf%C3%A9").at_site("shop"),
            Target::prefix("/docs/").unwrap().at_site("shop"),
            Target::host().at_site("shop"),
        ] {
            assert!(finds(&anywhere, &purged), "{purged}");
        }
    }

    #[test]
    fn a_tag_finds_its_own_purges_and_a_prefix_those_below_it_too() {
        let tag = Filter::new().target(Target::tag("a").unwrap());
        assert!(finds(&tag, &Target::tag("a").unwrap()));
        assert!(finds(&tag, &Target::everything()));
        assert!(!finds(&tag, &Target::tag("b").unwrap()));
        assert!(!finds(&tag, &url("/a")));
        let prefix = Filter::new().target(Target::prefix("/docs/v1/").unwrap());
        assert!(finds(&prefix, &Target::prefix("/docs/v1/").unwrap()));
        assert!(finds(&prefix, &Target::prefix("/docs/").unwrap()));
        assert!(finds(&prefix, &Target::host()));
        for below in ["/docs/v1/a", "/docs//v1/a/?b=c", "/docs/%761/", "/docs/v1/"] {
            assert!(finds(&prefix, &url(below)), "{below}");
        }
        assert!(finds(&prefix, &Target::prefix("/docs/v1/a/").unwrap()));
        for other in ["/docs/v1", "/docs/v10/a", "/docs/a"] {
            assert!(!finds(&prefix, &url(other)), "{other}");
        }
        let of_shop = url("/docs/v1/a").at_site("shop");
        assert!(!finds(&prefix, &of_shop));
        assert!(finds(&prefix.any_site(), &of_shop));
    }
}
