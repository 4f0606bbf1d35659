//! The configuration from the environment.

use std::env::VarError;

use super::{CacheConfig, Config, DEFAULT_PURGE_URL, NginxConfig, number};
use crate::app::RoanBuilder;
use crate::error::ConfigError;

/// Each variable, and the field that it sets.
const VARIABLES: [(&str, &str); 13] = [
    ("nodes", "ROAN_PURGE_URL"),
    ("site", "ROAN_SITE"),
    ("method", "ROAN_PURGE_METHOD"),
    ("headers", "ROAN_PURGE_HEADER"),
    ("env_proxy", "ROAN_ENV_PROXY"),
    ("rebound", "ROAN_REBOUND"),
    ("connect_timeout", "ROAN_CONNECT_TIMEOUT"),
    ("timeout", "ROAN_TIMEOUT"),
    ("max_age", "ROAN_MAX_AGE"),
    ("concurrency", "ROAN_CONCURRENCY"),
    ("max_waiting", "ROAN_MAX_WAITING"),
    ("outbox", "ROAN_OUTBOX"),
    ("prefix", "ROAN_OUTBOX_PREFIX"),
];

impl RoanBuilder {
    /// Creates a builder from the environment, for an nginx. All variables are optional:
    ///
    /// | variable | value | default |
    /// |---|---|---|
    /// | `ROAN_PURGE_URL` | the purge URL of each node, separated by commas | `http://localhost/purge` |
    /// | `ROAN_SITE` | the default site; further sites as `name=site`, separated by commas | the host of the purge URL |
    /// | `ROAN_PURGE_METHOD` | the method of a purge | `GET` |
    /// | `ROAN_PURGE_HEADER` | a header to send, as `Name: value` | none |
    /// | `ROAN_ENV_PROXY` | `1` to use the proxies of `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY` | `0` |
    /// | `ROAN_REBOUND` | the delay of the second purge, or `off` | `2s` |
    /// | `ROAN_CONNECT_TIMEOUT` | the maximum time to connect | `2s` |
    /// | `ROAN_TIMEOUT` | the maximum time for a request | `10s` |
    /// | `ROAN_MAX_AGE` | how long a purge is retried | `24h` |
    /// | `ROAN_CONCURRENCY` | the maximum number of requests in flight at one node | `8` |
    /// | `ROAN_MAX_WAITING` | the maximum number of waiting targets | `1000000` |
    /// | `ROAN_OUTBOX` | the database of the durable outbox, as a URL | purges wait in memory |
    /// | `ROAN_OUTBOX_PREFIX` | the prefix of its table names | `roan_` |
    ///
    /// Durations have a unit: `2s`, `500ms`, `1h 30m`. With `ROAN_OUTBOX`, call [`install`](Self::install) at the start:
    /// otherwise the first hook connects to the database.
    ///
    /// # Errors
    ///
    /// If a variable is invalid. The error names the variable and the value, without secrets.
    pub fn from_env() -> Result<Self, ConfigError> {
        from(&|name| match std::env::var(name) {
            Ok(value) => Ok(Some(value)),
            Err(VarError::NotPresent) => Ok(None),
            Err(VarError::NotUnicode(_)) => Err(error(name, "", "is not valid Unicode")),
        })
    }
}

fn error(setting: &str, value: &str, problem: &str) -> ConfigError {
    ConfigError::Value {
        setting: setting.to_owned(),
        value: value.to_owned(),
        problem: problem.to_owned(),
    }
}

type Lookup<'a> = dyn Fn(&str) -> Result<Option<String>, ConfigError> + 'a;

fn from(lookup: &Lookup<'_>) -> Result<RoanBuilder, ConfigError> {
    let variable = |field: &str| {
        let field = if field == "sites" { "site" } else { field };
        let entry = VARIABLES.iter().find(|(known, _)| *known == field);
        entry.map_or(field, |(_, variable)| *variable).to_owned()
    };
    // Deployments often set an omitted variable to the empty text.
    let get = |field: &str| {
        let value = lookup(&variable(field))?.map(|value| value.trim().to_owned());
        Ok::<_, ConfigError>(value.filter(|value| !value.is_empty()))
    };
    let mut config = Config {
        rebound: get("rebound")?,
        connect_timeout: get("connect_timeout")?,
        timeout: get("timeout")?,
        max_age: get("max_age")?,
        ..Config::default()
    };
    if let Some(value) = get("concurrency")? {
        config.concurrency = Some(number(&variable("concurrency"), &value)?);
    }
    if let Some(value) = get("max_waiting")? {
        config.max_waiting = Some(number(&variable("max_waiting"), &value)?);
    }
    for site in listed(&get("site")?.unwrap_or_default()) {
        match site.split_once('=') {
            Some((name, site)) => {
                let again = config
                    .sites
                    .insert(name.trim().to_owned(), site.trim().to_owned());
                if again.is_some() {
                    return Err(error(&variable("site"), name, "is given twice"));
                }
            }
            None if config.site.is_some() => {
                let problem = "is a second default site: write `name=site`";
                return Err(error(&variable("site"), site, problem));
            }
            None => config.site = Some(site.to_owned()),
        }
    }
    let urls = get("nodes")?.unwrap_or_else(|| DEFAULT_PURGE_URL.to_owned());
    let mut nginx = NginxConfig {
        nodes: listed_urls(&urls),
        method: get("method")?,
        ..NginxConfig::default()
    };
    if let Some(header) = get("headers")? {
        let Some((name, value)) = header.split_once(':') else {
            let problem = "(value not shown) is not a header: write `Name: value`";
            return Err(error(&variable("headers"), "", problem));
        };
        nginx
            .headers
            .insert(name.trim().to_owned(), value.trim().to_owned());
    }
    nginx.env_proxy = match get("env_proxy")?.as_deref() {
        None | Some("0") => false,
        Some("1") => true,
        Some(other) => return Err(error(&variable("env_proxy"), other, "must be 0 or 1")),
    };
    config.caches.push(CacheConfig::Nginx(nginx));
    let (outbox, prefix) = (get("outbox")?, get("prefix")?);
    match outbox {
        #[cfg(feature = "_sql")]
        Some(url) => {
            config.outbox = Some(super::OutboxConfig {
                url,
                prefix,
                ..super::OutboxConfig::default()
            });
        }
        #[cfg(not(feature = "_sql"))]
        Some(url) => {
            let problem =
                "needs one of the features `sqlite`, `postgres` and `mysql` of the crate `roan`";
            let url = crate::base::site::redacted(&url);
            return Err(error(&variable("outbox"), &url, problem));
        }
        None if prefix.is_some() => {
            let problem = "has no effect without `ROAN_OUTBOX`: set that, too";
            let value = prefix.unwrap_or_default();
            return Err(error(&variable("prefix"), &value, problem));
        }
        None => {}
    }
    config.builder_with(&variable)
}

