//! The response header in which a cache reads the tags of a page.

#[cfg(feature = "web")]
use std::borrow::Borrow;
use std::borrow::Cow;
use std::fmt::Write;

use http::HeaderName;
#[cfg(feature = "web")]
use http::HeaderValue;

use crate::base::target::{Target, TargetKind};

/// The response header in which a cache reads the tags of a page, for [`Cache::tag_header`](super::Cache::tag_header).
///
/// The [web layer](crate::guide::web) writes it. A tag that is longer than the cache accepts is written as the 32
/// hexadecimal digits of its hash, and purged under that name, too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagHeader {
    name: HeaderName,
    form: Form,
    /// Bytes of a tag.
    longest: usize,
    /// Tags of a page.
    most: usize,
    /// Bytes of a header line.
    line: usize,
    /// Bytes of all lines.
    total: usize,
}

/// How tags are written in a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Spaces,
    Commas,
    /// A list of strings (RFC 9651, section 3.1).
    Strings,
}

#[cfg(any(feature = "web", feature = "embedded"))]
pub(super) const CACHE_GROUPS: HeaderName = HeaderName::from_static("cache-groups");
/// In the answer to a write: the tags to purge (RFC 9875).
#[cfg(any(feature = "web", feature = "embedded"))]
pub(super) const CACHE_GROUP_INVALIDATION: HeaderName =
    HeaderName::from_static("cache-group-invalidation");

const KIB: usize = 1024;

impl TagHeader {
    /// `Surrogate-Key`, of [Fastly]: tags separated by spaces, of up to 1,024 bytes each and 16,384 bytes together.
    ///
    /// [Fastly]: https://www.fastly.com/documentation/reference/http/http-headers/Surrogate-Key/
    #[must_use]
    pub fn surrogate_key() -> Self {
        Self {
            name: HeaderName::from_static("surrogate-key"),
            form: Form::Spaces,
            longest: KIB,
            most: usize::MAX,
            line: 16 * KIB,
            total: 16 * KIB,
        }
    }

    /// `Cache-Tag`, of [Cloudflare] and others: tags separated by commas, of up to 1,024 bytes each and 16 KiB together.
    ///
    /// [Cloudflare]: https://developers.cloudflare.com/cache/how-to/purge-cache/purge-by-tags/
    #[must_use]
    pub fn cache_tag() -> Self {
        Self {
            name: HeaderName::from_static("cache-tag"),
            form: Form::Commas,
            longest: KIB,
            most: usize::MAX,
            line: 16 * KIB,
            total: 16 * KIB,
        }
    }

    /// `xkey`, of [Varnish] with its module of that name: tags separated by spaces, in lines of up to 4 KiB (Varnish accepts
    /// 8 KiB, `http_resp_hdr_len`) and 16 KiB together (32 KiB are all headers, `http_resp_size`).
    ///
    /// [Varnish]: https://github.com/varnish/varnish-modules/blob/master/src/vmod_xkey.vcc
    #[must_use]
    pub fn xkey() -> Self {
        Self {
            name: HeaderName::from_static("xkey"),
            form: Form::Spaces,
            longest: KIB,
            most: usize::MAX,
            line: 4 * KIB,
            total: 16 * KIB,
        }
    }

    /// `Cache-Groups`, of [RFC 9875]: a structured list of strings. Each cache supports 32 groups of 32 characters.
    ///
    /// The answers to writes then carry `Cache-Group-Invalidation`, with up to 32 of the tags that fired in the request: the
    /// caches that they pass drop those pages at once.
    ///
    /// [RFC 9875]: https://www.rfc-editor.org/rfc/rfc9875
    #[must_use]
    pub fn cache_groups() -> Self {
        Self {
            name: HeaderName::from_static("cache-groups"),
            form: Form::Strings,
            longest: 32,
            most: 32,
            line: 4 * KIB,
            total: 4 * KIB,
        }
    }

    /// The same under another name, such as `Edge-Cache-Tag`.
    #[must_use]
    pub fn named(mut self, name: HeaderName) -> Self {
        self.name = name;
        self
    }

    /// Sets the longest tag that the cache accepts, in bytes (at least 32), and the most tags that a page may have.
    #[must_use]
    pub fn limits(mut self, longest: usize, most: usize) -> Self {
        self.longest = longest.max(DIGITS);
        self.most = most;
        self
    }

