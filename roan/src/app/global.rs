//! The global dispatcher.

use std::fmt::Display;
use std::sync::atomic::{AtomicU64, Ordering};

use once_cell::sync::OnceCell;

use super::builder::RoanBuilder;
use super::handle::Roan;
use crate::base::log::loudly;
use crate::base::rule::RuleTarget;
use crate::base::target::TargetKind;
use crate::dispatcher::Engine;
use crate::error::ConfigError;
use crate::registry::{rules, run_time};

static GLOBAL: OnceCell<Roan> = OnceCell::new();

/// Why the default dispatcher could not start. Kept, so that later hooks do not try again.
static UNUSABLE: OnceCell<ConfigError> = OnceCell::new();

/// Returns the global dispatcher: the one that [`RoanBuilder::install`] started. If there is none, this starts one
/// from the environment ([`RoanBuilder::from_env`]).
///
/// # Errors
///
/// If none was installed and a variable of the environment is invalid. The environment is read once.
pub fn global() -> Result<&'static Roan, ConfigError> {
    if let (None, Some(error)) = (GLOBAL.get(), UNUSABLE.get()) {
        return Err(error.clone());
    }
    let made = GLOBAL.get_or_try_init(|| {
        let roan = RoanBuilder::from_env()?.build()?;
        warn_of_missing_rules();
        for error in unserved(roan.engine()) {
            loudly(format_args!("{error}"));
        }
        Ok(roan)
    });
    made.map_err(|error: ConfigError| UNUSABLE.get_or_init(|| error).clone())
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

pub(super) fn install(builder: RoanBuilder) -> Result<Roan, ConfigError> {
    if GLOBAL.get().is_some() {
        return Err(ConfigError::AlreadyInstalled);
    }
    if let Some(error) = run_time::refused().into_iter().next() {
        return Err(ConfigError::RunTimeRule(error));
    }
    let roan = builder.build()?;
    if let Some(error) = unserved(roan.engine()).into_iter().next() {
        return Err(error);
    }
    warn_of_missing_rules();
    GLOBAL
        .set(roan.clone())
        .map_err(|_| ConfigError::AlreadyInstalled)?;
    Ok(roan)
}

/// A program may make its rules later, at run time, so this is only a warning.
fn warn_of_missing_rules() {
    if has_no_rules() {
        tracing::warn!(
            target: "roan",
            "this program does not contain any rule: if its models are in a crate that it does not \
             use elsewhere, the linker omits that crate; write `use that_crate as _;` in main.rs"
        );
    }
}

fn has_no_rules() -> bool {
    rules().is_empty() && run_time::targets().is_empty()
}

/// The rules of this program that the dispatcher cannot serve.
fn unserved(engine: &Engine) -> Vec<ConfigError> {
    let error = |rule: &dyn Display, needs_tags, site: Option<&str>| {
        let problem = engine.cannot_serve(needs_tags, site)?.to_string();
        let rule = rule.to_string();
        Some(ConfigError::Rule { rule, problem })
    };
    let of_attributes = rules().into_iter().filter_map(|rule| {
        let needs_tags = matches!(rule.target(), RuleTarget::Tag(_));
        error(rule, needs_tags, rule.site())
    });
    let of_run_time = run_time::targets().into_iter().filter_map(|target| {
        let needs_tags = target.kind() == TargetKind::Tag;
        let rule = format!("`roan::purge` of {target}");
        error(&rule, needs_tags, target.site())
    });
    of_attributes.chain(of_run_time).collect()
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
