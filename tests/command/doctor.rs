//! `roan doctor`: each fault is a real nginx that is set up wrongly. The doctor names it, the test writes the lines that it
//! prints into the configuration, and the doctor finds nothing.

use std::time::Duration;

use roan_tests::{Nginx, Options, Origin};
use serde_json::Value;

use crate::support::{Ran, roan, run};

/// What a case may write wrongly: the parts of a configuration.
#[derive(Clone)]
struct Conf {
    /// The parameters of `proxy_cache_path`.
    zone: String,
    /// In the `http` block.
    http: String,
    /// In the location of the pages.
    page: String,
    /// The purge location.
    purge: String,
    /// Other text of the `server` block.
    server: String,
}

const ZONE: &str = "keys_zone=pages:1m inactive=1y";
const MAP: &str = r#"map $request_uri $purge_uri { default ""; "~^/purge(?<rest>/.*)$" $rest; }"#;
const PAGE: &str = r#"proxy_cache pages;
proxy_cache_key "$host$request_uri";
proxy_cache_valid 200 1y;
proxy_set_header Accept-Encoding "";
proxy_ignore_headers Vary;
add_header X-Cache-Status $upstream_cache_status;"#;
const PURGE: &str = r#"location ^~ /purge/ {
    allow 127.0.0.1; deny all;
    proxy_cache_purge pages "$host$purge_uri";
    add_header X-Roan-Purge "$host$purge_uri" always;
}"#;

impl Conf {
    fn right() -> Self {
        Self {
            zone: ZONE.to_owned(),
            http: MAP.to_owned(),
            page: PAGE.to_owned(),
            purge: PURGE.to_owned(),
            server: String::new(),
        }
    }

    /// Replaces a text of the page's location.
    fn page(mut self, text: &str, with: &str) -> Self {
        assert!(self.page.contains(text), "{text}");
        self.page = self.page.replace(text, with);
        self
    }

    fn purge(mut self, text: &str) -> Self {
        text.clone_into(&mut self.purge);
        self
    }

    fn start(&self, origin: &Origin) -> Nginx {
        let Self {
            zone,
            http,
            page,
            purge,
            server,
        } = self;
        let conf = format!(
            "proxy_cache_path FOLDER {zone};\n\
             proxy_cache_path FOLDER-others keys_zone=others:1m inactive=1y;\n\
             {http}\n\
             server {{\n    listen LISTEN;\n    location / {{\n        proxy_pass http://APP;\n        \
             proxy_set_header Host $host;\n{page}\n    }}\n{purge}\n{server}\n}}"
        );
        Nginx::start(origin, &Options::default().whole(&conf))
    }

    /// Writes the lines that the doctor printed.
    fn mended(mut self, finding: &Value) -> Self {
        for mend in finding["mend"].as_array().unwrap() {
            let lines = mend["lines"].as_str().unwrap();
            match mend["place"].as_str().unwrap() {
                "http" if lines.starts_with("proxy_cache_path") => {
                    let (_, zone) = lines.split_once("nginx-pages ").unwrap();
                    zone.trim_end_matches(';').clone_into(&mut self.zone);
                }
                "http" => self.http = format!("{}\n{lines}", self.http),
                "purge-location" => lines.clone_into(&mut self.purge),
                "page-location" => {
                    let directive = |line: &str| line.trim().split(' ').next().map(str::to_owned);
                    let new: Vec<_> = lines.lines().map(directive).collect();
                    let kept = self
                        .page
                        .lines()
                        .filter(|line| !new.contains(&directive(line)));
                    // Several headers may be set and added; those of another name stay.
                    let others = self.page.lines().filter(|line| {
                        let by_name = ["add_header", "proxy_set_header", "proxy_ignore_headers"];
                        let is_by_name = by_name.iter().any(|name| line.trim().starts_with(name));
                        is_by_name && new.contains(&directive(line))
                    });
                    let name = |line: &str| {
                        line.trim()
                            .split(' ')
                            .take(2)
                            .map(str::to_owned)
                            .collect::<Vec<_>>()
                    };
                    let new_names: Vec<_> = lines.lines().map(name).collect();
                    let others = others.filter(|line| !new_names.contains(&name(line)));
                    let page: Vec<_> = kept.chain(others).chain(lines.lines()).collect();
                    self.page = page.join("\n");
                }
                // What is done beside nginx: by the case.
                _ => {}
            }
        }
        self
    }
}

