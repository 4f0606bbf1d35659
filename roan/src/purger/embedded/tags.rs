//! Tags: what a response says about the rows that it shows.

use http::HeaderMap;

/// The header of tags, with spaces between them, as Fastly reads it.
pub(super) const SURROGATE_KEY: &str = "surrogate-key";

/// The tags of a response.
pub(super) fn tags(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(SURROGATE_KEY).into_iter();
    let texts = lines.filter_map(|line| line.to_str().ok());
    texts.flat_map(str::split_ascii_whitespace)
}
