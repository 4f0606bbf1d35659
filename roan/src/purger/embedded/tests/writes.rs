//! What the answer to a write purges by itself, and what it says.

use super::*;

/// A page answers a GET with its query as `Cache-Groups`. Another method is answered with the status and the headers that
/// the request wishes for.
fn site() -> Site {
    let app = Router::new().fallback(async |request: Request<Body>| {
        let mut response = Response::new(Body::from("page"));
        let uri = request.uri();
        let mut insert = |name: &'static str, value: &str| {
            response.headers_mut().insert(name, value.parse().unwrap());
        };
        if request.method() == "GET" {
            insert(FOREVER.0, FOREVER.1);
            insert(
                "cache-groups",
                &uri.query().unwrap_or_default().replace('\'', "\""),
            );
            insert("vary", "accept-language");
            return response;
        }
        for name in ["location", "content-location", "cache-group-invalidation"] {
            if let Some(value) = request.headers().get(name) {
                insert(name, value.to_str().unwrap());
            }
        }
        if let Some(status) = request.headers().get("status") {
            let status = status.to_str().unwrap().parse().unwrap();
            *response.status_mut() = status;
        }
        response
    });
    Site::new(app, Embedded::new(), None)
}

impl Site {
    async fn fill(&self, urls: &[&str]) {
        for url in urls {
            self.get(url).await;
            assert_eq!(self.get(url).await.cache_status(), "HIT", "{url}");
        }
    }