const URL: &str = "http://site.test/posts";

fn doctor(nginx: &Nginx, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    let mut command = roan(&[&["doctor", URL, "--format=json"], arguments].concat());
    command
        .env("ROAN_PURGE_URL", nginx.purge_url())
        .env("ROAN_SITE", "http://site.test")
        .envs(variables.iter().copied());
    run(command)
}

#[track_caller]
fn report(ran: &Ran) -> Value {
    ran.json()
        .pop()
        .unwrap_or_else(|| panic!("no report: {ran:#?}"))
}

#[track_caller]
fn finding(ran: &Ran, fault: &str) -> Value {
    let report = report(ran);
    let findings = report["findings"].as_array().unwrap();
    let found = findings.iter().find(|finding| finding["fault"] == fault);
    found
        .unwrap_or_else(|| panic!("no {fault} in {report:#}"))
        .clone()
}

/// Nothing is wrong, and the page was seen to go.
#[track_caller]
fn assert_healthy(ran: &Ran) {
    let report = report(ran);
    assert_eq!(report["findings"], Value::Array(Vec::new()), "{report:#}");
    ran.assert_code(0);
    let passed = report["passed"].to_string();
    assert!(
        passed.contains("came from the cache, was purged, and came from the app"),
        "{passed}"
    );
}

/// The doctor names the fault, with code 1 and these words; with its lines the set-up is healthy.
#[track_caller]
fn assert_named_and_mended(conf: &Conf, fault: &str, words: &[&str]) {
    let origin = Origin::start();
    origin.remove("/purge/posts");
    let nginx = conf.start(&origin);
    let ran = doctor(&nginx, &[], &[]);
    let found = finding(&ran, fault);
    println!("{found:#}");
    for word in words {
        assert!(found.to_string().contains(word), "{word}: {found:#}");
    }
    let code = if found["failure"] == true { 1 } else { 0 };
    ran.assert_code(code);
    drop(nginx);
    let nginx = conf.clone().mended(&found).start(&origin);
    assert_healthy(&doctor(&nginx, &[], &[]));
}

#[test]
fn the_quoted_configuration_is_healthy() {
    let origin = Origin::start();
    // With these, a 404 is answered as one.
    let nginx = Nginx::start(&origin, &Options::default());
    let ran = doctor(&nginx, &[], &[]);
    assert_healthy(&ran);
    ran.assert_says(&["reads only, but for purges", "how full the keys zones are"]);
    assert_healthy(&doctor(&Conf::right().start(&origin), &[], &[]));
}

#[test]
fn the_report_is_text_for_people() {
    let origin = Origin::start();
    let nginx = Nginx::start(&origin, &Options::default());
    let mut command = roan(&["doctor", URL, "--purge-url", &nginx.purge_url()]);
    command.env("NO_COLOR", "1");
    run(command).assert_code(0).assert_says(&[
        "ok       nginx 127.0.0.1",
        "a URL with a query is purged",
        "an encoded URL is purged",
        "a URL with two slashes is purged",
        "does not answer",
        "0 faults, 0 warnings",
    ]);
}

#[test]
fn a_key_that_differs_by_scheme() {
    let conf = Conf::right().page("\"$host", "\"$scheme$host");
    assert_named_and_mended(
        &conf,
        "key-scheme",
        &["A purge with the key \\\"httpsite.test/posts\\\" removed it"],
    );
    let purge = PURGE.replace("\"$host", "\"https$host");
    assert_named_and_mended(
        &Conf::right().purge(&purge),
        "key-scheme",
        &["leave `$scheme` out of both"],
    );
}

