//! Where the token of an API comes from.

use std::fmt;
use std::path::PathBuf;

use http::HeaderValue;

use super::secret::{Texts, read_file, read_variable};
use crate::error::ConfigError;

/// The token of an API: from an environment variable, or from a file that contains nothing else. There is no way to write
/// it into code. `Debug`, logs, errors and reports show where it comes from, and never the token.
///
/// ```
/// use roan::purger::Token;
///
/// let token = Token::from_file("/run/secrets/cloudflare");
/// assert_eq!(format!("{token:?}"), r#"Token(the file "/run/secrets/cloudflare")"#);
/// ```
///
/// # Rotation
///
/// If the API refuses the token, Roan reads the file again, and repeats the request with the new token. So write the new
/// token into the file before you revoke the old one. An environment variable cannot change while the program runs.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(Source);

#[derive(Clone, PartialEq, Eq)]
enum Source {
    Variable(String),
    File(PathBuf),
}

impl Token {
    /// The value of an environment variable, which is read when the dispatcher is built.
    #[must_use]
    pub fn from_env(variable: &str) -> Self {
        Self(Source::Variable(variable.to_owned()))
    }

    /// The content of a file, without the space around it. It is read when the dispatcher is built, and again when the API
    /// refuses the token.
    #[must_use]
    pub fn from_file(path: impl Into<PathBuf>) -> Self {
        Self(Source::File(path.into()))
    }

    /// The token of a configuration: at most one of the two is set.
    pub(in crate::purger) fn configured(
        variable: Option<&str>,
        file: Option<&str>,
        default: &str,
        named: &dyn Fn(&str) -> String,
    ) -> Result<Self, ConfigError> {
        match (variable, file) {
            (Some(_), Some(file)) => {
                let problem = format!("cannot be set beside {}: remove one", named("token_env"));
                Err(ConfigError::value(named("token_file"), file, problem))
            }
            (None, Some(file)) => Ok(Self::from_file(file)),
            (variable, None) => Ok(Self::from_env(variable.unwrap_or(default))),
        }
    }

    /// Reads it. The error names its place, and not its value.
    pub(in crate::purger) fn read(&self) -> Result<Texts, ConfigError> {
        let (setting, text) = match &self.0 {
            Source::Variable(name) => (name.clone(), read_variable(name)?),
            Source::File(path) => (path.display().to_string(), read_file("token file", path)?),
        };
        let token = text.trim();
        let problem = if token.is_empty() {
            "is empty: write the token of the API there"
        } else if token.contains(char::is_whitespace) || HeaderValue::from_str(token).is_err() {
            "(value not shown) is not a token: write the token alone, without a name or quotes"
        } else {
            return Ok([token.to_owned()].into());
        };
        Err(ConfigError::value(setting, "", problem))
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Variable(name) => write!(f, "the environment variable {name}"),
            Source::File(path) => write!(f, "the file {path:?}"),
        }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({self})")
    }
}
