//! `roan nginx-conf`: what it prints is started as it is.

use std::process::Command;

use roan_tests::{Nginx, Options, Origin, SITE_CONF};

use crate::support::{roan, run};

/// A configuration for a server of the harness: with its addresses and folders.
fn for_harness(conf: &str) -> Options {
    let conf = conf
        .replace("listen 127.0.0.1:8099;", "listen LISTEN;")
        .replace("/srv/cache-of-pages", "FOLDER");
    Options::default().whole(&conf)
}

#[test]
fn without_options_it_is_the_one_of_the_guide() {
    let ran = run(roan(&["nginx-conf"]));
    ran.assert_code(0);
    assert_eq!(ran.stdout, SITE_CONF);
}

#[test]
fn a_real_nginx_takes_other_names_and_the_doctor_is_content() {
    let origin = Origin::start();
    let app = origin.addr().to_string();
    for path in ["/purge", "/_roan/evict.pages", "/a-b"] {
        let ran = run(roan(&[
            "nginx-conf",
            "--site=http://site.test",
            "--site=https://www.site.test:8443",
            "--app",
            &app,
            "--purge-path",
            path,
            "--zone=of_site_2",
            "--zone-size=1m",
            "--cache-folder=/srv/cache-of-pages",
            "--listen=127.0.0.1:8099",
            "--allow=127.0.0.1/32",
            "--allow=10.0.0.5",
        ]));
        ran.assert_code(0);
        assert!(
            ran.stdout.contains("server_name site.test www.site.test;"),
            "{}",
            ran.stdout
        );
        let nginx = Nginx::start(&origin, &for_harness(&ran.stdout));
        let purge_url = format!("{}{path}", nginx.url());
        let ran = run(roan(&[
            "doctor",
            "http://site.test/posts",
            "--purge-url",
            &purge_url,
        ]));
        ran.assert_code(0).assert_says(&["0 faults, 0 warnings"]);
        // A purge must not leave its location.
        let browser = nginx.browser();
        assert_eq!(
            browser
                .get(&format!("{path}/posts/..%2F..%2F..%2Fx"))
                .status,
            400
        );
        let www = browser.at_host("www.site.test");
        www.warm("/posts");
        assert_eq!(www.get(&format!("{path}/posts")).status, 200);
        www.assert_miss("/posts");
    }
}

#[test]
fn a_value_that_would_break_the_configuration_is_refused() {
    for (option, values) in [
        (
            "--purge-path",
            &[
                "purge", "/", "/a/", "/a b", "/a;", "/a/../b", "//a", "/(a)", "/a\n", "/$uri",
            ][..],
        ),
        ("--zone", &["", "a b", "a;", "a:1m"]),
        (
            "--zone-size",
            &[
                "", "64", "0m", "64g", "m", "-1m", "+64m", "1k", "511k", "65537m",
            ],
        ),
        (
            "--cache-folder",
            &[
                "cache", "/a b", "/a;", "", "/", "//", "/etc/", "/var", "/srv/.", "/a/..",
            ],
        ),
        (
            "--app",
            &[
                "",
                "127.0.0.1:3000; }",
                "http://127.0.0.1:3000",
                "unix:app",
                "unix:/run/app:x",
                "a b",
                ".",
                "a..b:1",
            ],
        ),
        (
            "--site",
            &[
                "",
                "a b",
                "https://a.test/path",
                "*.test;",
                ".a.test",
                "http://münchen.de",
                "http://a;b",
            ],
        ),
        (
            "--listen",
            &[
                "",
                "a",
                "0",
                "80 ssl",
                "10.0.0.1:",
                "70000",
                ":8080",
                "::1:80",
                "[10.0.0.1]:80",
                "+80",
                "[::1:80",
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
                "10.0.0.1/8",
                "10.0.0.0/+8",
                "fd00::1/8",
            ],
        ),
    ] {
        for value in values {
            let ran = run(roan(&["nginx-conf", &format!("{option}={value}")]));
            ran.assert_code(2).assert_says(&[option]);
            assert_eq!(ran.stdout, "", "{option}={value}");
        }
    }
}

