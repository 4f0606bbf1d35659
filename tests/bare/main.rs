//! The quickstart without Roan: an axum program that asks itself with reqwest. `tests/policy` holds the build
//! of the quickstart against this one.

use std::error::Error;
use std::net::Ipv4Addr;

use axum::routing::post;
use axum::{Form, Router};
use serde::Deserialize;
use tokio::net::TcpListener;

#[derive(Deserialize)]
struct Post {
    title: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let app = Router::new().route("/", post(async |Form(post): Form<Post>| post.title));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(axum::serve(listener, app).into_future());

    let client = reqwest::Client::new();
    let request = client
        .post(format!("http://{address}/"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body("title=Hello");
    println!(
        "{}",
        request.send().await?.error_for_status()?.text().await?
    );
    Ok(())
}
