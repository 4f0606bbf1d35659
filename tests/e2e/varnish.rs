//! Varnish, with the VCL that the guide quotes: what is purged, and what is not.

use std::time::Duration;

use roan::{Cache, Failure, Outcome, Report, Roan, Spellings, Target, TargetKind};
use roan_tests::{Answer, Browser, HOST, Origin, SPELLINGS, Varnish, VarnishOptions, wait};

use crate::support::{LONG, builder_for, flush, next, outcome, until_final};

const SHOP: &str = "shop.test";

/// An origin, and two nodes in front of it.
struct Site {
    origin: Origin,
    nodes: [Varnish; 2],
}

impl Site {
    fn start() -> Self {
        let origin = Origin::start();
        let options = VarnishOptions::default();
        let nodes = [(); 2].map(|()| Varnish::start(&origin, &options));
        Self { origin, nodes }
    }

    fn cache(&self) -> roan::Varnish {
        cache(&self.nodes[0]).node(&self.nodes[1].url()).unwrap()
    }

    fn roan(&self) -> Roan {
        built(self.cache())
    }

    fn browsers(&self) -> [Browser; 2] {
        self.nodes.each_ref().map(Varnish::browser)
    }

    #[track_caller]
    fn warm(&self, url: &str) {
        for browser in self.browsers() {
            browser.warm(url);
        }
    }

    /// Whether both nodes have the page.
    #[track_caller]
    fn has(&self, host: &str, url: &str) -> bool {
        let of = |browser: Browser| browser.at_host(host).get(url).cache_status() == "HIT";
        let [left, right] = self.browsers().map(of);
        assert_eq!(left, right, "{host}{url} at each node");
        left
    }
}

fn cache(node: &Varnish) -> roan::Varnish {
    roan::Varnish::at(&node.url()).unwrap()
}

fn built(varnish: roan::Varnish) -> Roan {
    builder_for(varnish)
        .named_site("shop", format!("http://{SHOP}"))
        .spellings(Spellings::Exact)
        .build()
        .unwrap()
}

/// The final report of a purge at the only node.
#[track_caller]
fn purged(roan: &Roan, target: Target) -> Report {
    let mut reports = roan.subscribe();
    roan.purge(target).unwrap();
    until_final(&mut reports).pop().unwrap()
}

#[test]
fn every_url_can_be_purged_and_no_other_goes_with_it() {
    let site = Site::start();
    let roan = site.roan();
    let mut reports = roan.subscribe();
    let long = format!("/long/{}", "x".repeat(4000));
    let more = ["/bare", "/bare?", "/new%0Aline", "/%5C%51", "/a?b&", &long];
    let urls = [&SPELLINGS[..], &more].concat();
    urls.iter().for_each(|url| site.warm(url));
    for (number, url) in urls.iter().enumerate() {
        roan.purge(*url).expect(url);
        for _node in &site.nodes {
            let report = next(&mut reports);
            let seen = (&report.outcome, report.status, report.verified);
            assert_eq!(seen, (&Outcome::Purged, Some(200), true), "{url}");
        }
        assert!(!site.has(HOST, url), "{url} after its purge");
        for other in &urls[number + 1..] {
            assert!(site.has(HOST, other), "{other} after the purge of {url}");
        }
    }
    let report = purged(&roan, Target::url("/never-seen").unwrap());
    assert_eq!(
        (report.outcome, report.verified),
        (Outcome::NotCached, true)
    );
    let longest = format!("/{}", "x".repeat(Target::MAX_LEN - 1));
    site.warm(&longest);
    roan.purge(&longest).unwrap();
    flush(&roan);
    assert!(!site.has(HOST, &longest));
}

#[test]
fn a_host_has_one_spelling_and_noise_is_cut() {
    let site = Site::start();
    let browser = site.nodes[0].browser();
    browser.warm("/a");
    for host in ["SITE.test", "site.test:80", "site.test.", "Site.Test.:443"] {
        browser.at_host(host).assert_hit("/a");
    }
    browser.at_host("site.test:8080").assert_miss("/a");
    for (noisy, page) in [
        ("/n?utm_source=x", "/n"),
        ("/n?a=1&fbclid", "/n?a=1"),
        ("/n?UTM_x=1&a=2&gclid=3&b=4", "/n?a=2&b=4"),
    ] {
        browser.warm(page);
        assert_eq!(browser.assert_hit(noisy).text(), format!("{HOST}{page}"));
        let roan = built(cache(&site.nodes[0]));
        let report = purged(&roan, Target::url(noisy).unwrap());
        assert_eq!(
            (report.outcome, report.verified),
            (Outcome::Purged, false),
            "{noisy}"
        );
        browser.assert_miss(page);
    }
    browser.warm("/n?autm_source=1");
    browser.assert_miss("/n?autm_source=2");
}

