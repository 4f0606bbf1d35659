//! Targets: what a rule yields for one row.

use std::borrow::Cow;
use std::convert::Infallible;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use hashbrown::Equivalent;

/// What a purge makes fresh: one URL of a site, or everything that carries one tag.
///
/// A URL is kept byte for byte, for a cache keys each spelling on its own (`%c3` and `%C3` are two
/// pages to nginx). It has the form in which a browser sends it: a path, a query perhaps, with all
/// else percent-encoded. A spelling that an HTTP client would rewrite on the way is refused here,
/// where it can be seen, for its purge would hit another page.
///
/// ```
/// use roan::Target;
///
/// let page = Target::url("/posts/caf%C3%A9?page=2")?;
/// assert_eq!(page.as_str(), "/posts/caf%C3%A9?page=2");
///
/// let elsewhere = Target::url("/posts")?.at_site("shop");
/// assert_eq!(elsewhere.site(), Some("shop"));
///
/// let error = Target::url("/a b").unwrap_err();
/// assert_eq!(error.to_string(), r#"URL "/a b": ' ' at byte 2 must be written `%20`"#);
/// # Ok::<(), roan::TargetError>(())
/// ```
#[derive(Clone)]
pub struct Target {
    /// The name of the site, then the URL or tag: one allocation, and a borrowed twin
    /// ([`TargetRef`]) finds it in a map without any.
    text: Arc<str>,
    site_len: u16,
    kind: TargetKind,
}

/// The kinds of [`Target`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TargetKind {
    /// A path with an optional query.
    Url,
    /// A tag (surrogate key), which a cache has seen in a response header.
    Tag,
}

impl fmt::Display for TargetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Url => "URL",
            Self::Tag => "tag",
        })
    }
}

impl Target {
    /// The longest URL or tag, in bytes. nginx serves none longer than 8 KiB unless told to
    /// (`large_client_header_buffers`).
    pub const MAX_LEN: usize = 16 * 1024;

    /// The longest name of a site, in bytes.
    pub(crate) const MAX_SITE_LEN: usize = 255;

    /// The page at `url`: a path that begins with `/`, and a query perhaps.
    ///
    /// # Errors
    ///
    /// When `url` is not in the form in which a browser sends it: see [`TargetError`].
    pub fn url(url: impl AsRef<str>) -> Result<Self, TargetError> {
        let url = url.as_ref();
        check_url(url)?;
        Ok(TargetRef::new(TargetKind::Url, url, 0).to_target())
    }

    /// Every page that carries `tag`: visible ASCII without space or comma.
    ///
    /// # Errors
    ///
    /// When `tag` is empty, too long, or has another character.
    pub fn tag(tag: impl AsRef<str>) -> Result<Self, TargetError> {
        let tag = tag.as_ref();
        check_tag(tag)?;
        Ok(TargetRef::new(TargetKind::Tag, tag, 0).to_target())
    }

    /// The same target at the site of that name, in place of the default site.
    ///
    /// A name that the dispatcher does not know is reported when the purge is asked for. Names are
    /// cut after 255 bytes.
    #[must_use]
    pub fn at_site(&self, name: &str) -> Self {
        let end = (0..=Self::MAX_SITE_LEN.min(name.len()))
            .rev()
            .find(|end| name.is_char_boundary(*end))
            .unwrap_or_default();
        let text = format!("{}{}", &name[..end], self.as_str());
        TargetRef::new(self.kind, &text, end).to_target()
    }

    /// The URL or the tag.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text[usize::from(self.site_len)..]
    }

    /// The name of the site; `None` is the default site.
    #[must_use]
    pub fn site(&self) -> Option<&str> {
        (self.site_len > 0).then(|| &self.text[..usize::from(self.site_len)])
    }

    /// Whether the target is a URL or a tag.
    #[must_use]
    pub fn kind(&self) -> TargetKind {
        self.kind
    }
}

impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        TargetRef::from(self) == TargetRef::from(other)
    }
}

impl Eq for Target {}

impl Hash for Target {
    fn hash<H: Hasher>(&self, state: &mut H) {
        TargetRef::from(self).hash(state);
    }
}

/// The URL itself, `tag NAME` for a tag, and `URL at site NAME` beside the default site.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.kind == TargetKind::Tag {
            f.write_str("tag ")?;
        }
        f.write_str(self.as_str())?;
        self.site()
            .map_or(Ok(()), |site| write!(f, " at site {site}"))
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self})")
    }
}

impl TryFrom<&str> for Target {
    type Error = TargetError;

    fn try_from(url: &str) -> Result<Self, TargetError> {
        Self::url(url)
    }
}

impl TryFrom<&String> for Target {
    type Error = TargetError;

    fn try_from(url: &String) -> Result<Self, TargetError> {
        Self::url(url)
    }
}

impl TryFrom<String> for Target {
    type Error = TargetError;

    fn try_from(url: String) -> Result<Self, TargetError> {
        Self::url(url)
    }
}

