//! Runs the command.

use std::io::Write;
use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::Value;

/// The command, without the environment of the test.
pub(crate) fn roan(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_roan-tests-command"));
    command
        .args(arguments)
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// What a run has left.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    fn new(status: ExitStatus, stdout: &[u8], stderr: &[u8]) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: status.code(),
            stdout: text(stdout),
            stderr: text(stderr),
        }
    }

    #[track_caller]
    pub(crate) fn assert_code(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        let all = format!("{}{}", self.stdout, self.stderr);
        for word in ["panicked", "RUST_BACKTRACE", "stack backtrace"] {
            assert!(!all.contains(word), "{self:#?}");
        }
        self
    }

    #[track_caller]
    pub(crate) fn assert_says(&self, words: &[&str]) -> &Self {
        for word in words {
            let said = self.stdout.contains(word) || self.stderr.contains(word);
            assert!(said, "{word:?} is missing in {self:#?}");
        }
        self
    }

    /// The objects on standard output, one a line.
    #[track_caller]
    pub(crate) fn json(&self) -> Vec<Value> {
        let lines = self.stdout.lines();
        lines
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|_| panic!("{line} in {self:#?}"))
            })
            .collect()
    }

    /// The last object on standard output.
    #[track_caller]
    pub(crate) fn summary(&self) -> Value {
        self.json().pop().expect("a summary")["summary"].clone()
    }
}

/// Runs a command to its end.
#[track_caller]
pub(crate) fn run(mut command: Command) -> Ran {
    let output = command.output().expect("the command can be run");
    Ran::new(output.status, &output.stdout, &output.stderr)
}

/// Runs a command with a text as its standard input.
#[track_caller]
pub(crate) fn run_with(mut command: Command, input: &str) -> Ran {
    let mut child = command.stdin(Stdio::piped()).spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    // It may end before it has read all.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    ended(child)
}

pub(crate) fn ended(child: Child) -> Ran {
    let output = child.wait_with_output().expect("it ends");
    Ran::new(output.status, &output.stdout, &output.stderr)
}
