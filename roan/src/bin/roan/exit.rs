//! How the command ends.

use std::process::ExitCode;

/// The exit codes. They are part of the interface: a script may rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Done = 0,
    Failed = 1,
    BadInput = 2,
    Unreachable = 3,
    Incomplete = 4,
    Interrupted = 130,
}

/// The table in `--help` and in the manual page; the guide has the same.
pub(crate) const TABLE: &str = "\
Exit codes:
  0    Everything was done, and nothing is wrong.
  1    A purge or a statement was refused or given up, or the doctor or `fleet` found a fault.
  2    The command line, the configuration, a URL or the outbox is wrong. Nothing was sent.
  3    No cache, page, sitemap, database or NATS server could be reached.
  4    A part was left out: other hosts, not URLs, unknown ids, gone nodes, or beyond a limit.
  130  Interrupted by Ctrl-C or a signal to end.";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why the command could not do what it was asked to do.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) exit: Exit,
    /// What is wrong, where, and what to type.
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
        }
    }

    pub(crate) fn bad_input(message: impl Into<String>) -> Self {
        Self::new(Exit::BadInput, message)
    }
}

impl From<roan::ConfigError> for Failure {
    fn from(error: roan::ConfigError) -> Self {
        Self::bad_input(error.to_string())
    }
}
