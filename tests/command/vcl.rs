//! `roan vcl`: a real Varnish takes what it prints, as it is.

use std::process::Command;

use roan_tests::{Origin, VARNISH_VCL, Varnish, VarnishOptions};

use crate::support::{Ran, roan, run};

fn vcl(arguments: &[&str]) -> String {
    let ran = run(roan(&[&["vcl"], arguments].concat()));
    ran.assert_code(0);
    ran.stdout
}

fn start(origin: &Origin, vcl: &str) -> Varnish {
    Varnish::start(origin, &VarnishOptions::default().complete(vcl))
}

fn before(varnish: &Varnish, arguments: &[&str]) -> Command {
    let mut command = roan(arguments);
    command
        .env("ROAN_CACHE", "varnish")
        .env("ROAN_PURGE_URL", varnish.url())
        .env("ROAN_SITE", "http://site.test");
    command
}

fn purge(varnish: &Varnish, arguments: &[&str]) -> Ran {
    let arguments = [&["purge", "--no-rebound"], arguments].concat();
    run(before(varnish, &arguments))
}

#[test]
fn without_options_it_is_the_one_of_the_guide() {
    assert_eq!(vcl(&[]), VARNISH_VCL);
}

#[test]
fn a_real_varnish_takes_other_names_and_purges_by_each_kind() {
    let origin = Origin::start();
    origin.headers("/tagged", &[("xkey", "news")]);
    let app = origin.addr().to_string();
    let vcl = vcl(&[
        "--site=http://site.test",
        "--site=http://www.site.test:8080",
        "--app",
        &app,
        "--allow=127.0.0.0/8",
        "--allow=10.0.0.5",
        "--listen=127.0.0.1:8099",
    ]);
    let varnish = start(&origin, &vcl);
    let browser = varnish.browser();
    let cache = |page: &str| browser.get(page).header("X-Cache").map(str::to_owned);
    let pages = ["/posts", "/docs/v1/a", "/docs/v2/a", "/tagged"];
    for (arguments, gone) in [
        (&["/posts"][..], &["/posts"][..]),
        (&["--tag=news"], &["/tagged"]),
        (&["--prefix=/docs/v1/"], &["/docs/v1/a"]),
        (&["--host"], &pages),
        (&["--everything", "--yes"], &pages),
    ] {
        pages.iter().for_each(|page| drop(browser.get(page)));
        for page in pages {
            assert_eq!(cache(page).as_deref(), Some("HIT"), "{page}");
        }
        purge(&varnish, arguments).assert_code(0);
        for page in pages {
            let wanted = if gone.contains(&page) { "MISS" } else { "HIT" };
            assert_eq!(
                cache(page).as_deref(),
                Some(wanted),
                "{page} after {arguments:?}"
            );
        }
    }

    // A soft purge leaves the old page for one visitor.
    let mut soft = before(&varnish, &["purge", "--no-rebound", "--soft", "/posts"]);
    soft.env("ROAN_PURGE_SOFT", "1");
    run(soft).assert_code(0);
    assert_eq!(cache("/posts").as_deref(), Some("STALE"));

    run(before(&varnish, &["doctor", "http://site.test/posts"]))
        .assert_code(0)
        .assert_says(&["0 faults"]);
    assert_eq!(
        browser.at_host("www.site.test:8080").get("/posts").status,
        200
    );
    for other in ["other.test", "sitextest", "site.test.other.test"] {
        assert_eq!(browser.at_host(other).get("/posts").status, 421, "{other}");
    }
}

#[test]
fn who_is_not_allowed_cannot_purge() {
    let origin = Origin::start();
    let app = origin.addr().to_string();
    let varnish = start(&origin, &vcl(&["--app", &app, "--allow=10.0.0.5"]));
    let ran = purge(&varnish, &["/posts"]);
    ran.assert_code(1).assert_says(&["405"]);
}

#[test]
fn the_app_learns_the_scheme_of_visitors() {
    for (sites, scheme) in [
        (
            &["--site=https://site.test", "--site=https://a.test"][..],
            "https",
        ),
        (&["--site=http://site.test", "--site=a.test"], "http"),
        (&[], "http"),
    ] {
        let text = vcl(sites);
        let line = format!("set req.http.X-Forwarded-Proto = \"{scheme}\";");
        assert_eq!(text.matches(&line).count(), 1, "{text}");
    }
}

#[test]
fn addresses_of_all_forms_are_taken_by_varnish() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("app.sock");
    let _app = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let socket = format!("--app=unix:{}", socket.display());
    for (app, line) in [
        (&*socket, ".path = \"/"),
        ("--app=127.0.0.1", ".host = \"127.0.0.1\"; .port = \"80\";"),
        (
            "--app=localhost:3000",
            ".host = \"localhost\"; .port = \"3000\";",
        ),
        ("--app=[::1]:3000", ".host = \"::1\"; .port = \"3000\";"),
        ("--app=[::1]", ".host = \"::1\"; .port = \"80\";"),
    ] {
        let text = vcl(&[
            app,
            "--allow=::1",
            "--allow=fd00::/8",
            "--allow=10.0.0.0/8",
            "--site=localhost:8080",
            "--site=[::1]:8080",
            "--listen=:8099",
            "--listen=*:8098",
            "--listen=127.0.0.1:8097",
            "--listen=[::1]:8096",
        ]);
        assert!(text.contains(line), "{text}");
        let listens = " -a :8099 -a :8098 -a 127.0.0.1:8097 -a [::1]:8096 \\\n";
        assert!(text.contains(listens), "{text}");
        let file = folder.path().join("site.vcl");
        std::fs::write(&file, text).unwrap();
        let mut varnishd = Command::new("/usr/sbin/varnishd");
        let output = varnishd.arg("-C").arg("-f").arg(&file).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{app}: {said}");
    }
}

#[test]
fn a_value_that_would_break_the_vcl_is_refused() {
    for (option, values) in [
        (
            "--app",
            &[
                "",
                "127.0.0.1:3000\"; }",
                "http://127.0.0.1:3000",
                "unix:app",
                "a b",
                "a\"b:1",
            ][..],
        ),
        (
            "--site",
            &[
                "",
                "a b",
                "https://a.test/path",
                "*.test",
                "a\"b.test",
                ".a.test",
                "http://é.test",
            ],
        ),
        (
            "--listen",
            &[
                "",
                "a",
                "0",
                "80 -p x=y",
                "10.0.0.1:",
                "70000",
                "80\nx",
                "::1:80",
                "+80",
                "[10.0.0.1]:80",
            ],
        ),
        (
            "--allow",
            &[
                "all",
                "10.0.0.0/33",
                "10.0.0",
                "::/129",
                "10.0.0.1/x",
                "\"::1\"",
                "10.0.0.1/8",
                "fd00::1/8",
            ],
        ),
    ] {
        for value in values {
            let ran = run(roan(&["vcl", &format!("{option}={value}")]));
            ran.assert_code(2).assert_says(&[option]);
            assert_eq!(ran.stdout, "", "{option}={value}");
        }
    }
    let ran = run(roan(&["vcl", "--site=https://a.test", "--site=b.test"]));
    ran.assert_code(2)
        .assert_says(&["\"b.test\" has another scheme", "before each site"]);
}
