//! Targets: what a rule yields for one row.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use hashbrown::Equivalent;

use super::legality;
use super::spelling::Spellings;
use super::url_syntax::check_url;

pub use super::target_error::TargetError;
pub(crate) use super::target_error::shortened;
pub(crate) use super::url_syntax::{check_prefix, check_rendered_url, check_tag};

/// What a purge makes fresh: one URL of a site, the pages that carry a tag, those below a prefix, a whole site, or everything.
///
/// A URL is kept byte for byte, because a cache stores each spelling on its own (`%c3` and `%C3` are two pages to
/// nginx). It has the form in which a browser sends it: a path and an optional query, percent-encoded. A spelling
/// that an HTTP client would rewrite is an error here: its purge would reach another page.
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
    /// The name of the site, then the URL, tag or prefix: one allocation, and a borrowed twin
    /// ([`TargetRef`]) finds it in a map without any.
    text: Arc<str>,
    site_len: u16,
    kind: TargetKind,
}

/// The kinds of [`Target`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum TargetKind {
    /// A path with an optional query.
    Url,
    /// A tag (surrogate key), which a cache has seen in a response header.
    Tag,
    /// The pages of a site whose path begins alike.
    Prefix,
    /// All pages of a site.
    Host,
    /// All pages.
    Everything,
}

impl TargetKind {
    /// For a cache that purges all kinds.
    pub(crate) const ALL: [Self; 5] = [
        Self::Url,
        Self::Tag,
        Self::Prefix,
        Self::Host,
        Self::Everything,
    ];
}

impl TargetKind {
    /// The kind in one word, as in JSON and in the attribute: `url`, `tag`, `prefix`, `host` or `everything`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Url => "url",
            Self::Tag => "tag",
            Self::Prefix => "prefix",
            Self::Host => "host",
            Self::Everything => "everything",
        }
    }
}

impl fmt::Display for TargetKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Url => "URL",
            other => other.as_str(),
        })
    }
}

impl Target {
    /// The longest URL, prefix or tag, in bytes. nginx reads request lines of up to 8 KiB, and that of a
    /// purge is longer than the page's own by the path of the purge location, `/purge`. With
    /// `large_client_header_buffers 4 32k;` it purges every URL of this length.
    pub const MAX_LEN: usize = legality::MAX_LEN;

    /// The longest name of a site, in bytes.
    pub(crate) const MAX_SITE_LEN: usize = 255;

    /// The page at `url`: a path that begins with `/`, and an optional query.
    ///
    /// # Errors
    ///
    /// If `url` is not in the form in which a browser sends it: see [`TargetError`].
    pub fn url(url: impl AsRef<str>) -> Result<Self, TargetError> {
        let url = url.as_ref();
        check_url(url)?;
        Ok(TargetRef::new(TargetKind::Url, url, 0).to_target())
    }

    /// Every page that carries `tag`, as a template yields it: letters and digits of ASCII, `-`, `.`, `_`, `~`, the separators
    /// `:`, `/` and `=`, and all else percent-encoded. Encode a value as a template does, with
    /// [`encode::path_segment`](crate::encode::path_segment):
    ///
    /// ```
    /// use roan::{Target, encode};
    ///
    /// let title = "R&D";
    /// let target = Target::tag(format!("post-{}", encode::path_segment(title)))?;
    /// assert_eq!(target.as_str(), "post-R%26D"); // as `tag = "post-{title}"` yields it
    ///
    /// let error = Target::tag("post-R&D").unwrap_err();
    /// assert_eq!(error.to_string(), r#"tag "post-R&D": '&' at byte 6 must be written `%26`"#);
    /// # Ok::<(), roan::TargetError>(())
    /// ```
    ///
    /// A separator in a value is `%3A`, `%2F` or `%3D` in a tag, and nothing here can tell it from one between values.
    ///
    /// # Errors
    ///
    /// If `tag` is empty, too long, or contains another character.
    pub fn tag(tag: impl AsRef<str>) -> Result<Self, TargetError> {
        let tag = tag.as_ref();
        check_tag(tag)?;
        Ok(TargetRef::new(TargetKind::Tag, tag, 0).to_target())
    }

    /// Any text as a tag: what writes it into a body or a header does not rely on what [`tag`](Self::tag) accepts.
    #[cfg(test)]
    pub(crate) fn unchecked_tag(tag: impl AsRef<str>) -> Self {
        TargetRef::new(TargetKind::Tag, tag.as_ref(), 0).to_target()
    }

    /// Every page of the site whose path begins with `prefix`, such as `/docs/v1/`: a path that begins and ends with `/`. It
    /// means `/docs/v1/`, `/docs/v1/?page=2` and `/docs/v1/a/b`, but neither `/docs/v1` nor `/docs/v10/a`.
    ///
    /// ```
    /// use roan::Target;
    ///
    /// assert_eq!(Target::prefix("/docs/v1/")?.to_string(), "prefix /docs/v1/");
    ///
    /// let error = Target::prefix("/docs/v1").unwrap_err();
    /// assert!(error.to_string().contains("must end with `/`"));
    /// # Ok::<(), roan::TargetError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If `prefix` is not such a path, has a query or an empty segment, or is `/` alone, for which there is
    /// [`Target::host`].
    pub fn prefix(prefix: impl AsRef<str>) -> Result<Self, TargetError> {
        let prefix = prefix.as_ref();
        check_prefix(prefix)?;
        Ok(TargetRef::new(TargetKind::Prefix, prefix, 0).to_target())
    }

