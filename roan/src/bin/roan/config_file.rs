//! The file of `--config`. No message quotes a value of it, which may be a secret.

use std::path::Path;

use serde::de::DeserializeOwned;

use crate::exit::Failure;

/// A configuration file: its text, and its table `[roan]`, if it has one, or else the whole.
pub(crate) struct ConfigFile<'f> {
    path: &'f Path,
    pub(crate) text: String,
    pub(crate) table: toml::Table,
}

impl<'f> ConfigFile<'f> {
    pub(crate) fn read(path: &'f Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|error| about(path, &error.to_string()))?;
        let mut table: toml::Table = toml::from_str(&text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start));
            let line = before.map_or(1, |before| before.matches('\n').count() + 1);
            about(
                path,
                &format!("line {line}: {}", without_value(error.message())),
            )
        })?;
        match table.remove("roan") {
            Some(toml::Value::Table(own)) => table = own,
            Some(_) => {
                return Err(about(
                    path,
                    "`roan` is not a table: write `[roan]`, and its settings below it",
                ));
            }
            None => {}
        }
        Ok(Self { path, text, table })
    }

    /// What the table says, where `place` is the part of the file that it is.
    pub(crate) fn parsed<T: DeserializeOwned>(
        &self,
        table: toml::Table,
        place: &str,
    ) -> Result<T, Failure> {
        let parsed = table.try_into();
        parsed.map_err(|error: toml::de::Error| {
            let problem = without_value(error.to_string().trim());
            self.wrong(&format!("{place}{}", problem.replace('\n', " ")))
        })
    }

    pub(crate) fn wrong(&self, problem: &str) -> Failure {
        about(self.path, problem)
    }
}

fn about(path: &Path, problem: &str) -> Failure {
    Failure::bad_input(format!("{}: {problem}", path.display()))
}

/// A message of serde without the value that it quotes, as in `invalid type: string "secret", expected a sequence`.
fn without_value(message: &str) -> String {
    let begin = ["invalid type: ", "invalid value: "];
    let begin = begin
        .iter()
        .find_map(|begin| Some(message.find(begin)? + begin.len()));
    let Some(begin) = begin else {
        return message.to_owned();
    };
    let (before, rest) = message.split_at(begin);
    let (value, expected) = rest.split_at(rest.rfind(", expected ").unwrap_or(rest.len()));
    match value.find(['"', '`']) {
        Some(quote) => format!(
            "{before}{} (not shown){expected}",
            value[..quote].trim_end()
        ),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_in_a_message_is_not_shown() {
        for (message, shown) in [
            (
                r#"invalid type: string "a, expected \"b\"", expected a sequence in `caches`"#,
                "invalid type: string (not shown), expected a sequence in `caches`",
            ),
            (
                "invalid value: integer `31415`, expected u8",
                "invalid value: integer (not shown), expected u8",
            ),
            (
                "invalid type: string \"a",
                "invalid type: string (not shown)",
            ),
            (
                "invalid type: map, expected a string",
                "invalid type: map, expected a string",
            ),
            ("missing field `url`", "missing field `url`"),
        ] {
            assert_eq!(without_value(message), shown);
        }
    }
}
