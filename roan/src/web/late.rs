//! Pages whose handlers said something after the head had left, so that caches have not got it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::WebLayer;
use super::reason::Reason;
use crate::base::lock::Mutex;
use crate::base::target::Target;

/// Paths of pages that are not shared for a while. Each of them would be purged again, and with a cache that is refreshed
/// that would be its next render.
#[derive(Debug, Default)]
pub(super) struct Late(Mutex<HashMap<Box<str>, Instant>>);

impl Late {
    /// Beyond it all are forgotten: visitors make up paths.
    const MOST: usize = 1000;

    const WHILE: Duration = Duration::from_secs(60);

    pub(super) fn is_known(&self, path: &str) -> bool {
        let mut paths = self.0.lock();
        if paths.is_empty() {
            return false;
        }
        match paths.get(path) {
            Some(since) if since.elapsed() < Self::WHILE => true,
            Some(_) => {
                paths.remove(path);
                false
            }
            None => false,
        }
    }

    fn note(&self, path: &str) {
        let mut paths = self.0.lock();
        if paths.len() >= Self::MOST {
            paths.clear();
        }
        paths.insert(path.into(), Instant::now());
    }
}

impl WebLayer {
    /// Logs once for each path that its handler was late, and keeps the page out of the caches for a while.
    pub(super) fn tell_late(&self, url: &Target) {
        let path = url.as_str().split('?').next().unwrap_or_default();
        self.late().note(path);
        self.told().tell(path, &Reason::Late, true);
    }
}