#[test]
fn a_key_that_differs_by_host() {
    let conf = Conf::right().page("\"$host$request_uri\"", "\"$request_uri\"");
    assert_named_and_mended(&conf, "key-host", &["to the host roan-doctor.invalid, too"]);
    let conf = Conf::right().page("proxy_cache_key \"$host$request_uri\";", "");
    assert_named_and_mended(&conf, "key-host", &["$scheme$proxy_host$request_uri"]);
    let conf = Conf::right().purge(&PURGE.replace("\"$host$purge_uri\"", "\"$purge_uri\""));
    assert_named_and_mended(&conf, "key-host", &["does not have the host site.test"]);
}

#[test]
fn a_key_that_is_decoded_or_without_its_query() {
    let location = |key: &str| {
        format!(
            "location ~ ^/purge(/.*)$ {{\n allow 127.0.0.1; deny all;\n proxy_cache_purge pages \"{key}\";\n \
             add_header X-Roan-Purge \"{key}\" always;\n}}"
        )
    };
    let conf = Conf::right().purge(&location("$host$1"));
    assert_named_and_mended(&conf, "key-query", &["drops the query"]);
    assert_named_and_mended(&conf, "key-encoding", &["/post%73"]);
    let conf = Conf::right().purge(&location("$host$1$is_args$args"));
    assert_named_and_mended(&conf, "key-encoding", &["nginx decodes `$1`"]);
}

#[test]
fn another_zone() {
    let conf = Conf::right().purge(&PURGE.replace("pages", "others"));
    assert_named_and_mended(
        &conf,
        "not-evicted",
        &["another zone than `proxy_cache_purge` names"],
    );
}

#[test]
fn no_purge_location() {
    let words = [
        "status 404 and no X-Roan-Purge",
        "apt install libnginx-mod-http-cache-purge",
    ];
    assert_named_and_mended(&Conf::right().purge(""), "no-purge-location", &words);
}

#[test]
fn a_purge_url_without_a_path() {
    let origin = Origin::start();
    let nginx = Conf::right().start(&origin);
    let ran = doctor(&nginx, &[], &[("ROAN_PURGE_URL", &nginx.url())]);
    ran.assert_code(1);
    let found = finding(&ran, "no-purge-location");
    let mends = found["mend"].as_array().unwrap().iter();
    let mut lines = mends.filter(|mend| mend["place"] == "environment");
    let line = lines.next().unwrap()["lines"].as_str().unwrap();
    let (name, value) = line.split_once('=').unwrap();
    assert_healthy(&doctor(&nginx, &[], &[(name, value)]));
}

#[test]
fn each_node_is_looked_at_and_the_wrong_one_is_named() {
    let origin = Origin::start();
    let right = Conf::right().start(&origin);
    let wrong = Conf::right()
        .purge(&PURGE.replace("pages", "others"))
        .start(&origin);
    let urls = format!("{},{}", right.purge_url(), wrong.purge_url());
    let ran = doctor(&right, &[], &[("ROAN_PURGE_URL", &urls)]);
    ran.assert_code(1);
    let report = report(&ran);
    let findings = report["findings"].as_array().unwrap();
    let nodes: Vec<_> = findings.iter().map(|finding| &finding["node"]).collect();
    assert_eq!(nodes, [&wrong.addr().to_string()], "{report:#}");
    assert_eq!(
        (&findings[0]["cache"], &report["passed"][0]["cache"]),
        (&"nginx".into(), &"nginx".into())
    );
}

#[test]
fn a_purge_location_that_refuses() {
    let conf = Conf::right().purge("location ^~ /purge/ { deny all; }");
    assert_named_and_mended(&conf, "refused", &["`allow` this machine's address"]);
}

#[test]
fn a_purge_location_in_the_shadow_of_a_regular_expression() {
    let mut conf = Conf::right().purge(&PURGE.replace("^~ ", ""));
    r"location ~ \.(css|php)$ { return 404; }".clone_into(&mut conf.server);
    assert_named_and_mended(
        &conf,
        "shadowed",
        &["the endings .php, .css do not", "`location ^~ /purge/`"],
    );
}

