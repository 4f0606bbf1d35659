//! What the durable index adds to a render in the web layer, beside the INSERT of one row by the render itself.

use std::convert::Infallible;
use std::net::{Ipv4Addr, TcpListener};
use std::time::Instant;

use axum::body::Body;
use axum::http::header::HOST;
use axum::http::{Request, Response};
use roan::Nginx;
use roan::web::{self, CachePolicy, Web};
use roan_tests::HOST as SITE;
use tower::{Layer as _, Service as _, ServiceExt as _, service_fn};

use crate::support::{Database, dispatcher, median, micros};

const ROUNDS: usize = 500;
/// Tags of a page.
const TAGS: usize = 10;

/// In turns: the INSERT alone, and in the layer a render of a new page and one of the same page, which the index has by then.
const SORTS: usize = 3;

pub(crate) async fn table(databases: &[Database]) {
    println!(
        "\n{:<46} {:>9} {:>9} {:>9} {:>9} {:>9}",
        format!("a render with {TAGS} tags, microseconds"),
        "INSERT",
        "new page",
        "in each",
        "known",
        "in each"
    );
    for database in databases {
        let [insert, new, known] = measure(database).await;
        println!(
            "{:<46} {insert:>9.0} {new:>9.0} {:>9.2} {known:>9.0} {:>9.2}",
            database.name,
            new / insert,
            known / insert
        );
    }
}

/// A page that shows so many rows: one of them of all pages.
fn page(number: usize) -> Response<Body> {
    for tag in 1..TAGS {
        web::tag(&format!("post-{number}-{tag}")).expect("it is a tag");
    }
    web::tag("all").expect("it is a tag");
    Response::new(Body::from("page"))
}

fn request(number: usize) -> Request<usize> {
    let url = format!("/posts/a-page-of-the-blog-{number}");
    Request::get(url).header(HOST, SITE).body(number).unwrap()
}

async fn measure(database: &Database) -> [f64; SORTS] {
    // Its purges lead nowhere.
    let refusing = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let url = format!("http://{}/purge", refusing.local_addr().unwrap());
    let roan = dispatcher(Nginx::at(&url).unwrap())
        .web(Web::new().policy(CachePolicy::until_purged()))
        .outbox(database.outbox("render_").await)
        .build()
        .unwrap();
    let mut layered = roan
        .web()
        .unwrap()
        .layer(service_fn(|request: Request<usize>| async move {
            Ok::<_, Infallible>(page(*request.body()))
        }));
    let mut client = database.connect().await;
    let mut times: [Vec<f64>; SORTS] = Default::default();
    for round in 0..ROUNDS {
        let slug = format!("render-{round}");
        let start = Instant::now();
        client
            .execute(database.insert_post(), &[&slug, "A title"])
            .await;
        times[0].push(micros(start));
        for sort in [1, 2] {
            let start = Instant::now();
            let service = layered.ready().await.unwrap();
            let answer = service.call(request(round)).await.unwrap();
            times[sort].push(micros(start));
            // Else it was not learned.
            assert_ne!(answer.headers()["x-accel-expires"], "0");
        }
    }
    times.map(|times| median(&times))
}
