//! The models of this binary. Each registers itself before `main` begins, as a static constructor of C does: by the
//! address of a function in a section of the object file.

mod rules;
pub(crate) mod run_time;
#[cfg(feature = "_sql")]
mod tables;

#[cfg(feature = "_sql")]
use std::any::TypeId;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::MutexGuard;

use crate::base::exit;
use crate::base::lock::Mutex;
use crate::base::rule::{Rule, RuleTarget};
use crate::model::{Model, Table};

pub use rules::{Rules, rules};
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
    #[cfg(feature = "_sql")]
    pub(crate) deleted_with: fn() -> Vec<&'static Table>,
}

static MODELS: Mutex<Vec<Registered>> = Mutex::new(Vec::new());

/// All models, in the order in which the linker found them.
pub(crate) fn models() -> MutexGuard<'static, Vec<Registered>> {
    MODELS.lock()
}

/// Two rules whose tags differ by case alone, or by the names of fields, too. Some caches fold the case of tags.
pub(crate) fn tags_that_differ_by_case<'r>(
    rules: impl IntoIterator<Item = &'r Rule>,
) -> Option<(&'r Rule, &'r Rule)> {
    let mut known: HashMap<String, (String, &Rule)> = HashMap::new();
    for rule in rules {
        let RuleTarget::Tag(template) = rule.target() else {
            continue;
        };
        let shape = without_names(template);
        match known.entry(shape.to_ascii_lowercase()) {
            Entry::Vacant(vacant) => _ = vacant.insert((shape, rule)),
            Entry::Occupied(other) if other.get().0 != shape => return Some((other.get().1, rule)),
            Entry::Occupied(_) => {}
        }
    }
    None
}

/// `author-{id}` as `author-{}`.
fn without_names(template: &str) -> String {
    let mut in_braces = false;
    let mut shape = template.to_owned();
    shape.retain(|letter| {
        let is_name = in_braces && letter != '}';
        in_braces = letter == '{' || in_braces && letter != '}';
        !is_name
    });
    shape
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
        #[cfg(feature = "_sql")]
        deleted_with: M::deleted_with,
    });
}

#[inline(never)]
fn add(model: Registered) {
    models().push(model);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::event::Events;

    fn differ(templates: [&'static str; 2]) -> bool {
        let rules = templates.map(|template| Rule {
            model: "Post",
            module: "models",
            events: Events::SAVE,
            watched: &[],
            target: RuleTarget::Tag(template),
            condition: None,
            site: None,
            file: "models.rs",
            line: 1,
        });
        tags_that_differ_by_case(&rules).is_some()
    }

    #[test]
    fn tags_that_differ_by_case_alone_are_found() {
        assert!(differ(["Posts", "posts"]));
        assert!(differ(["post-{id}", "Post-{number}"]));
        assert!(!differ(["post-{id}", "post-{Id}"]));
        assert!(!differ(["posts", "post-{id}"]));
        assert!(!differ(["{a}-x", "{b}-y"]));
    }
}
