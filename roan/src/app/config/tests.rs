//! Configuration files, and their mistakes.

use super::*;

fn message(text: &str) -> String {
    match toml::from_str::<Config>(text) {
        Err(error) => error.to_string(),
        Ok(config) => match config.builder().and_then(RoanBuilder::build) {
            Err(error) => error.to_string(),
            Ok(roan) => format!("{:?}", roan.stats().nodes),
        },
    }
}

#[test]
fn a_file_may_say_all_that_the_builder_can() {
    let shown = message(
        r#"
            site = "https://www.example.org"
            rebound = "off"
            connect_timeout = "1s"
            timeout = "1m 30s"
            max_age = "2days"
            concurrency = 4
            max_waiting = 1000
            spellings = "exact"
            [sites]
            shop = "shop.example.org"
            [[caches]]
            kind = "nginx"
            name = "tier"
            nodes = ["http://10.0.0.11/purge"]
            named_nodes = { b = "http://10.0.0.12/purge" }
            method = "PURGE"
            headers = { X-Token = "secret" }
            env_proxy = true
            "#,
    );
    assert!(
        shown.contains(r#"cache: "tier", node: "10.0.0.11""#),
        "{shown}"
    );
    assert!(shown.contains(r#"node: "b""#), "{shown}");
}

#[cfg(feature = "nats")]
#[test]
fn a_file_may_describe_a_fleet() {
    let shown = message(
        r#"
            [[caches]]
            kind = "fleet"
            nats = "tls://nats-1.internal,tls://nats-2.internal"
            name = "edges"
            stream = "purges"
            replicas = 3
            max_age = "14days"
            synced = true
            caches = "varnish"
            user = "roan"
            password_env = "ROAN_TESTS_NONE"
            root_certificates = "/etc/roan/ca.pem"
            client_certificate = "/etc/roan/roan.pem"
            client_key = "/etc/roan/roan.key"
            "#,
    );
    assert!(
        shown.contains(r#"cache: "edges", node: "purges""#),
        "{shown}"
    );
    for (lines, words) in [
        ("", "nats: is not set"),
        (
            "nats = 'a'\ntoken_env = 'A'\ntoken_file = '/a'",
            "token_env: (value not shown) cannot be set beside token_file",
        ),
        (
            "nats = 'a'\nuser = 'me'",
            "user: \"me\" needs password_file",
        ),
        ("nats = 'a'\nserver = 'b'", "unknown field `server`"),
    ] {
        let shown = message(&format!("[[caches]]\nkind = 'fleet'\n{lines}"));
        assert!(shown.contains(words), "{shown}");
    }
    let shown = message(
        "[[caches]]\nkind = 'fleet'\nnats = 'a'\n[[caches]]\nkind = 'varnish'\nname = 'outer'\nnodes = ['http://b']",
    );
    let words = r#""outer" follows "fleet", a fleet, which does not say when its nodes are purged: give "outer" to the agents"#;
    assert!(shown.contains(words), "{shown}");
}

#[test]
fn a_file_may_have_pages_refreshed() {
    let shown = message(
        r#"
            [[caches]]
            kind = "nginx"
            nodes = ["http://10.0.0.11"]
            refresh = "0123456789abcdef"
            refresh_missing = true
            "#,
    );
    assert!(shown.contains(r#"node: "10.0.0.11""#), "{shown}");
}

#[test]
fn a_file_may_name_a_squid_or_a_traffic_server() {
    for kind in ["squid", "traffic-server"] {
        let text = |settings: &str| format!("[[caches]]\nkind = '{kind}'\n{settings}");
        let all = "nodes = ['http://10.0.0.11']\nnamed_nodes = { b = 'http://10.0.0.12:81' }\n\
                   headers = { X-Token = 'secret' }\nenv_proxy = true";
        let shown = message(&text(all));
        assert!(
            shown.contains(&format!(r#"cache: "{kind}", node: "10.0.0.11""#)),
            "{shown}"
        );
        for (settings, words) in [
            ("", "nodes: \"\" is empty"),
            (
                "nodes = ['http://x/purge']",
                "nodes: \"http://x/purge\" has a path",
            ),
            ("nodes = ['http://x']\nsoft = true", "unknown field `soft`"),
        ] {
            let message = message(&text(settings));
            assert!(message.contains(words), "{settings}: {message}");
        }
    }
}

#[test]
fn a_file_may_describe_the_requests_of_a_cache() {
    let text = |settings: &str| {
        format!("[[caches]]\nkind = 'http'\nnodes = ['http://10.0.0.11/api']\n{settings}")
    };
    let all = "name = 'mine'\nheaders = { X-Token = 'secret' }\n\
               url = { path = '{path}', headers = { Host = '{host}' }, purged = [200] }\n\
               tag = { method = 'POST', path = '/tags', json = '[{tags}]', batch = 30, rate = 5.0, burst = 25 }\n\
               everything = { method = 'DELETE', path = '/all' }";
    let shown = message(&text(all));
    assert!(
        shown.contains(r#"cache: "mine", node: "10.0.0.11""#),
        "{shown}"
    );
    assert!(message(&text("preset = 'souin'")).contains(r#"cache: "souin""#));
    assert!(message(&text("preset = 'bunny'\npull_zone = 7")).contains(r#"cache: "bunny""#));
    for (settings, words) in [
        ("", "has no request for any kind of target"),
        (
            "preset = 'caddy'",
            "preset: \"caddy\" is not a preset: write one of `souin`",
        ),
        ("preset = 'bunny'", "needs `pull_zone`"),
        ("pull_zone = 7", "pull_zone: \"7\" has an effect only with"),
        ("url = { path = '/x' }", "does not name the target"),
        (
            "url = { path = '{uri}' }",
            "url: \"{uri}\" has `{uri}`, which is not a placeholder",
        ),
        (
            "url = { path = '{path}', headers = { A = 'secret{x}' } }",
            "url: \"A\" has `{x}`",
        ),
        (
            "tag = { path = '/{path}' }",
            "the path has `{path}`, but a purge of kind tag",
        ),
        ("tag = { path = '/{tag}', batch = 2 }", "write the list"),
        (
            "tag = { path = '/tag' , json = '{\"a\": \"' }",
            "string that is not closed",
        ),
        (
            "url = { path = '{path}' }\nheaders_from_env = { A = 'ROAN_TESTS_NONE' }",
            "headers_from_env: \"ROAN_TESTS_NONE\" is not set, so the header A",
        ),
        (
            "url = { path = '{path}' }\nheaders_from_file = { A = '/none' }",
            "headers_from_file: \"/none\" cannot be read for the header A",
        ),
    ] {
        let message = message(&text(settings));
        assert!(message.contains(words), "{settings}: {message}");
        assert!(!message.contains("secret"), "{message}");
    }
}

#[test]
fn a_file_may_name_a_varnish() {
    let text = |settings: &str| format!("[[caches]]\nkind = 'varnish'\n{settings}");
    let all = "nodes = ['http://10.0.0.11:6081']\nnamed_nodes = { b = 'http://10.0.0.12:6081' }\n\
               name = 'tier'\nheaders = { X-Token = 'secret' }\nenv_proxy = true\nsoft = true";
    let shown = message(&text(all));
    let node = r#"cache: "tier", node: "10.0.0.11:6081""#;
    assert!(
        shown.contains(node) && shown.contains(r#"node: "b""#),
        "{shown}"
    );
    for (settings, words) in [
        (
            "",
            "nodes: \"\" is empty: write a purge URL, such as `http://localhost:6081`",
        ),
        (
            "nodes = ['http://x/purge']",
            "nodes: \"http://x/purge\" has a path",
        ),
        ("nodes = ['http://x']\nkey = '$host'", "unknown field `key`"),
    ] {
        let message = message(&text(settings));
        assert!(message.contains(words), "{settings}: {message}");
    }
}

#[cfg(all(unix, feature = "nginx-files"))]
#[test]
fn a_file_may_name_the_folder_of_a_cache() {
    let text = |settings: &str| format!("[[caches]]\nkind = 'nginx-files'\n{settings}");
    let all = "folder = '/none'\nname = 'tier'\nkey = '$scheme$host$request_uri'\nlevels = '1:2'";
    let shown = message(&text(all));
    assert!(shown.contains(r#"cache: "tier", node: "/none""#), "{shown}");
    for (settings, words) in [
        ("", "folder: \"\" is not an absolute path"),
        ("folder = 'a'", "folder: \"a\" is not an absolute path"),
        (
            "folder = '/a'\nkey = '$host'",
            "key: \"$host\" does not contain the URL",
        ),
        (
            "folder = '/a'\nlevels = '3'",
            "levels: \"3\" is not up to three numbers",
        ),
    ] {
        let message = message(&text(settings));
        assert!(message.contains(words), "{settings}: {message}");
    }
}

#[cfg(feature = "embedded")]
#[test]
fn a_file_may_name_the_cache_of_the_program() {
    let text = |settings: &str| format!("[[caches]]\nkind = 'embedded'\n{settings}");
    let all = "name = 'pages'\ncapacity = 1000\nmax_body_size = 100\ndefault_ttl = '365days'";
    let shown = message(&text(all));
    assert!(
        shown.contains(r#"cache: "pages", node: "pages""#),
        "{shown}"
    );
    let message = message(&text("default_ttl = 'long'"));
    assert!(
        message.contains("default_ttl: \"long\" is not a duration"),
        "{message}"
    );
    let config: Config = toml::from_str(&text("")).unwrap();
    let roan = config.builder().unwrap().build().unwrap();
    assert!(roan.embedded().is_some());
    let nginx = "[[caches]]\nkind = 'nginx'\nnodes = ['http://x/purge']";
    let config: Config = toml::from_str(nginx).unwrap();
    let roan = config.builder().unwrap().build().unwrap();
    assert!(roan.embedded().is_none());
}

#[cfg(feature = "sqlite")]
#[test]
fn a_file_may_name_an_outbox() {
    let text = |settings: &str| format!("[outbox]\nurl = 'sqlite://none/x.db'\n{settings}");
    // The folder does not exist; everything else is right.
    let all = "prefix = 'p_'\npoll = '1s'\nlease = '20s'\nretention = '2days'\nmax_attempts = 9";
    assert!(message(&text(all)).contains("cannot connect"));
    for (settings, words) in [
        ("poll = 'often'", "poll: \"often\" is not a duration"),
        ("prefix = 'a b'", "outbox prefix: must be up to 40"),
        (
            "notify = true",
            "outbox notify: is only available for PostgreSQL",
        ),
        ("prefx = 'x'", "unknown field `prefx`"),
    ] {
        let message = message(&text(settings));
        assert!(message.contains(words), "{settings}: {message}");
    }
    let message = message("[outbox]\nurl = 'redis://me:pw@x/'");
    assert!(message.contains("outbox: \"redis://***@x/\""), "{message}");
}

#[cfg(feature = "cloudfront")]
#[test]
fn a_file_may_name_cdns() {
    let token = tempfile::NamedTempFile::new().unwrap();
    let text = "T0KEN\n[default]\naws_access_key_id = A\naws_secret_access_key = B\n";
    std::fs::write(token.path(), "T0KEN").unwrap();
    let credentials = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(credentials.path(), text).unwrap();
    let (token, credentials) = (token.path().display(), credentials.path().display());
    let shown = message(&format!(
        r#"
            site = "https://www.example.org"
            [[caches]]
            kind = "cloudflare"
            zone = "023e105f4ecef8ad9ca31a8372d0c353"
            name = "zone"
            token_file = "{token}"
            plan = "business"
            account = "main"
            endpoint = "https://gateway.example.org/v4"
            [[caches]]
            kind = "fastly"
            service = "SU1Z0isxPaozGVKXdv0eY"
            token_file = "{token}"
            soft = true
            account = "main"
            endpoint = "https://gateway.example.org"
            [[caches]]
            kind = "cloudfront"
            distribution = "E1PA6795UKMFR9"
            credentials_file = "{credentials}"
            profile = "default"
            tag_header = "Cache-Tag"
            endpoint = "https://gateway.example.org"
            "#
    ));
    for words in [
        r#"cache: "zone", node: "023e105f4ecef8ad9ca31a8372d0c353""#,
        r#"cache: "fastly", node: "SU1Z0isxPaozGVKXdv0eY""#,
        r#"cache: "cloudfront", node: "E1PA6795UKMFR9""#,
    ] {
        assert!(shown.contains(words), "{shown}");
    }
}

#[cfg(feature = "cloudfront")]
#[test]
fn a_mistake_with_a_cdn_is_named() {
    let zone = "zone = '023e105f4ecef8ad9ca31a8372d0c353'";
    for (kind, settings, words) in [
        ("cloudflare", "", "zone: \"\" is not the ID of a zone"),
        (
            "cloudflare",
            "zone = 'example.org'",
            "zone: \"example.org\" is not the ID",
        ),
        (
            "cloudflare",
            &format!("{zone}\ntoken = 'x'"),
            "unknown field `token`",
        ),
        (
            "cloudflare",
            &format!("{zone}\ntoken_env = 'A'\ntoken_file = '/b'"),
            "token_file: \"/b\" cannot be set beside token_env: remove one",
        ),
        (
            "cloudflare",
            &format!("{zone}\ntoken_env = 'ROAN_UNSET'"),
            "ROAN_UNSET: is not set",
        ),
        (
            "cloudflare",
            &format!("{zone}\nplan = 'gold'"),
            "unknown variant `gold`",
        ),
        (
            "cloudflare",
            &format!("{zone}\nendpoint = 'x'"),
            "endpoint: \"***\" is not a URL: write an address such as `https://api.cloudflare.com/client/v4`",
        ),
        (
            "fastly",
            "service = 'a/b'",
            "service: \"a/b\" is not the ID of a service",
        ),
        (
            "cloudfront",
            "distribution = 'd111.cloudfront.net'",
            "not the ID of a distribution",
        ),
        (
            "cloudfront",
            "distribution = 'E1'\nprofile = 'x'",
            "profile: \"x\" has no effect without credentials_file",
        ),
        (
            "cloudfront",
            "distribution = 'E1'\ntag_header = 'a b'",
            "tag_header: \"a b\" is not the name of a header",
        ),
    ] {
        let site = "site = 'https://www.example.org'";
        let message = message(&format!("{site}\n[[caches]]\nkind = '{kind}'\n{settings}"));
        assert!(message.contains(words), "{settings}: {message}");
    }
}

/// Each build leaves out other kinds.
#[test]
fn a_kind_that_this_build_leaves_out_says_what_to_type() {
    for (kind, is_built, feature) in [
        (
            "nginx-files",
            cfg!(all(unix, feature = "nginx-files")),
            "nginx-files",
        ),
        ("cloudflare", cfg!(feature = "cdn"), "cdn"),
        ("fastly", cfg!(feature = "cdn"), "cdn"),
        ("cloudfront", cfg!(feature = "cloudfront"), "cloudfront"),
        ("embedded", cfg!(feature = "embedded"), "embedded"),
    ] {
        let message = message(&format!("[[caches]]\nkind = '{kind}'\nzone = 'x'"));
        let words =
            format!("the cache {kind:?} needs the feature `{feature}` of the crate `roan`: ");
        assert_eq!(message.contains(&words), !is_built, "{message}");
        let typed = match cfg!(feature = "cli") {
            true => format!("`cargo install --path roan --features cli,{feature}`"),
            false => format!("`features = [\"{feature}\"]`"),
        };
        assert_eq!(message.contains(&typed), !is_built, "{message}");
    }
    let message = message("[outbox]\nurl = 'sqlite://none/x.db'");
    let words = "outbox: needs the feature `sqlite`, `postgres` or `mysql`";
    assert_eq!(
        message.contains(words),
        cfg!(not(feature = "_sql")),
        "{message}"
    );
}

#[test]
fn a_mistake_in_a_file_is_named() {
    for (text, words) in [
        ("sight = 'x'", "unknown field `sight`"),
        ("rebound = 'soon'", "rebound: \"soon\" is not a duration"),
        (
            "[sites]\nshop = 'a b'",
            "sites: \"***\" has a character that no host name has",
        ),
        (
            "concurrency = 0",
            "concurrency: \"0\" must be between 1 and 1024",
        ),
        ("max_age = '400days'", "is longer than a year"),
        ("[[caches]]\nkind = 'caddy'", "unknown variant `caddy`"),
        ("[[caches]]\nkind = 'nginx'", "nodes: \"\" is empty"),
        (
            "[[caches]]\nkind = 'nginx'\nnode = 'x'",
            "unknown field `node`",
        ),
        (
            "[[caches]]\nkind = 'nginx'\nnodes = ['x']",
            "nodes: \"***\" is not a URL",
        ),
        (
            "[[caches]]\nkind = 'nginx'\nnodes = ['http://x']\nrefresh = 'short'",
            "refresh: (value not shown) must be 16",
        ),
        (
            "[[caches]]\nkind = 'nginx'\nnodes = ['http://x/purge']\nrefresh = '0123456789abcdef'",
            "refresh: \"http://x/purge\" has a path",
        ),
        (
            "[[caches]]\nkind = 'nginx'\nnodes = ['http://x']\nrefresh_missing = true",
            "refresh_missing: has no effect without refresh",
        ),
    ] {
        let message = message(text);
        assert!(message.contains(words), "{text}: {message}");
    }
}

#[test]
fn secrets_are_not_shown() {
    let text = "[[caches]]\nkind = 'nginx'\nnodes = ['http://me:pw@x/']\nheaders = { X = 'pw' }\nrefresh = 'pw'";
    let config: Config = toml::from_str(text).unwrap();
    assert!(!format!("{config:?}").contains("pw"), "{config:?}");
}