    /// Which of the pages are gone.
    async fn gone(&self, urls: &[&'static str]) -> Vec<&'static str> {
        let mut gone = Vec::new();
        for url in urls {
            // A HEAD fills nothing.
            if self.ask("HEAD", url, &[]).await.cache_status() == "MISS" {
                gone.push(*url);
            }
        }
        gone
    }
}

#[tokio::test]
async fn a_write_purges_its_own_page_with_all_variants() {
    for method in ["POST", "PUT", "PATCH", "DELETE", "OTHER"] {
        let site = site();
        site.fill(&["/a", "/b", "http://other.example/a"]).await;
        let german = [("accept-language", "de")];
        site.get_with("/a", &german).await;
        site.ask(method, "/a", &[]).await;
        let left = ["/a", "/b", "http://other.example/a"];
        assert_eq!(site.gone(&left).await, ["/a"], "{method}");
        assert_eq!(site.get_with("/a", &german).await.cache_status(), "MISS");
    }
}

#[tokio::test]
async fn safe_methods_and_errors_purge_nothing() {
    let group = ("cache-group-invalidation", "\"g\"");
    for (method, status) in [
        ("OPTIONS", "200"),
        ("HEAD", "200"),
        ("POST", "404"),
        ("POST", "422"),
        ("DELETE", "500"),
    ] {
        let site = site();
        site.fill(&["/a?'g'", "/b"]).await;
        let headers = [("status", status), group, ("location", "/b")];
        site.ask(method, "/a?'g'", &headers).await;
        assert!(
            site.gone(&["/a?'g'", "/b"]).await.is_empty(),
            "{method} {status}"
        );
    }
}

#[tokio::test]
async fn a_write_purges_the_pages_that_it_names_at_its_origin() {
    for status in ["201", "204", "303"] {
        let site = site();
        let urls = ["/new", "/changed?", "/other", "http://other.example/new"];
        site.fill(&urls).await;
        let headers = [
            ("status", status),
            ("location", "/new#top"),
            ("content-location", "http://Example.org/changed?"),
        ];
        site.ask("POST", "/form", &headers).await;
        assert_eq!(site.gone(&urls).await, ["/new", "/changed?"], "{status}");
        let elsewhere = [("status", status), ("location", "http://other.example/new")];
        site.ask("POST", "/form", &elsewhere).await;
        assert!(site.gone(&["http://other.example/new"]).await.is_empty());
    }
}

#[tokio::test]
async fn groups_are_purged_at_their_origin_alone() {
    let site = site();
    let urls = [
        "/1?'a'",
        "/2?'b','a'",
        "/3?'A'",
        "http://other.example/1?'a'",
    ];
    site.fill(&urls).await;
    let write = async |groups| {
        let headers = [("cache-group-invalidation", groups)];
        site.ask("POST", "/form", &headers).await;
    };
    for unreadable in ["a", "\"a", "\"a\" \"a\"", "1, \"a\""] {
        write(unreadable).await;
        assert!(site.gone(&urls).await.is_empty(), "{unreadable}");
    }
    write("\"x\", \"a\";param=1").await;
    assert_eq!(site.gone(&urls).await, ["/1?'a'", "/2?'b','a'"]);
}

/// A group may have spaces, and so may look like other labels.
#[tokio::test]
async fn no_group_is_an_area() {
    let site = site();
    let urls = ["/a/1", "/a/2?'a'"];
    site.fill(&urls).await;
    for group in ["\" \"", "\"\"", "\"/\"", "\"  \"", "\" /a/\""] {
        let headers = [("cache-group-invalidation", group)];
        site.ask("POST", "/form", &headers).await;
        assert!(site.gone(&urls).await.is_empty(), "{group}");
    }
}

#[tokio::test]
async fn a_group_is_a_tag_for_other_purges() {
    let site = site();
    site.fill(&["/1?'a'"]).await;
    assert_eq!(site.purge(Target::tag("a").unwrap()).await, Outcome::Purged);
    assert_eq!(site.gone(&["/1?'a'"]).await, ["/1?'a'"]);
}

/// Nothing would purge it.
#[tokio::test]
async fn a_page_with_groups_that_cannot_be_read_is_not_stored() {
    let site = site();
    assert_eq!(site.statuses("/1?a", &[]).await, ["MISS", "MISS"]);
    let seen = site.get("/1?a").await;
    assert_eq!(seen.header("cache-status"), Some("roan; fwd=uri-miss"));
}

/// The write is a purge for the renders that have begun before.
#[tokio::test]
async fn a_page_that_is_rendered_during_a_write_is_not_stored() {
    use tokio::sync::Semaphore;

    for answer in [
        ("cache-group-invalidation", "\"g\""),
        ("location", "/a"),
        ("content-location", "a"),
    ] {
        let [begun, go_on] = [0, 0].map(|_| Arc::new(Semaphore::new(0)));
        let gates = (Arc::clone(&begun), Arc::clone(&go_on));
        let app = Router::new().fallback(move |request: Request<Body>| {
            let (begun, go_on) = gates.clone();
            async move {
                if request.method() == "POST" {
                    return ([answer, ("x", "x")], "done");
                }
                begun.add_permits(1);
                go_on.acquire().await.unwrap().forget();
                ([FOREVER, ("cache-groups", "\"g\"")], "page")
            }
        });
        let site = Site::new(app, Embedded::new(), None);
        let write = async {
            begun.acquire().await.unwrap().forget();
            site.ask("POST", "/form", &[]).await;
            go_on.add_permits(1);
        };
        tokio::join!(site.get("/a"), write);
        go_on.add_permits(1);
        assert_eq!(site.get("/a").await.cache_status(), "MISS", "{answer:?}");
        assert_eq!(site.get("/a").await.cache_status(), "HIT");
    }
}

#[tokio::test]
async fn cache_status_says_why_the_app_was_asked() {
    let site = site();
    let status = async |method, headers: &[(&str, &str)]| {
        let seen = site.ask(method, "/a", headers).await;
        seen.header("cache-status").unwrap_or_default().to_owned()
    };
    assert_eq!(status("HEAD", &[]).await, "roan; fwd=uri-miss");
    assert_eq!(status("GET", &[]).await, "roan; fwd=uri-miss; stored");
    let hit = status("GET", &[]).await;
    assert!(
        ["roan; hit; ttl=31536000", "roan; hit; ttl=31535999"].contains(&&*hit),
        "{hit}"
    );
    let german = [("accept-language", "de")];
    assert_eq!(status("GET", &german).await, "roan; fwd=vary-miss; stored");
    assert_eq!(status("POST", &[]).await, "roan; fwd=method");
    assert_eq!(status("OPTIONS", &[]).await, "roan; fwd=method");
    let without_host = Request::get("/a").body(Body::empty()).unwrap();
    let seen = site.send(without_host).await;
    assert_eq!(seen.header("cache-status"), Some("roan; fwd=bypass"));

    let site = Site::answering(&[
        ("cache-control", "max-age=60"),
        ("cache-status", "\"up\"; hit"),
    ]);
    site.get("/a").await;
    let seen = site
        .get_with("/a", &[("authorization", "Basic eA==")])
        .await;
    let lines: Vec<_> = seen.headers.get_all("cache-status").iter().collect();
    assert_eq!(lines, ["\"up\"; hit", "roan; fwd=request"]);
}