    /// Every page of the site: of the default site, or of the one of [`at_site`](Self::at_site). [`as_str`](Self::as_str) is
    /// empty.
    #[must_use]
    pub fn host() -> Self {
        TargetRef::new(TargetKind::Host, "", 0).to_target()
    }

    /// Every page of every site in the caches. [`as_str`](Self::as_str) is empty, and [`at_site`](Self::at_site) does not
    /// change it.
    #[must_use]
    pub fn everything() -> Self {
        TargetRef::new(TargetKind::Everything, "", 0).to_target()
    }

    /// The same target at the named site, in place of the default site.
    ///
    /// If the site is not configured, the dispatcher reports that for each purge. Names are cut after 255 bytes.
    #[must_use]
    pub fn at_site(&self, name: &str) -> Self {
        if self.kind == TargetKind::Everything {
            return self.clone();
        }
        let end = (0..=Self::MAX_SITE_LEN.min(name.len()))
            .rev()
            .find(|end| name.is_char_boundary(*end))
            .unwrap_or_default();
        let text = format!("{}{}", &name[..end], self.as_str());
        TargetRef::new(self.kind, &text, end).to_target()
    }

    /// Sorted by site and text.
    #[cfg(feature = "web")]
    pub(crate) fn sorted(targets: impl IntoIterator<Item = Self>) -> Vec<Self> {
        let mut targets: Vec<_> = targets.into_iter().collect();
        targets.sort_unstable_by(|a, b| (a.site(), a.as_str()).cmp(&(b.site(), b.as_str())));
        targets
    }

    /// The same target with another URL, prefix or tag, which is checked.
    pub(crate) fn with_text(&self, text: &str) -> Self {
        let site = self.site().unwrap_or_default();
        let text = [site, text].concat();
        TargetRef::new(self.kind, &text, site.len()).to_target()
    }

    /// The same page under its other spellings.
    pub(crate) fn other_spellings(&self, spellings: Spellings) -> Vec<Self> {
        if self.kind != TargetKind::Url {
            return Vec::new();
        }
        let others = spellings.others(self.as_str()).into_iter();
        // A spelling that is longer than a URL may be is the address of no page.
        let targets = others.filter_map(|url| Self::url(url).ok());
        match self.site() {
            Some(site) => targets.map(|target| target.at_site(site)).collect(),
            None => targets.collect(),
        }
    }

    /// For a message, which a long value must not flood.
    pub(crate) fn shown(&self) -> String {
        shortened(&self.to_string())
    }

    /// The URL, the tag or the prefix.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text[usize::from(self.site_len)..]
    }

    /// The name of the site. `None` is the default site.
    #[must_use]
    pub fn site(&self) -> Option<&str> {
        (self.site_len > 0).then(|| &self.text[..usize::from(self.site_len)])
    }

    /// The kind of the target.
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

/// The URL itself, `tag NAME`, `prefix PATH`, `host` or `everything`, and `... at site NAME` beside the default site.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TargetKind::Url => f.write_str(self.as_str())?,
            TargetKind::Host | TargetKind::Everything => self.kind.fmt(f)?,
            TargetKind::Tag | TargetKind::Prefix => write!(f, "{} {}", self.kind, self.as_str())?,
        }
        self.site()
            .map_or(Ok(()), |site| write!(f, " at site {site}"))
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Target({self})")
    }
}

impl From<&Target> for Target {
    fn from(target: &Target) -> Self {
        target.clone()
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

/// What [`url!`](crate::url!) gives can be purged as it is.
impl TryFrom<Result<Self, TargetError>> for Target {
    type Error = TargetError;

    fn try_from(url: Result<Self, TargetError>) -> Result<Self, TargetError> {
        url
    }
}

impl TryFrom<Cow<'_, str>> for Target {
    type Error = TargetError;

    fn try_from(url: Cow<'_, str>) -> Result<Self, TargetError> {
        Self::url(url)
    }
}

/// A [`Target`] that is borrowed from the buffer in which it was rendered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct TargetRef<'a> {
    text: &'a str,
    site_len: u16,
    kind: TargetKind,
}

impl<'a> TargetRef<'a> {
    /// `text` is the name of the site, `site_len` bytes of it, and then a checked URL, prefix or tag, or nothing.
    pub(crate) fn new(kind: TargetKind, text: &'a str, site_len: usize) -> Self {
        debug_assert!(site_len <= Target::MAX_SITE_LEN);
        Self {
            text,
            site_len: u16::try_from(site_len).unwrap_or(u16::MAX),
            kind,
        }
    }

    /// The text with the name of the site before it, and the length of that name.
    #[cfg(feature = "web")]
    pub(crate) fn parts(self) -> (&'a str, usize) {
        (self.text, usize::from(self.site_len))
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

#[cfg(test)]
mod tests {
    use super::*;

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