#[test]
fn a_refusal_says_what_to_write() {
    for (option, words) in [
        (
            "--allow=10.0.0.1/8",
            "write `10.0.0.0/8` for the network, or `10.0.0.1`",
        ),
        ("--allow=fd00::1/9", "write `fd00::/9`"),
        ("--listen=:8080", "write `8080`"),
        ("--zone-size=1k", "is too small for nginx"),
        (
            "--cache-folder=/",
            "write a folder for the cache alone, such as",
        ),
        (
            "--site=http://münchen.de",
            "\"http://münchen.de\" has a host name with a letter outside of ASCII",
        ),
        (
            "--site=http://a;b",
            "\"http://a;b\" has a character that no host name has",
        ),
    ] {
        run(roan(&["nginx-conf", option]))
            .assert_code(2)
            .assert_says(&[words]);
    }
    let twice = run(roan(&["nginx-conf", "--listen=8099", "--listen=*:8099"]));
    twice
        .assert_code(2)
        .assert_says(&["\"*:8099\" is the same as an address before it"]);
}

/// Names of up to 253 letters, the least zone, the same value twice: what is printed, nginx takes.
#[test]
fn values_at_the_limits_are_taken_by_nginx() {
    let label = "a".repeat(60);
    let mut hosts = vec!["a.test".to_owned()];
    for length in [41, 46, 47, 60, 100, 104, 105, 120, 200, 253] {
        let host = [&*label, &*label, &*label, &*label, "abcdefghi"].join(".");
        hosts.push(host[253 - length..].trim_start_matches('.').to_owned());
    }
    for host in &hosts {
        let site = format!("--site=https://{host}");
        for arguments in [
            &[&*site][..],
            &[
                &*site,
                &*site,
                "--zone-size=512k",
                "--allow=::1",
                "--allow=::1",
                "--listen=[::1]:8099",
            ],
            &[
                "--site=https://b.test",
                &*site,
                "--listen=127.0.0.1:8099",
                "--listen=8098",
            ],
        ] {
            let free = ["--listen=8097", "--cache-folder=/srv/cache-of-pages"];
            let free = if arguments.len() == 1 {
                &free[..]
            } else {
                &free[1..]
            };
            let ran = run(roan(&[&["nginx-conf"], free, arguments].concat()));
            ran.assert_code(0);
            assert_taken(&ran.stdout);
        }
    }
}

/// Has nginx check a configuration.
#[track_caller]
fn assert_taken(site: &str) {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().display();
    let site = site.replace("/srv/cache-of-pages", &format!("{root}/pages"));
    // Of a port with one server alone nginx makes no table of names. Debian's nginx has another one at port 80.
    let listen = site.split("    listen ").nth(1).expect("it listens");
    let listen = listen.split(';').next().unwrap_or_default();
    let conf = format!(
        "load_module /usr/lib/nginx/modules/ngx_http_cache_purge_module.so;\npid {root}/pid;\nerror_log {root}/log;\n\
         events {{}}\nhttp {{ access_log off; client_body_temp_path {root}/1; proxy_temp_path {root}/2; \
         fastcgi_temp_path {root}/3; uwsgi_temp_path {root}/4; scgi_temp_path {root}/5;\n{site}\n\
         server {{ listen {listen}; server_name other.test; }} }}\n"
    );
    let file = folder.path().join("nginx.conf");
    std::fs::write(&file, conf).unwrap();
    let mut nginx = Command::new("/usr/sbin/nginx");
    let output = nginx.arg("-t").arg("-c").arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && !said.contains("[warn]"),
        "{said}\n{site}"
    );
}

#[test]
fn addresses_of_all_forms_are_taken_by_nginx() {
    let ran = run(roan(&[
        "nginx-conf",
        "--app=unix:/run/app.sock",
        "--listen=8099",
        "--listen=*:8098",
        "--listen=127.0.0.1:8097",
        "--allow=::1",
        "--allow=10.0.0.0/8",
        "--cache-folder=/srv/cache-of-pages",
    ]));
    ran.assert_code(0);
    assert_taken(&ran.stdout);
}
