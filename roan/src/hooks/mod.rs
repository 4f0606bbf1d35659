//! Hooks: the functions that a program calls after it has written a row.

mod apply;
mod current;
pub mod explain;
pub(crate) mod scope;

use std::panic::Location;

use self::apply::{Plain, apply};
use self::explain::Explanation;
#[cfg(feature = "_orm")]
use self::scope::Recording;
use self::scope::Scope;
#[cfg(feature = "_sql")]
use crate::app::OutboxHandle;
use crate::app::{Destination, Roan};
use crate::base::event::{Event, Events};
#[cfg(feature = "_orm")]
use crate::base::history::Fired;
use crate::base::history::{Because, By};
#[cfg(feature = "_orm")]
use crate::base::target::TargetKind;
use crate::base::target::{Target, TargetError, TargetRef};
use crate::model::{InvalidTarget, Model, Sink};
#[cfg(feature = "_sql")]
use crate::outbox::Statement;
#[cfg(feature = "web")]
use crate::web::Page;

/// Purges the pages that show a new row.
///
/// Returns at once. Another thread sends the purge; its failure never becomes a failure of the write. Inside a
/// [`scope`](crate::scope) the purge waits until the work is over.
///
/// Call it after the write has committed, or inside a scope around the transaction.
///
/// ```
/// # use roan::purge_on;
/// #[purge_on(save, delete, url = "/posts")]
/// struct Post;
///
/// # roan::testing::record_blocking(|| {
/// // ... insert the row, then:
/// roan::created(&Post);
/// # });
/// ```
pub fn created<M: Model>(model: &M) {
    fire_created(None, model);
}

/// Purges the pages that show a changed row: those of the old row and those of the new row, so that both URLs of a
/// row that moved are fresh. Rules with `update(field, ...)` fire only if one of their fields differs. Otherwise as
/// [`created`].
pub fn updated<M: Model>(old: &M, new: &M) {
    fire_updated(None, old, new);
}

/// Purges the pages that show a new or changed row, if the old row is not available. Rules fire for `create` and for
/// `update`, including those that watch fields. Otherwise as [`created`].
///
/// This does not purge the URL of the old row. If a field in a template can change, use [`updated`].
pub fn saved<M: Model>(model: &M) {
    fire_saved(None, model);
}

/// Purges the pages that showed a deleted row. Otherwise as [`created`].
pub fn deleted<M: Model>(model: &M) {
    fire_deleted(None, model);
}

/// Says what [`updated`] would purge, and why, and purges nothing: the same as [`explain::updated`]. The module
/// [`explain`](mod@explain) has the forms for the other hooks.
///
/// ```
/// # use roan::purge_on;
/// #[purge_on(save, delete, url = "/posts/{slug}")]
/// #[purge_on(update(title), url = "/feed")]
/// struct Post { slug: &'static str, title: &'static str }
///
/// let old = Post { slug: "hello", title: "Hello" };
/// let new = Post { slug: "moved", title: "Hello" };
/// println!("{}", roan::explain(&old, &new));
/// ```
pub fn explain<M: Model>(old: &M, new: &M) -> Explanation {
    explain::updated(old, new)
}

impl Roan {
    /// Purges one target, without a model. Returns at once; a scope holds the purge.
    ///
    /// # Errors
    ///
    /// If the text is not a URL that can be purged: see [`Target::url`].
    #[track_caller]
    pub fn purge<T>(&self, target: T) -> Result<(), TargetError>
    where
        T: TryInto<Target, Error: Into<TargetError>>,
    {
        let by = By::Call(Location::caller());
        let target = target.try_into().map_err(Into::into)?;
        purge(Some(self), &target, by);
        Ok(())
    }

    /// As [`roan::created`](crate::created), to this dispatcher.
    pub fn created<M: Model>(&self, model: &M) {
        fire_created(Some(self), model);
    }

    /// As [`roan::updated`](crate::updated), to this dispatcher.
    pub fn updated<M: Model>(&self, old: &M, new: &M) {
        fire_updated(Some(self), old, new);
    }

    /// As [`roan::saved`](crate::saved), to this dispatcher.
    pub fn saved<M: Model>(&self, model: &M) {
        fire_saved(Some(self), model);
    }

    /// As [`roan::deleted`](crate::deleted), to this dispatcher.
    pub fn deleted<M: Model>(&self, model: &M) {
        fire_deleted(Some(self), model);
    }
}

#[cfg(feature = "_sql")]
impl OutboxHandle<'_> {
    /// Returns the `INSERT` for the purges of these hooks, for a database library that Roan does not support: run it in
    /// the transaction of the write. Returns `None` if there is nothing to insert.
    ///
    /// Without a durable outbox, this purges at once, or in the current scope, and returns `None`.
    ///
    /// The relay looks for the row within milliseconds, and then less and less often. After a long transaction, call
    /// [`committed`](Self::committed) to make it look at once.
    ///
    /// ```
    /// # use roan::purge_on;
    /// # #[purge_on(save, url = "/posts/{0}")]
    /// # struct Post(u32);
    /// # fn write(roan: &roan::Roan, execute: impl Fn(&str, &[String])) {
    /// if let Some(insert) = roan.outbox().statement(|| roan::saved(&Post(1))) {
    ///     execute(&insert.sql, &insert.params);
    /// }
    /// # }
    /// ```
    pub fn statement(&self, hooks: impl FnOnce()) -> Option<Statement> {
        let targets = recorded(self.roan, hooks);
        if self.link().is_none() {
            for fired in &targets {
                send(Some(self.roan), fired);
            }
        }
        self.insert(&targets)
    }
}