    /// The tag as pages carry it, and as it is purged.
    pub(crate) fn written<'t>(&self, tag: &'t str) -> Cow<'t, str> {
        if tag.len() <= self.longest {
            Cow::Borrowed(tag)
        } else {
            Cow::Owned(hash(tag))
        }
    }

    /// The target of a purge, as pages carry it.
    pub(crate) fn target<'t>(&self, target: &'t Target) -> Cow<'t, Target> {
        match target.kind() {
            TargetKind::Tag => match self.written(target.as_str()) {
                Cow::Borrowed(_) => Cow::Borrowed(target),
                Cow::Owned(hash) => Cow::Owned(target.with_text(&hash)),
            },
            TargetKind::Url | TargetKind::Prefix | TargetKind::Host | TargetKind::Everything => {
                Cow::Borrowed(target)
            }
        }
    }

    #[cfg(feature = "web")]
    pub(crate) fn name(&self) -> &HeaderName {
        &self.name
    }

    /// The lines of the answer to a write that purge these tags (RFC 9875, section 3). `None` if the cache reads its tags in
    /// another header than `Cache-Groups`. The tags that are too many for a cache are left to its purges.
    #[cfg(feature = "web")]
    pub(crate) fn invalidation(&self, tags: &[&Target]) -> Option<Vec<(HeaderName, HeaderValue)>> {
        if self.name != CACHE_GROUPS {
            return None;
        }
        let tags = tags.get(..self.most).unwrap_or(tags);
        let lines = self.lines(tags)?.into_iter();
        Some(lines.map(|line| (CACHE_GROUP_INVALIDATION, line)).collect())
    }

    /// The values of the lines. `None` if the cache does not take so many tags.
    #[cfg(feature = "web")]
    pub(crate) fn lines(&self, tags: &[impl Borrow<Target>]) -> Option<Vec<HeaderValue>> {
        let mut lines = vec![String::new()];
        let (mut count, mut total) = (0, 0);
        for tag in tags {
            let tag = self.written(tag.borrow().as_str());
            let (separator, tag) = match self.form {
                Form::Spaces => (" ", tag),
                Form::Commas => (",", tag),
                Form::Strings => (", ", Cow::Owned(quoted(&tag))),
            };
            count += 1;
            let last = lines.last_mut()?;
            let length = separator.len() + tag.len();
            total += length;
            if count > self.most || total > self.total {
                return None;
            }
            if last.is_empty() {
                last.push_str(&tag);
            } else if last.len() + length <= self.line {
                last.push_str(separator);
                last.push_str(&tag);
            } else {
                lines.push(tag.into_owned());
            }
        }
        lines.retain(|line| !line.is_empty());
        let values = lines.into_iter().map(HeaderValue::try_from);
        values.collect::<Result<_, _>>().ok()
    }
}

