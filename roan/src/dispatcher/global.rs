//! The global dispatcher.

use once_cell::sync::OnceCell;

use super::builder::Builder;
use super::engine::Engine;
use super::handle::Roan;
use crate::announce::loudly;
use crate::error::ConfigError;
use crate::outcome::Refusal;
use crate::rule::{Rule, Template};
use crate::{registration, rules};

static GLOBAL: OnceCell<Roan> = OnceCell::new();

/// The global dispatcher: the one that [`Builder::install`] made, else one from the environment
/// ([`Builder::from_env`]), which is made now.
///
/// # Errors
///
/// When none was installed and the environment has a value that cannot be used.
pub fn global() -> Result<&'static Roan, ConfigError> {
    GLOBAL.get_or_try_init(|| {
        let roan = Builder::from_env()?.build()?;
        for error in unserved(roan.engine()) {
            loudly(format_args!("{error}"));
        }
        Ok(roan)
    })
}

/// The dispatcher that was given, else the global one. For hooks: they have nobody to return an
/// error to.
pub(crate) fn given_or_global(given: Option<&Roan>) -> Option<&Roan> {
    if let Some(roan) = given.or(GLOBAL.get()) {
        return Some(roan);
    }
    match global() {
        Ok(roan) => Some(roan),
        Err(error) => {
            loudly(format_args!("nothing can be purged: {error}"));
            None
        }
    }
}

pub(super) fn install(builder: Builder) -> Result<Roan, ConfigError> {
    if GLOBAL.get().is_some() {
        return Err(ConfigError::AlreadyInstalled);
    }
    if let Some(error) = registration::refused().into_iter().next() {
        return Err(ConfigError::RunTimeRule(error));
    }
    let roan = builder.build()?;
    if let Some(error) = unserved(roan.engine()).into_iter().next() {
        return Err(error);
    }
    GLOBAL
        .set(roan.clone())
        .map_err(|_| ConfigError::AlreadyInstalled)?;
    Ok(roan)
}

/// The rules of this program that the dispatcher cannot serve.
fn unserved(engine: &Engine) -> Vec<ConfigError> {
    let problem = |rule: &Rule| match (rule.template(), rule.site()) {
        (Template::Tag(_), _) if !engine.tiers.contains(&true) => {
            Some(Refusal::NoCacheForTags.to_string())
        }
        (_, Some(site)) if !engine.sites.contains_key(site) => {
            Some(Refusal::UnknownSite(site.to_owned()).to_string())
        }
        _ => None,
    };
    let error = |rule: &Rule| {
        let problem = problem(rule)?;
        Some(ConfigError::Rule {
            rule: rule.to_string(),
            problem,
        })
    };
    rules().into_iter().filter_map(error).collect()
}