pub(crate) fn fire_created<M: Model>(roan: Option<&Roan>, model: &M) {
    fire(roan, Events::CREATE, &[model], |_| true);
}

pub(crate) fn fire_updated<M: Model>(roan: Option<&Roan>, old: &M, new: &M) {
    fire(roan, Events::UPDATE, &[old, new], |rule| {
        M::watched_changed(old, new, rule)
    });
}

pub(crate) fn fire_saved<M: Model>(roan: Option<&Roan>, model: &M) {
    fire(roan, Events::SAVE, &[model], |_| true);
}

pub(crate) fn fire_deleted<M: Model>(roan: Option<&Roan>, model: &M) {
    fire(roan, Event::Delete.into(), &[model], |_| true);
}

/// Purges one target without a model.
pub(crate) fn purge(roan: Option<&Roan>, target: &Target, by: By) {
    let because = Because::Of(by);
    with_sink(roan, |sink| sink.target(TargetRef::from(target), because));
}

/// Purges what hooks have yielded.
#[cfg(feature = "_orm")]
pub(crate) fn send(roan: Option<&Roan>, fired: &Fired) {
    let because = Because::All(&fired.causes);
    with_sink(roan, |sink| {
        sink.target(TargetRef::from(&fired.target), because);
    });
}

/// Returns the sorted targets of these hooks instead of purging them. Invalid targets are logged.
#[cfg(feature = "_orm")]
pub(crate) fn recorded(roan: &Roan, hooks: impl FnOnce()) -> Vec<Fired> {
    let recording = Recording::new();
    recording.run_blocking(hooks);
    let (targets, refused) = recording.end();
    for invalid in &refused {
        roan.engine().invalid("", invalid);
    }
    in_order(targets)
}

/// Sorts the targets and joins equal ones, so that equal writes make equal payloads.
#[cfg(feature = "_orm")]
pub(crate) fn in_order(mut targets: Vec<Fired>) -> Vec<Fired> {
    fn place(fired: &Fired) -> (&str, Option<&str>, TargetKind) {
        let target = &fired.target;
        (target.as_str(), target.site(), target.kind())
    }
    // A stable sort: the first cause stays the first.
    targets.sort_by(|a, b| place(a).cmp(&place(b)));
    targets.dedup_by(|same, kept| {
        let is_same = same == kept;
        if is_same {
            kept.causes.add(Because::All(&same.causes));
        }
        is_same
    });
    targets
}

fn fire<M: Model>(
    roan: Option<&Roan>,
    events: Events,
    rows: &[&M],
    changed: impl Fn(usize) -> bool,
) {
    with_sink(roan, |sink| apply(events, rows, changed, &mut Plain(sink)));
}

/// Passes targets on, and notes them for the answer of the request that this code serves.
#[cfg(feature = "web")]
fn with_sink(roan: Option<&Roan>, yields: impl FnOnce(&mut dyn Sink)) {
    match Page::of_write() {
        Some(page) => with_unnoted_sink(roan, |sink| yields(&mut Noted { page: &page, sink })),
        None => with_unnoted_sink(roan, yields),
    }
}

#[cfg(not(feature = "web"))]
use with_unnoted_sink as with_sink;

/// Passes targets to the current scope, else to the dispatcher.
fn with_unnoted_sink(roan: Option<&Roan>, yields: impl FnOnce(&mut dyn Sink)) {
    if let Some(scope) = Scope::current() {
        yields(&mut Held {
            scope: &scope,
            roan,
        });
    } else if let Some(destination) = Destination::of(roan) {
        yields(&mut Sent(destination));
    }
}

#[cfg(feature = "web")]
struct Noted<'a> {
    page: &'a Page,
    sink: &'a mut dyn Sink,
}

#[cfg(feature = "web")]
impl Sink for Noted<'_> {
    fn target(&mut self, target: TargetRef<'_>, because: Because<'_>) {
        self.page.fires(target);
        self.sink.target(target, because);
    }

    fn refused(&mut self, invalid: InvalidTarget) {
        self.sink.refused(invalid);
    }
}

struct Held<'a> {
    scope: &'a Scope,
    roan: Option<&'a Roan>,
}

impl Sink for Held<'_> {
    fn target(&mut self, target: TargetRef<'_>, because: Because<'_>) {
        self.scope.hold(self.roan, target, because);
    }

    fn refused(&mut self, invalid: InvalidTarget) {
        self.scope.refused(self.roan, invalid);
    }
}

struct Sent<'a>(Destination<'a>);

impl Sink for Sent<'_> {
    fn target(&mut self, target: TargetRef<'_>, because: Because<'_>) {
        self.0.put(target, because);
    }

    fn refused(&mut self, invalid: InvalidTarget) {
        self.0.invalid(&invalid);
    }
}