#[test]
fn pages_are_purged_by_tags() {
    let site = Site::start();
    let tagged: [(&str, &[(&str, &str)]); 5] = [
        ("/1", &[("xkey", "a b-1")]),
        ("/2", &[("xkey", "b-1"), ("xkey", "c*")]),
        ("/3", &[("xkey", "d")]),
        ("/4", &[("xkey", "A aa b-11 %61 .*")]),
        ("/5", &[]),
    ];
    for (url, headers) in tagged {
        site.origin.headers(url, headers);
        site.warm(url);
        assert_eq!(site.nodes[0].browser().get(url).header("xkey"), None);
    }
    let roan = site.roan();
    let fresh = |tags: &[&str]| {
        for tag in tags {
            roan.purge(Target::tag(tag).unwrap()).unwrap();
        }
        flush(&roan);
        let gone = tagged.iter().filter(|(url, _)| !site.has(HOST, url));
        gone.map(|(url, _)| *url).collect::<Vec<_>>()
    };
    assert_eq!(fresh(&["a"]), ["/1"]);
    assert_eq!(fresh(&["b-1"]), ["/1", "/2"]);
    assert_eq!(fresh(&["c*", "d", "never-seen"]), ["/2", "/3"]);
    assert_eq!(fresh(&["*", ".", "b"]), [""; 0]);
    assert_eq!(fresh(&["%61"]), ["/4"]);
    assert_eq!(roan.stats().refused, 0);
    let report = purged(&built(cache(&site.nodes[0])), Target::tag("zz").unwrap());
    assert_eq!(
        (report.outcome, report.verified),
        (Outcome::NotCached, true)
    );
}

/// A batch of the longest tags is a line that Varnish reads.
#[test]
fn many_long_tags_are_purged() {
    let site = Site::start();
    let limits = Cache::from(site.cache())
        .capabilities()
        .limits(TargetKind::Tag);
    let batch = limits.unwrap().batch_size();
    let tags: Vec<_> = (0..10 * batch)
        .map(|number| format!("{number:x>120}"))
        .collect();
    let (first, last) = (leaked(&tags[0]), leaked(&tags[10 * batch - 1]));
    site.origin.headers("/first", &[("xkey", first)]);
    site.origin.headers("/last", &[("xkey", last)]);
    site.origin.headers("/other", &[("xkey", "x")]);
    let urls = ["/first", "/last", "/other"];
    urls.iter().for_each(|url| site.warm(url));
    let roan = site.roan();
    for tag in &tags {
        roan.purge(Target::tag(tag).unwrap()).unwrap();
    }
    flush(&roan);
    assert_eq!(urls.map(|url| site.has(HOST, url)), [false, false, true]);
    assert_eq!(roan.stats().refused, 0);

    let (browser, line) = (site.nodes[0].browser(), tags[..batch].join(" "));
    for name in ["xkey-purge", "xkey-softpurge"] {
        browser.warm("/first");
        let answer = browser.send("PURGE", "/", &[(name, &line)]);
        assert_eq!(
            (answer.status, answer.header("X-Roan-Found")),
            (200, Some("1"))
        );
    }
}

fn leaked(text: &str) -> &'static str {
    text.to_owned().leak()
}

#[test]
fn prefixes_hosts_and_everything_are_banned() {
    let site = Site::start();
    let pages = [
        "/docs/v1/",
        "/docs/v1/a?q=1",
        "/docs/v1",
        "/docs/v10/a",
        "/docs/v2/",
        "/x?/docs/v1/",
        "/x/docs/v1/",
    ];
    let roan = site.roan();
    let left = |target: Target| {
        let hosts = [HOST, SHOP];
        for browser in site.browsers() {
            for host in hosts {
                let browser = browser.at_host(host);
                pages.iter().for_each(|url| _ = browser.warm(url));
            }
        }
        roan.purge(target).unwrap();
        flush(&roan);
        let left = hosts.map(|host| pages.iter().filter(|url| site.has(host, url)).count());
        (left, roan.stats().refused)
    };
    let prefix = Target::prefix("/docs/v1/").unwrap();
    assert_eq!(left(prefix.at_site("shop")), ([7, 5], 0));
    assert_eq!(left(prefix), ([5, 7], 0));
    assert_eq!(left(Target::host()), ([0, 7], 0));
    assert_eq!(left(Target::host().at_site("shop")), ([7, 0], 0));
    assert_eq!(left(Target::everything()), ([0, 0], 0));
    let report = purged(&built(cache(&site.nodes[0])), Target::host());
    assert_eq!((report.outcome, report.verified), (Outcome::Purged, true));
}

