//! The caches under test.

pub(crate) mod cdns;
pub(crate) mod embedded;
pub(crate) mod nginx;
pub(crate) mod presets;
pub(crate) mod squid;
pub(crate) mod stand_in;
pub(crate) mod traffic_server;
pub(crate) mod varnish;
