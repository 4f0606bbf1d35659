//! The embedded cache before another server.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, Response, StatusCode};
use roan::Embedded;

/// Serves for ever.
pub(crate) async fn serve(port: u16, origin: &str) {
    let client = reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .unwrap();
    let origin = origin.to_owned();
    let app = Router::new()
        .fallback(move |request| pass(client.clone(), origin.clone(), request))
        .layer(Embedded::new().layer());
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await;
    axum::serve(listener.unwrap(), app).await.unwrap();
}

async fn pass(client: reqwest::Client, origin: String, request: Request<Body>) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let url = parts.uri.path_and_query().map_or("/", |url| url.as_str());
    let body = to_bytes(body, usize::MAX).await.unwrap();
    let request = client
        .request(parts.method, format!("{origin}{url}"))
        .headers(parts.headers)
        .body(body);
    let Ok(answer) = request.send().await else {
        return failed();
    };
    let (status, mut headers) = (answer.status(), answer.headers().clone());
    let Ok(body) = answer.bytes().await else {
        return failed();
    };
    // The connection to the visitor has an encoding of its own.
    headers.remove("transfer-encoding");
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response
}

fn failed() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::BAD_GATEWAY;
    response
}
