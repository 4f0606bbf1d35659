//! Examples of roan; run one with `cargo run --example NAME`. Here is what several of them use.

pub mod episodes;
pub mod nats;
pub mod nginx;
pub mod server;
pub mod settling;
pub mod squid;
pub mod traffic_server;
pub mod varnish;
pub mod visitor;
