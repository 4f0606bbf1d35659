//! What is printed: results on standard output, all else on standard error.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};

use clap::builder::styling::{AnsiColor, Style};

use crate::args::Format;
use crate::exit::{Exit, Failure};

/// Standard output of the command. Clones are handles of the same.
#[derive(Clone)]
pub(crate) struct Output {
    pub(crate) format: Format,
    /// Whether a person reads it as it comes.
    pub(crate) is_terminal: bool,
    has_colours: bool,
    state: Arc<Mutex<State>>,
}

enum State {
    Open,
    /// The reader has gone.
    Closed,
    Failed(io::Error),
}

impl Output {
    pub(crate) fn new(format: Format) -> Self {
        let is_terminal = io::stdout().is_terminal();
        Self {
            format,
            is_terminal,
            has_colours: is_terminal && takes_colours(),
            state: Arc::new(Mutex::new(State::Open)),
        }
    }

    pub(crate) fn bytes(&self, bytes: &[u8]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(*state, State::Open) {
            return;
        }
        let mut stdout = io::stdout().lock();
        if let Err(error) = stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            // Whoever reads has enough: `| head` is not an error.
            *state = match error.kind() {
                ErrorKind::BrokenPipe => State::Closed,
                _ => State::Failed(error),
            };
        }
    }

    /// Whether somebody still reads it.
    #[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
    pub(crate) fn is_open(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        matches!(*state, State::Open)
    }

    /// An object of the library, as JSON on a line of its own.
    #[cfg(any(feature = "mysql", feature = "postgres", feature = "sqlite"))]
    pub(crate) fn object(&self, object: &impl serde::Serialize) {
        self.line(serde_json::json!(object));
    }

    pub(crate) fn line(&self, line: impl Display) {
        self.bytes(format!("{line}\n").as_bytes());
    }

    /// The text in a colour, if standard output takes colours.
    pub(crate) fn painted(&self, colour: AnsiColor, text: impl Display) -> String {
        let style: Style = colour.on_default();
        if self.has_colours {
            format!("{style}{text}{style:#}")
        } else {
            text.to_string()
        }
    }

    /// What the command ends with, if its work ended so.
    pub(crate) fn end(&self, result: Result<Exit, Failure>) -> Exit {
        let exit = result.unwrap_or_else(|failure| {
            note(format_args!("roan: {}", failure.message));
            failure.exit
        });
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match &*state {
            State::Failed(error) => {
                note(format_args!("roan: cannot write the results: {error}"));
                if exit == Exit::Done {
                    Exit::Failed
                } else {
                    exit
                }
            }
            _ => exit,
        }
    }
}

/// `1 target`, `2 targets`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

/// A line on standard error, which may be closed. It may have words of a server.
pub(crate) fn note(line: impl Display) {
    let line = line.to_string();
    let shown: String = line
        .chars()
        .map(|letter| {
            if matches!(letter, '\n' | '\t') {
                letter
            } else {
                visible(letter)
            }
        })
        .collect();
    let _ = writeln!(io::stderr(), "{shown}");
}

/// The letter, or in place of one that controls a terminal, or the direction of the text around it, a mark.
pub(crate) fn visible(letter: char) -> char {
    let turns = matches!(
        letter,
        '\u{61c}'
        | '\u{200b}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{feff}'
    );
    match turns || letter.is_control() {
        true => '\u{fffd}',
        false => letter,
    }
}

/// <https://no-color.org>: any value but the empty one switches colours off.
fn takes_colours() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !is_set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}