/// A ban that says something of the request would be kept, and tested, for as long as an older page lives.
#[test]
fn the_lurker_works_the_bans_off() {
    let origin = Origin::start();
    let at_once = VarnishOptions::default().parameter("ban_lurker_age", "0.1");
    let never = VarnishOptions::default().parameter("ban_lurker_age", "9999");
    let [node, idle] = [at_once, never].map(|options| Varnish::start(&origin, &options));
    let roan = built(cache(&node).node(&idle.url()).unwrap());
    for browser in [node.browser(), idle.browser()] {
        for number in 0..10 {
            browser.warm(&format!("/docs/{number}"));
            browser.warm(&format!("/other/{number}"));
        }
    }
    // The answer to a purge is an object for a moment.
    let objects = |node: &Varnish, count: u64| {
        wait::until(LONG, "the number of pages", || {
            node.counter("MAIN.n_object") == count
        });
    };
    objects(&node, 20);
    let prefix = Target::prefix("/docs/").unwrap();
    roan.purge(prefix.clone()).unwrap();
    roan.purge(prefix.at_site("shop")).unwrap();
    roan.purge(Target::host().at_site("shop")).unwrap();
    flush(&roan);
    assert_eq!(idle.open_bans().len(), 3, "{:?}", idle.open_bans());
    wait::until(LONG, "the bans to be worked off", || {
        node.open_bans().is_empty()
    });
    // Pages that nobody asks for are freed.
    objects(&node, 10);
    roan.purge(Target::everything()).unwrap();
    flush(&roan);
    objects(&node, 0);
    objects(&idle, 20);
}

/// A value is one word of the ban, and matches as it is written.
#[test]
fn no_value_escapes_the_expression_of_a_ban() {
    let site = Site::start();
    let roan = built(cache(&site.nodes[0]));
    let browser = site.nodes[0].browser();
    // The last path segment of a prefix, and pages that it would hit if it were a pattern or another word.
    let hostile = [
        (".*", "/p/xx/1"),
        ("a|b", "/p/b/1"),
        ("a|", "/q/1"),
        ("(a)", "/p/a/1"),
        ("[a-z]", "/p/b/1"),
        ("a+", "/p/aa/1"),
        ("a{2}", "/p/aa/1"),
        ("a?", "/p/1"),
        ("^", "/p/1"),
        ("$", "/p/1"),
        ("a.c", "/p/abc/1"),
        ("\\E.*", "/p/xx/1"),
        ("\\E|.*\\Q", "/q/1"),
        ("\\d", "/p/1/1"),
        ("\\", "/p/1"),
        ("a && obj.http.x-roan-url ~ .", "/q/1"),
        ("\" || obj.status == 200", "/q/1"),
        ("\"", "/q/1"),
        ("a\r\nX-Roan-Ban: everything", "/q/1"),
        ("%2e*", "/p/xx/1"),
    ];
    for (value, other) in hostile {
        let segment = value.bytes().fold(String::new(), |text, byte| {
            let is_raw = b"*|()[]+{}^$.,;'".contains(&byte) || byte.is_ascii_alphanumeric();
            match Target::url(format!("/{}", char::from(byte))) {
                Ok(_) if is_raw => text + &char::from(byte).to_string(),
                _ => format!("{text}%{byte:02X}"),
            }
        });
        let prefix = format!("/p/{segment}/");
        let page = format!("{prefix}page");
        browser.warm(&page);
        browser.warm(other);
        let report = purged(&roan, Target::prefix(&prefix).expect(&prefix));
        let seen = (report.outcome, report.verified);
        assert_eq!(seen, (Outcome::Purged, true), "{value}");
        browser.assert_miss(&page);
        browser.assert_hit(other);
    }
    // The VCL itself does not take what is not a prefix, from whoever sends it.
    for prefix in [
        "/\\E.*/",
        "/a /",
        "/a/ && obj.http.x-roan-url ~ .",
        "/a/\t||",
        "/",
        "docs/",
        "",
        "/\u{e9}/",
    ] {
        let headers = [("X-Roan-Ban", "prefix"), ("X-Roan-Prefix", prefix)];
        assert_eq!(browser.send("BAN", "/", &headers).status, 400, "{prefix:?}");
    }
    for ban in ["", "obj.status == 200", "Everything"] {
        let headers = [("X-Roan-Ban", ban)];
        assert_eq!(browser.send("BAN", "/", &headers).status, 400, "{ban:?}");
    }
    let shop = browser.at_host("x && obj.status == 200");
    assert_eq!(shop.send("BAN", "/", &[("X-Roan-Ban", "host")]).status, 400);
    browser.assert_hit("/q/1");
}

