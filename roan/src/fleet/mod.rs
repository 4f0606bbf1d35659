//! A fleet: purges through a stream of NATS JetStream, which an agent beside each cache node takes.
//!
//! Where one app can no longer speak to every cache node, it publishes each purge to a stream, and an agent beside each node
//! purges over loopback. Here is what both sides share: how to reach the servers ([`Nats`]), the stream ([`Stream`]), the
//! subjects and the messages. `roan::Fleet` is the cache that publishes.
//!
//! ```text
//! stream ROAN, subjects roan.<site>.<kind>: roan.-.url (the default site), roan.shop.tag, roan.-.everything
//! {"v": 1, "purge": ["/posts", "/posts/a"], "asked": 1795665105175, "site": "https://www.example.org"}
//! ```

mod connection;
mod error;
pub(crate) mod message;
mod nats;
mod secret;
mod stream;
pub(crate) mod subject;
mod tls;

pub(crate) use connection::Connection;
pub use error::FleetError;
pub use nats::Nats;
#[allow(unused_imports, reason = "an agent makes a consumer of it")]
pub(crate) use stream::Opened;
pub use stream::Stream;
