//! Where the credentials of AWS come from.

use std::fmt;
use std::path::PathBuf;

use crate::error::ConfigError;
use crate::purger::cdn::{Texts, read_file, read_variable};

const KEY_ID: &str = "AWS_ACCESS_KEY_ID";
const KEY: &str = "AWS_SECRET_ACCESS_KEY";
const SESSION: &str = "AWS_SESSION_TOKEN";

/// Credentials of AWS: from the environment, or from a file of AWS's own form. There is no way to write them into code. `Debug`,
/// logs, errors and reports show where they come from, and never what they are.
///
/// Roan does not ask the metadata service of a machine or container: write a file, for example by a timer that runs
/// `aws configure export-credentials`. If AWS refuses the credentials, for example because temporary ones have expired, Roan
/// reads the file again, and repeats the request with the new ones.
#[derive(Clone, PartialEq, Eq)]
pub struct AwsCredentials(Source);

#[derive(Clone, PartialEq, Eq)]
enum Source {
    Environment,
    File { path: PathBuf, profile: String },
}

impl AwsCredentials {
    /// Those of the environment variables `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and, if it is set,
    /// `AWS_SESSION_TOKEN`.
    #[must_use]
    pub fn from_env() -> Self {
        Self(Source::Environment)
    }

    /// Those of the profile `default` in a [shared credentials file], such as `~/.aws/credentials`.
    ///
    /// [shared credentials file]: https://docs.aws.amazon.com/sdkref/latest/guide/file-format.html
    #[must_use]
    pub fn from_file(path: impl Into<PathBuf>) -> Self {
        Self(Source::File {
            path: path.into(),
            profile: "default".to_owned(),
        })
    }

    /// Sets the profile in the file. Without a file it has no effect.
    #[must_use]
    pub fn profile(mut self, name: &str) -> Self {
        if let Source::File { profile, .. } = &mut self.0 {
            name.clone_into(profile);
        }
        self
    }

    /// Reads the ID of the key, the key, and the session token, which is empty if there is none.
    pub(super) fn read(&self) -> Result<Texts, ConfigError> {
        let texts = match &self.0 {
            Source::Environment => [
                read_variable(KEY_ID)?,
                read_variable(KEY)?,
                read_variable(SESSION).unwrap_or_default(),
            ],
            Source::File { path, profile } => {
                let text = read_file("credentials file", path)?;
                [KEY_ID, KEY, SESSION].map(|name| value(&text, profile, name))
            }
        };
        let texts = texts.map(|text| text.trim().to_owned());
        let is_fit =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        let names = [KEY_ID, KEY].into_iter().zip(&texts);
        if let Some((name, _)) = names.into_iter().find(|(_, text)| !is_fit(text)) {
            let problem = format!(
                "has no usable {name} (value not shown): write the one that AWS gave for the user"
            );
            return Err(ConfigError::value(
                "AWS credentials",
                self.to_string(),
                problem,
            ));
        }
        Ok(texts.into())
    }
}

/// The value of a key in the section of a profile: `aws_access_key_id = ...` below `[default]`.
fn value(text: &str, profile: &str, variable: &str) -> String {
    let mut is_inside = false;
    for line in text.lines().map(str::trim) {
        if let Some(section) = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'))
        {
            is_inside = section.trim() == profile;
        } else if is_inside
            && let Some((name, value)) = line.split_once('=')
            && name.trim().eq_ignore_ascii_case(variable)
        {
            return value.trim().to_owned();
        }
    }
    String::new()
}

impl fmt::Display for AwsCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Source::Environment => write!(f, "the environment variables {KEY_ID} and {KEY}"),
            Source::File { path, profile } => {
                write!(f, "the profile {profile:?} of the file {path:?}")
            }
        }
    }
}

impl fmt::Debug for AwsCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AwsCredentials({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_a_section_for_each_profile() {
        let text = "# mine\n[default]\naws_access_key_id = A\naws_secret_access_key=B=\n\n[ two ]\nAWS_ACCESS_KEY_ID=C\n";
        let values = |profile| [KEY_ID, KEY, SESSION].map(|name| value(text, profile, name));
        assert_eq!(values("default"), ["A", "B=", ""]);
        assert_eq!(values("two"), ["C", "", ""]);
        assert_eq!(values("three"), ["", "", ""]);
    }
}
