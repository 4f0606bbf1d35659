//! Which answers come from the cache, and what they look like.

use http::header::{CONTENT_LENGTH, HOST};

use super::*;

#[tokio::test]
async fn a_hit_is_the_app_s_own_answer() {
    let headers = &[FOREVER, ("link", "</a>"), ("link", "</b>"), ("x-app", "1")];
    let site = Site::answering(headers);
    let miss = site.get("/posts").await;
    let hit = site.get("/posts").await;
    assert_eq!(miss.cache_status(), "MISS");
    assert_eq!(hit.cache_status(), "HIT");
    assert_eq!((miss.status, &miss.body), (hit.status, &hit.body));
    for name in ["cache-control", "link", "x-app", "content-length"] {
        let lines = |seen: &Seen| {
            seen.headers
                .get_all(name)
                .iter()
                .cloned()
                .collect::<Vec<_>>()
        };
        assert_eq!(lines(&miss), lines(&hit), "{name}");
    }
    assert_eq!(hit.header("age"), None);
}

#[tokio::test]
async fn a_real_server_hits_too() {
    let site = Site::answering(&[FOREVER]);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/caf%C3%A9?x=1", listener.local_addr().unwrap());
    let server = tokio::spawn(axum::serve(listener, site.app.clone()).into_future());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let get = async || {
        let response = client.get(&url).send().await.unwrap();
        let status = response.headers()["x-cache-status"]
            .to_str()
            .unwrap()
            .to_owned();
        (status, response.text().await.unwrap())
    };
    let pair = |status: &str, body: &str| (status.to_owned(), body.to_owned());
    assert_eq!(get().await, pair("MISS", "render 1"));
    assert_eq!(get().await, pair("HIT", "render 1"));
    assert_eq!(site.purge_url("/caf%C3%A9?x=1").await, Outcome::Purged);
    assert_eq!(get().await, pair("MISS", "render 2"));
    assert_eq!(get().await, pair("HIT", "render 2"));
    let head = client.head(&url).send().await.unwrap();
    assert_eq!(head.headers()["x-cache-status"], "HIT");
    assert_eq!(head.headers()[CONTENT_LENGTH], "8");
    server.abort();
}

#[tokio::test]
async fn each_host_and_each_spelling_of_a_url_is_a_page() {
    let site = Site::answering(&[FOREVER]);
    let urls = [
        "/list",
        "/list?",
        "/list?page=1",
        "/list?page=2",
        "/caf%C3%A9",
        "/caf%c3%a9",
        "/a%2Fb",
        "/a/b",
        "/a//b",
        "http://other.example/list",
    ];
    for url in urls {
        assert_eq!(site.get(url).await.cache_status(), "MISS", "{url}");
    }
    for (number, url) in urls.iter().enumerate() {
        let seen = site.get(url).await;
        assert_eq!(seen.cache_status(), "HIT", "{url}");
        assert_eq!(seen.body, format!("render {}", number + 1), "{url}");
    }
    let same = site.get("http://EXAMPLE.org:8080/list").await;
    assert_eq!((same.cache_status(), &*same.body), ("HIT", "render 1"));
}

#[tokio::test]
async fn head_is_answered_from_the_get_and_stores_nothing() {
    let site = Site::answering(&[FOREVER]);
    assert_eq!(site.ask("HEAD", "/a", &[]).await.cache_status(), "MISS");
    assert_eq!(site.get("/a").await.cache_status(), "MISS");
    let head = site.ask("HEAD", "/a", &[]).await;
    assert_eq!((head.cache_status(), &*head.body), ("HIT", ""));
    assert_eq!(head.header("content-length"), Some("8"));
}

#[tokio::test]
async fn other_methods_and_unclear_requests_go_to_the_app() {
    let site = Site::answering(&[FOREVER]);
    site.get("/a").await;
    for (number, method) in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"]
        .iter()
        .enumerate()
    {
        let seen = site.ask(method, "/b", &[]).await;
        assert_eq!(seen.cache_status(), "none", "{method}");
        assert_eq!(seen.body, format!("render {}", number + 2));
    }
    let with_body = Request::get("http://example.org/a")
        .body(Body::from("x"))
        .unwrap();
    let without_host = Request::get("/a").body(Body::empty()).unwrap();
    let two_hosts = Request::get("/a").header(HOST, "a").header(HOST, "b");
    let two_hosts = two_hosts.body(Body::empty()).unwrap();
    for request in [with_body, without_host, two_hosts] {
        assert_eq!(site.send(request).await.cache_status(), "BYPASS");
    }
    assert_eq!(site.get("/a").await.body, "render 1");
}

