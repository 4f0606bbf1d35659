//! Sees commits and rollbacks of one connection.

use diesel::connection::{Instrumentation, InstrumentationEvent};

use crate::dispatcher::Roan;
use crate::hook;
use crate::target::Target;

/// TODO
#[derive(Default)]
pub struct Watch {
    roan: Option<Roan>,
}

impl Watch {
    pub(super) fn dispatcher(&self) -> Option<&Roan> {
        self.roan.as_ref()
    }
    pub(super) fn hold(&mut self, roan: &Roan, targets: Vec<Target>) {
        for target in &targets {
            hook::purge(Some(roan), target);
        }
    }
}

impl Instrumentation for Watch {
    fn on_connection_event(&mut self, event: InstrumentationEvent<'_>) {
        let _ = event;
    }
}
