//! `roan purge --sitemap`.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use roan_tests::{Behaviour, Faulty, Nginx, Options, Origin};

use crate::support::{Ran, roan, run};

const HEAD: &str = r#"<?xml version="1.0" encoding="UTF-8"?>"#;
const SPACE: &str = r#"xmlns="http://www.sitemaps.org/schemas/sitemap/0.9""#;

fn pages(urls: &[&str]) -> String {
    let entries: String = urls
        .iter()
        .map(|url| format!("<url>\n<loc> {url} </loc><lastmod>2026-01-01</lastmod></url>"))
        .collect();
    format!("{HEAD}<urlset {SPACE}>{entries}</urlset>")
}

fn index(urls: &[&str]) -> String {
    let entries: String = urls
        .iter()
        .map(|url| format!("<sitemap><loc>{url}</loc></sitemap>"))
        .collect();
    format!("{HEAD}<sitemapindex {SPACE}>{entries}</sitemapindex>")
}

fn packed(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// Purges a sitemap of a file, at an endpoint that answers each purge.
#[track_caller]
fn of_file(content: &[u8], arguments: &[&str]) -> (Ran, Vec<String>) {
    let endpoint = Faulty::start(Behaviour::Purged);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sitemap.xml");
    std::fs::write(&file, content).unwrap();
    let mut command = roan(&["purge", "--no-rebound", "--format=json", "--sitemap"]);
    command
        .arg(&file)
        .args(arguments)
        .env("ROAN_PURGE_URL", endpoint.purge_url());
    let ran = run(command);
    let purged = endpoint.requests().into_iter();
    let mut purged: Vec<_> = purged.map(|request| request.target).collect();
    purged.sort();
    (ran, purged)
}

#[test]
fn the_pages_of_a_sitemap_are_purged_byte_for_byte() {
    let urls = [
        "https://site.test/posts/caf%C3%A9",
        "https://site.test/list?a=1&amp;b=2",
        "https://site.test/&#x61;",
        "<![CDATA[https://site.test/c?x&y]]>",
        "https://site.test",
    ];
    let wanted = [
        "/purge/",
        "/purge/a",
        "/purge/c?x&y",
        "/purge/list?a=1&b=2",
        "/purge/posts/caf%C3%A9",
    ];
    for content in [pages(&urls).into_bytes(), packed(&pages(&urls))] {
        let (ran, purged) = of_file(&content, &["--exact"]);
        ran.assert_code(0);
        assert_eq!(purged, wanted);
    }
}

#[test]
fn urls_of_other_hosts_are_left_out_and_counted() {
    let content = pages(&[
        "https://site.test/a",
        "https://evil.test/b",
        "/c",
        "mailto:x",
    ]);
    let (ran, purged) = of_file(content.as_bytes(), &[]);
    let summary = ran.assert_code(4).summary();
    assert_eq!(purged, ["/purge/a", "/purge/c"]);
    assert_eq!(
        (&summary["other_hosts"], &summary["not_urls"]),
        (&1.into(), &1.into())
    );
}

#[test]
fn what_is_not_a_sitemap_is_named_with_its_place() {
    for (content, words) in [
        ("", "sitemap.xml: not a sitemap"),
        ("<html><body>Not found</body></html>", "not a sitemap"),
        (
            "<urlset><url><loc>https://site.test/a</lo></url>",
            "not well-formed XML",
        ),
        (
            "<urlset><url><loc>https://site.test/&bomb;</loc></url></urlset>",
            "unknown entity &bomb;",
        ),
    ] {
        let (ran, purged) = of_file(content.as_bytes(), &[]);
        ran.assert_code(4).assert_says(&[words]);
        assert_eq!(purged, [""; 0]);
    }
    // What is read before the end of a broken one is purged.
    let broken = pages(&["https://site.test/a"]).replace("</urlset>", "<url><loc>");
    let (ran, purged) = of_file(broken.as_bytes(), &[]);
    ran.assert_code(4);
    assert_eq!(purged, ["/purge/a"]);
    let cut = &packed(&pages(&["https://site.test/a"; 100]))[..60];
    of_file(cut, &[]).0.assert_code(4);
}

#[test]
fn bombs_are_not_unpacked() {
    // 3 MiB of spaces between two entries: 3 kB packed.
    let spaces = " ".repeat(3 * 1024 * 1024);
    let urls = pages(&["https://site.test/a"]);
    let one_piece = urls.replace("</urlset>", &format!("<!--{spaces}--></urlset>"));
    let (ran, _) = of_file(&packed(&one_piece), &[]);
    ran.assert_code(4)
        .assert_says(&["one piece of XML is longer than 1 MiB"]);
    let entries = "<x/>".repeat(500_000);
    let many = urls.replace("</urlset>", &format!("{entries}</urlset>"));
    let (ran, purged) = of_file(&packed(&many), &["--max-sitemap-size", "1"]);
    ran.assert_code(4)
        .assert_says(&["larger than 1 MiB after unpacking: raise --max-sitemap-size"]);
    assert_eq!(purged, ["/purge/a"]);
    of_file(&packed(&many), &["--max-sitemap-size", "4"])
        .0
        .assert_code(0);
    let long = pages(&[&format!("https://site.test/{}", "a".repeat(100_000))]);
    of_file(long.as_bytes(), &[])
        .0
        .assert_code(4)
        .assert_says(&["a URL is longer than a page's may be"]);
    let three = pages(&[
        "https://site.test/1",
        "https://site.test/2",
        "https://site.test/3",
    ]);
    let (ran, purged) = of_file(three.as_bytes(), &["--max-urls", "2"]);
    ran.assert_code(4)
        .assert_says(&["more than 2 pages: raise --max-urls"]);
    assert_eq!(purged, ["/purge/1", "/purge/2"]);
}

#[test]
fn an_index_is_fetched_within_its_host_and_its_limits() {
    let origin = Origin::start();
    let nginx = Nginx::start(&origin, &Options::default());
    let origin = origin.at_host("127.0.0.1");
    let here = nginx.url();
    let at = |path: &str| format!("{here}{path}");
    origin.set("/pages.xml", pages(&[&at("/a"), &at("/b")]));
    origin.set("/loop.xml", index(&[&at("/loop.xml"), &at("/pages.xml")]));
    origin.set(
        "/index.xml",
        index(&[
            &at("/pages.xml"),
            "http://127.0.0.1:1/x.xml",
            &at("/gone.xml"),
        ]),
    );
    origin.remove("/gone.xml");
    let purge = |arguments: &[&str]| {
        let mut command = roan(&[&["purge", "--no-rebound", "--format=json"], arguments].concat());
        // The key of the pages is `$host`, without the port.
        command.env("ROAN_PURGE_URL", nginx.purge_url());
        run(command)
    };
    let browser = nginx.browser().at_host("127.0.0.1");
    browser.warm("/a");
    let ran = purge(&["--sitemap", &at("/index.xml")]);
    ran.assert_code(4).assert_says(&[
        "http://127.0.0.1:1/x.xml is at another host",
        "/gone.xml: status 404",
    ]);
    let summary = ran.summary();
    assert_eq!(
        (&summary["targets"], &summary["unreadable_inputs"]),
        (&2.into(), &2.into()),
        "{ran:#?}"
    );
    browser.assert_miss("/a");

    let ran = purge(&["--sitemap", &at("/loop.xml")]);
    ran.assert_code(4)
        .assert_says(&["deeper than 2 levels of indexes"]);
    let ran = purge(&["--sitemap", &at("/loop.xml"), "--max-sitemaps", "2"]);
    ran.assert_code(4)
        .assert_says(&["more than 2 sitemaps: raise --max-sitemaps"]);
    let ran = purge(&["--sitemap", &at("/gone.xml")]);
    ran.assert_code(3).assert_says(&["/gone.xml: status 404"]);
    let ran = purge(&["--sitemap", "http://127.0.0.1:1/sitemap.xml"]);
    ran.assert_code(3)
        .assert_says(&["127.0.0.1:1/sitemap.xml: ", "refused"]);
}