/// A string of RFC 9651, section 3.3.3. A tag is visible ASCII.
#[cfg(feature = "web")]
fn quoted(tag: &str) -> String {
    let mut quoted = String::with_capacity(tag.len() + 2);
    quoted.push('"');
    for letter in tag.chars() {
        if matches!(letter, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(letter);
    }
    quoted.push('"');
    quoted
}

/// The length of a hash.
const DIGITS: usize = 32;

/// FNV-1a of 128 bits: the same in every version and on every machine. Two tags with the same hash would only be purged
/// together. <https://datatracker.ietf.org/doc/html/draft-eastlake-fnv>
fn hash(tag: &str) -> String {
    const BASIS: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let hash = tag.bytes().fold(BASIS, |hash, byte| {
        (hash ^ u128::from(byte)).wrapping_mul(PRIME)
    });
    let mut digits = String::with_capacity(DIGITS);
    // Writing to a text does not fail.
    let _ = write!(digits, "{hash:032x}");
    digits
}

#[cfg(test)]
#[cfg(feature = "web")]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lines(header: &TagHeader, tags: &[&str]) -> Option<Vec<String>> {
        let tags: Vec<_> = tags.iter().map(|tag| Target::tag(tag).unwrap()).collect();
        let lines = header.lines(&tags)?;
        Some(
            lines
                .iter()
                .map(|line| line.to_str().unwrap().to_owned())
                .collect(),
        )
    }

    #[test]
    fn each_header_has_its_form() {
        let tags = ["a", "b-1"];
        let line = |header: TagHeader| lines(&header, &tags).unwrap().concat();
        assert_eq!(line(TagHeader::surrogate_key()), "a b-1");
        assert_eq!(line(TagHeader::xkey()), "a b-1");
        assert_eq!(line(TagHeader::cache_tag()), "a,b-1");
        assert_eq!(line(TagHeader::cache_groups()), r#""a", "b-1""#);
        assert_eq!(lines(&TagHeader::xkey(), &[]), Some(Vec::new()));
    }

    #[test]
    fn a_long_tag_is_carried_and_purged_by_its_hash() {
        let header = TagHeader::cache_groups();
        let (fits, long) = ("x".repeat(32), "x".repeat(33));
        assert_eq!(header.written(&fits), fits);
        let carried = lines(&header, &[&long]).unwrap().concat();
        let target = Target::tag(&long).unwrap().at_site("shop");
        let purged = header.target(&target);
        assert_eq!(carried, format!("{:?}", purged.as_str()));
        assert_eq!((purged.as_str().len(), purged.site()), (32, Some("shop")));
        let url = Target::url(format!("/{long}")).unwrap();
        assert_eq!(*header.target(&url), url);
    }

    /// The vectors of the draft: pages in a cache outlive the program that tagged them.
    #[test]
    fn the_hash_is_that_of_every_version() {
        assert_eq!(hash(""), "6c62272e07bb014262b821756295c58d");
        assert_eq!(hash("a"), "d228cb696f1a8caf78912b704e4a8964");
    }

    #[test]
    fn tags_are_split_into_lines_and_refused_where_they_are_too_many() {
        let header = TagHeader::xkey();
        let tag = "x".repeat(1000);
        let split = lines(&header, &[&*tag; 10]).unwrap();
        assert_eq!(split.len(), 3);
        assert!(split.iter().all(|line| line.len() <= 4 * KIB));
        assert_eq!(lines(&header, &[&*tag; 17]), None);
        let groups = TagHeader::cache_groups();
        assert!(lines(&groups, &["x"; 32]).is_some());
        assert_eq!(lines(&groups, &["x"; 33]), None);
    }

    proptest! {
        #[test]
        fn no_value_of_a_row_breaks_out_of_its_tag(values in prop::collection::vec(any::<String>(), 1..9)) {
            use crate::base::encode::{Encoder, Place};
            let tags: Vec<String> = values
                .iter()
                .map(|value| {
                    let mut tag = "t-".to_owned();
                    write!(Encoder::new(&mut tag, Place::Value), "{value}").unwrap();
                    tag
                })
                .filter(|tag| Target::tag(tag).is_ok())
                .collect();
            let tags: Vec<&str> = tags.iter().map(|tag| &**tag).collect();
            for header in [TagHeader::surrogate_key(), TagHeader::cache_tag(), TagHeader::xkey()] {
                let separator = if header.form == Form::Commas { ',' } else { ' ' };
                let lines = lines(&header, &tags).unwrap();
                let read = lines.iter().flat_map(|line| line.split(separator));
                let written = tags.iter().map(|tag| header.written(tag));
                prop_assert!(read.eq(written));
            }
        }

        #[cfg(feature = "embedded")]
        #[test]
        fn groups_are_read_as_they_were_written(tags in prop::collection::vec(r"[!-+\--~]{1,40}", 1..40)) {
            use crate::purger::embedded::strings;
            let header = TagHeader::cache_groups();
            let read = |name: &HeaderName, lines: Vec<HeaderValue>| {
                let lines = lines.into_iter().map(|line| (name.clone(), line));
                strings(&lines.collect(), name).unwrap()
            };
            // The form of the header does not rely on what a tag may be.
            let targets: Vec<_> = tags.iter().map(Target::unchecked_tag).collect();
            let written: Vec<_> = tags.iter().map(|tag| header.written(tag).into_owned()).collect();
            match header.lines(&targets) {
                Some(lines) => prop_assert_eq!(&read(&CACHE_GROUPS, lines), &written),
                None => prop_assert!(tags.len() > 32),
            }
            let targets: Vec<_> = targets.iter().collect();
            let lines = header.invalidation(&targets).unwrap();
            let lines = lines.into_iter().map(|(_, line)| line).collect();
            let read = read(&CACHE_GROUP_INVALIDATION, lines);
            prop_assert_eq!(&read[..], &written[..written.len().min(32)]);
            prop_assert!(read.iter().all(|group| group.len() <= 32));
        }
    }
}
