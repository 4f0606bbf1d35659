//! Rules that are made at run time: `roan::purge("/posts").on_save::<Post>()`.

use std::any::{TypeId, type_name};
use std::collections::{HashMap, HashSet};
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use crate::base::event::Events;
use crate::base::history::RunTimeRule;
#[cfg(feature = "_sql")]
use crate::base::history::{Because, By};
use crate::base::lock::Mutex;
use crate::base::log::loudly;
#[cfg(feature = "web")]
use crate::base::target::TargetKind;
#[cfg(feature = "_sql")]
use crate::base::target::TargetRef;
use crate::base::target::{Target, TargetError};
use crate::model::Model;
#[cfg(feature = "_sql")]
use crate::model::Sink;

/// What to purge on which events of a type.
type Rules = HashMap<TypeId, Arc<OfModel>>;

/// The same of one type, and where the rules were made.
type OfModel = Vec<(Events, Target, &'static RunTimeRule)>;

static RULES: RwLock<Option<Rules>> = RwLock::new(None);

/// Spares hooks the lock while there are none.
static ANY: AtomicBool = AtomicBool::new(false);

static REFUSED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Begins a rule at run time, for models without the attribute: call `on_save` and the other methods on it.
///
/// The types may be of another crate. Wrap their values in [`External`](crate::External) for the hooks.
///
/// A text that is not a valid URL is logged at once, and [`RoanBuilder::install`](crate::RoanBuilder::install) then
/// returns an error.
///
/// ```
/// struct Post;
///
/// roan::purge("/posts").on_save::<Post>().on_delete::<Post>();
///
/// # let purges = roan::testing::record_blocking(|| {
/// // ... write a row, then:
/// roan::saved(&roan::External(&Post));
/// # });
/// # roan::assert_purged!(purges, "/posts");
/// ```
#[must_use = "this only begins a rule, and purges nothing: add the writes that it is for, \
              `.on_save::<Post>()`, or purge now with `roan::global()?.purge(...)`"]
pub fn purge<T>(target: T) -> Purge
where
    T: TryInto<Target, Error: Into<TargetError>>,
{
    Purge {
        targets: Vec::new(),
    }
    .and(target)
}

/// A run-time rule under construction, begun by [`purge`].
#[derive(Debug, Clone)]
pub struct Purge {
    targets: Vec<Target>,
}

impl Purge {
    /// Adds a target: the writes named from here on purge it, too.
    #[must_use = "a target without a write purges nothing: add `.on_save::<Post>()`"]
    pub fn and<T>(mut self, target: T) -> Self
    where
        T: TryInto<Target, Error: Into<TargetError>>,
    {
        match target.try_into().map_err(Into::into) {
            Ok(target) => self.targets.push(target),
            Err(error) => {
                loudly(format_args!("`roan::purge`: {error}"));
                REFUSED.lock().push(error.to_string());
            }
        }
        self
    }

    /// Purges when a row of `M` is created.
    #[expect(
        clippy::must_use_candidate,
        clippy::return_self_not_must_use,
        reason = "it is done"
    )]
    #[track_caller]
    pub fn on_create<M: ?Sized>(self) -> Self {
        self.on::<M>(Events::CREATE)
    }

    /// Purges when a row of `M` is updated.
    #[expect(
        clippy::must_use_candidate,
        clippy::return_self_not_must_use,
        reason = "it is done"
    )]
    #[track_caller]
    pub fn on_update<M: ?Sized>(self) -> Self {
        self.on::<M>(Events::UPDATE)
    }

    /// Purges when a row of `M` is created or updated.
    #[expect(
        clippy::must_use_candidate,
        clippy::return_self_not_must_use,
        reason = "it is done"
    )]
    #[track_caller]
    pub fn on_save<M: ?Sized>(self) -> Self {
        self.on::<M>(Events::SAVE)
    }

    /// Purges when a row of `M` is deleted.
    #[expect(
        clippy::must_use_candidate,
        clippy::return_self_not_must_use,
        reason = "it is done"
    )]
    #[track_caller]
    pub fn on_delete<M: ?Sized>(self) -> Self {
        self.on::<M>(Events::DELETE)
    }

    #[track_caller]
    fn on<M: ?Sized>(self, events: Events) -> Self {
        let mut rules = RULES.write().unwrap_or_else(PoisonError::into_inner);
        let of_model = rules
            .get_or_insert_default()
            .entry(typeid::of::<M>())
            .or_default();
        let of_model = Arc::make_mut(of_model);
        // A rule is for ever, and there is one for each line that makes rules.
        let rule: &'static RunTimeRule = Box::leak(Box::new(RunTimeRule {
            model: type_name::<M>(),
            place: Location::caller(),
        }));
        for target in &self.targets {
            match of_model.iter_mut().find(|(_, other, _)| other == target) {
                Some((known, ..)) => *known = known.union(events),
                None => of_model.push((events, target.clone(), rule)),
            }
        }
        ANY.store(true, Ordering::Release);
        self
    }
}

