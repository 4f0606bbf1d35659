//! The configuration from the environment.

mod caches;

use std::collections::BTreeMap;
use std::ffi::OsString;

use self::caches::{CACHE, FOLDER, cache, of_caches};
use crate::app::RoanBuilder;
use crate::base::log::warn_loudly;
use crate::base::redact::redacted_site;
use crate::dispatcher::SETTINGS;
use crate::error::ConfigError;

/// The variables of this file; those of the cache are in `caches.rs`.
const SITE: &str = "ROAN_SITE";
const OUTBOX: &str = "ROAN_OUTBOX";
const PREFIX: &str = "ROAN_OUTBOX_PREFIX";

/// What all of Roan's variables begin with.
const BEGINNING: &str = "ROAN_";

fn known() -> impl Iterator<Item = &'static str> {
    let of_all = SETTINGS.iter().filter_map(|setting| setting.variable);
    [SITE, CACHE, FOLDER, OUTBOX, PREFIX]
        .into_iter()
        .chain(of_caches())
        .chain(of_all)
}

impl RoanBuilder {
    /// Creates a builder from the environment, for one cache. All variables are optional:
    ///
    /// | variable | value | default |
    /// |---|---|---|
    /// | `ROAN_CACHE` | the kind of the cache: `nginx`, `varnish`, `squid`, `traffic-server`, `embedded` for the one that [`Roan`](crate::Roan)`::embedded` returns, or `fleet` | `nginx`; `fleet` with `ROAN_FLEET` |
    /// | `ROAN_PURGE_URL` | the purge URL of each node, separated by commas; for [`Varnish`](crate::Varnish) its address, by default `http://localhost:6081`; for [`Squid`](crate::Squid) `http://localhost`, for [`TrafficServer`](crate::TrafficServer) `http://localhost:8080` | `http://localhost/purge` |
    /// | `ROAN_SITE` | the default site; further sites as `name=site`, separated by commas | the host of the purge URL |
    /// | `ROAN_PURGE_METHOD` | the method of a purge | `GET` |
    /// | `ROAN_PURGE_HEADER` | a header to send, as `Name: value` | none |
    /// | `ROAN_PURGE_SOFT` | `1` to make pages stale instead of dropping them: see [`Varnish::soft`](crate::Varnish::soft) | `0` |
    /// | `ROAN_PURGE_KEY` | the key of a page: see [`Nginx::key`](crate::Nginx::key) | any usual one |
    /// | `ROAN_REFRESH_SECRET` | the secret of [`Nginx::refresh`](crate::Nginx::refresh); `ROAN_PURGE_URL` then has the address of each nginx, by default `http://localhost` | pages are purged |
    /// | `ROAN_REFRESH_MISSING` | `1` to refresh pages that are not cached, too | `0` |
    /// | `ROAN_PURGE_FOLDER` | the folder of an nginx on this machine, for `roan::NginxFiles`, in place of `ROAN_PURGE_URL` | none |
    /// | `ROAN_ENV_PROXY` | `1` to use the proxies of `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` | `0` |
    /// | `ROAN_FLEET` | the NATS servers of a fleet, separated by commas: see `roan::Fleet` | none |
    /// | `ROAN_FLEET_STREAM` | the name of its stream | `ROAN` |
    /// | `ROAN_FLEET_REPLICAS` | how many servers keep a copy of the stream | `1` |
    /// | `ROAN_FLEET_MAX_AGE` | how long the stream keeps a purge | `7days` |
    /// | `ROAN_FLEET_SYNCED` | `1` if `sync_interval: always` is set at the server | `0` |
    /// | `ROAN_FLEET_CACHES` | what the caches of the agents are: `nginx`, `varnish`, `squid` or `traffic-server` | `nginx` |
    /// | `ROAN_FLEET_CREDENTIALS` | the credentials file for NATS | none |
    /// | `ROAN_FLEET_NKEY` | the file with the seed of an nkey | none |
    /// | `ROAN_FLEET_TOKEN` | the token | none |
    /// | `ROAN_FLEET_USER` | the name of the user | none |
    /// | `ROAN_FLEET_PASSWORD` | the password of the user | none |
    /// | `ROAN_FLEET_ROOT_CERTIFICATES` | the file with the certificates to trust | those of the system |
    /// | `ROAN_FLEET_CERTIFICATE` | the file with the certificate to show | none |
    /// | `ROAN_FLEET_KEY` | the file with the key of that certificate | none |
    /// | `ROAN_REBOUND` | the delay of the second purge, longer than the slowest render and the lag of a replica together; or `off` | `2s` |
    /// | `ROAN_CONNECT_TIMEOUT` | the maximum time to connect | `2s` |
    /// | `ROAN_TIMEOUT` | the maximum time for a request | `10s` |
    /// | `ROAN_MAX_AGE` | how long a purge is retried | `1day` |
    /// | `ROAN_CONCURRENCY` | the maximum number of requests in flight at one node | `8` |
    /// | `ROAN_MAX_WAITING` | the maximum number of waiting targets | `1000000` |
    /// | `ROAN_SPELLINGS` | `exact` for [`Spellings::Exact`](crate::Spellings::Exact) | `common` |
    /// | `ROAN_OUTBOX` | the database of the durable outbox, as a URL | purges wait in memory |
    /// | `ROAN_OUTBOX_PREFIX` | the prefix of its table names | `roan_` |
    ///
    /// Durations have a unit: `2s`, `500ms`, `1h 30m`. With `ROAN_OUTBOX`, call [`install`](Self::install) at the start:
    /// otherwise the first hook connects to the database.
    ///
    /// A variable that begins with `ROAN_` and is not one of these is logged as a warning.
    ///
    /// # Errors
    ///
    /// If a variable is invalid. The error names the variable and the value, without secrets.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_variables(std::env::vars_os())
    }

    /// As [`from_env`](Self::from_env), with these variables in place of those of the environment.
    ///
    /// ```
    /// # use roan::RoanBuilder;
    /// let builder = RoanBuilder::from_variables([("ROAN_SITE".into(), "https://www.example.org".into())])?;
    /// # Ok::<(), roan::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`from_env`](Self::from_env).
    pub fn from_variables(
        all: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let mut variables = Variables::new();
        for (name, value) in all {
            let Some(name) = name.to_str().filter(|name| name.starts_with(BEGINNING)) else {
                continue;
            };
            match value.into_string() {
                Ok(value) => variables.insert(name.to_owned(), value),
                Err(_) if known().any(|known| known == name) => {
                    let problem = "(value not shown) is not Unicode text: write it in UTF-8";
                    return Err(ConfigError::value(name, "", problem));
                }
                Err(_) => variables.insert(name.to_owned(), String::new()),
            };
        }
        for warning in unknown(&variables) {
            warn_loudly(format_args!("{warning}"));
        }
        from(&variables)
    }
}

