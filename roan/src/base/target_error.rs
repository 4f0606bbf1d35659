//! Why a target cannot be made.

use std::convert::Infallible;

use super::target::{Target, TargetKind};

/// Why a text is not a URL, a prefix or a tag that can be purged. Each message says what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// The URL does not begin with `/`.
    #[error("URL {0:?} must begin with `/`: the path of the page, without scheme and host")]
    NoLeadingSlash(String),
    /// A character that a browser would have percent-encoded, or in a tag a template.
    #[error("{kind} {text:?}: {found:?} at byte {at} must be written `{instead}`")]
    Character {
        /// `URL`, `prefix` or `tag`.
        kind: TargetKind,
        /// The whole URL, prefix or tag.
        text: String,
        /// The character.
        found: char,
        /// Its place, in bytes from the start.
        at: usize,
        /// Its percent-encoded form.
        instead: String,
    },
    /// A `%` without two hexadecimal digits after it.
    #[error(
        "{kind} {text:?}: the `%` at byte {at} needs two hexadecimal digits; a plain `%` is `%25`"
    )]
    Escape {
        /// `URL` or `tag`.
        kind: TargetKind,
        /// The whole URL or tag.
        text: String,
        /// The place of the `%`, in bytes from the start.
        at: usize,
    },
    /// A segment `.` or `..`, in any spelling. Clients resolve it before they send a request, so no cached page has
    /// it in its URL.
    #[error(
        "URL {0:?} has a `.` or `..` segment, which clients resolve before they send a request, so no page has this URL: write \
         the resolved path"
    )]
    DotSegment(String),
    /// A value, or the URL, has `..` and a separator in it, encoded in whatever way, and more of them than
    /// there are names before. A server that decodes them before it resolves them, as nginx does to
    /// pick a location, would answer the purge somewhere else.
    #[error(
        "URL {0:?} climbs above its root once a server has decoded it, so its purge would reach \
         another location: write a path without `..`, or take `..` out of the value"
    )]
    Climbs(String),
    /// A value of a template is empty, and is all of a segment of the path: `/posts/{slug}` would be `/posts/`, another page.
    #[error(
        "URL {0:?} is another page than the one that is meant, because a value is empty that is a whole segment of its path: \
         leave such rows out, as by `when = !self.slug.is_empty()` in a rule"
    )]
    EmptySegment(String),
    /// A link that begins with `//`, where a browser would read a host: from [`url!`](crate::url!) alone.
    #[error(
        "URL {0:?} begins with `//`, so that a browser would read a host after it: the first value \
         must not begin with `/`"
    )]
    Host(String),
    /// Not a prefix: see [`Target::prefix`].
    #[error("prefix {prefix:?} {problem}")]
    #[non_exhaustive]
    Prefix {
        /// The whole prefix.
        prefix: String,
        /// What is wrong with it, and what to write.
        problem: &'static str,
    },
    /// The function of a `urls = ...` rule has returned [`Target::everything`]. A value of a row may have made it do so, and
    /// no row may empty all caches.
    #[error(
        "the function of `urls` returned `everything`, and no value of a row may empty all caches: write the flag `everything` \
         in a rule of its own"
    )]
    Everything,
    /// An empty tag.
    #[error("a tag must not be empty")]
    EmptyTag,
    /// Longer than [`Target::MAX_LEN`].
    #[error("{kind} of {length} bytes: the limit is {}", Target::MAX_LEN)]
    TooLong {
        /// `URL`, `prefix` or `tag`.
        kind: TargetKind,
        /// Its length in bytes.
        length: usize,
    },
    /// The `Display` of a value returned an error.
    #[error("{0}: the `Display` of a value failed")]
    Display(String),
}

impl From<Infallible> for TargetError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// The text for a message, cut so that a hostile value cannot flood the log.
pub(crate) fn shortened(text: &str) -> String {
    const LIMIT: usize = 200;
    match text.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}