/// Passes on the run-time rules for this type: their events, their target, and where they were made. Returns whether there are
/// any.
pub(crate) fn each(
    model: TypeId,
    rule: &mut dyn FnMut(Events, &Target, &'static RunTimeRule),
) -> bool {
    let of_model = of_model(model);
    for (events, target, of) in of_model.iter().flat_map(|of_model| of_model.iter()) {
        rule(*events, target, of);
    }
    of_model.is_some()
}

/// Yields the targets of the run-time rules for a write of this type.
#[cfg(feature = "_sql")]
pub(crate) fn fire_for(model: TypeId, events: Events, sink: &mut dyn Sink) {
    each(model, &mut |on, target, rule| {
        if on.intersects(events) {
            let by = By::RunTime(rule, events);
            sink.target(TargetRef::from(target), Because::Of(by));
        }
    });
}

fn of_model(model: TypeId) -> Option<Arc<OfModel>> {
    if !ANY.load(Ordering::Acquire) {
        return None;
    }
    let rules = RULES.read().unwrap_or_else(PoisonError::into_inner);
    rules.as_ref()?.get(&model).cloned()
}

/// The tags of the run-time rules for this type, with the events on which they fire.
#[cfg(feature = "web")]
pub(crate) fn tags_of(model: TypeId) -> Vec<(Events, Target)> {
    let Some(of_model) = of_model(model) else {
        return Vec::new();
    };
    let tags = of_model
        .iter()
        .filter(|(_, target, _)| target.kind() == TargetKind::Tag);
    tags.map(|(events, target, _)| (*events, target.clone()))
        .collect()
}

/// The events on which run-time rules fire for this type.
#[cfg(feature = "_sql")]
pub(crate) fn events_of(model: TypeId) -> Events {
    let of_model = of_model(model).unwrap_or_default();
    let events = of_model.iter().map(|(events, ..)| *events);
    events.fold(Events::NONE, Events::union)
}

/// A hook that cannot purge anything is a mistake. It is logged once for each type.
#[cold]
pub(crate) fn warn_of_no_rule<M: Model>() {
    static TOLD: Mutex<Option<HashSet<TypeId>>> = Mutex::new(None);
    let is_first = {
        let mut told = TOLD.lock();
        told.get_or_insert_default().insert(M::type_key())
    };
    if is_first {
        let name = type_name::<M>();
        loudly(format_args!(
            "a hook fired for {name}, but no rule exists for this type: make one with \
             `roan::purge(\"/...\").on_save::<...>()` first; if the type has `#[purge_on]`, \
             fire the hook on the value itself, without `External`"
        ));
    }
}

/// The targets of all run-time rules.
pub(crate) fn targets() -> Vec<Target> {
    let rules = RULES.read().unwrap_or_else(PoisonError::into_inner);
    let of_models = rules.iter().flat_map(HashMap::values);
    of_models
        .flat_map(|of_model| of_model.iter())
        .map(|(_, target, _)| target.clone())
        .collect()
}

/// All run-time rules, sorted by where they were made.
#[cfg(feature = "dashboard")]
pub(crate) fn listed() -> Vec<(Events, Target, &'static RunTimeRule)> {
    let rules = RULES.read().unwrap_or_else(PoisonError::into_inner);
    let of_models = rules.iter().flat_map(HashMap::values);
    let mut listed: Vec<_> = of_models.flat_map(|rules| rules.iter().cloned()).collect();
    listed.sort_by_key(|(_, _, rule)| (rule.place.file(), rule.place.line(), rule.model));
    listed
}

/// The errors of targets given to [`purge`].
pub(crate) fn refused() -> Vec<String> {
    REFUSED.lock().clone()
}
