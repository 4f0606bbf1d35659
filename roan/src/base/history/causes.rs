//! Causes on their way from the hooks to the reports. A target that waits is asked for thousands of times a second, so
//! this is small, and noting what is known already does nothing but count.

use std::hash::{Hash, Hasher};
use std::panic::Location;
use std::sync::Arc;

use super::cause::{CauseKind, PurgeCause};
use super::trace::Trace;
use crate::base::event::Events;
use crate::base::rule::Rule;
use crate::base::target::Target;
#[cfg(any(feature = "_sql", all(test, feature = "sea-orm")))]
use crate::base::target::TargetRef;

/// More causes of one purge are counted only.
const MOST: usize = 4;

/// A rule that was made at run time: see [`purge`](crate::purge).
#[derive(Debug)]
pub(crate) struct RunTimeRule {
    pub(crate) model: &'static str,
    pub(crate) place: &'static Location<'static>,
}

/// Who asks for a target: two words.
#[derive(Debug, Clone, Copy)]
pub(crate) enum By {
    Rule(&'static Rule, Events),
    RunTime(&'static RunTimeRule, Events),
    /// The program, in this line.
    Call(&'static Location<'static>),
    /// Roan itself, or the program in a line that is unknown.
    Unknown,
}

impl By {
    #[inline]
    fn is(self, other: Self) -> bool {
        match (self, other) {
            (Self::Rule(one, on), Self::Rule(other, event)) => {
                std::ptr::eq(one, other) && on == event
            }
            (Self::RunTime(one, on), Self::RunTime(other, event)) => {
                std::ptr::eq(one, other) && on == event
            }
            (Self::Call(one), Self::Call(other)) => std::ptr::eq(one, other),
            (Self::Unknown, Self::Unknown) => true,
            _ => false,
        }
    }

    fn to_cause(self, trace: Option<Trace>) -> PurgeCause {
        let at = |kind, model, place: &Location<'static>, events| {
            PurgeCause::new(kind, model, place.file(), place.line(), events).with_trace(trace)
        };
        match self {
            Self::Rule(rule, events) => PurgeCause::of_rule(rule, events).with_trace(trace),
            Self::RunTime(rule, events) => at(
                CauseKind::RunTimeRule,
                Some(rule.model),
                rule.place,
                Some(events),
            ),
            Self::Call(place) => at(CauseKind::Call, None, place, None),
            Self::Unknown => PurgeCause::unknown().with_trace(trace),
        }
    }
}

/// What comes with a target into the inbox.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Because<'a> {
    Of(By),
    /// What has waited elsewhere.
    All(&'a Causes),
    /// Causes are not kept.
    Unsaid,
}

/// What has asked for a purge: the first few causes, each once, and how many asks there were. Clones share them.
///
/// Several writes that ask for one target become one purge while they wait.
#[derive(Debug, Clone, Default)]
pub struct Causes {
    first: First,
    /// The trace of the first, and the other causes.
    more: Option<Arc<More>>,
    count: u32,
}

#[derive(Debug, Clone, Copy, Default)]
enum First {
    #[default]
    None,
    By(By),
    /// It was read from a row, and is in `more`.
    #[cfg_attr(
        not(feature = "_sql"),
        allow(dead_code, reason = "rows are in databases")
    )]
    Read,
}

#[derive(Debug, Clone, Default)]
struct More {
    trace: Option<Trace>,
    others: Vec<(By, Option<Trace>)>,
    read: Vec<PurgeCause>,
}

impl Causes {
    #[inline]
    pub(crate) fn of(because: Because<'_>) -> Self {
        match because {
            Because::Of(by) => Self {
                first: First::By(by),
                more: Trace::current().map(More::of_trace),
                count: 1,
            },
            Because::All(causes) => causes.clone(),
            Because::Unsaid => Self::default(),
        }
    }

