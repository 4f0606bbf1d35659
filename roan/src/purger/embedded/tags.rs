//! Tags: the response headers that name the rows on a page, or those that have changed.

use std::convert::Infallible;

use http::{HeaderMap, HeaderName};
use sfv::visitor::{EntryVisitor, Ignored, InnerListVisitor, ItemVisitor, ListVisitor, Never};
use sfv::{BareItemFromInput, Parser};

/// The header of tags, separated by spaces, as Fastly defines it.
pub(super) const SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");
/// The tags of a page, and those to purge with the answer to a write (RFC 9875).
pub(super) const CACHE_GROUPS: HeaderName = HeaderName::from_static("cache-groups");
pub(super) const CACHE_GROUP_INVALIDATION: HeaderName =
    HeaderName::from_static("cache-group-invalidation");

/// The tags of a response.
pub(super) fn tags(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(SURROGATE_KEY).into_iter();
    let texts = lines.filter_map(|line| line.to_str().ok());
    texts.flat_map(str::split_ascii_whitespace)
}

/// The strings of a structured field that is a list of strings. `None` if it is not one.
pub(crate) fn strings(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<String>> {
    let lines = headers.get_all(name).iter();
    let lines: Vec<_> = lines.map(|line| line.as_bytes()).collect();
    let list = lines.join(&b", "[..]);
    let list = Parser::new(&list).parse_list_with_visitor(Strings(Vec::new()));
    list.ok()
}

/// Reads a list of strings. Their parameters mean nothing.
struct Strings(Vec<String>);

#[derive(Debug, thiserror::Error)]
#[error("not a string")]
struct NotAString;

impl<'de> ListVisitor<'de> for Strings {
    type Out = Vec<String>;
    type Error = Infallible;

    fn entry(&mut self) -> Result<impl EntryVisitor<'de>, Infallible> {
        Ok(Member(&mut self.0))
    }

    fn finish(self) -> Result<Self::Out, Infallible> {
        Ok(self.0)
    }
}

struct Member<'s>(&'s mut Vec<String>);

impl<'de> EntryVisitor<'de> for Member<'_> {
    type Error = NotAString;

    fn item(self) -> Result<impl ItemVisitor<'de>, NotAString> {
        Ok(|item: BareItemFromInput<'de>| match item {
            BareItemFromInput::String(text) => {
                self.0.push(text.as_str().to_owned());
                Ok(Ignored)
            }
            _ => Err(NotAString),
        })
    }

    fn inner_list(self) -> Result<impl InnerListVisitor<'de>, NotAString> {
        Err::<Never, _>(NotAString)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn groups(lines: &[&str]) -> Option<Vec<String>> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(CACHE_GROUPS, HeaderValue::try_from(*line).unwrap());
        }
        strings(&headers, &CACHE_GROUPS)
    }

    #[test]
    fn groups_are_a_list_of_strings_over_all_lines() {
        let read = |lines: &[&str]| groups(lines).map(|groups| groups.join("|"));
        for (lines, expected) in [
            (&[][..], Some("")),
            (&[r#""a", "b c";x=1;y"#, r#""d\"\\""#], Some(r#"a|b c|d"\"#)),
            (&[r#""A",	"a""#], Some("A|a")),
            (&["a"], None),
            (&[r#""a", b"#], None),
            (&[r#""a", ("b")"#], None),
            (&[r#""a" "b""#], None),
            (&[r#""a"#], None),
            (&[r#""a","#], None),
        ] {
            assert_eq!(read(lines).as_deref(), expected, "{lines:?}");
        }
    }

    proptest! {
        #[test]
        fn no_line_is_too_strange(line in "\\PC*") {
            if let Ok(value) = HeaderValue::try_from(&line) {
                let headers = HeaderMap::from_iter([(CACHE_GROUPS, value)]);
                strings(&headers, &CACHE_GROUPS);
            }
        }
    }
}
