//! The caches under test.

pub(crate) mod cdns;
pub(crate) mod embedded;
pub(crate) mod nginx;
pub(crate) mod stand_in;
