//! The global dispatcher.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};

use once_cell::sync::OnceCell;

use super::builder::RoanBuilder;
use super::early::{self, Making};
use super::handle::Roan;
use crate::base::cause::Cause;
use crate::base::counted::counted;
use crate::base::history::Because;
use crate::base::log::{emit, loudly};
use crate::base::target::{TargetKind, TargetRef};
use crate::dispatcher::{Engine, InvalidTargets};
use crate::error::ConfigError;
use crate::model::InvalidTarget;
use crate::registry::{rules, run_time, tags_that_differ_by_case};

static GLOBAL: OnceCell<Roan> = OnceCell::new();

/// Why the default dispatcher could not start. Kept, so that later hooks do not try again.
static UNUSABLE: OnceCell<ConfigError> = OnceCell::new();

/// Returns the global dispatcher: the one that [`RoanBuilder::install`] started. If there is none, this starts one
/// from the environment ([`RoanBuilder::from_env`]).
///
/// # Errors
///
/// If none was installed and a variable of the environment is invalid. The environment is read once.
/// Also if a `tracing` subscriber requests it while it starts.
pub fn global() -> Result<&'static Roan, ConfigError> {
    if let Some(roan) = GLOBAL.get() {
        if early::is_made() {
            early::hand_over(roan, None);
        }
        return Ok(roan);
    }
    if let Some(error) = UNUSABLE.get() {
        return Err(error.clone());
    }
    if early::is_made_here() {
        return Err(ConfigError::Start(Cause::new(
            "this very thread is starting it, and its `tracing` subscriber requests it",
        )));
    }
    let mut making = None;
    let made = GLOBAL.get_or_try_init(|| {
        making = Some(Making::begin());
        RoanBuilder::from_env()?.build()
    });
    match made {
        Ok(roan) => {
            let is_maker = making.is_some();
            early::hand_over(roan, making);
            if is_maker {
                // Not before: a subscriber that fires a hook must find the dispatcher.
                warn_of_missing_rules();
                for error in unserved(roan.engine()) {
                    loudly(format_args!("{error}"));
                }
            }
            Ok(roan)
        }
        Err(error) => {
            drop(making);
            let error = UNUSABLE.get_or_init(|| error).clone();
            let lost = early::give_up();
            if lost > 0 {
                loudly(format_args!("{} lost: {error}", counted(lost, "purge")));
            }
            Err(error)
        }
    }
}

/// The global dispatcher, if there is one.
pub(crate) fn installed() -> Option<&'static Roan> {
    GLOBAL.get()
}

/// The given dispatcher, else the global one. For hooks, which cannot return an error.
pub(crate) fn given_or_global(given: Option<&Roan>) -> Option<&Roan> {
    static HOOKS_WITHOUT_DISPATCHER: AtomicU64 = AtomicU64::new(0);
    if let Some(roan) = given.or(GLOBAL.get()) {
        return Some(roan);
    }
    match global() {
        Ok(roan) => Some(roan),
        Err(error) => {
            let count = HOOKS_WITHOUT_DISPATCHER.fetch_add(1, Ordering::Relaxed) + 1;
            if count.is_power_of_two() {
                loudly(format_args!(
                    "nothing can be purged (hook number {count}): {error}"
                ));
            }
            None
        }
    }
}

/// The destination of the purges of a hook.
pub(crate) enum Destination<'a> {
    Dispatcher(&'a Roan),
    /// The global dispatcher is starting, and receives them later. Waiting for it could be a deadlock: its start emits
    /// events, and a subscriber may fire hooks.
    Early,
}

impl<'a> Destination<'a> {
    /// `None` has been logged already.
    pub(crate) fn of(given: Option<&'a Roan>) -> Option<Self> {
        if let Some(roan) = given.or(GLOBAL.get()) {
            return Some(Self::Dispatcher(roan));
        }
        if early::is_made() {
            return Some(Self::Early);
        }
        given_or_global(None).map(Self::Dispatcher)
    }

    pub(crate) fn put(&self, target: TargetRef<'_>, because: Because<'_>) {
        match self {
            Self::Dispatcher(roan) => roan.engine().put(target, because),
            Self::Early if early::keep(target, because) => {}
            Self::Early => {
                if let Some(roan) = given_or_global(None) {
                    roan.engine().put(target, because);
                }
            }
        }
    }

    pub(crate) fn invalid(&self, invalid: &InvalidTarget) {
        static EARLY: OnceCell<InvalidTargets> = OnceCell::new();
        match self {
            Self::Dispatcher(roan) => roan.engine().invalid("", invalid),
            Self::Early => EARLY.get_or_init(InvalidTargets::default).add("", invalid),
        }
    }
}

pub(super) fn install(builder: RoanBuilder) -> Result<Roan, ConfigError> {
    if GLOBAL.get().is_some() {
        return Err(ConfigError::AlreadyInstalled);
    }
    if let Some(error) = run_time::refused().into_iter().next() {
        return Err(ConfigError::RunTimeRule(error));
    }
    let making = Making::begin();
    let roan = builder.build()?;
    if let Some(error) = unserved(roan.engine()).into_iter().next() {
        return Err(error);
    }
    if GLOBAL.set(roan.clone()).is_err() {
        // Hooks may have confused this with the start of the other one.
        global().map(|global| early::hand_over(global, Some(making)))?;
        return Err(ConfigError::AlreadyInstalled);
    }
    early::hand_over(&roan, Some(making));
    warn_of_missing_rules();
    Ok(roan)
}

/// A program may make its rules later, at run time, so this is only a warning.
fn warn_of_missing_rules() {
    if has_no_rules() {
        emit(|| {
            tracing::warn!(
                target: "roan",
                "this program does not contain any rule: if its models are in a crate that it does \
                 not use elsewhere, the linker omits that crate; write `use that_crate as _;` in \
                 main.rs"
            );
        });
    }
}

fn has_no_rules() -> bool {
    rules().is_empty() && run_time::targets().is_empty()
}

/// The rules of this program that the dispatcher cannot serve.
fn unserved(engine: &Engine) -> Vec<ConfigError> {
    let error = |rule: &dyn Display, kind: Option<TargetKind>, site: Option<&str>| {
        let refusal = match kind {
            Some(kind) => engine.cannot_serve(kind, site),
            None => engine.does_not_know(site),
        };
        let problem = refusal?.to_string();
        let rule = rule.to_string();
        Some(ConfigError::Rule { rule, problem })
    };
    let of_attributes = rules()
        .into_iter()
        .filter_map(|rule| error(rule, rule.target().kind(), rule.site()));
    let of_run_time = run_time::targets().into_iter().filter_map(|target| {
        let rule = format!("`roan::purge` of {target}");
        error(&rule, Some(target.kind()), target.site())
    });
    let by_case = tags_that_differ_by_case(rules()).map(|(first, second)| ConfigError::Rule {
        rule: second.to_string(),
        problem: format!(
            "its tag differs from that of rule {first} by case alone, and some caches do not tell them apart: write both \
             in one case"
        ),
    });
    of_attributes.chain(of_run_time).chain(by_case).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // The other tests of this binary do not make rules.
    #[test]
    fn a_program_without_rules_is_warned_until_it_has_one() {
        assert!(has_no_rules());
        let _ = run_time::purge("/posts").on_save::<u8>();
        assert!(!has_no_rules());
    }
}
