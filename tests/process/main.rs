//! The global dispatcher. A program has one, so each case is a process of its own: this very
//! program, which reads the case from an environment variable.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on fails"
)]

mod deploys;
mod ends;
mod pages;
mod schemas;
mod setups;
mod stderr;
mod subscribers;

use std::process::{Command, Output};
use std::time::Duration;

use roan::purger::{Cache, Limits};
use roan::testing::Recorder;
use roan::{Roan, TargetKind, assert_purged, purge_on};
use roan_tests::{Behaviour, Faulty};

const CASE: &str = "TESTS_CASE";

/// nginx knows no tags: a program with this rule needs another cache.
#[purge_on(save, url = "/rows/{0}", tag = "row-{0}")]
struct Row(u32);

/// No case configures this site.
#[purge_on(delete, url = "/shop/{0}", site = "shop")]
struct Item(u32);

const DOCS_LINE: u32 = line!() + 3;

/// Each needs a cache that can purge so, or the web layer.
#[purge_on(save, prefix = "/docs/{0}/")]
#[purge_on(save, host)]
#[purge_on(save, everything)]
struct Docs(u32);

/// What this program does when it is a case.
#[test]
fn case() {
    let Ok(case) = std::env::var(CASE) else {
        return;
    };
    roan_tests::wait::or_abort();
    match case.as_str() {
        "default" => {
            roan::saved(&Row(1));
            let left = roan::global()
                .unwrap()
                .flush_blocking(Duration::from_secs(10));
            println!("left: {left}");
        }
        "bad environment" => roan::saved(&Row(1)),
        "no cache for tags" => {
            let error = Roan::builder()
                .named_site("shop", "shop.test")
                .install()
                .unwrap_err();
            println!("error: {error}");
        }
        "no cache for areas" => {
            let kinds = [
                TargetKind::Url,
                TargetKind::Tag,
                TargetKind::Prefix,
                TargetKind::Host,
                TargetKind::Everything,
            ];
            let builder = |kinds: &[TargetKind]| {
                let cache = Cache::new("mine").purges(kinds, Limits::new());
                Roan::builder()
                    .named_site("shop", "shop.test")
                    .site("site.test")
                    .cache(cache.node("mine", Recorder::new()))
            };
            for known in 2..kinds.len() {
                let error = builder(&kinds[..known]).install().unwrap_err();
                println!("error: {error}");
            }
            // It knows the pages, whatever the cache can do.
            let web = roan::web::Web::new();
            builder(&kinds[..1]).web(web).install().unwrap();
            roan::saved(&Docs(1));
        }
        "no such site" => {
            let error = Roan::builder()
                .cache(Recorder::new())
                .install()
                .unwrap_err();
            println!("error: {error}");
        }
        "many hooks" => (0..1000).for_each(|number| roan::saved(&Row(number))),
        "install" => {
            let recorder = Recorder::new();
            let builder = || {
                Roan::builder()
                    .named_site("shop", "shop.test")
                    .cache(recorder.clone())
            };
            let roan = builder().install().unwrap();
            println!("error: {}", builder().install().unwrap_err());
            roan::saved(&Row(1));
            roan::deleted(&Item(2));
            assert_eq!(roan.flush_blocking(Duration::from_secs(10)).pending(), 0);
            assert_purged!(recorder.purges(), "/rows/1");
            assert_purged!(recorder.purges(), roan::Target::tag("row-1").unwrap());
            assert_purged!(
                recorder.purges(),
                roan::Target::url("/shop/2").unwrap().at_site("shop")
            );
        }
        "install too late" => {
            roan::saved(&Row(1));
            println!("error: {}", Roan::builder().install().unwrap_err());
        }
        "bad rule at run time" => {
            roan::purge("posts").on_save::<Row>();
            println!("error: {}", Roan::builder().install().unwrap_err());
        }
        "tag at run time" => {
            roan::purge(roan::Target::tag("news").unwrap()).on_save::<&str>();
            let builder = Roan::builder()
                .named_site("shop", "shop.test")
                .cache(Recorder::new());
            println!("served: {:?}", builder.build().is_ok());
            println!(
                "error: {}",
                Roan::builder()
                    .named_site("shop", "shop.test")
                    .install()
                    .unwrap_err()
            );
        }
        "no rule" => {
            roan::saved(&roan::External(&"text"));
            roan::saved(&roan::External(&"text"));
        }
        "subscriber" => {
            tracing_subscriber::fmt()
                .with_max_level(tracing_subscriber::filter::LevelFilter::DEBUG)
                .with_ansi(false)
                .with_writer(std::io::stdout)
                .init();
            roan::purge("/plain").on_save::<&str>();
            roan::saved(&roan::External(&"text"));
            let _ = roan::global()
                .unwrap()
                .flush_blocking(Duration::from_secs(10));
        }
        other => {
            if !stderr::case(other) {
                subscribers::case(other);
            }
        }
    }
}

/// Runs one case, and gives what it printed.
fn run(case: &str, variables: &[(&str, &str)]) -> (String, String) {
    let program = std::env::current_exe().expect("a running program has a path");
    let output: Output = Command::new(program)
        .args(["case", "--exact", "--nocapture"])
        .env_clear()
        .env(CASE, case)
        .envs(variables.iter().copied())
        .output()
        .expect("this program can be run");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "case {case}:\n{stdout}\n{stderr}");
    (stdout, stderr)
}

#[track_caller]
fn assert_says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is missing in:\n{text}");
    }
}

