//! What the web layer says to a cache in the same program, as an extension of the response.

use std::sync::Arc;
use std::time::Duration;

use crate::base::target::Target;

/// On a request that has passed the web layer: a cache that finds it is inside the layer, where it must not be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct InWebLayer;

/// How a cache in the same program may share a response. (One that it must not share says so in its headers.)
#[derive(Debug, Clone)]
pub(crate) struct Sharing {
    /// `None`: the headers of the response say it.
    pub(crate) lifetime: Option<Duration>,
    /// Each with the host of its site; an empty one is every host.
    pub(crate) tags: Arc<[(String, Target)]>,
}

/// The response must not be shared, but only because it was purged while it was rendered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Raced;

/// What fired in a request that changes something, each with the host of its site; an empty one is every host. A cache in
/// the same program purges it before the answer leaves.
#[derive(Debug, Clone)]
pub(crate) struct Fired(pub(crate) Arc<[(String, Target)]>);
