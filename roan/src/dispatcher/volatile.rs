//! In place of `durable.rs` where no database driver is built in: purges wait in memory.

use std::sync::Arc;

use super::engine::Engine;
use super::settings::Policy;
use crate::error::ConfigError;

/// See the module.
#[derive(Default)]
pub(crate) struct Durable;

#[expect(
    clippy::unused_self,
    clippy::unused_async,
    clippy::unnecessary_wraps,
    reason = "the twin needs it"
)]
impl Durable {
    #[cfg(feature = "sea-orm")]
    pub(crate) fn is_there(&self) -> bool {
        false
    }

    pub(super) async fn start(&self, _: &Arc<Engine>, _: &Policy) -> Result<(), ConfigError> {
        Ok(())
    }

    pub(super) async fn stop(&self) {}

    pub(super) fn want_look(&self) -> Option<u64> {
        None
    }

    pub(super) fn waiting_at(&self, _: Option<u64>) -> Option<u64> {
        Some(0)
    }
}
