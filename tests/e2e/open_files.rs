//! nginx with `open_file_cache`: each worker holds files open, also those that are gone.

use std::net::SocketAddr;

use roan::{NginxFiles, Outcome, Roan};
use roan_tests::{Browser, HOST, Options, SECRET, free_port};

use crate::support::{Site, purged, roan};

const OPEN_FILES: &str =
    "open_file_cache max=100 inactive=1h; open_file_cache_valid 1h; open_file_cache_min_uses 1;";

/// More than enough for both workers to have answered.
const REQUESTS: usize = 40;

/// The site, and a browser whose connections go to both workers: to which of them is chosen by the port of each.
fn start(options: Options) -> (Site, Browser) {
    let port = free_port();
    let listen = format!("listen 127.0.0.1:{port} reuseport;");
    let options = options.http_text(OPEN_FILES).server_text(&listen);
    let browser = Browser::new(SocketAddr::from(([127, 0, 0, 1], port)));
    (Site::with(&options), browser)
}

/// Writes a page that both workers hold open, again and again; what `fresh` does then leaves no old one.
#[track_caller]
fn assert_fresh_at_each_worker(site: &Site, browser: &Browser, fresh: &Roan) {
    site.origin.set("/a", "version 0");
    site.browser.warm("/a");
    for version in 1..=5 {
        let old = format!("version {}", version - 1);
        for _ in 0..REQUESTS {
            assert_eq!(browser.assert_hit("/a").text(), old);
        }
        let new = format!("version {version}");
        site.origin.set("/a", &new);
        assert_eq!(purged(fresh, "/a").outcome, Outcome::Purged);
        for _ in 0..REQUESTS {
            assert_eq!(browser.get("/a").text(), new);
        }
    }
}

/// The entry is gone from the zone, which the workers share, and the file of the new one is another.
#[test]
fn a_purge_by_the_module_reaches_files_that_are_open() {
    let (site, browser) = start(Options::default());
    assert_fresh_at_each_worker(&site, &browser, &roan(&site.nginx));
}

/// The zone has the number of the file that belongs to the page.
#[test]
fn a_refresh_reaches_files_that_are_open() {
    let (site, browser) = start(Options::default().refresh());
    let nginx = roan::Nginx::at(&site.nginx.url()).unwrap();
    let nginx = nginx.refresh(SECRET).unwrap();
    let roan = Roan::builder().cache(nginx).site(HOST).rebound(None);
    assert_fresh_at_each_worker(&site, &browser, &roan.build().unwrap());
}

fn unlinking(site: &Site) -> Roan {
    let files = NginxFiles::at(site.nginx.cache_folder()).unwrap();
    let roan = Roan::builder().cache(files).site(HOST).rebound(None);
    roan.build().unwrap()
}

/// What the guide says: nginx does not know that the file is gone.
#[test]
fn a_file_that_is_unlinked_is_served_while_it_is_open() {
    let (site, browser) = start(Options::default().stock());
    site.old_and_new("/a");
    for _ in 0..REQUESTS {
        browser.assert_hit("/a");
    }
    assert_eq!(purged(&unlinking(&site), "/a").outcome, Outcome::Purged);
    for _ in 0..REQUESTS {
        assert_eq!(browser.assert_hit("/a").text(), "old");
    }
}

/// What the guide says to write.
#[test]
fn a_server_without_open_files_does_not_serve_what_is_unlinked() {
    let off = Options::default()
        .stock()
        .server_text("open_file_cache off;");
    let (site, browser) = start(off);
    assert_fresh_at_each_worker(&site, &browser, &unlinking(&site));
}