#[test]
fn a_purge_location_that_is_open_to_the_world() {
    let conf = Conf::right().purge(&PURGE.replace("allow 127.0.0.1; deny all;", ""));
    assert_named_and_mended(
        &conf,
        "open",
        &["without credentials was answered with status 404"],
    );
    // The address to ask from may be chosen: all of 127.0.0.0/8 is this machine's.
    let origin = Origin::start();
    let nginx = Conf::right()
        .purge(&PURGE.replace("allow 127.0.0.1;", "allow 127.0.0.0/24;"))
        .start(&origin);
    let found = finding(&doctor(&nginx, &["--from", "127.0.0.7"], &[]), "open");
    assert!(
        found["seen"].as_str().unwrap().contains("from 127.0.0.7"),
        "{found:#}"
    );
    assert_healthy(&doctor(&nginx, &["--from", "127.0.1.7"], &[]));
}

#[test]
fn the_form_in_place_that_ends_the_worker() {
    let conf = Conf::right().purge("").page(
        "proxy_cache pages;",
        "proxy_cache pages;\nproxy_cache_purge PURGE from 127.0.0.1;",
    );
    let origin = Origin::start();
    let nginx = conf.start(&origin);
    let variables = [
        ("ROAN_PURGE_URL", &*nginx.url()),
        ("ROAN_PURGE_METHOD", "PURGE"),
    ];
    let ran = doctor(&nginx, &[], &variables);
    ran.assert_code(1);
    let found = finding(&ran, "in-place-form");
    assert!(nginx.log().contains("exited on signal"), "{}", nginx.log());
    let mends = found["mend"].as_array().unwrap();
    let environment = mends
        .iter()
        .find(|mend| mend["place"] == "environment")
        .unwrap();
    let line = environment["lines"].as_str().unwrap();
    assert_eq!(line, format!("ROAN_PURGE_URL={}", nginx.purge_url()));
    drop(nginx);
    // "Remove that line", it says, and to send GET.
    let conf = conf.page("\nproxy_cache_purge PURGE from 127.0.0.1;", "");
    let nginx = conf.mended(&found).start(&origin);
    assert_healthy(&doctor(&nginx, &[], &[]));
}

#[test]
fn a_variant_that_a_purge_leaves() {
    let conf = Conf::right()
        .page("proxy_ignore_headers Vary;\n", "")
        .page("proxy_set_header Accept-Encoding \"\";\n", "");
    let words = [
        "`accept-encoding: identity` and for `accept-encoding: gzip`",
        "HIT",
    ];
    assert_named_and_mended(&conf, "variant-left", &words);
}

#[test]
fn a_404_that_is_cached() {
    let origin = Origin::start();
    origin.status_of_unset(404);
    origin.set("/posts", "posts");
    let conf = Conf::right().page("valid 200 1y", "valid 200 404 1y");
    let nginx = conf.start(&origin);
    let ran = doctor(&nginx, &[], &[]);
    ran.assert_code(0);
    let found = finding(&ran, "cached-missing");
    drop(nginx);
    let nginx = conf.mended(&found).start(&origin);
    let ran = doctor(&nginx, &[], &[]);
    assert_healthy(&ran);
    ran.assert_says(&["a 404 is not cached"]);
}

