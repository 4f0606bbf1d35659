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
        ("--zone-size", &["", "64", "0m", "64g", "m", "-1m"]),
        ("--cache-folder", &["cache", "/a b", "/a;", ""]),
        (
            "--app",
            &[
                "",
                "127.0.0.1:3000; }",
                "http://127.0.0.1:3000",
                "unix:app",
                "a b",
            ],
        ),
        ("--site", &["", "a b", "https://a.test/path", "*.test;"]),
        ("--listen", &["", "a", "0", "80 ssl", "10.0.0.1:", "70000"]),
        (
            "--allow",
            &["all", "10.0.0.0/33", "10.0.0", "::/129", "10.0.0.1/x"],
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
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().display();
    let site = ran
        .stdout
        .replace("/srv/cache-of-pages", &format!("{root}/pages"));
    let conf = format!(
        "load_module /usr/lib/nginx/modules/ngx_http_cache_purge_module.so;\npid {root}/pid;\nerror_log {root}/log;\n\
         events {{}}\nhttp {{ access_log off; client_body_temp_path {root}/1; proxy_temp_path {root}/2; \
         fastcgi_temp_path {root}/3; uwsgi_temp_path {root}/4; scgi_temp_path {root}/5;\n{site} }}\n"
    );
    let file = folder.path().join("nginx.conf");
    std::fs::write(&file, conf).unwrap();
    let mut nginx = Command::new("/usr/sbin/nginx");
    let output = nginx.arg("-t").arg("-c").arg(&file).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
