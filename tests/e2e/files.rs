//! Purges of a stock nginx on the same machine: its files are unlinked.

use std::fs;
use std::time::Duration;

use roan::{NginxFiles, Outcome, Refusal, Roan, RoanBuilder};
use roan_tests::{HOST, Options, wait};

use crate::support::{LONG, Site, purged, until_final};

fn start() -> Site {
    Site::with(&Options::default().stock())
}

fn cache(site: &Site) -> NginxFiles {
    NginxFiles::at(site.nginx.cache_folder()).unwrap()
}

fn roan(site: &Site) -> Roan {
    builder(cache(site)).build().unwrap()
}

fn builder(cache: NginxFiles) -> RoanBuilder {
    Roan::builder().cache(cache).site(HOST).rebound(None)
}

#[track_caller]
fn assert_purged_and_fresh(site: &Site, roan: &Roan, url: &str) {
    site.old_and_new(url);
    let report = purged(roan, url);
    assert_eq!(
        (&report.outcome, report.verified),
        (&Outcome::Purged, true),
        "{report}"
    );
    assert_eq!(site.browser.assert_miss(url).text(), "new", "{url}");
    assert_eq!(site.browser.assert_hit(url).text(), "new", "{url}");
}

#[test]
fn a_page_is_fresh_once_its_file_is_gone() {
    let site = start();
    let roan = roan(&site);
    let long = format!("/{}", "a".repeat(4_000));
    for url in [
        "/a",
        "/caf%C3%A9",
        "/a%2Fb%20c",
        "//x",
        "/list?page=2&q=%26",
        "/'",
        &long,
    ] {
        assert_purged_and_fresh(&site, &roan, url);
    }
    let report = purged(&roan, "/none");
    assert_eq!(
        (&report.outcome, report.verified),
        (&Outcome::NotCached, true)
    );
    // The other pages are still there.
    site.browser.assert_hit("/a");
    assert!(
        !site.nginx.log().contains("[alert]"),
        "{}",
        site.nginx.log()
    );
}

#[test]
fn levels_and_the_place_of_temporary_files_do_not_matter() {
    let place = "/var/cache/nginx-pages levels=1:2";
    for settings in [
        "",
        " levels=1",
        " levels=2:2:2",
        " levels=1:2 use_temp_path=off",
    ] {
        let conf = format!("/var/cache/nginx-pages{settings}");
        let site = Site::with(&Options::default().stock().edit(place, &conf));
        assert_purged_and_fresh(&site, &roan(&site), "/a");
    }
    let site = start();
    let given = cache(&site).levels("1:2").unwrap();
    assert_purged_and_fresh(&site, &builder(given).build().unwrap(), "/a");
}

#[test]
fn a_folder_without_pages_is_not_a_mistake() {
    let site = start();
    let roan = roan(&site);
    assert_eq!(purged(&roan, "/a").outcome, Outcome::NotCached);
    assert_purged_and_fresh(&site, &roan, "/a");
}

#[test]
fn a_key_of_another_form_is_configured() {
    let site = Site::with(&Options::default().stock().scheme_in_key());
    let key = "$scheme$host$request_uri";
    let of_that_form = cache(&site).key(key).unwrap();
    assert_purged_and_fresh(&site, &builder(of_that_form).build().unwrap(), "/a");
    // It is not taken for the other form.
    let report = purged(&roan(&site), "/a");
    assert_eq!(
        (&report.outcome, report.verified),
        (&Outcome::NotCached, false)
    );
    site.browser.assert_hit("/a");
}

#[test]
fn a_page_in_several_variants_is_refused_with_its_cure() {
    let options = Options::default()
        .stock()
        .edit("proxy_set_header Accept-Encoding \"\";", "")
        .edit("proxy_ignore_headers Vary;", "");
    let site = Site::with(&options);
    let gzip = [("Accept-Encoding", "gzip")];
    site.origin.set("/a", "old");
    assert_eq!(site.browser.assert_miss("/a").text(), "old");
    assert_eq!(site.browser.send("GET", "/a", &gzip).cache_status(), "MISS");
    site.origin.set("/a", "new");
    let report = purged(&roan(&site), "/a");
    let Outcome::Refused(Refusal::Node(why)) = &report.outcome else {
        panic!("{report}");
    };
    assert!(why.contains("write `proxy_ignore_headers Vary;`"), "{why}");
    // What makes it wrong: the other variant comes back.
    assert_eq!(site.browser.assert_miss("/a").text(), "new");
    let other = site.browser.send("GET", "/a", &gzip);
    assert_eq!((other.cache_status(), &*other.text()), ("HIT", "old"));
}

#[test]
fn a_file_of_another_page_under_the_name_of_this_one_stays() {
    let site = start();
    let files = || {
        let mut found = Vec::new();
        let mut folders = vec![site.nginx.cache_folder()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.push(path);
                }
            }
        }
        found
    };
    site.browser.warm("/a");
    let of_a = files().pop().unwrap();
    let content = fs::read(&of_a).unwrap();
    site.browser.warm("/b");
    let of_b = files().into_iter().find(|path| *path != of_a).unwrap();
    fs::write(&of_b, content).unwrap();
    let message = purged(&roan(&site), "/b").outcome.to_string();
    assert!(
        message.contains("has the key \"site.test/a\" and not \"site.test/b\""),
        "{message}"
    );
    assert!(of_b.exists());
}

#[test]
fn a_fill_that_ends_after_the_purge_is_purged_by_the_rebound() {
    let site = start();
    let rebound = Duration::from_secs(1);
    let roan = builder(cache(&site)).rebound(rebound).build().unwrap();
    let mut reports = roan.subscribe();
    let fill = site.new_while_old_is_filled("/row");
    roan.purge("/row").unwrap();
    let first = until_final(&mut reports).pop().unwrap();
    assert_eq!(first.outcome, Outcome::NotCached);
    fill.end();
    assert_eq!(site.browser.assert_hit("/row").text(), "old");
    let second = until_final(&mut reports).pop().unwrap();
    assert_eq!((second.rebound, &second.outcome), (true, &Outcome::Purged));
    assert_eq!(site.browser.assert_miss("/row").text(), "new");
}

#[test]
fn nginx_drops_the_entry_of_a_file_that_is_gone() {
    let soon = ("inactive=1y;", "inactive=1s;");
    let site = Site::with(&Options::default().stock().edit(soon.0, soon.1));
    site.old_and_new("/a");
    assert_eq!(purged(&roan(&site), "/a").outcome, Outcome::Purged);
    wait::until(LONG, "the cache manager to look for the file", || {
        site.nginx.log().contains("[crit]")
    });
    assert_eq!(site.browser.assert_miss("/a").text(), "new");
}

#[test]
fn a_folder_that_is_not_nginxs_is_named() {
    for (folder, words) in [
        (
            "/none/at/all",
            "/none/at/all does not exist: write the folder of `proxy_cache_path`",
        ),
        ("/dev/null", "/dev/null is a link, or not what nginx makes"),
    ] {
        let roan = builder(NginxFiles::at(folder).unwrap()).build().unwrap();
        let message = purged(&roan, "/a").outcome.to_string();
        assert!(message.contains(words), "{message}");
    }
}
