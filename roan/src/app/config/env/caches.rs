//! The cache that the environment names.

use crate::app::config::fleet::VARIABLES;
use crate::app::config::kinds::Kind;
use crate::error::ConfigError;
use crate::purger::{Cache, NginxConfig, PurgeMethodConfig, VarnishConfig};

pub(super) const CACHE: &str = "ROAN_CACHE";
const FLEET: &str = "ROAN_FLEET";
pub(super) const FOLDER: &str = "ROAN_PURGE_FOLDER";

type Get<'a> = &'a dyn Fn(&str) -> Option<String>;

/// What `ROAN_CACHE` may name.
struct CacheKind {
    name: &'static str,
    /// Its fields, with the variables that set them.
    variables: &'static [(&'static str, &'static str)],
    cache: fn(Get<'_>) -> Result<Cache, ConfigError>,
}

/// The first is the default.
const CACHES: [CacheKind; 6] = [
    CacheKind {
        name: "nginx",
        variables: &NginxConfig::VARIABLES,
        cache: |get| Ok(NginxConfig::from_env(get)?.into()),
    },
    CacheKind {
        name: "varnish",
        variables: &VarnishConfig::VARIABLES,
        cache: |get| Ok(VarnishConfig::from_env(get)?.into()),
    },
    CacheKind {
        name: "squid",
        variables: &PurgeMethodConfig::VARIABLES,
        cache: |get| Ok(PurgeMethodConfig::squid_from_env(get)?.into()),
    },
    CacheKind {
        name: "traffic-server",
        variables: &PurgeMethodConfig::VARIABLES,
        cache: |get| Ok(PurgeMethodConfig::traffic_server_from_env(get)?.into()),
    },
    CacheKind {
        name: "embedded",
        variables: &[],
        cache: embedded,
    },
    CacheKind {
        name: "fleet",
        variables: &VARIABLES,
        cache: fleet,
    },
];

/// The variables of caches, some of them several times.
pub(super) fn of_caches() -> impl Iterator<Item = &'static str> {
    let variables = CACHES.iter().flat_map(|kind| kind.variables);
    variables.map(|(_, variable)| *variable)
}

pub(super) fn cache(get: Get<'_>) -> Result<Cache, ConfigError> {
    let [default, ..] = &CACHES;
    let of_fleet = || get(FLEET).map(|_| "fleet".to_owned());
    let named = get(CACHE).or_else(of_fleet);
    let kind = match &named {
        None => default,
        Some(name) => {
            let kind = CACHES.iter().find(|kind| kind.name == name);
            kind.ok_or_else(|| {
                if let Some(problem) = Kind::of(name).and_then(Kind::in_a_variable) {
                    return ConfigError::value(CACHE, name, problem);
                }
                let names: Vec<_> = CACHES
                    .iter()
                    .map(|kind| format!("`{}`", kind.name))
                    .collect();
                let problem = format!(
                    "is not a kind of cache that Roan knows: write one of {}",
                    names.join(", ")
                );
                ConfigError::value(CACHE, name, problem)
            })?
        }
    };
    let is_read = |variable: &str| kind.variables.iter().any(|(_, known)| *known == variable);
    let folder = (kind.name != default.name).then_some(FOLDER);
    let mut unread = of_caches()
        .filter(|variable| !is_read(variable))
        .chain(folder);
    if let Some(variable) = unread.find(|variable| get(variable).is_some()) {
        let problem = format!(
            "(value not shown) has no effect with {CACHE}={}: remove it",
            kind.name
        );
        return Err(ConfigError::value(variable, "", problem));
    }
    match get(FOLDER) {
        Some(folder) => files(folder, get),
        None => (kind.cache)(get),
    }
}

#[cfg(feature = "embedded")]
fn embedded(_: Get<'_>) -> Result<Cache, ConfigError> {
    Ok(crate::purger::embedded::Embedded::new().into())
}

#[cfg(not(feature = "embedded"))]
fn embedded(_: Get<'_>) -> Result<Cache, ConfigError> {
    let missing = Kind::of("embedded").and_then(Kind::missing);
    Err(ConfigError::value(
        CACHE,
        "embedded",
        missing.unwrap_or_default(),
    ))
}

#[cfg(feature = "nats")]
fn fleet(get: Get<'_>) -> Result<Cache, ConfigError> {
    Ok(crate::app::config::fleet::fleet_from_env(get)?.into())
}

#[cfg(not(feature = "nats"))]
fn fleet(get: Get<'_>) -> Result<Cache, ConfigError> {
    let missing = Kind::of("fleet")
        .and_then(Kind::missing)
        .unwrap_or_default();
    match get(CACHE) {
        Some(_) => Err(ConfigError::value(CACHE, "fleet", missing)),
        None => {
            let problem = format!("(value not shown) {missing}");
            Err(ConfigError::value(FLEET, "", problem))
        }
    }
}

#[cfg(all(unix, feature = "nginx-files"))]
fn files(folder: String, get: Get<'_>) -> Result<Cache, ConfigError> {
    let variables = NginxConfig::VARIABLES.iter().map(|(_, variable)| *variable);
    let mut over_http = variables.filter(|variable| *variable != NginxConfig::KEY);
    if let Some(variable) = over_http.find(|variable| get(variable).is_some()) {
        let problem =
            format!("cannot be set beside {variable}, which is for purges over HTTP: remove one");
        return Err(ConfigError::value(FOLDER, folder, problem));
    }
    let config = crate::app::config::NginxFilesConfig {
        folder,
        key: get(NginxConfig::KEY),
        ..crate::app::config::NginxFilesConfig::default()
    };
    let named = |field: &str| {
        if field == "key" {
            NginxConfig::KEY
        } else {
            FOLDER
        }
        .to_owned()
    };
    Ok(config.files(&named)?.into())
}

#[cfg(not(all(unix, feature = "nginx-files")))]
fn files(folder: String, _: Get<'_>) -> Result<Cache, ConfigError> {
    let missing = Kind::of("nginx-files").and_then(Kind::missing);
    Err(ConfigError::value(
        FOLDER,
        folder,
        missing.unwrap_or_default(),
    ))
}
