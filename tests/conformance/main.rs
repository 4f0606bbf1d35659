//! The programs that `tests/conformance/run` tests with suites of others: `proxy PORT ORIGIN` is the embedded cache before
//! another server, and `answers` prints answers of the web layer and of the embedded cache.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a check fails by a panic, and prints what it has found"
)]

mod answers;
mod proxy;

#[tokio::main]
async fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(|argument| &**argument).collect();
    match arguments[..] {
        ["proxy", port, origin] => proxy::serve(port.parse().unwrap(), origin).await,
        ["answers"] => answers::print().await,
        _ => panic!("usage: proxy PORT ORIGIN | answers"),
    }
}