#[tokio::test]
async fn what_is_not_for_all_is_not_stored() {
    for headers in [
        &[("cache-control", "private, s-maxage=60")][..],
        &[("cache-control", "no-store")],
        &[FOREVER, ("set-cookie", "session=1")],
        &[FOREVER, ("vary", "*")],
        &[],
    ] {
        let site = Site::answering(headers);
        assert_eq!(
            site.statuses("/a", &[]).await,
            ["MISS", "MISS"],
            "{headers:?}"
        );
        assert_eq!(site.pages.store.sizes().0, 0);
    }
}

#[tokio::test]
async fn a_page_that_says_nothing_is_kept_if_the_site_wants_that() {
    let app = Router::new().fallback(|| async { "page" });
    let pages = Embedded::builder()
        .default_ttl(Duration::from_secs(60))
        .build();
    let site = Site::new(app, pages, None);
    assert_eq!(site.statuses("/a", &[]).await, ["MISS", "HIT"]);
    // Such a page may well be another one for those who have signed in.
    let signed_in = &[("authorization", "Basic eA==")];
    assert_eq!(site.statuses("/a", signed_in).await, ["BYPASS", "BYPASS"]);
    assert_eq!(site.statuses("/b", signed_in).await, ["MISS", "MISS"]);
}

#[tokio::test]
async fn authorization_sees_only_what_is_for_all() {
    let signed_in = &[("authorization", "Basic eA==")];
    let site = Site::answering(&[FOREVER]);
    assert_eq!(site.statuses("/a", signed_in).await, ["MISS", "HIT"]);
    let site = Site::answering(&[("cache-control", "max-age=60")]);
    assert_eq!(site.statuses("/a", signed_in).await, ["MISS", "MISS"]);
    assert_eq!(site.statuses("/a", &[]).await, ["MISS", "HIT"]);
    assert_eq!(
        site.get_with("/a", signed_in).await.cache_status(),
        "BYPASS"
    );
}

#[tokio::test]
async fn each_variant_is_kept_and_one_purge_takes_them_all() {
    let site = Site::answering(&[FOREVER, ("vary", "accept-language")]);
    let [de, en] = [[("accept-language", "de")], [("accept-language", "en")]];
    for (language, body) in [(&de[..], "render 1"), (&en, "render 2"), (&[], "render 3")] {
        assert_eq!(site.statuses("/a", language).await, ["MISS", "HIT"]);
        assert_eq!(site.get_with("/a", language).await.body, body);
    }
    assert_eq!(site.get_with("/a", &de).await.body, "render 1");
    assert_eq!(site.purge_url("/a").await, Outcome::Purged);
    for language in [&de[..], &en, &[]] {
        assert_eq!(site.get_with("/a", language).await.cache_status(), "MISS");
    }
}

#[tokio::test]
async fn what_is_too_old_is_rendered_again() {
    let app = Router::new().fallback(|| async { "page" });
    let pages = Embedded::builder()
        .default_ttl(Duration::from_millis(1))
        .build();
    let site = Site::new(app, pages, None);
    assert_eq!(site.get("/a").await.cache_status(), "MISS");
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(site.get("/a").await.cache_status(), "EXPIRED");
}

#[tokio::test]
async fn a_client_that_has_the_page_gets_304() {
    let headers = &[FOREVER, ("etag", "\"1\""), ("content-type", "text/html")];
    let site = Site::answering(headers);
    site.get("/a").await;
    for method in ["GET", "HEAD"] {
        let seen = site.ask(method, "/a", &[("if-none-match", "\"1\"")]).await;
        assert_eq!((seen.status.as_u16(), &*seen.body), (304, ""));
        assert_eq!(seen.cache_status(), "HIT");
        assert_eq!(seen.header("etag"), Some("\"1\""));
        assert_eq!(seen.header("cache-control"), Some(FOREVER.1));
        assert_eq!(seen.header("content-type"), None);
    }
    let other = [("if-none-match", "\"0\"")];
    let seen = site.get_with("/a", &other).await;
    assert_eq!((seen.status.as_u16(), &*seen.body), (200, "render 1"));
    assert_eq!(seen.header("content-type"), Some("text/html"));
}

#[tokio::test]
async fn what_is_of_one_connection_is_not_stored() {
    let site = Site::answering(&[
        FOREVER,
        ("connection", "x-a, X-B"),
        ("x-a", "1"),
        ("x-b", "1"),
    ]);
    assert!(site.get("/a").await.header("x-a").is_some());
    let hit = site.get("/a").await;
    assert_eq!(hit.cache_status(), "HIT");
    for name in ["connection", "x-a", "x-b"] {
        assert_eq!(hit.header(name), None, "{name}");
    }
}
