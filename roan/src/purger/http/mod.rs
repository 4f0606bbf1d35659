//! What the purgers that speak HTTP share: the nodes of a cache, and the client of each.

mod client;
mod endpoint;
mod never_found;
mod node_methods;
mod node_url;
mod nodes;
mod settings;

pub(crate) use client::{
    Connecting, client, execute, failure, is_passing, read_to_end, retry_after,
};
pub(crate) use endpoint::{CHECK_URL, Endpoint, Reply, unsendable};
pub(crate) use never_found::{NeverFound, ODD};
pub(crate) use node_methods::node_methods;
pub(crate) use node_url::NodeUrl;
pub(crate) use nodes::{CacheType, Nodes};
pub(crate) use settings::{
    ENV_PROXY, HEADERS, NODES, NodeSettings, flag, header, listed_urls, node_settings, variable,
};