    /// The causes that a row of the outbox names.
    #[cfg(feature = "_sql")]
    pub(crate) fn read(mut causes: Vec<PurgeCause>) -> Self {
        if causes.is_empty() {
            return Self::default();
        }
        causes.truncate(MOST);
        Self {
            first: First::Read,
            count: 1,
            more: Some(Arc::new(More {
                read: causes,
                ..More::default()
            })),
        }
    }

    #[inline]
    pub(crate) fn add(&mut self, because: Because<'_>) {
        match because {
            Because::Of(by) => self.add_one(by),
            Because::All(causes) => self.add_all(causes),
            Because::Unsaid => {}
        }
    }

    #[inline]
    fn add_one(&mut self, by: By) {
        self.count = self.count.saturating_add(1);
        match (self.first, &self.more) {
            (First::By(first), None) if first.is(by) => {
                if let Some(trace) = Trace::current() {
                    self.note(by, Some(trace));
                }
            }
            (_, Some(more)) if more.len() + 1 >= MOST => {}
            _ => self.note(by, Trace::current()),
        }
    }

    /// Keeps a cause, unless it is known, or enough are.
    #[inline(never)]
    fn note(&mut self, by: By, trace: Option<Trace>) {
        match self.first {
            First::None => {
                self.first = First::By(by);
                if trace.is_some() {
                    self.more().trace = trace;
                }
                return;
            }
            First::By(first) if first.is(by) => {
                let known = self.more.as_ref().and_then(|more| more.trace);
                if known == trace {
                    return;
                }
            }
            First::By(_) | First::Read => {}
        }
        let known = self.more.as_ref().map_or(&[][..], |more| &more.others);
        let is_known = known.iter().any(|(one, of)| one.is(by) && *of == trace);
        if !is_known && self.more.as_ref().map_or(0, |more| more.len()) + 1 < MOST {
            self.more().others.push((by, trace));
        }
    }

    fn more(&mut self) -> &mut More {
        Arc::make_mut(self.more.get_or_insert_default())
    }

    /// Whether it has the same one cause, and no more.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self.first, other.first) {
            (First::By(one), First::By(other)) if !one.is(other) => return false,
            (First::By(_), First::By(_)) | (First::None, First::None) => {}
            _ => return false,
        }
        self.count == other.count && self.more.is_none() && other.more.is_none()
    }

    pub(crate) fn add_all(&mut self, other: &Self) {
        if self.count == 0 {
            *self = other.clone();
            return;
        }
        let count = self.count.saturating_add(other.count);
        if let First::By(by) = other.first {
            self.note(by, other.more.as_ref().and_then(|more| more.trace));
        }
        for (by, trace) in other.more.iter().flat_map(|more| &more.others) {
            self.note(*by, *trace);
        }
        for cause in other.more.iter().flat_map(|more| &more.read) {
            let known = self.more.as_ref().map_or(&[][..], |more| &more.read);
            if known.len() < MOST && !known.contains(cause) {
                self.more().read.push(cause.clone());
            }
        }
        self.count = count;
    }

    /// How many writes, or calls, have asked. Each of the targets that one write yields counts them anew.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The first causes, each once.
    #[must_use]
    pub fn to_vec(&self) -> Vec<PurgeCause> {
        let more = self.more.as_deref();
        let first = match self.first {
            First::By(by) => Some(by.to_cause(more.and_then(|more| more.trace))),
            First::None | First::Read => None,
        };
        let others = more.into_iter().flat_map(|more| &more.others);
        let others = others.map(|(by, trace)| by.to_cause(*trace));
        let read = more.into_iter().flat_map(|more| more.read.iter().cloned());
        let mut causes: Vec<PurgeCause> = Vec::new();
        // The compiler may have made two statics of one rule.
        for cause in first.into_iter().chain(read).chain(others) {
            if !causes.contains(&cause) {
                causes.push(cause);
            }
        }
        causes
    }

    /// The first cause. `None` if the history is [off](crate::RoanBuilder::history), or the row of an outbox does not name
    /// it.
    #[must_use]
    pub fn first(&self) -> Option<PurgeCause> {
        self.to_vec().into_iter().next()
    }
}

