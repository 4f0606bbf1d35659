//! What a writer process has said.

use crate::writer::Line;

pub(crate) type Instance = roan_tests::Instance<Said>;

/// More lines of failures than this are not kept.
const FAILURES: usize = 200;

/// What a process has said.
#[derive(Debug, Default)]
pub(crate) struct Said {
    ready: bool,
    pub(crate) committed: u64,
    pub(crate) rolled_back: u64,
    pub(crate) savepoints: u64,
    pub(crate) unstored: Vec<u64>,
    pub(crate) failed: u64,
    pub(crate) failures: Vec<String>,
}

impl roan_tests::Said for Said {
    fn hear(&mut self, line: &str) {
        match Line::parse(line) {
            None => {}
            Some(Line::Ready) => self.ready = true,
            Some(Line::Committed) => self.committed += 1,
            Some(Line::RolledBack) => self.rolled_back += 1,
            Some(Line::SavepointRolledBack) => self.savepoints += 1,
            Some(Line::Unstored(number)) => self.unstored.push(number),
            Some(Line::Failed(failure)) => {
                self.failed += 1;
                if self.failures.len() < FAILURES {
                    self.failures.push(failure);
                }
            }
        }
    }

    fn is_ready(&self) -> bool {
        self.ready
    }

    fn committed(&self) -> u64 {
        self.committed
    }
}
