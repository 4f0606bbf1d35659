//! What a sending program has said.

use std::time::Duration;

use roan_tests::wait;

use crate::sender::Line;

pub(crate) type Instance = roan_tests::Instance<Said>;

/// More lines of failures than this are not kept.
const FAILURES: usize = 20;

/// What a program has said.
#[derive(Debug, Default)]
pub(crate) struct Said {
    ready: bool,
    pub(crate) committed: u64,
    pub(crate) failures: Vec<String>,
}

impl roan_tests::Said for Said {
    const START: Duration = wait::LONG.saturating_mul(3);

    fn hear(&mut self, line: &str) {
        match Line::parse(line) {
            Some(Line::Ready) => self.ready = true,
            Some(Line::Committed) => self.committed += 1,
            Some(Line::Failed(failure)) if self.failures.len() < FAILURES => {
                self.failures.push(failure);
            }
            Some(Line::Failed(_)) | None => {}
        }
    }

    fn is_ready(&self) -> bool {
        self.ready
    }

    fn committed(&self) -> u64 {
        self.committed
    }
}
