//! Tags: the response headers that name the rows on a page, or those that have changed.

use std::iter::Peekable;
use std::slice::Iter;

use http::{HeaderMap, HeaderName};

/// The header of tags, separated by spaces, as Fastly defines it.
pub(super) const SURROGATE_KEY: HeaderName = HeaderName::from_static("surrogate-key");

/// The tags of a response.
pub(super) fn tags(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(SURROGATE_KEY).into_iter();
    let texts = lines.filter_map(|line| line.to_str().ok());
    texts.flat_map(str::split_ascii_whitespace)
}

/// The strings of a structured field that is a list of strings (RFC 9651, section 4.2.1). `None` if it is not one.
pub(crate) fn strings(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<String>> {
    let lines = headers.get_all(name).iter();
    let lines: Vec<_> = lines.map(|line| line.as_bytes()).collect();
    let list = lines.join(&b", "[..]);
    let mut rest = list.trim_ascii().iter().peekable();
    let mut strings = Vec::new();
    while rest.peek().is_some() {
        strings.push(string(&mut rest)?);
        while rest.next_if_eq(&&b';').is_some() {
            skip_parameter(&mut rest)?;
        }
        skip_spaces(&mut rest);
        match rest.next() {
            None => break,
            Some(b',') => skip_spaces(&mut rest),
            Some(_) => return None,
        }
        // Nothing follows the last comma.
        rest.peek()?;
    }
    Some(strings)
}

/// Section 4.2.5.
fn string(rest: &mut Peekable<Iter<'_, u8>>) -> Option<String> {
    rest.next_if_eq(&&b'"')?;
    let mut text = String::new();
    loop {
        match rest.next()? {
            b'"' => return Some(text),
            b'\\' => text.push(char::from(*rest.next_if(|next| b"\"\\".contains(next))?)),
            letter @ b' '..=b'~' => text.push(char::from(*letter)),
            _ => return None,
        }
    }
}

/// A parameter means nothing here, so what is not a string in it is not looked at.
fn skip_parameter(rest: &mut Peekable<Iter<'_, u8>>) -> Option<()> {
    loop {
        match rest.peek() {
            Some(b'"') => drop(string(rest)?),
            Some(b';' | b',') | None => return Some(()),
            Some(_) => drop(rest.next()),
        }
    }
}

fn skip_spaces(rest: &mut Peekable<Iter<'_, u8>>) {
    while rest.next_if(|next| b" \t".contains(next)).is_some() {}
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;
    use crate::purger::tag_header::CACHE_GROUPS;

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
            (&[r#""a", , "b""#], None),
            (&[r#""\a""#], None),
            (&["\"a\u{e9}\""], None),
            (
                &[r#""a"; x="b,\"c";y=@1;z=:YQ==: ,  "d";v=%"e""#],
                Some("a|d"),
            ),
            (&["", "\"a\""], None),
        ] {
            assert_eq!(read(lines).as_deref(), expected, "{lines:?}");
        }
    }

    /// What another parser reads.
    fn expected(line: &str) -> Option<Vec<String>> {
        let list = sfv::Parser::new(line).parse::<sfv::List>().ok()?;
        let strings = list.into_iter().map(|member| match member {
            sfv::ListEntry::Item(item) => match item.bare_item {
                sfv::BareItem::String(text) => Some(text.as_str().to_owned()),
                _ => None,
            },
            sfv::ListEntry::InnerList(_) => None,
        });
        strings.collect()
    }

    proptest! {
        #[test]
        fn a_line_is_read_as_others_read_it(line in r#"(("[a\\"]{0,4}"|1|b)(;c(=(1|b|"[;,\\"]{0,3}"|\?1|:YQ==:))?)?[ ,\t]{0,3}){0,4}"#) {
            let read = groups(&[&line]);
            match expected(&line) {
                Some(expected) => prop_assert_eq!(read, Some(expected)),
                // Its parameters may be wrong, which is overlooked.
                None => prop_assert!(read.is_none() || line.contains(';'), "{:?}", read),
            }
        }

        #[test]
        fn no_line_is_too_strange(line in "\\PC*") {
            if let Ok(value) = HeaderValue::try_from(&line) {
                let headers = HeaderMap::from_iter([(CACHE_GROUPS, value)]);
                strings(&headers, &CACHE_GROUPS);
            }
        }
    }
}
