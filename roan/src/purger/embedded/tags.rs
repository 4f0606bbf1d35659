//! Tags: the response header that names the rows on a page.

use http::HeaderMap;

/// The header of tags, separated by spaces, as Fastly defines it.
pub(super) const SURROGATE_KEY: &str = "surrogate-key";

/// The tags of a response.
pub(super) fn tags(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(SURROGATE_KEY).into_iter();
    let texts = lines.filter_map(|line| line.to_str().ok());
    texts.flat_map(str::split_ascii_whitespace)
}