impl TryFrom<Cow<'_, str>> for Target {
    type Error = TargetError;

    fn try_from(url: Cow<'_, str>) -> Result<Self, TargetError> {
        Self::url(url)
    }
}

/// A [`Target`] that still lies in the buffer it was rendered in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TargetRef<'a> {
    text: &'a str,
    site_len: u16,
    kind: TargetKind,
}

impl<'a> TargetRef<'a> {
    /// `text` is the name of the site, `site_len` bytes of it, and then a checked URL or tag.
    pub(crate) fn new(kind: TargetKind, text: &'a str, site_len: usize) -> Self {
        debug_assert!(site_len <= Target::MAX_SITE_LEN);
        Self {
            text,
            site_len: u16::try_from(site_len).unwrap_or(u16::MAX),
            kind,
        }
    }

    pub(crate) fn to_target(self) -> Target {
        Target {
            text: self.text.into(),
            site_len: self.site_len,
            kind: self.kind,
        }
    }
}

impl<'a> From<&'a Target> for TargetRef<'a> {
    fn from(target: &'a Target) -> Self {
        Self {
            text: &target.text,
            site_len: target.site_len,
            kind: target.kind,
        }
    }
}

impl Equivalent<Target> for TargetRef<'_> {
    fn equivalent(&self, key: &Target) -> bool {
        *self == TargetRef::from(key)
    }
}

/// Why a URL or a tag cannot be purged. Each message says what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TargetError {
    /// The URL does not begin with `/`.
    #[error("URL {0:?} must begin with `/`: the path of the page, without scheme and host")]
    NoLeadingSlash(String),
    /// A character that a browser would have percent-encoded.
    #[error("{kind} {text:?}: {found:?} at byte {at} must be written `{instead}`")]
    Character {
        /// Whether it was to be a URL or a tag.
        kind: TargetKind,
        /// The whole URL or tag.
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
        "URL {text:?}: the `%` at byte {at} needs two hexadecimal digits; a plain `%` is `%25`"
    )]
    Escape {
        /// The whole URL.
        text: String,
        /// The place of the `%`, in bytes from the start.
        at: usize,
    },
    /// A segment `.` or `..`, in whatever spelling: clients resolve it before they send a request,
    /// so no cached page has it in its URL.
    #[error("URL {0:?} has a `.` or `..` segment, which clients resolve: write the resolved path")]
    DotSegment(String),
    /// An empty tag.
    #[error("a tag must not be empty")]
    EmptyTag,
    /// Longer than [`Target::MAX_LEN`].
    #[error("{kind} of {length} bytes: the limit is {}", Target::MAX_LEN)]
    TooLong {
        /// Whether it was to be a URL or a tag.
        kind: TargetKind,
        /// Its length in bytes.
        length: usize,
    },
    /// A value's `Display` gave an error in place of a text.
    #[error("{0}: the `Display` of a value failed")]
    Display(String),
}

impl From<Infallible> for TargetError {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

fn check_length(kind: TargetKind, length: usize) -> Result<(), TargetError> {
    if length > Target::MAX_LEN {
        return Err(TargetError::TooLong { kind, length });
    }
    Ok(())
}

/// Accepts just the URLs that the URL parser of browsers (and of reqwest) leaves as they are:
/// <https://url.spec.whatwg.org/#path-percent-encode-set> and the query's set beside it.
fn check_url(url: &str) -> Result<(), TargetError> {
    if !url.starts_with('/') {
        return Err(TargetError::NoLeadingSlash(shortened(url)));
    }
    let bytes = url.as_bytes();
    let mut in_query = false;
    for (at, byte) in bytes.iter().enumerate() {
        let stays = match byte {
            b'?' => {
                in_query = true;
                true
            }
            b'%' => {
                let digits = bytes.get(at + 1..at + 3).unwrap_or_default();
                if digits.len() < 2 || !digits.iter().all(u8::is_ascii_hexdigit) {
                    let text = shortened(url);
                    return Err(TargetError::Escape { text, at });
                }
                true
            }
            b'"' | b'#' | b'<' | b'>' => false,
            b'\'' => !in_query,
            b'\\' | b'^' | b'`' | b'{' | b'}' => in_query,
            other => other.is_ascii_graphic(),
        };
        if !stays {
            return Err(misplaced(TargetKind::Url, url, at));
        }
    }
    check_rendered_url(url)
}

/// The part of the check that is left when the literal pieces were checked at compile time and the
/// values between them were encoded.
pub(crate) fn check_rendered_url(url: &str) -> Result<(), TargetError> {
    check_length(TargetKind::Url, url.len())?;
    let path = url.find('?').map_or(url, |query| &url[..query]);
    let may_have_dots = |pair: &[u8]| matches!(pair, b"/." | b"/%");
    if path.as_bytes().windows(2).any(may_have_dots) && path.split('/').any(is_dot_segment) {
        return Err(TargetError::DotSegment(shortened(url)));
    }
    Ok(())
}

fn is_dot_segment(segment: &str) -> bool {
    let after_dot = |text: &'_ str| -> Option<usize> {
        if text.starts_with('.') {
            Some(1)
        } else if text.len() >= 3 && text.as_bytes()[..3].eq_ignore_ascii_case(b"%2e") {
            Some(3)
        } else {
            None
        }
    };
    let Some(first) = after_dot(segment) else {
        return false;
    };
    let rest = &segment[first..];
    rest.is_empty() || after_dot(rest) == Some(rest.len())
}

