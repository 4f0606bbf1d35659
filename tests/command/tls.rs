//! Sites with `https`: certificates, and pages that are cached under that scheme.

use std::path::Path;
use std::process::Command;

use roan_tests::{Nginx, Options, Origin, free_port};

use crate::support::{roan, run};

/// A certificate that signs itself.
fn certificate(folder: &Path) -> (String, String) {
    let file = |name: &str| folder.join(name).display().to_string();
    let (key, certificate) = (file("key.pem"), file("certificate.pem"));
    let output = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=site.test",
        ])
        .args(["-addext", "subjectAltName=DNS:site.test,IP:127.0.0.1"])
        .args(["-addext", "basicConstraints=critical,CA:FALSE"])
        .args(["-keyout", &key, "-out", &certificate])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    (key, certificate)
}

/// An nginx with purges over http, and pages over https at another port, whose keys have the scheme.
fn nginx(origin: &Origin, folder: &Path, port: u16) -> Nginx {
    let (key, certificate) = certificate(folder);
    let conf = format!(
        r#"
        proxy_cache_path FOLDER keys_zone=pages:1m inactive=1y;
        map $request_uri $purge_uri {{ default ""; "~^/purge(?<rest>/.*)$" $rest; }}
        map $http_x_forwarded_proto $page_scheme {{ default $scheme; https https; }}
        server {{
            listen LISTEN;
            listen 127.0.0.1:{port} ssl;
            ssl_certificate {certificate};
            ssl_certificate_key {key};
            location / {{
                proxy_pass http://APP;
                proxy_set_header Host $host;
                proxy_set_header Accept-Encoding "";
                proxy_ignore_headers Vary;
                proxy_cache pages;
                proxy_cache_key "$scheme$host$request_uri";
                proxy_cache_valid 200 1y;
                add_header X-Cache-Status $upstream_cache_status;
            }}
            location ^~ /purge/ {{
                allow 127.0.0.1; deny all;
                proxy_cache_purge pages "$page_scheme$host$purge_uri";
                add_header X-Roan-Purge "$page_scheme$host$purge_uri" always;
            }}
        }}"#
    );
    Nginx::start(origin, &Options::default().whole(&conf))
}

#[test]
fn a_certificate_of_nobody_is_named_and_nothing_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let (origin, port) = (Origin::start(), free_port());
    let _nginx = nginx(&origin, folder.path(), port);
    let here = format!("https://127.0.0.1:{port}");
    let sitemap = run(roan(&[
        "purge",
        "--sitemap",
        &format!("{here}/sitemap.xml"),
    ]));
    sitemap
        .assert_code(3)
        .assert_says(&["/sitemap.xml: ", "certificate"]);
    let purge_url = format!("{here}/purge");
    let purge = run(roan(&[
        "purge",
        "/a",
        "--purge-url",
        &purge_url,
        "--site=site.test",
        "--max-age=100ms",
    ]));
    purge
        .assert_code(3)
        .assert_says(&["dead        /a", "certificate"]);
    assert_eq!(origin.all_renders(), 0);
}

#[test]
fn the_doctor_visits_as_visitors_do_by_tls() {
    let folder = tempfile::tempdir().unwrap();
    let (origin, port) = (Origin::start(), free_port());
    let nginx = nginx(&origin, folder.path(), port);
    let page = format!("https://site.test:{port}/posts");
    let mut command = roan(&["doctor", &page, "--purge-url", &nginx.purge_url()]);
    // The authority of this test is one of the system's.
    command.env("SSL_CERT_FILE", folder.path().join("certificate.pem"));
    run(command)
        .assert_code(0)
        .assert_says(&["0 faults, 0 warnings"]);
}