#[test]
fn a_page_that_is_never_cached_and_the_header_to_blame() {
    let cases: [(&[(&str, &str)], &str); 6] = [
        (&[("set-cookie", "a=b")], "`Set-Cookie`"),
        (
            &[("cache-control", "no-cache")],
            "`Cache-Control: no-cache`",
        ),
        (&[("cache-control", "private")], "`Cache-Control: private`"),
        (
            &[("expires", "Thu, 01 Jan 1970 00:00:00 GMT")],
            "`Expires: Thu, 01 Jan 1970",
        ),
        (&[("vary", "*")], "`Vary: *`"),
        (&[("x-accel-expires", "0")], "`X-Accel-Expires: 0`"),
    ];
    for (headers, words) in cases {
        let origin = Origin::start();
        origin.headers("/posts", headers);
        let conf = Conf::right().page("proxy_ignore_headers Vary;\n", "");
        let nginx = conf.start(&origin);
        let app = format!("http://{}", origin.addr());
        let ran = doctor(&nginx, &["--app", &app], &[]);
        ran.assert_code(1);
        let found = finding(&ran, "not-cached");
        assert!(
            found["why"].as_str().unwrap().contains(words),
            "{words}: {found:#}"
        );
        drop(nginx);
        // What the app is to send is in place of its header of that name, and beside others.
        let mut now: Vec<(&'static str, &'static str)> = headers.to_vec();
        for mend in found["mend"].as_array().unwrap() {
            if mend["place"] == "app" {
                let (name, value) = mend["lines"].as_str().unwrap().split_once(": ").unwrap();
                let name = name.to_lowercase();
                now.retain(|(other, _)| *other != name);
                now.push((name.leak(), value.to_owned().leak()));
            }
        }
        origin.headers("/posts", &now);
        let nginx = conf.mended(&found).start(&origin);
        let ran = doctor(&nginx, &[], &[]);
        let report = report(&ran);
        let left = report["findings"].as_array().unwrap().iter();
        let left: Vec<_> = left.map(|finding| finding["fault"].clone()).collect();
        assert!(!left.contains(&"not-cached".into()), "{words}: {report:#}");
    }
    let conf = Conf::right().page("proxy_cache_valid 200 1y;\n", "");
    assert_named_and_mended(&conf, "not-cached", &["gives the page a lifetime"]);
}

#[test]
fn a_cache_that_does_not_show_what_it_does() {
    let conf = Conf::right().page("add_header X-Cache-Status $upstream_cache_status;", "");
    assert_named_and_mended(&conf, "not-shown", &["X-Cache-Status"]);
}

#[test]
fn a_page_that_goes_without_a_purge() {
    let origin = Origin::start();
    let mut conf = Conf::right();
    conf.zone = conf.zone.replace("inactive=1y", "inactive=1s");
    // The doctor asks for these twice, and meanwhile nobody for the page. nginx looks every 10 s for what is inactive.
    let slow = ["/post%73", "//posts"];
    let delay = |time| slow.iter().for_each(|url| origin.delay(url, time));
    delay(Duration::from_secs(3));
    let nginx = conf.start(&origin);
    let ran = doctor(&nginx, &[], &[]);
    ran.assert_code(0);
    let found = finding(&ran, "vanished");
    drop(nginx);
    delay(Duration::ZERO);
    assert_healthy(&doctor(&conf.mended(&found).start(&origin), &[], &[]));
}

#[test]
fn a_page_that_browsers_keep() {
    for headers in [
        &[("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT")][..],
        &[
            ("cache-control", "s-maxage=9"),
            ("last-modified", "Thu, 01 Jan 2026 00:00:00 GMT"),
        ],
        &[("cache-control", "max-age=60")],
        &[("expires", "Thu, 01 Jan 2099 00:00:00 GMT")],
    ] {
        let origin = Origin::start();
        origin.headers("/posts", headers);
        let conf = Conf::right();
        let nginx = conf.start(&origin);
        let ran = doctor(&nginx, &[], &[]);
        ran.assert_code(1);
        let found = finding(&ran, "browser-keeps");
        drop(nginx);
        let nginx = conf.mended(&found).start(&origin);
        assert_healthy(&doctor(&nginx, &[], &[]));
    }
}

#[test]
fn a_site_that_is_not_configured_or_another_one() {
    let origin = Origin::start();
    let nginx = Conf::right().start(&origin);
    for site in ["", "http://www.site.test"] {
        let ran = doctor(&nginx, &[], &[("ROAN_SITE", site)]);
        ran.assert_code(1);
        let found = finding(&ran, "no-site");
        let line = found["mend"][0]["lines"].as_str().unwrap();
        let (name, value) = line.split_once('=').unwrap();
        assert_healthy(&doctor(&nginx, &[], &[(name, value)]));
    }
}