pub(crate) fn check_tag(tag: &str) -> Result<(), TargetError> {
    check_length(TargetKind::Tag, tag.len())?;
    if tag.is_empty() {
        return Err(TargetError::EmptyTag);
    }
    match tag
        .bytes()
        .position(|byte| !byte.is_ascii_graphic() || byte == b',')
    {
        Some(at) => Err(misplaced(TargetKind::Tag, tag, at)),
        None => Ok(()),
    }
}

fn misplaced(kind: TargetKind, text: &str, at: usize) -> TargetError {
    let found = text[at..].chars().next().unwrap_or_default();
    let mut bytes = [0; 4];
    let instead = found
        .encode_utf8(&mut bytes)
        .bytes()
        .map(|byte| format!("%{byte:02X}"))
        .collect();
    let text = shortened(text);
    TargetError::Character {
        kind,
        text,
        found,
        at,
        instead,
    }
}

/// The text for a message, which a hostile value shall not flood.
pub(crate) fn shortened(text: &str) -> String {
    const LIMIT: usize = 200;
    match text.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_keeps_its_bytes() {
        for url in [
            "/",
            "//x",
            "/a//b/",
            "/caf%C3%A9",
            "/caf%c3%a9",
            "/a%2Fb",
            "/it's",
            "/list?",
            "/list?page=2",
            "/list?filter[a]=1|2&q={x}",
            "/...",
            "/.well-known/x",
            "/a.b/..c",
            "/%2e%2e%2e",
            "/%252e",
            "/x?path=/../y",
            "/a;b=1,c@d:e!$&()*+=~_-",
        ] {
            let target = Target::url(url).unwrap();
            assert_eq!(target.as_str(), url);
            let sent = reqwest::Url::parse(&format!("http://localhost/purge{url}")).unwrap();
            assert_eq!(sent.as_str(), format!("http://localhost/purge{url}"));
        }
    }

    #[test]
    fn a_url_that_a_client_would_rewrite_is_refused() {
        for url in [
            "",
            "posts",
            "http://x/y",
            "/a b",
            "/é",
            "/a#b",
            "/a\\b",
            "/a\r\nb",
            "/a\0",
            "/<a>",
            "/{slug}",
            "/a^b",
            "/a`b",
            "/a?b'c",
            "/a?b c",
            "/a?é",
            "/100%",
            "/%2",
            "/%zz",
            "/.",
            "/..",
            "/a/../b",
            "/a/./b",
            "/%2e%2E/b",
            "/.%2e",
            "/%2E",
            "/a/..?x",
        ] {
            assert!(Target::url(url).is_err(), "{url:?} was accepted");
        }
    }

    #[test]
    fn messages_say_what_to_write() {
        let message = |url: &str| Target::url(url).unwrap_err().to_string();
        assert_eq!(
            message("/é"),
            r#"URL "/é": 'é' at byte 1 must be written `%C3%A9`"#
        );
        assert_eq!(
            message("/5%"),
            r#"URL "/5%": the `%` at byte 2 needs two hexadecimal digits; a plain `%` is `%25`"#
        );
        assert_eq!(
            message("posts"),
            r#"URL "posts" must begin with `/`: the path of the page, without scheme and host"#
        );
        assert!(message(&"x".repeat(1000)).len() < 300);
    }

    #[test]
    fn lengths_are_bounded() {
        assert!(Target::url(format!("/{}", "x".repeat(Target::MAX_LEN - 1))).is_ok());
        assert!(Target::url(format!("/{}", "x".repeat(Target::MAX_LEN))).is_err());
        assert_eq!(
            Target::url("/x")
                .unwrap()
                .at_site(&"é".repeat(200))
                .site()
                .unwrap()
                .len(),
            254
        );
    }

    #[test]
    fn tags_are_tokens() {
        assert!(Target::tag("author-7%20x").is_ok());
        for tag in ["", "a b", "a,b", "a\nb", "é"] {
            assert!(Target::tag(tag).is_err(), "{tag:?} was accepted");
        }
    }

    #[test]
    fn kind_and_site_tell_targets_apart() {
        let url = Target::url("/x").unwrap();
        assert_ne!(url, Target::tag("/x").unwrap());
        assert_ne!(url, url.at_site("/"));
        assert_ne!(url.at_site("ab"), Target::url("/b/x").unwrap().at_site("a"));
        assert_eq!(url.at_site("a").at_site("b"), url.at_site("b"));
        assert_eq!(url.at_site("shop").to_string(), "/x at site shop");
    }
}