#[test]
fn all_variants_of_a_page_go() {
    let site = Site::start();
    let url = "/hello";
    site.origin
        .headers(url, &[("vary", "Accept-Language"), ("xkey", "t")]);
    let browser = site.nodes[0].browser();
    let languages = ["de", "en", "fr"];
    let get = |language| browser.send("GET", url, &[("Accept-Language", language)]);
    for soft in [false, true] {
        for target in [Target::url(url), Target::tag("t"), Target::prefix("/p/")] {
            let Ok(target) = target else { continue };
            if target.kind() == TargetKind::Prefix {
                continue;
            }
            for language in languages {
                let is_hit = || get(language).cache_status() == "HIT";
                wait::until(LONG, "a HIT", is_hit);
            }
            let varnish = cache(&site.nodes[0]);
            let varnish = if soft { varnish.soft() } else { varnish };
            assert_eq!(purged(&built(varnish), target).outcome, Outcome::Purged);
            let wanted = if soft { "STALE" } else { "MISS" };
            for language in languages {
                assert_eq!(get(language).cache_status(), wanted, "{language}");
            }
        }
    }
}

/// The old page at once, and then the new one.
#[test]
fn a_soft_purge_serves_the_old_page_while_the_new_one_is_rendered() {
    let site = Site::start();
    let browser = site.nodes[0].browser();
    let roan = built(cache(&site.nodes[0]).soft());
    for (url, target) in [
        ("/a", Target::url("/a").unwrap()),
        ("/b", Target::tag("b").unwrap()),
    ] {
        site.origin.headers(url, &[("xkey", "b")]);
        site.origin.set(url, "old");
        browser.warm(url);
        site.origin.set(url, "new");
        let report = purged(&roan, target);
        assert_eq!((report.outcome, report.verified), (Outcome::Purged, true));
        let gate = site.origin.hold(url);
        for _visitor in 0..3 {
            let answer = browser.get(url);
            let seen = (answer.cache_status(), answer.text());
            assert_eq!(seen, ("STALE", "old".to_owned()));
        }
        gate.wait_for(1);
        gate.open();
        wait::until(LONG, "the new page", || browser.get(url).text() == "new");
        browser.assert_hit(url);
        assert_eq!(site.origin.renders(url), 2);
    }
}

#[test]
fn a_page_that_may_not_be_stored_any_more_is_not_stale_for_long() {
    let site = Site::start();
    let browser = site.nodes[0].browser();
    let roan = built(cache(&site.nodes[0]).soft());
    let get_until = |url: &str, is_new: &dyn Fn(&Answer) -> bool| {
        wait::until(LONG, "the new page", || is_new(&browser.get(url)));
        (0..3).for_each(|_| assert!(is_new(&browser.get(url))));
    };
    for url in ["/gone", "/private", "/down"] {
        site.origin.set(url, "old");
        browser.warm(url);
    }
    site.origin.remove("/gone");
    site.origin
        .headers("/private", &[("cache-control", "private")]);
    site.origin.set("/private", "new");
    site.origin.status("/down", Some(500));
    for url in ["/gone", "/private", "/down"] {
        assert_eq!(
            purged(&roan, Target::url(url).unwrap()).outcome,
            Outcome::Purged
        );
    }
    get_until("/gone", &|answer| answer.status == 404);
    get_until("/private", &|answer| answer.text() == "new");
    // An app that is down costs nobody the old page.
    get_until("/down", &|answer| {
        answer.cache_status() == "STALE" && answer.text() == "old"
    });
    wait::until(LONG, "renders that fail", || {
        site.origin.renders("/down") > 2
    });
    site.origin.status("/down", None);
    site.origin.set("/down", "new");
    get_until("/down", &|answer| answer.text() == "new");
    // A hard purge makes it gone all the same.
    let hard = built(cache(&site.nodes[0]));
    purged(&hard, Target::url("/down").unwrap());
    browser.assert_miss("/down");
}

