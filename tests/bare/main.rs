//! The quickstart without Roan: an axum program that asks itself with reqwest. `tests/policy` holds the build
//! of the quickstart against this one.

use std::error::Error;
use std::net::Ipv4Addr;

use axum::extract::Query;
use axum::routing::get;
use axum::{Form, Router};
use serde::Deserialize;
use tokio::net::TcpListener;

#[derive(Deserialize)]
struct Post {
    title: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let routes = get(async |Query(post): Query<Post>| post.title);
    let app = Router::new().route("/", routes.post(async |Form(post): Form<Post>| post.title));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(axum::serve(listener, app).into_future());

    let url = format!("http://{address}/?title=Hello");
    println!("{}", reqwest::get(url).await?.text().await?);
    Ok(())
}
