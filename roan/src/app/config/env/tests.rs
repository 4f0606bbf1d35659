//! The variables, each with a right and a wrong value.

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
            r#""caddy" is not a kind of cache that Roan knows: write one of `nginx`, `varnish`, `squid`, `traffic-server`, `embedded`, `fleet`"#,
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
                "needs the feature `sqlite`, `postgres` or `mysql`"
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
fn the_caches_may_be_those_of_a_fleet() {
    let servers = ("ROAN_FLEET", "nats://a,b:4333");
    let fleet = ("ROAN_CACHE", "fleet");
    #[cfg(not(feature = "nats"))]
    for variable in [servers, fleet] {
        let message = built(&[variable]).unwrap_err().to_string();
        assert!(message.contains("needs the feature `nats`"), "{message}");
        assert!(message.contains(variable.0), "{message}");
    }
    #[cfg(feature = "nats")]
    {
        let token = ("ROAN_FLEET_TOKEN", "secret");
        assert_eq!(nodes(&[servers]), ["ROAN"]);
        let stream = ("ROAN_FLEET_STREAM", "purges");
        assert_eq!(nodes(&[fleet, servers, token, stream]), ["purges"]);
        let varnish = ("ROAN_FLEET_CACHES", "varnish");
        let age = ("ROAN_FLEET_MAX_AGE", "1h");
        let user = ("ROAN_FLEET_USER", "me");
        let password = ("ROAN_FLEET_PASSWORD", "secret");
        let built_fleet = built(&[servers, varnish, age, user, password]);
        assert_eq!(&*built_fleet.unwrap().stats().nodes[0].cache, "fleet");
        for (variables, words) in [
            (&[fleet][..], "ROAN_FLEET: is not set"),
            (&[("ROAN_FLEET", "nats://me:secret@a")], "has a user name"),
            (
                &[servers, token, user, password],
                "ROAN_FLEET_USER: (value not shown) cannot be set beside ROAN_FLEET_TOKEN",
            ),
            (
                &[servers, user],
                "ROAN_FLEET_USER: \"me\" needs ROAN_FLEET_PASSWORD",
            ),
            (
                &[servers, password],
                "ROAN_FLEET_PASSWORD: (value not shown) has no effect without ROAN_FLEET_USER",
            ),
            (
                &[servers, ("ROAN_FLEET_KEY", "/k")],
                "ROAN_FLEET_KEY: \"/k\" needs ROAN_FLEET_CERTIFICATE",
            ),
            (
                &[servers, ("ROAN_FLEET_REPLICAS", "many")],
                "is not a whole number",
            ),
            (
                &[servers, ("ROAN_FLEET_REPLICAS", "9")],
                "ROAN_FLEET_REPLICAS: \"9\" must be 1 to 5",
            ),
            (
                &[servers, ("ROAN_FLEET_MAX_AGE", "0s")],
                "ROAN_FLEET_MAX_AGE: \"0ns\" must be 1 s at least",
            ),
            (
                &[servers, ("ROAN_FLEET_STREAM", "a.b")],
                "ROAN_FLEET_STREAM: \"a.b\" is not a name",
            ),
            (
                &[servers, ("ROAN_FLEET_CACHES", "caddy")],
                "is not a kind of cache that agents purge",
            ),
            (&[servers, ("ROAN_FLEET_SYNCED", "yes")], "must be 0 or 1"),
            (
                &[servers, ("ROAN_PURGE_URL", "http://secret/purge")],
                "no effect with ROAN_CACHE=fleet",
            ),
        ] {
            let message = built(variables).expect_err(words).to_string();
            assert!(message.contains(words), "{message}");
            assert!(!message.contains("secret"), "{message}");
        }
    }
}

#[test]
fn a_kind_of_cache_that_needs_a_file_says_so() {
    for (kind, is_built, words) in [
        ("cloudflare", cfg!(feature = "cdn"), "`cdn`"),
        ("fastly", cfg!(feature = "cdn"), "`cdn`"),
        ("cloudfront", cfg!(feature = "cloudfront"), "`cloudfront`"),
        (
            "nginx-files",
            cfg!(all(unix, feature = "nginx-files")),
            "`nginx-files`",
        ),
        ("http", true, ""),
    ] {
        let message = built(&[("ROAN_CACHE", kind)]).unwrap_err().to_string();
        let instead = match kind {
            "nginx-files" => "set ROAN_PURGE_FOLDER",
            _ => "describe it in a configuration file",
        };
        assert!(message.contains(instead), "{message}");
        let missing = format!("It also needs the feature {words}");
        assert_eq!(message.contains(&missing), !is_built, "{message}");
    }
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
    let docs = include_str!("../env.rs");
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
