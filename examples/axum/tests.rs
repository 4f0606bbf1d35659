//! Walks the steps of `main.rs`, with nginx as Debian installs it.
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test fails by a panic"
)]

use std::process::{Child, Command, Output, Stdio};

use roan_tests::{Browser, DebianNginx, wait};

const PAGE: &str = "/posts/hello";
const OLD: &str = "Hello, cache\n";
const NEW: &str = "Fresh\n";

/// The program of the walk. It is killed if the test fails.
struct Site(Option<Child>);

impl Site {
    fn start(nginx: &DebianNginx) -> Self {
        // Only the ports are not those of the walk.
        let purge_url = format!("http://localhost:{}/purge", nginx.addr().port());
        let child = Command::new(env!("CARGO_BIN_EXE_site"))
            .env("LISTEN", nginx.app().to_string())
            .env("ROAN_PURGE_URL", purge_url)
            .env("ROAN_SITE", "http://localhost")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        Self(Some(child.expect("the program starts")))
    }

    /// Presses Ctrl-C.
    fn end(mut self) -> Output {
        let child = self.0.take().expect("it runs");
        let interrupt = Command::new("kill")
            .args(["-s", "INT", &child.id().to_string()])
            .status();
        assert!(interrupt.expect("kill starts").success());
        child.wait_with_output().expect("its output")
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _gone = child.kill();
            let _reaped = child.wait();
        }
    }
}

fn look(browser: &Browser) -> (String, String) {
    let page = browser.get(PAGE);
    (page.cache_status().to_owned(), page.text())
}

fn seen(status: &str, text: &str) -> (String, String) {
    (status.to_owned(), text.to_owned())
}

#[test]
fn the_walk_shows_what_it_says() {
    let nginx = DebianNginx::start_as_installed();
    let browser = Browser::new(nginx.addr()).at_host("localhost");
    let site = Site::start(&nginx);
    wait::until(wait::LONG, "the program to listen", || {
        browser.get("/posts/none").status == 404
    });

    assert_eq!(look(&browser), seen("MISS", OLD));
    assert_eq!(look(&browser), seen("HIT", OLD));
    assert_eq!(browser.put(PAGE, "Fresh").status, 200);
    let mut looks = Vec::new();
    wait::until(wait::LONG, "two looks that miss", || {
        looks.push(look(&browser));
        let misses = looks.iter().filter(|(status, _)| status == "MISS");
        misses.count() == 2
    });
    // The first purge comes a moment after the answer to the write.
    let fresh = looks.iter().skip_while(|look| **look == seen("HIT", OLD));
    let mut fresh: Vec<_> = fresh.cloned().collect();
    fresh.dedup();
    assert_eq!(
        fresh,
        [seen("MISS", NEW), seen("HIT", NEW), seen("MISS", NEW)]
    );
    assert_eq!(look(&browser), seen("HIT", NEW));

    let output = site.end();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "nothing is left\n");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

#[test]
fn ctrl_c_waits_for_both_purges() {
    let nginx = DebianNginx::start_as_installed();
    let browser = Browser::new(nginx.addr()).at_host("localhost");
    let site = Site::start(&nginx);
    wait::until(wait::LONG, "the program to listen", || {
        browser.get("/posts/none").status == 404
    });
    browser.warm(PAGE);
    browser.put(PAGE, "Fresh");
    wait::until(wait::LONG, "the first purge", || look(&browser).1 == NEW);
    let output = site.end();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "nothing is left\n");
    // The page is not in the cache any more, and the app is gone.
    assert_eq!(browser.get(PAGE).status, 502);
}

#[test]
fn the_default_site_is_left_on() {
    let nginx = DebianNginx::start_as_installed();
    // A purge without the site's host looks like one of a page that is not cached.
    let stranger = Browser::new(nginx.addr()).at_host("other.test");
    let answer = stranger.purge(PAGE);
    assert_eq!((answer.status, answer.header("X-Roan-Purge")), (404, None));
    let key = format!("localhost{PAGE}");
    let mut addresses = vec![nginx.addr()];
    let ipv6 = std::net::SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, nginx.addr().port()));
    if std::net::TcpStream::connect(ipv6).is_ok() {
        addresses.push(ipv6);
    }
    for address in addresses {
        let answer = Browser::new(address).at_host("localhost").purge(PAGE);
        let found = (answer.status, answer.header("X-Roan-Purge"));
        assert_eq!(found, (404, Some(&*key)), "{address}");
    }
}