#[test]
fn what_is_for_one_visitor_is_not_shared() {
    let site = Site::start();
    let browser = site.nodes[0].browser();
    let cases: [(&str, &[(&str, &str)]); 9] = [
        ("/private", &[("cache-control", "private, max-age=60")]),
        ("/no-store", &[("cache-control", "no-store")]),
        ("/no-cache", &[("cache-control", "no-cache")]),
        ("/max-age", &[("cache-control", "max-age=0")]),
        (
            "/set",
            &[("set-cookie", "a=b"), ("cache-control", "max-age=60")],
        ),
        ("/star", &[("vary", "*")]),
        ("/stars", &[("vary", "Accept-Encoding, *")]),
        ("/lines", &[("vary", "Accept-Encoding"), ("vary", "*")]),
        (
            "/surrogate",
            &[
                ("surrogate-control", "max-age=60"),
                ("cache-control", "private"),
            ],
        ),
    ];
    for (url, headers) in cases {
        site.origin.headers(url, headers);
        (0..3).for_each(|_| _ = browser.assert_miss(url));
    }
    // A cookie alone does not make a page private, but a page may differ by it.
    site.origin.headers("/vary", &[("vary", "Cookie")]);
    let with = |cookie| {
        browser
            .send("GET", "/vary", &[("Cookie", cookie)])
            .cache_status()
            .to_owned()
    };
    assert_eq!(["a=1", "a=1", "a=2"].map(with), ["MISS", "HIT", "MISS"]);
    let authorized = [("Authorization", "Basic eDp5")];
    browser.warm("/open");
    for url in ["/open", "/secret"] {
        let answer = browser.send("GET", url, &authorized);
        assert_eq!(answer.cache_status(), "MISS");
    }
    browser.assert_miss("/secret");
    // What is not in the key does not reach a page.
    let forged = ["X-Forwarded-Host", "Forwarded"].map(|name| (name, "evil"));
    browser.send("GET", "/forged", &forged);
    assert_eq!(site.origin.asked_with("/forged", "X-Forwarded-Host"), None);
    assert_eq!(site.origin.asked_with("/forged", "Forwarded"), None);
    site.origin.status("/error", Some(500));
    browser.get("/error");
    site.origin.status("/error", None);
    assert_eq!(browser.get("/error").status, 200);
}

#[test]
fn the_cache_keeps_a_page_as_long_as_the_app_says_and_browsers_ask() {
    let site = Site::start();
    let browser = site.nodes[0].browser();
    let for_browsers = ("cache-control", "max-age=0, must-revalidate");
    let headers = [
        for_browsers,
        (
            "surrogate-control",
            "max-age=31536000, stale-while-revalidate=9",
        ),
        ("vary", "Accept-Encoding"),
    ];
    site.origin.headers("/a", &headers);
    browser.warm("/a");
    let answer = browser.assert_hit("/a");
    assert_eq!(answer.header("cache-control"), Some(for_browsers.1));
    for name in ["surrogate-control", "age", "x-roan-url", "x-roan-host"] {
        assert_eq!(answer.header(name), None, "{name}");
    }
    site.origin
        .headers("/b", &[("cache-control", "s-maxage=60, max-age=0")]);
    browser.warm("/b");
    site.origin
        .headers("/c", &[("surrogate-control", "no-store")]);
    (0..2).for_each(|_| _ = browser.assert_miss("/c"));
}

