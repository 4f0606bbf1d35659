//! What the purgers of CDNs share: a token, the address of an API, and one exchange with it.

mod api;
mod endpoint;
mod secret;
mod token;

pub(super) use self::api::{Api, Reply};
pub(super) use self::endpoint::Endpoint;
#[cfg(feature = "cloudfront")]
pub(super) use self::secret::{Secret, Texts, read_file, read_variable};
pub use self::token::Token;
use crate::error::ConfigError;

/// Whether a text can be an ID that a provider has given.
fn is_id(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Checks an ID, which becomes a segment of the path of each request. `problem` says what to write.
pub(super) fn id(setting: &str, text: &str, problem: &str) -> Result<String, ConfigError> {
    if is_id(text) {
        Ok(text.to_owned())
    } else {
        let shown = crate::base::target::shortened(text);
        Err(ConfigError::value(setting, shown, problem))
    }
}