#[test]
fn caches_in_the_wrong_order() {
    let origin = Origin::start();
    let inner = Conf::right().start(&origin);
    let outer = Nginx::start_before(inner.addr(), &Options::default());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("caches.toml");
    let examined = |names: &[&str]| {
        let mut text = "site = 'http://site.test'\n".to_owned();
        for name in names {
            let nginx = if *name == "edge" { &outer } else { &inner };
            let purge_url = nginx.purge_url();
            text +=
                &format!("[[caches]]\nkind = 'nginx'\nname = '{name}'\nnodes = ['{purge_url}']\n");
        }
        std::fs::write(&file, text).unwrap();
        run(roan(&[
            "doctor",
            URL,
            "--format=json",
            "--config",
            file.to_str().unwrap(),
        ]))
    };
    let ran = examined(&["edge", "tier"]);
    ran.assert_code(1);
    let found = finding(&ran, "wrong-order");
    let order: Vec<_> = found["mend"][0]["lines"]
        .as_str()
        .unwrap()
        .lines()
        .collect();
    assert_eq!(order, ["tier", "edge"]);
    let ran = examined(&order);
    let report = report(&ran);
    assert!(!report.to_string().contains("wrong-order"), "{report:#}");
    ran.assert_says(&["does not fetch from"]);
}

#[test]
fn what_cannot_be_reached_and_what_is_not_a_page() {
    let mut command = roan(&["doctor", URL]);
    command.env("ROAN_PURGE_URL", "http://127.0.0.1:1/purge");
    command.env("ROAN_SITE", "site.test");
    run(command)
        .assert_code(3)
        .assert_says(&["Connection refused", "GET /posts at http://127.0.0.1:1"]);
    for (arguments, words) in [
        (
            &["doctor", "/posts"][..],
            "write `https://www.example.org/posts`",
        ),
        (&["doctor", "https://me:secret@x/a"], "user name"),
        (&["doctor", "http://x/a b"], "%20"),
        (
            &["doctor", URL, "--app", "localhost"],
            "http://127.0.0.1:3000",
        ),
        (&["doctor", URL, "--from", "here"], "--from"),
    ] {
        let ran = run(roan(arguments));
        ran.assert_code(2).assert_says(&[words]);
        assert!(!ran.stderr.contains("secret"), "{ran:#?}");
    }
}

#[test]
fn refreshed_pages_are_proven_too() {
    let origin = Origin::start();
    let nginx = Nginx::start(&origin, &Options::default().refresh());
    let url = nginx.url();
    let variables = [
        ("ROAN_PURGE_URL", &*url),
        ("ROAN_REFRESH_SECRET", roan_tests::SECRET),
    ];
    let ran = doctor(&nginx, &[], &variables);
    assert_healthy(&ran);
}

#[test]
fn an_app_may_ask_the_doctor() {
    let origin = Origin::start();
    let nginx = Nginx::start(&origin, &Options::default());
    let roan = roan::Roan::builder()
        .cache(roan::Nginx::at(&nginx.purge_url()).unwrap())
        .site("http://site.test")
        .build()
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let report = runtime.block_on(roan.doctor(URL)).unwrap();
    assert!(report.is_healthy(), "{report}");
    let report = roan::doctor::Doctor::of("http://other.test/posts")
        .unwrap()
        .examine_blocking(&roan)
        .unwrap();
    assert!(report.has(roan::doctor::Fault::NoSite), "{report}");
    let _ = roan.shutdown_blocking(Duration::ZERO);
    let ended = roan::doctor::Doctor::of(URL)
        .unwrap()
        .examine_blocking(&roan);
    assert_eq!(ended, Err(roan::doctor::DoctorError::Ended));
}
