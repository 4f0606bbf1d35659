//! The cache inside the program: one for each node, which is a server of the app.

use std::net::SocketAddr;

use axum::Router;
use roan::{Cache, Embedded};

use crate::stand::{Setup, Stand};

struct InProgram {
    apps: Vec<SocketAddr>,
    caches: Vec<Embedded>,
}

pub(crate) fn start(apps: &[SocketAddr], setup: Setup) -> Option<Box<dyn Stand>> {
    let cache = |number| {
        Embedded::builder()
            .name(&format!("embedded {number}"))
            .build()
    };
    let stand = InProgram {
        apps: apps.to_vec(),
        caches: (0..apps.len()).map(cache).collect(),
    };
    (setup == Setup::Right).then(|| Box::new(stand) as Box<dyn Stand>)
}

impl Stand for InProgram {
    fn nodes(&self) -> Vec<SocketAddr> {
        self.apps.clone()
    }

    fn caches(&self) -> Vec<Cache> {
        self.caches.iter().cloned().map(Cache::from).collect()
    }

    fn wrap(&self, node: usize, app: Router) -> Router {
        app.layer(self.caches[node].layer())
    }
}