/// A comma may be part of a password, so only a comma before another URL separates.
fn listed_urls(value: &str) -> Vec<String> {
    let mut urls: Vec<String> = Vec::new();
    for part in value.split(',') {
        let begins_url = ["http://", "https://"].iter().any(|scheme| {
            let part = part.trim_start();
            part.get(..scheme.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(scheme))
        });
        match urls.last_mut() {
            Some(last) if !begins_url => {
                last.push(',');
                last.push_str(part);
            }
            _ => urls.push(part.to_owned()),
        }
    }
    let tidy = |url: String| url.trim().trim_end_matches([',', ' ']).to_owned();
    urls.into_iter()
        .map(tidy)
        .filter(|url| !url.is_empty())
        .collect()
}

fn listed(value: &str) -> impl Iterator<Item = &str> {
    value
        .split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(variables: &[(&str, &str)]) -> Result<crate::Roan, ConfigError> {
        let lookup = |name: &str| {
            let entry = variables.iter().find(|(known, _)| *known == name);
            Ok(entry.map(|(_, value)| (*value).to_owned()))
        };
        from(&lookup)?.build()
    }

    fn nodes(variables: &[(&str, &str)]) -> Vec<String> {
        let stats = built(variables).unwrap().stats();
        stats
            .nodes
            .iter()
            .map(|node| node.node.to_string())
            .collect()
    }

    #[test]
    fn without_variables_it_is_the_nginx_of_this_machine() {
        assert_eq!(nodes(&[]), ["localhost"]);
        assert_eq!(nodes(&[("ROAN_PURGE_URL", " ")]), ["localhost"]);
    }

    #[test]
    fn a_list_of_purge_urls_makes_as_many_nodes() {
        let urls = "http://10.0.0.11/purge, http://me:pw@10.0.0.12:8080/purge/,";
        assert_eq!(
            nodes(&[("ROAN_PURGE_URL", urls)]),
            ["10.0.0.11", "10.0.0.12:8080"]
        );
    }

    #[test]
    fn every_variable_has_an_effect_or_an_error() {
        for (_, variable) in VARIABLES {
            let error = built(&[(variable, "b@d,b@d=b@d")])
                .expect_err(variable)
                .to_string();
            assert!(error.contains(variable), "{variable}: {error}");
        }
    }

    #[test]
    fn an_error_names_variable_and_value_and_no_secret() {
        let message = |variable, value| built(&[(variable, value)]).unwrap_err().to_string();
        assert_eq!(
            message("ROAN_REBOUND", "2 fortnights"),
            r#"ROAN_REBOUND: "2 fortnights" is not a duration: write `2s`, `500ms` or `off`"#
        );
        let url = message("ROAN_PURGE_URL", "ftp://me:secret@host/purge");
        assert!(
            url.contains(r#"ROAN_PURGE_URL: "ftp://***@host/purge""#),
            "{url}"
        );
        assert!(!message("ROAN_PURGE_HEADER", "secret").contains("secret"));
        assert!(!message("ROAN_PURGE_HEADER", "X: sec\nret").contains("ret\""));
        assert!(message("ROAN_SITE", "a.example, b.example").contains("name=site"));
        let url = message("ROAN_PURGE_URL", "http://me:se,cret@host:port/purge");
        assert!(!url.contains("se,") && !url.contains("cret"), "{url}");
        let url = message("ROAN_PURGE_URL", "http://host/purge?token=secret");
        assert!(!url.contains("secret"), "{url}");
        assert!(!message("ROAN_PURGE_HEADER", "Bearer secret: x").contains("secret"));
        assert_eq!(
            message("ROAN_TIMEOUT", "0s"),
            r#"ROAN_TIMEOUT: "0s" must be greater than zero"#
        );
        assert_eq!(
            message("ROAN_MAX_AGE", "400days"),
            r#"ROAN_MAX_AGE: "400days" must be at most a year"#
        );
        assert!(message("ROAN_CONCURRENCY", "0").starts_with(r#"ROAN_CONCURRENCY: "0" must be"#));
    }
}