type Variables = BTreeMap<String, String>;

/// What to say of variables that nothing reads. Other programs may use the prefix, so they are not errors.
fn unknown(variables: &Variables) -> impl Iterator<Item = String> {
    let names = variables
        .keys()
        .filter(|name| known().all(|known| known != *name));
    names.map(|name| {
        let closest = known()
            .max_by(|a, b| strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name)));
        let closest = closest.unwrap_or_default();
        let named = match name.strip_suffix('S') {
            Some(one) if one == SITE => ", which takes several sites",
            _ => "",
        };
        format!(
            "nothing reads the environment variable {name}: did you mean {closest}{named}? \
             (`RoanBuilder::from_env` lists all)"
        )
    })
}

fn from(variables: &Variables) -> Result<RoanBuilder, ConfigError> {
    // Deployments often set an omitted variable to the empty text.
    let get = |name: &str| {
        let value = variables.get(name)?.trim();
        (!value.is_empty()).then(|| value.to_owned())
    };
    let mut builder = RoanBuilder::default().cache(cache(&get)?);
    for setting in &SETTINGS {
        let Some(variable) = setting.variable else {
            continue;
        };
        if let Some(text) = get(variable) {
            setting.read(&mut builder.policy, variable, &text)?;
        }
    }
    let mut has_default = false;
    let sites = get(SITE).unwrap_or_default();
    let sites = sites.split(',').map(str::trim);
    for text in sites.filter(|text| !text.is_empty()) {
        match text.split_once('=') {
            // A site with `=` in its user name or query, where it must not be, is not a name.
            Some((name, site)) if !name.contains(['/', ':', '@', '?']) => {
                builder.set_site(SITE, Some(name.trim()), site.trim())?;
            }
            _ if has_default => {
                let problem =
                    "is a second default site: write `name=site`, and the name in the rules";
                return Err(ConfigError::value(SITE, redacted_site(text), problem));
            }
            _ => {
                has_default = true;
                builder.set_site(SITE, None, text)?;
            }
        }
    }
    match (get(OUTBOX), get(PREFIX)) {
        (Some(url), prefix) => outbox(builder, url, prefix),
        (None, Some(prefix)) => {
            let problem = format!("has no effect without {OUTBOX}: set that, too");
            Err(ConfigError::value(PREFIX, prefix, problem))
        }
        (None, None) => Ok(builder),
    }
}

#[cfg(feature = "_sql")]
fn outbox(
    builder: RoanBuilder,
    url: String,
    prefix: Option<String>,
) -> Result<RoanBuilder, ConfigError> {
    let config = super::OutboxConfig {
        url,
        prefix,
        ..super::OutboxConfig::default()
    };
    let named = |field: &str| if field == "prefix" { PREFIX } else { OUTBOX }.to_owned();
    Ok(builder.outbox(config.outbox(&named)?))
}

#[cfg(not(feature = "_sql"))]
#[expect(
    clippy::needless_pass_by_value,
    reason = "as the function above, which consumes it"
)]
fn outbox(_: RoanBuilder, url: String, _: Option<String>) -> Result<RoanBuilder, ConfigError> {
    let url = crate::base::redact::redacted(&url);
    Err(ConfigError::value(OUTBOX, url, super::outbox_needs()))
}

#[cfg(test)]
mod tests;
