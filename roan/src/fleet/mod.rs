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
//!
//! # Permissions
//!
//! The app publishes to `roan.>`, or to those of its sites (`roan.-.>`, `roan.shop.>`), and to `$JS.API.STREAM.INFO.ROAN`; the
//! first program to `$JS.API.STREAM.CREATE.ROAN`, too. It subscribes to `_INBOX.>`, where the answers come. A site whose name has
//! other letters than those of ASCII, digits, `-` and `_` is written with `=` and two hexadecimal digits for each byte of
//! those: `www.example.org` is `www=2Eexample=2Eorg`.

mod admin;
mod clock;
mod connection;
mod error;
pub(crate) mod heartbeat;
pub(crate) mod leader;
#[cfg_attr(
    not(feature = "agent"),
    allow(dead_code, reason = "an agent reads messages")
)]
pub(crate) mod message;
mod nats;
mod permission;
pub(crate) mod problem;
mod secret;
mod status;
pub(crate) mod stored;
pub(crate) mod stream;
pub(crate) mod subject;
mod tls;
pub(crate) mod token;

pub use admin::FleetAdmin;
pub(crate) use connection::Connection;
pub use error::FleetError;
pub use nats::Nats;
pub use status::{FleetNode, FleetNodeState, FleetStatus};
pub use stream::Stream;
