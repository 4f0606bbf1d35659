//! Percent-encoding of values in URLs, as in RFC 3986, section 2.
//!
//! A cache stores each spelling of a URL on its own: `/it's` and `/it%27s` are two pages to nginx. Use these functions if
//! your links should have the spelling of Roan's purges: everything except letters, digits and `-._~` is encoded, with
//! upper-case hex. [`url!`](crate::url!) makes whole links. The functions are for links made in another way, such as by a
//! filter of a template engine.
//!
//! ```
//! use roan::encode;
//!
//! let link = format!(
//!     "/posts/{}?q={}",
//!     encode::path_segment("café/1"),
//!     encode::query_value("R&D + more"),
//! );
//! assert_eq!(link, "/posts/caf%C3%A9%2F1?q=R%26D%20%2B%20more");
//! assert_eq!(encode::path("docs/a b.pdf"), "docs/a%20b.pdf");
//! ```

use std::fmt::{self, Write};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// All but the unreserved characters of RFC 3986, section 2.3. The characters that remain cannot end a path
/// segment, a query value, a tag or a header.
pub(crate) const VALUE: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The same, but `/` stays: the value is several path segments.
const PATH: &AsciiSet = &VALUE.remove(b'/');

/// Encodes a value as one segment of a path: as `{field}` in a template, before the `?`.
///
/// A segment `.` or `..` stays unchanged. Clients never request such a URL: see
/// [`TargetError::DotSegment`](crate::TargetError::DotSegment).
#[must_use]
pub fn path_segment(value: &str) -> String {
    utf8_percent_encode(value, VALUE).to_string()
}

/// Encodes a value as several segments of a path and keeps its slashes: as `{field*}` in a template.
#[must_use]
pub fn path(value: &str) -> String {
    utf8_percent_encode(value, PATH).to_string()
}

/// Encodes a value as one value of a query: as `{field}` in a template, after the `?`. A space becomes `%20`, not `+`.
#[must_use]
pub fn query_value(value: &str) -> String {
    utf8_percent_encode(value, VALUE).to_string()
}

/// The position in a template for which a value is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// One path segment, one query value, or a part of a tag.
    Value,
    /// Several path segments: `/` keeps its meaning.
    Path,
}

/// A writer that appends text to a string, percent-encoded with upper-case hex.
#[derive(Debug)]
pub(crate) struct Encoder<'a> {
    out: &'a mut String,
    set: &'static AsciiSet,
}

impl<'a> Encoder<'a> {
    pub(crate) fn new(out: &'a mut String, place: Place) -> Self {
        let set = match place {
            Place::Value => VALUE,
            Place::Path => PATH,
        };
        Self { out, set }
    }
}

impl Write for Encoder<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.out.extend(utf8_percent_encode(text, self.set));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(value: &str, place: Place) -> String {
        let mut out = String::new();
        write!(Encoder::new(&mut out, place), "{value}").unwrap();
        out
    }

    #[test]
    fn only_unreserved_characters_stay() {
        assert_eq!(encoded("aZ0-._~", Place::Value), "aZ0-._~");
        assert_eq!(encoded("a/b?c#d e", Place::Value), "a%2Fb%3Fc%23d%20e");
        assert_eq!(encoded("café&=+", Place::Value), "caf%C3%A9%26%3D%2B");
        assert_eq!(encoded("\r\n\0*'", Place::Value), "%0D%0A%00%2A%27");
        assert_eq!(encoded("%2F", Place::Value), "%252F");
    }

    #[test]
    fn a_path_keeps_its_slashes() {
        assert_eq!(encoded("docs/a b/ü", Place::Path), "docs/a%20b/%C3%BC");
    }
}
