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
    /// | `ROAN_CACHE` | the kind of the cache: `nginx`, `varnish`, `squid`, `traffic-server`, or `embedded` for the one that [`Roan`](crate::Roan)`::embedded` returns | `nginx` |
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
    let problem = "needs one of the features `sqlite`, `postgres` and `mysql` of the crate `roan`";
    let url = crate::base::redact::redacted(&url);
    Err(ConfigError::value(OUTBOX, url, problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(variables: &[(&str, &str)]) -> Result<crate::Roan, ConfigError> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        from(&variables.iter().map(owned).collect())?.build()
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
        for variable in known() {
            let error = built(&[(variable, "b@d,b@d=b@d")])
                .expect_err(variable)
                .to_string();
            assert!(error.contains(variable), "{variable}: {error}");
        }
    }

    #[test]
    fn an_error_names_variable_and_value_and_no_secret() {
        for (variable, value, words) in [
            (
                "ROAN_REBOUND",
                "2 fortnights",
                r#""2 fortnights" is not a duration: write a number and its unit, such as `2s` or `off`"#,
            ),
            (
                "ROAN_TIMEOUT",
                "0s",
                r#""0s" must be longer than zero: the default is `10s`"#,
            ),
            (
                "ROAN_MAX_AGE",
                "400days",
                r#""400days" is longer than a year: write at most `365days`"#,
            ),
            (
                "ROAN_CONCURRENCY",
                "0",
                r#""0" must be between 1 and 1024: the default is 8"#,
            ),
            (
                "ROAN_CONCURRENCY",
                "many",
                r#""many" is not a whole number: write one such as `8`"#,
            ),
            (
                "ROAN_PURGE_URL",
                "ftp://me:secret@host/purge",
                r#""ftp://***@host/purge" must begin with"#,
            ),
            (
                "ROAN_PURGE_URL",
                "http://me:se,cret@host:port/purge",
                r#""***" is not a URL"#,
            ),
            (
                "ROAN_PURGE_URL",
                "http://host/purge?token=secret",
                r#""http://host/purge?***" has a query"#,
            ),
            (
                "ROAN_PURGE_URL",
                "http://a/purge http://b/purge",
                "one URL a node: separate them by commas",
            ),
            (
                "ROAN_PURGE_URL",
                "http://a/purge\nhttp://b/purge",
                "one URL a node: separate them by commas",
            ),
            (
                "ROAN_PURGE_URL",
                "http://a/purge;http://b/purge",
                "one URL a node: separate them by commas",
            ),
            (
                "ROAN_PURGE_URL",
                "http://a/purge|http://b/purge",
                "one URL a node: separate them by commas",
            ),
            (
                "ROAN_PURGE_URL",
                "http://a/purge,b/purge",
                "one URL a node: separate them by commas",
            ),
            (
                "ROAN_PURGE_URL",
                "http://a,b/purge",
                "one URL a node: separate them by commas",
            ),
            (
                "ROAN_PURGE_URL",
                "http://a;b/purge",
                "one URL a node: separate them by commas",
            ),
            (
                "ROAN_PURGE_URL",
                "http://a/purge, http://a/purge",
                "\"a\" is configured twice: remove one",
            ),
            (
                "ROAN_PURGE_HEADER",
                "secret",
                "is not a header: write `Name: value`",
            ),
            (
                "ROAN_PURGE_HEADER",
                "Bearer secret: x",
                r#""***" is not a header name"#,
            ),
            (
                "ROAN_PURGE_HEADER",
                "X: sec\nret",
                r#""X" has a value with characters"#,
            ),
            ("ROAN_PURGE_KEY", "$host$roan_uri", "`$roan_uri`"),
            (
                "ROAN_REFRESH_SECRET",
                "secret",
                "ROAN_REFRESH_SECRET: (value not shown) must be 16 to 46 letters",
            ),
            (
                "ROAN_CACHE",
                "caddy",
                r#""caddy" is not a kind of cache that Roan knows: write one of `nginx`, `varnish`, `squid`, `traffic-server`, `embedded`"#,
            ),
            (
                "ROAN_PURGE_SOFT",
                "1",
                "has no effect with ROAN_CACHE=nginx: remove it",
            ),
            (
                "ROAN_REFRESH_MISSING",
                "1",
                "has no effect without ROAN_REFRESH_SECRET",
            ),
            ("ROAN_REFRESH_MISSING", "yes", "must be 0 or 1"),
            (
                "ROAN_PURGE_FOLDER",
                "cache",
                if cfg!(feature = "nginx-files") {
                    r#""cache" is not an absolute path"#
                } else {
                    "needs the feature `nginx-files`"
                },
            ),
            (
                "ROAN_SITE",
                "a.example, b.example",
                r#""b.example" is a second default site: write `name=site`"#,
            ),
            (
                "ROAN_SITE",
                "a=a.example, a=b.example",
                r#""a" names two sites"#,
            ),
            (
                "ROAN_SITE",
                "https://a.example/?x=secret",
                r#""https://a.example/?***" has a path"#,
            ),
            (
                "ROAN_SITE",
                "*.example.org",
                r#""*.example.org" has a wildcard"#,
            ),
            ("ROAN_SITE", "a.example:0", r#""a.example:0" has a port"#),
            (
                "ROAN_SITE",
                "https://me:s=secret@a.example",
                r#""https://***@a.example" has a user name"#,
            ),
            (
                "ROAN_OUTBOX",
                "host=h password=secret",
                if cfg!(feature = "_sql") {
                    "must begin with"
                } else {
                    "needs one of the features"
                },
            ),
            (
                "ROAN_OUTBOX_PREFIX",
                "x_",
                "has no effect without ROAN_OUTBOX",
            ),
        ] {
            let message = built(&[(variable, value)]).expect_err(value).to_string();
            assert!(message.contains(words), "{variable}={value}: {message}");
            assert!(!message.contains("secret"), "{message}");
        }
    }

    #[test]
    fn pages_may_be_refreshed_or_unlinked() {
        let secret = ("ROAN_REFRESH_SECRET", "0123456789abcdef");
        assert_eq!(
            nodes(&[secret, ("ROAN_REFRESH_MISSING", "1")]),
            ["localhost"]
        );
        let purge_url = ("ROAN_PURGE_URL", "http://10.0.0.11/purge");
        let message = built(&[secret, purge_url]).unwrap_err().to_string();
        let words = r#"ROAN_REFRESH_SECRET: "http://10.0.0.11/purge" has a path"#;
        assert!(message.contains(words), "{message}");
        let folder = ("ROAN_PURGE_FOLDER", "/none");
        if cfg!(feature = "nginx-files") {
            assert_eq!(nodes(&[folder, ("ROAN_PURGE_KEY", "$host$uri")]), ["/none"]);
            let message = built(&[folder, purge_url]).unwrap_err().to_string();
            assert!(
                message.contains("cannot be set beside ROAN_PURGE_URL"),
                "{message}"
            );
        }
    }

    #[test]
    fn the_cache_may_be_in_the_program() {
        let embedded = ("ROAN_CACHE", "embedded");
        #[cfg(feature = "embedded")]
        assert_eq!(nodes(&[embedded]), ["embedded"]);
        #[cfg(not(feature = "embedded"))]
        {
            let message = built(&[embedded]).unwrap_err().to_string();
            assert!(
                message.contains("needs the feature `embedded`"),
                "{message}"
            );
        }
        let url = ("ROAN_PURGE_URL", "http://x/purge");
        let message = built(&[embedded, url]).unwrap_err().to_string();
        assert!(
            message.contains("no effect with ROAN_CACHE=embedded"),
            "{message}"
        );
    }

    #[test]
    fn the_cache_may_be_a_varnish() {
        let varnish = ("ROAN_CACHE", "varnish");
        assert_eq!(nodes(&[varnish]), ["localhost:6081"]);
        let soft = ("ROAN_PURGE_SOFT", "1");
        let urls = ("ROAN_PURGE_URL", "http://10.0.0.11:6081,http://b");
        assert_eq!(nodes(&[varnish, urls, soft]), ["10.0.0.11:6081", "b"]);
        for (variable, value, words) in [
            ("ROAN_PURGE_URL", "http://b/purge", "has a path"),
            ("ROAN_PURGE_SOFT", "yes", "must be 0 or 1"),
            (
                "ROAN_PURGE_KEY",
                "secret",
                "no effect with ROAN_CACHE=varnish",
            ),
            (
                "ROAN_PURGE_METHOD",
                "GET",
                "no effect with ROAN_CACHE=varnish",
            ),
            (
                "ROAN_PURGE_FOLDER",
                "/x",
                "no effect with ROAN_CACHE=varnish",
            ),
        ] {
            let message = built(&[varnish, (variable, value)])
                .expect_err(variable)
                .to_string();
            assert!(
                message.contains(variable) && message.contains(words),
                "{message}"
            );
            assert!(!message.contains("secret"), "{message}");
        }
    }

    #[test]
    fn the_cache_may_be_a_squid_or_a_traffic_server() {
        for (kind, default) in [("squid", "localhost"), ("traffic-server", "localhost:8080")] {
            let kind = ("ROAN_CACHE", kind);
            assert_eq!(nodes(&[kind]), [default]);
            let urls = ("ROAN_PURGE_URL", "http://10.0.0.11,http://b:81");
            let header = ("ROAN_PURGE_HEADER", "X-Token: secret");
            assert_eq!(nodes(&[kind, urls, header]), ["10.0.0.11", "b:81"]);
            for (variable, value, words) in [
                ("ROAN_PURGE_URL", "http://b/purge", "has a path"),
                ("ROAN_PURGE_SOFT", "1", "has no effect with ROAN_CACHE="),
                ("ROAN_ENV_PROXY", "yes", "must be 0 or 1"),
            ] {
                let message = built(&[kind, (variable, value)]).expect_err(variable);
                let message = message.to_string();
                assert!(
                    message.contains(variable) && message.contains(words),
                    "{message}"
                );
            }
        }
    }

    #[test]
    fn what_nothing_reads_is_named_with_what_may_be_meant() {
        let warnings = |name: &str| {
            let variables = Variables::from([(name.to_owned(), "secret".to_owned())]);
            unknown(&variables).collect::<Vec<_>>()
        };
        for name in known() {
            assert_eq!(warnings(name), Vec::<String>::new());
        }
        for (name, meant) in [
            ("ROAN_SITES", "ROAN_SITE, which takes several sites"),
            ("ROAN_PURGE_URLS", "ROAN_PURGE_URL"),
            ("ROAN_PURGEURL", "ROAN_PURGE_URL"),
            ("ROAN_URL", "ROAN_PURGE_URL"),
            ("ROAN_TIMEOUTS", "ROAN_TIMEOUT"),
        ] {
            let [warning] = &*warnings(name) else {
                panic!("one warning for {name}")
            };
            assert!(
                warning.contains(&format!("{name}: did you mean {meant}?")),
                "{warning}"
            );
            assert!(!warning.contains("secret"));
        }
    }

    #[test]
    fn the_docs_name_each_variable_with_its_default() {
        let docs = include_str!("env.rs");
        for variable in known() {
            assert!(
                docs.contains(&format!("/// | `{variable}` |")),
                "{variable}"
            );
        }
        for setting in &SETTINGS {
            let Some(variable) = setting.variable else {
                continue;
            };
            let row = docs
                .lines()
                .find(|line| line.contains(&format!("/// | `{variable}` |")));
            let default = format!("| `{}` |", setting.default());
            assert!(
                row.is_some_and(|row| row.ends_with(&default)),
                "{variable}: {default}"
            );
        }
    }
}
