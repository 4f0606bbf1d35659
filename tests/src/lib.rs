//! The test harness: real servers on private ports, a client that changes no byte, and waits with
//! a deadline.
//!
//! Everything here blocks its thread, and every server has threads of its own. In an async test,
//! use tokio's `multi_thread` flavor.
#![allow(
    clippy::expect_used,
    clippy::missing_panics_doc,
    clippy::panic,
    reason = "a harness that cannot do its work fails the test, with a clear message"
)]
#![allow(
    clippy::must_use_candidate,
    reason = "a request is often sent for what it does to the cache"
)]

mod agent;
mod background;
mod batching;
mod browser;
mod chromium;
mod clock;
mod databases;
mod edge;
mod edits;
mod faulty;
mod figures;
mod gate;
mod head;
mod held;
mod instance;
mod lock;
pub mod logged;
mod model;
pub mod nats;
mod netns;
mod nginx;
mod origin;
pub mod outbox;
pub mod page_app;
mod prometheus;
mod server;
mod setting;
mod spellings;
mod squid;
pub mod stand_ins;
mod traffic_server;
mod varnish;
pub mod wait;

pub use agent::{Agent, AgentOptions};
pub use background::Background;
pub use batching::Batching;
pub use browser::{Answer, Browser};
pub use chromium::{Chromium, Tab};
pub use clock::Clock;
pub use databases::{
    Connection, Database, MariaDb, MariaDbOptions, PgBouncer, PgBouncerOptions, Postgres,
    PostgresOptions, SqliteFile,
};
pub use edge::{Edge, Select};
pub use faulty::{Behaviour, Faulty, Received};
pub use figures::median;
pub use gate::{Gate, Passage, gate};
pub use held::Held;
pub use instance::{Instance, Said, say};
pub use lock::lock;
pub use model::FromALibrary;
pub use nats::{Nats, NatsCluster, NatsKind, NatsOperator, NatsOptions};
pub use netns::{Machine, Network, enter_network};
pub use nginx::{
    DebianNginx, Nginx, Options, REFRESH_CONF, SECRET, SITE_CONF, version as nginx_version,
};
pub use origin::Origin;
pub use prometheus::{Prometheus, promtool};
pub use server::port::free as free_port;
pub use server::{Kind, Server};
pub use setting::setting;
pub use spellings::SPELLINGS;
pub use squid::{SQUID_CONF, Squid, SquidOptions};
pub use traffic_server::{TRAFFIC_SERVER_CONF, TrafficServer, TrafficServerOptions};
pub use varnish::{VARNISH_VCL, Varnish, VarnishOptions};

/// The host of the pages, where a test does not name another.
pub const HOST: &str = "site.test";
