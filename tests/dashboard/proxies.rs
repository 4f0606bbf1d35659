//! The dashboard behind a real nginx that has another prefix, cuts one off, or hides that it is there.

use axum::Router;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use roan::dashboard::Dashboard;
use roan_tests::{Background, Nginx, Options, wait};

use crate::page::{assert_quiet_below, live, row_with, tab};
use crate::support::{Post, Program};

/// The lines of the guide, the same with a part of the prefix left, and what nginx does by itself.
fn nginx(program: &Program) -> Nginx {
    let guide = include_str!("../../roan/src/guide/dashboard.md");
    let (_, lines) = guide.split_once("```nginx\n").expect("a configuration");
    let (lines, _) = lines.split_once("```").expect("its end");
    let cut = lines.replace("/admin/roan/", "/tools/");
    let cut = cut.replace("http://app/roan/", "http://app/");
    assert!(
        cut.contains("location /tools/") && cut.contains("http://app/;"),
        "{cut}"
    );
    let app = program.addr();
    let bare = format!(
        "location /bare/ {{ proxy_pass http://{app}/roan/; }}
         location /hidden/ {{ proxy_pass http://{app}/roan/; proxy_http_version 1.1; }}"
    );
    let options = Options::default().server_text(&format!("{lines}{cut}{bare}"));
    Nginx::start_before(program.addr(), &options)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_works_below_any_prefix() {
    let program = Program::with(Dashboard::behind_auth, |builder| builder);
    let nginx = nginx(&program);
    for page in ["/admin/roan/", "/admin/roan", "/tools/roan/", "/tools/roan"] {
        let tab = tab().await;
        tab.go(&format!("{}{page}", nginx.url())).await;
        live(&tab).await;
        let slug = page.replace('/', "-");
        program.roan.saved(&Post::new(&slug));
        tab.until("the purge", &row_with(&slug, "purge-table"))
            .await;
        let button = "#node-table tbody button";
        for health in ["❚ paused", "● up"] {
            tab.click(button).await;
            let is_so = format!(
                "document.querySelector('#node-table tbody').innerText.includes('{health}')"
            );
            tab.until(health, &is_so).await;
        }
        assert_quiet_below(
            &tab,
            &format!("{}{}", nginx.url(), page.trim_end_matches('/')),
        )
        .await;
        tab.close().await;
    }
}

/// The answer to an action at the node of the program, from a page of this origin, in a browser that does not send
/// `Sec-Fetch-Site`.
async fn resume(url: &str, origin: &str, program: &Program) -> (StatusCode, String) {
    let node = &program.roan.stats().nodes[0];
    let order = serde_json::json!({ "cache": &*node.cache, "node": &*node.node });
    let request = reqwest::Client::new()
        .post(format!("{url}api/do/resume"))
        .header("content-type", "application/json")
        .header("x-roan-dashboard", "1")
        .header(ORIGIN, origin)
        .body(order.to_string());
    let answer = request.send().await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn over_plain_http_the_proxy_passes_the_host_on() {
    let program = Program::with(Dashboard::behind_auth, |builder| builder);
    let nginx = nginx(&program);
    let own = nginx.url();
    for prefix in ["/admin/roan/", "/tools/roan/"] {
        let url = format!("{own}{prefix}");
        let (status, text) = resume(&url, &own, &program).await;
        assert_eq!(status, StatusCode::OK, "{text}");
        let (status, text) = resume(&url, "https://evil.example", &program).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{text}");
    }
    let (status, text) = resume(&format!("{own}/bare/"), &own, &program).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(text.contains("proxy_set_header Host $http_host;"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_authentication_an_nginx_that_hides_itself_is_found_out() {
    let program = Program::start();
    let nginx = nginx(&program);
    let client = reqwest::Client::new();
    let get = async |path: &str| {
        let request = client.get(format!("{}{path}", nginx.url()));
        let answer = request
            .header(HOST, "www.example.org")
            .send()
            .await
            .unwrap();
        (answer.status(), answer.text().await.unwrap())
    };
    let (status, text) = get("/admin/roan/").await;
    assert!(
        status == StatusCode::FORBIDDEN && text.contains("only for `localhost`"),
        "{text}"
    );
    let (status, text) = get("/bare/").await;
    assert!(
        status == StatusCode::FORBIDDEN && text.contains("HTTP/1.0"),
        "{text}"
    );
    // Here nothing shows it but what the browser says of an action.
    let url = format!("{}/hidden/", nginx.url());
    let (status, text) = resume(&url, "https://www.example.org", &program).await;
    assert!(
        status == StatusCode::FORBIDDEN && text.contains("comes from"),
        "{text}"
    );
}

async fn admins_only(request: Request, next: Next) -> Result<Response, StatusCode> {
    match request.headers().get(AUTHORIZATION) {
        Some(value) if value == "Bearer of-the-admins" => Ok(next.run(request).await),
        _ => Err(StatusCode::UNAUTHORIZED),
    }
}

/// As in the guide.
#[tokio::test(flavor = "multi_thread")]
async fn authentication_of_the_dashboard_is_for_the_dashboard_alone() {
    let guide = include_str!("../../roan/src/guide/dashboard.md");
    assert!(guide.contains(".route_layer(from_fn(admins_only))"));
    let program = Program::start();
    let dashboard = Dashboard::new(&program.roan).behind_auth();
    let admin = Router::new()
        .nest_service("/roan", dashboard)
        .route_layer(from_fn(admins_only));
    let app = Router::new().merge(admin);
    let (_server, address) = Background::serve("guide", |listener| async move {
        axum::serve(listener, app).await.unwrap();
    });
    let client = reqwest::Client::builder()
        .timeout(wait::LONG)
        .build()
        .unwrap();
    for (path, stranger, admin) in [
        ("/nothing", StatusCode::NOT_FOUND, StatusCode::NOT_FOUND),
        ("/roan", StatusCode::UNAUTHORIZED, StatusCode::OK),
        ("/roan/", StatusCode::UNAUTHORIZED, StatusCode::OK),
        ("/roan/api/state", StatusCode::UNAUTHORIZED, StatusCode::OK),
        (
            "/roan/nothing",
            StatusCode::UNAUTHORIZED,
            StatusCode::NOT_FOUND,
        ),
    ] {
        let request = || client.get(format!("http://{address}{path}"));
        assert_eq!(request().send().await.unwrap().status(), stranger, "{path}");
        let request = request().header(AUTHORIZATION, "Bearer of-the-admins");
        assert_eq!(request.send().await.unwrap().status(), admin, "{path}");
    }
}
