//! Pages from a text: one a line.

use std::io::{BufRead, Read};

use roan::Target;

use crate::exit::{Exit, Failure};

/// Longer than the URL of any page that can be purged.
const LONGEST: usize = Target::MAX_LEN + 1024;

/// The lines of a file or of standard input. It holds one at a time.
pub(super) struct Lines {
    name: String,
    reader: Box<dyn BufRead>,
    number: u64,
    is_over: bool,
}

impl Lines {
    pub(super) fn new(name: String, reader: Box<dyn BufRead>) -> Self {
        Self {
            name,
            reader,
            number: 0,
            is_over: false,
        }
    }

    /// Up to the end of the line, but not more than a URL may have. `None` is the end of the input.
    fn line(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let limit = LONGEST as u64;
        if (&mut self.reader)
            .take(limit)
            .read_until(b'\n', &mut line)?
            == 0
        {
            return Ok(None);
        }
        if !line.ends_with(b"\n") {
            // It is left out; its rest must not be read as a page.
            self.skip_rest()?;
        }
        Ok(Some(line))
    }

    fn skip_rest(&mut self) -> std::io::Result<()> {
        loop {
            let available = self.reader.fill_buf()?;
            if available.is_empty() {
                return Ok(());
            }
            let end = available.iter().position(|byte| *byte == b'\n');
            let length = end.map_or(available.len(), |at| at + 1);
            self.reader.consume(length);
            if end.is_some() {
                return Ok(());
            }
        }
    }
}

impl Iterator for Lines {
    type Item = Result<String, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.is_over {
            self.number += 1;
            let line = match self.line() {
                Ok(Some(line)) => line,
                Ok(None) => break,
                Err(error) => {
                    self.is_over = true;
                    let message = format!("{}, line {}: {error}", self.name, self.number);
                    return Some(Err(Failure::new(Exit::Incomplete, message)));
                }
            };
            let text = String::from_utf8_lossy(&line);
            let text = text.trim();
            if !text.is_empty() && !text.starts_with('#') {
                return Some(Ok(text.to_owned()));
            }
        }
        self.is_over = true;
        None
    }
}
