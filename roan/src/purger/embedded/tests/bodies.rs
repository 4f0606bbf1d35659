//! Bodies that come in pieces, not at all, or from an app that is no axum router.

use http::header::CONTENT_LENGTH;
use tower::service_fn;
use tower_layer::Layer;

use super::*;

#[tokio::test]
async fn a_page_is_stored_when_it_is_whole() {
    let app = Router::new().fallback(async |request: Request<Body>| {
        let chunks: Vec<Result<&str, std::io::Error>> = match request.uri().path() {
            "/long" => vec![Ok("aaa"), Ok("bbb")],
            "/whole" => vec![Ok("a"), Ok("b"), Ok("c")],
            "/broken" => vec![Ok("a"), Err(std::io::Error::other("the app fails"))],
            _ => vec![],
        };
        let body = Body::from_stream(Chunks(chunks.into_iter()));
        ([FOREVER], body)
    });
    let pages = Embedded::builder().max_body_size(5).build();
    let site = Site::new(app, pages, None);
    assert_eq!(site.statuses("/whole", &[]).await, ["MISS", "HIT"]);
    assert_eq!(site.get("/whole").await.body, "abc");
    assert_eq!(site.statuses("/empty", &[]).await, ["MISS", "HIT"]);
    assert_eq!(site.statuses("/long", &[]).await, ["MISS", "MISS"]);
    assert_eq!(site.get("/long").await.body, "aaabbb");

    let get = |url: &str| {
        let request = Request::get(format!("http://example.org{url}"));
        site.app
            .clone()
            .oneshot(request.body(Body::empty()).unwrap())
    };
    for _ in 0..2 {
        let response = get("/broken").await.unwrap();
        assert_eq!(response.headers()["x-cache-status"], "MISS");
        assert!(response.into_body().collect().await.is_err());
    }
    // The visitor goes after the first chunk.
    let mut body = get("/whole?left").await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    assert_eq!(site.get("/whole?left").await.cache_status(), "MISS");
}

#[tokio::test]
async fn a_real_server_stores_an_empty_page_too() {
    let app = Router::new().fallback(|| async { ([FOREVER], "") });
    let site = Site::new(app, Embedded::new(), None);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = tokio::spawn(axum::serve(listener, site.app.clone()).into_future());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for status in ["MISS", "HIT"] {
        let response = client.get(&url).send().await.unwrap();
        assert_eq!(response.headers()["x-cache-status"], status);
    }
    server.abort();
}

/// The status of the cache and the body for each of several requests, given by their methods, to
/// an app whose answers have these bodies and this length in their heads.
async fn seen(methods: &[&str], bodies: [&'static str; 2], length: Option<u16>) -> Vec<String> {
    let app = service_fn(move |request: Request<Body>| async move {
        let body = bodies[usize::from(request.method() == "HEAD")];
        let mut response = Response::new(Body::from_stream(Chunks(
            vec![Ok::<_, std::io::Error>(body)].into_iter(),
        )));
        let headers = response.headers_mut();
        headers.insert("cache-control", "s-maxage=60".parse().unwrap());
        if let Some(length) = length {
            headers.insert(CONTENT_LENGTH, length.into());
        }
        Ok::<_, std::convert::Infallible>(response)
    });
    let app = Embedded::new().layer().layer(app);
    let mut seen = Vec::new();
    for method in methods {
        let request = Request::builder().method(*method).uri("http://h/");
        let request = request.body(Body::empty()).unwrap();
        let response = app.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let words = [
            head.headers["x-cache-status"].to_str().unwrap(),
            std::str::from_utf8(&body).unwrap(),
        ];
        seen.push(words.join(" "));
    }
    seen
}

#[tokio::test]
async fn a_body_shorter_than_its_length_is_not_stored() {
    let bodies = ["page", ""];
    assert_eq!(
        seen(&["GET"; 2], bodies, Some(4)).await,
        ["MISS page", "HIT page"]
    );
    assert_eq!(seen(&["GET"; 2], bodies, Some(5)).await, ["MISS page"; 2]);
}

#[tokio::test]
async fn the_answer_to_a_head_is_neither_stored_nor_has_it_a_body() {
    let methods = ["HEAD", "GET", "HEAD", "GET"];
    let expected = ["MISS ", "MISS page", "HIT ", "HIT page"];
    assert_eq!(seen(&methods, ["page", ""], None).await, expected);
}

/// A stream of what is there already.
struct Chunks<T>(std::vec::IntoIter<T>);

impl<T: Unpin> futures_core::Stream for Chunks<T> {
    type Item = T;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<T>> {
        std::task::Poll::Ready(self.0.next())
    }
}