#[test]
fn without_configuration_the_environment_decides_and_unserved_rules_are_told() {
    let endpoint = Faulty::start(Behaviour::Purged);
    // A proxy in the environment is not asked, or nothing would arrive.
    let variables = [
        ("ROAN_PURGE_URL", &*endpoint.purge_url()),
        ("ROAN_SITE", "https://www.example.org"),
        ("HTTP_PROXY", "http://127.0.0.1:9"),
        ("http_proxy", "http://127.0.0.1:9"),
    ];
    let (stdout, stderr) = run("default", &variables);
    assert_says(&stdout, &["left: nothing is left"]);
    let request = endpoint.requests().remove(0);
    assert_eq!(request.target, "/purge/rows/1");
    assert_eq!(request.header("Host"), Some("www.example.org"));
    assert_says(
        &stderr,
        &[
            r#"tag = "row-{0}""#,
            "tests/process/main.rs:",
            "add a cache that can",
        ],
    );
    assert_says(&stderr, &[r#"site "shop" is not configured"#]);
    assert_says(&stderr, &["tag row-1 cannot be purged"]);
}

#[test]
fn a_bad_environment_is_told_and_fails_no_save() {
    let (_, stderr) = run(
        "bad environment",
        &[("ROAN_PURGE_URL", "http://me:secret@host:port/")],
    );
    assert_says(
        &stderr,
        &[
            "nothing can be purged",
            "ROAN_PURGE_URL: \"***\" is not a URL",
        ],
    );
    assert!(!stderr.contains("secret"), "{stderr}");
}

#[test]
fn a_rule_that_no_cache_can_serve_is_an_error_of_install() {
    let (stdout, _) = run("no cache for tags", &[]);
    assert_says(
        &stdout,
        &[
            "error: rule Row (save): tag = \"row-{0}\" at",
            "main.rs:",
            "add a cache that can",
        ],
    );
    let (stdout, _) = run("no cache for areas", &[]);
    let areas = [
        ("prefix = \"/docs/{0}/\"", "prefix"),
        ("host", "host"),
        ("everything", "everything"),
    ];
    for ((target, kind), line) in areas.into_iter().zip(DOCS_LINE..) {
        let error = format!(
            "error: rule Docs (save): {target} at {}:{line}: no configured cache can purge by {kind}: add a cache that can",
            file!()
        );
        assert_says(&stdout, &[&error]);
    }
    let (stdout, _) = run("no such site", &[]);
    assert_says(
        &stdout,
        &["error: rule Item (delete)", r#"site "shop""#, "ROAN_SITE"],
    );
}

#[test]
fn install_works_once_and_before_the_first_hook() {
    let (stdout, _) = run("install", &[]);
    assert_says(
        &stdout,
        &["error: the global dispatcher is installed already"],
    );
    let (stdout, _) = run("install too late", &[]);
    assert_says(
        &stdout,
        &["error: the global dispatcher is installed already"],
    );
}

#[test]
fn a_bad_rule_at_run_time_is_told_and_an_error_of_install() {
    let (stdout, stderr) = run("bad rule at run time", &[]);
    assert_says(
        &stdout,
        &["error: `roan::purge`", r#""posts" must begin with `/`"#],
    );
    assert_says(&stderr, &[r#""posts" must begin with `/`"#]);
}

#[test]
fn a_rule_made_at_run_time_is_checked_by_install() {
    let (stdout, _) = run("tag at run time", &[]);
    assert_says(&stdout, &["served: true", "error: rule "]);
}

#[test]
fn a_bad_environment_is_read_once_and_told_now_and_then() {
    let (_, stderr) = run("many hooks", &[("ROAN_PURGE_URL", "nonsense")]);
    let told = stderr.matches("nothing can be purged").count();
    assert_eq!(told, 10, "for 1, 2, 4, ... 512 of 1,000 hooks");
}

#[test]
fn a_hook_without_any_rule_is_told_once() {
    let (_, stderr) = run("no rule", &[]);
    assert_eq!(stderr.matches("no rule exists").count(), 1, "{stderr}");
}

#[test]
fn a_subscriber_gets_events_and_standard_error_nothing() {
    let endpoint = Faulty::start(Behaviour::Purged);
    let url = endpoint.purge_url();
    let variables = [("ROAN_PURGE_URL", &*url), ("ROAN_REBOUND", "off")];
    let (stdout, stderr) = run("subscriber", &variables);
    let node = endpoint.addr().to_string();
    let event = [
        "DEBUG purge{",
        "}: roan: purge target=/plain",
        "cache=nginx",
        "outcome=purged",
        "status=200",
    ];
    assert_says(&stdout, &event);
    assert_says(
        &stdout,
        &[
            &format!("node={node}"),
            "attempts=1",
            "waited_us=",
            "took_us=",
        ],
    );
    assert_eq!(stderr, "");

    endpoint.set(Behaviour::Answer(403, Vec::new()));
    let (stdout, stderr) = run("subscriber", &[("ROAN_PURGE_URL", &url)]);
    assert_says(
        &stdout,
        &[
            "ERROR purge{",
            "}: roan: purge target=",
            "outcome=refused: status 403: `allow`",
        ],
    );
    assert_eq!(stderr, "");
}

#[test]
fn a_refusal_is_told_on_standard_error_once() {
    let endpoint = Faulty::start(Behaviour::Answer(403, Vec::new()));
    let (_, stderr) = run("default", &[("ROAN_PURGE_URL", &endpoint.purge_url())]);
    assert_eq!(stderr.matches("/rows/1 at nginx").count(), 1, "{stderr}");
    assert_says(
        &stderr,
        &["refused: status 403: `allow` this machine's address"],
    );
}