impl More {
    #[cold]
    fn of_trace(trace: Trace) -> Arc<Self> {
        Arc::new(Self {
            trace: Some(trace),
            ..Self::default()
        })
    }

    fn len(&self) -> usize {
        self.others.len() + self.read.len()
    }
}

impl PartialEq for Causes {
    fn eq(&self, other: &Self) -> bool {
        self.count == other.count && self.to_vec() == other.to_vec()
    }
}

impl Eq for Causes {}

/// A target with what has asked for it. It is equal to others by its target.
#[cfg_attr(
    not(feature = "sea-orm"),
    expect(unreachable_pub, reason = "code generated for SeaORM names it")
)]
#[derive(Debug, Clone)]
pub struct Fired {
    pub(crate) target: Target,
    pub(crate) causes: Causes,
}

#[cfg(any(feature = "_sql", all(test, feature = "sea-orm")))]
impl Fired {
    pub(crate) fn new(target: TargetRef<'_>, because: Because<'_>) -> Self {
        Self {
            target: target.to_target(),
            causes: Causes::of(because),
        }
    }
}

impl Fired {
    /// A trigger of this table has written the row.
    #[cfg(feature = "_sql")]
    pub(crate) fn of_table(self, table: Option<&str>) -> Self {
        let causes = self.causes.to_vec().into_iter();
        let causes = causes.map(|cause| cause.with_table(table.map(str::to_owned)));
        Self {
            causes: Causes::read(causes.collect()),
            ..self
        }
    }

    /// Roan purges it for itself.
    #[cfg(feature = "_sql")]
    pub(crate) fn unsaid(target: &Target) -> Self {
        Self::new(TargetRef::from(target), Because::Unsaid)
    }
}

impl PartialEq for Fired {
    fn eq(&self, other: &Self) -> bool {
        self.target == other.target
    }
}

impl Eq for Fired {}

impl Hash for Fired {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.target.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rule::RuleTarget;

    fn rule(line: u32) -> &'static Rule {
        Box::leak(Box::new(Rule {
            model: "Post",
            module: "models",
            events: Events::SAVE,
            watched: &[],
            target: RuleTarget::Host,
            condition: None,
            site: None,
            file: "models.rs",
            line,
        }))
    }

    fn of(rule: &'static Rule) -> Because<'static> {
        Because::Of(By::Rule(rule, Events::UPDATE))
    }

    #[test]
    fn the_first_causes_are_kept_and_all_asks_are_counted() {
        let rules: Vec<_> = (1..=6).map(rule).collect();
        let mut causes = Causes::default();
        for rule in rules.iter().chain(&rules) {
            causes.add(of(rule));
            causes.add(of(rule));
        }
        let lines = causes.to_vec();
        let lines: Vec<_> = lines.iter().map(PurgeCause::line).collect();
        assert_eq!((causes.count(), lines), (24, vec![1, 2, 3, 4]));
    }

    #[test]
    fn one_cause_asked_again_takes_no_memory() {
        let rule = rule(1);
        let mut causes = Causes::of(of(rule));
        for _ in 0..1000 {
            causes.add(of(rule));
        }
        assert!(causes.more.is_none());
        assert_eq!((causes.count(), causes.to_vec().len()), (1001, 1));
        assert!(size_of::<Causes>() <= 40, "{}", size_of::<Causes>());
    }

    #[test]
    fn causes_that_waited_in_two_places_become_one() {
        let (one, other) = (rule(1), rule(2));
        let mut first = Causes::of(of(one));
        let mut second = Causes::of(of(other));
        second.add(of(one));
        first.add(Because::All(&second));
        assert_eq!((first.count(), first.to_vec().len()), (3, 2));
        let mut empty = Causes::default();
        empty.add(Because::All(&first));
        assert_eq!(empty, first);
        empty.add(Because::Unsaid);
        assert_eq!(empty, first);
    }
}
