//! The models of this binary. Each registers itself before `main` begins, as a static constructor of C does: by the
//! address of a function in a section of the object file.

pub(crate) mod run_time;
#[cfg(feature = "_sql")]
mod tables;

#[cfg(feature = "_sql")]
use std::any::TypeId;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::base::exit;
use crate::base::rule::Rule;
use crate::model::{Model, Table};

#[cfg(feature = "_sql")]
pub(crate) use tables::{TableEntry, Way};

/// A registered model.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Registered {
    pub(crate) rules: &'static [Rule],
    #[allow(dead_code, reason = "read where there is a database")]
    pub(crate) table: Option<&'static Table>,
    #[cfg(feature = "_sql")]
    pub(crate) model: fn() -> TypeId,
}

static MODELS: Mutex<Vec<Registered>> = Mutex::new(Vec::new());

/// All models, in the order in which the linker found them.
pub(crate) fn models() -> MutexGuard<'static, Vec<Registered>> {
    MODELS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns every rule in this binary, sorted by file and line.
///
/// The linker omits a library crate that the binary never names, and its rules with it. `use models as _;` in the
/// binary keeps them.
///
/// ```
/// # use roan::purge_on;
/// #[purge_on(save, delete, url = "/posts")]
/// struct Post;
///
/// let rule = roan::rules()[0];
/// assert_eq!(rule.model(), "Post");
/// assert_eq!(rule.events().to_string(), "save, delete");
/// ```
#[must_use]
pub fn rules() -> Vec<&'static Rule> {
    let models = models();
    let mut rules: Vec<_> = models.iter().flat_map(|model| model.rules).collect();
    drop(models);
    rules.sort_by_key(|rule| (rule.file, rule.line, rule.model));
    rules
}

/// Runs before `main`, for each model. It is small, because each model has its own copy.
#[doc(hidden)]
pub extern "C" fn announce<M: Model>() {
    exit::watch_main_thread();
    add(Registered {
        rules: M::RULES,
        table: M::TABLE,
        #[cfg(feature = "_sql")]
        model: M::type_key,
    });
}

#[inline(never)]
fn add(model: Registered) {
    models().push(model);
}