/// What would be a success that purges nothing is refused, and says what to do.
#[test]
fn a_wrong_set_up_is_refused() {
    let origin = Origin::start();
    let x_cache = "sub vcl_deliver { if (obj.hits > 0) { set resp.http.X-Cache = \"HIT\"; } }";
    let whole = |text: &str| VarnishOptions::default().whole(&format!("{x_cache}\n{text}"));
    let foreign =
        VarnishOptions::default().edit("    \"127.0.0.1\";\n    \"::1\";", "    \"192.0.2.1\";");
    for (options, words) in [
        // Varnish's own VCL pipes a method that it does not know.
        (whole(""), "from the app or another server"),
        (
            whole("sub vcl_recv { if (req.method != \"GET\") { return (pass); } }"),
            "from the app or another server",
        ),
        (
            whole("sub vcl_recv { if (req.method != \"GET\") { return (synth(405)); } }"),
            "status 405: the VCL does not allow",
        ),
        (foreign, "add its address to `acl roan`"),
        (
            VarnishOptions::default().edit(
                "set req.http.X-Roan-Purge = \"url \" + req.http.Host",
                "set req.http.X-Roan-Purge = \"url other.test\"",
            ),
            "the VCL says that it purged \"url other.test/a\" instead of \"url site.test/a\"",
        ),
    ] {
        let node = Varnish::start(&origin, &options);
        node.browser().warm("/a");
        let roan = built(cache(&node));
        let report = purged(&roan, Target::url("/a").unwrap());
        let Outcome::Refused(refusal) = &report.outcome else {
            panic!("{words}: {report}");
        };
        let refusal = refusal.to_string();
        assert!(
            refusal.contains(words) && !report.verified,
            "{words}: {refusal}"
        );
    }
}

/// The PURGE of most sites' VCL drops a page, too, but nothing shows that.
#[test]
fn another_vcl_purges_urls_unverified_and_nothing_else() {
    let origin = Origin::start();
    let vcl = "sub vcl_recv { if (req.method == \"PURGE\") { return (purge); } \
               if (req.method == \"BAN\") { return (synth(200, \"Banned\")); } } \
               sub vcl_deliver { set resp.http.X-Cache = \"MISS\"; \
               if (obj.hits > 0) { set resp.http.X-Cache = \"HIT\"; } }";
    let node = Varnish::start(&origin, &VarnishOptions::default().whole(vcl));
    let browser = node.browser();
    browser.warm("/a");
    let roan = built(cache(&node));
    let report = purged(&roan, Target::url("/a").unwrap());
    assert_eq!((report.outcome, report.verified), (Outcome::Purged, false));
    browser.assert_miss("/a");
    for target in [
        Target::tag("a").unwrap(),
        Target::prefix("/a/").unwrap(),
        Target::host(),
        Target::everything(),
    ] {
        let report = purged(&roan, target).to_string();
        assert!(
            report.contains("without X-Roan-Purge") && report.contains("roan::guide::varnish"),
            "{report}"
        );
    }
}

#[test]
fn only_those_in_the_acl_may_purge_and_not_through_a_proxy() {
    let site = Site::start();
    let browser = site.nodes[0].browser();
    browser.warm("/a");
    let through = [("X-Forwarded-For", "192.0.2.7")];
    for method in ["PURGE", "BAN"] {
        assert_eq!(browser.send(method, "/a", &through).status, 405);
    }
    // Nor can a visitor have Varnish say that it has purged.
    let forged = [("X-Roan-Purge", "url x"), ("X-Roan-Found", "1")];
    let answer = browser.at_host("").send("GET", "/a", &forged);
    assert_eq!((answer.status, answer.header("X-Roan-Purge")), (400, None));
    browser.assert_hit("/a");
}

#[test]
fn purges_arrive_when_a_node_comes_back() {
    let mut site = Site::start();
    let timeout = Duration::from_millis(500);
    let roan = builder_for(site.cache()).timeout(timeout).build().unwrap();
    let mut reports = roan.subscribe();
    site.warm("/a");
    // Slow: the kernel accepts the connection, and nobody answers.
    site.nodes[0].suspend();
    roan.purge("/a").unwrap();
    let late = wait::until_some(LONG, "a failure", || {
        let report = next(&mut reports);
        match report.outcome {
            Outcome::Failed(failure) => Some(failure),
            _ => None,
        }
    });
    assert_eq!(late, Failure::Timeout);
    site.nodes[1].browser().assert_miss("/a");
    site.nodes[0].resume();
    flush(&roan);
    site.nodes[0].browser().assert_miss("/a");

    site.warm("/b");
    site.nodes[0].kill();
    roan.purge("/b").unwrap();
    wait::until(LONG, "the other node to be purged", || {
        let stats = roan.stats();
        stats.nodes[1].pending == 0 && stats.nodes[0].down
    });
    site.nodes[1].browser().assert_miss("/b");
    site.nodes[0].restart();
    flush(&roan);
    assert!(!roan.stats().nodes[0].down);
    assert_eq!(outcome_of(&roan, "/c"), Outcome::NotCached);
}

#[track_caller]
fn outcome_of(roan: &Roan, url: &str) -> Outcome {
    let mut reports = roan.subscribe();
    roan.purge(url).unwrap();
    outcome(&mut reports)
}
