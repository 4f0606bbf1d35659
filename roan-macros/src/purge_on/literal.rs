//! What a URL or a tag may be made of: the rules of `roan::Target`, applied when compiling.

use std::fmt;

/// The longest URL or tag that `roan::Target` takes, in bytes.
const MAX_LEN: usize = 16 * 1024;

/// Why a static text is no URL or no tag.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    NoLeadingSlash,
    Host,
    Fragment,
    Character(char),
    Escape,
    DotSegment,
    EmptyTag,
    TooLong,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoLeadingSlash => f.write_str("it must begin with `/`"),
            Self::Host => f.write_str(
                "write the path alone, from the `/` on; the host is chosen by `site = \"...\"`",
            ),
            Self::Fragment => f.write_str(
                "a fragment never reaches a server: end it before `#`, or write `%23` for the character",
            ),
            Self::Character(found) => {
                write!(f, "{found:?} must be written `")?;
                let mut bytes = [0; 4];
                for byte in found.encode_utf8(&mut bytes).bytes() {
                    write!(f, "%{byte:02X}")?;
                }
                f.write_str("`")
            }
            Self::Escape => f.write_str(
                "a `%` needs two hexadecimal digits after it; a plain `%` is written `%25`",
            ),
            Self::DotSegment => f.write_str(
                "browsers resolve `.` and `..` before they ask: write the resolved path",
            ),
            Self::EmptyTag => f.write_str("a tag must not be empty: write a name, `tag = \"posts\"`"),
            Self::TooLong => write!(f, "it is longer than {MAX_LEN} bytes: shorten it"),
        }
    }
}

/// Whether a browser would send `url` just as it is written.
pub(crate) fn check_url(url: &str) -> Result<(), Flaw> {
    if !url.starts_with('/') {
        let has_host = url.starts_with("http://") || url.starts_with("https://");
        return Err(if has_host {
            Flaw::Host
        } else {
            Flaw::NoLeadingSlash
        });
    }
    if url.len() > MAX_LEN {
        return Err(Flaw::TooLong);
    }
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    check_characters(path, |c| {
        !matches!(c, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '}')
    })?;
    check_characters(query, |c| !matches!(c, '"' | '<' | '>' | '\''))?;
    if path.split('/').any(is_dot_segment) {
        return Err(Flaw::DotSegment);
    }
    Ok(())
}

/// Whether `tag` is visible ASCII without a comma.
pub(crate) fn check_tag(tag: &str) -> Result<(), Flaw> {
    if tag.is_empty() {
        return Err(Flaw::EmptyTag);
    }
    if tag.len() > MAX_LEN {
        return Err(Flaw::TooLong);
    }
    match tag.chars().find(|c| !c.is_ascii_graphic() || *c == ',') {
        Some(found) => Err(Flaw::Character(found)),
        None => Ok(()),
    }
}

fn check_characters(text: &str, may_stand: impl Fn(char) -> bool) -> Result<(), Flaw> {
    for (at, found) in text.char_indices() {
        match found {
            '#' => return Err(Flaw::Fragment),
            '%' => {
                let digits = text.as_bytes().get(at + 1..at + 3).unwrap_or_default();
                if digits.len() < 2 || !digits.iter().all(u8::is_ascii_hexdigit) {
                    return Err(Flaw::Escape);
                }
            }
            _ if !found.is_ascii_graphic() || !may_stand(found) => {
                return Err(Flaw::Character(found));
            }
            _ => {}
        }
    }
    Ok(())
}

fn is_dot_segment(segment: &str) -> bool {
    let plain = segment.replace("%2e", ".").replace("%2E", ".");
    plain == "." || plain == ".."
}

// `roan` checks what a value makes of a template by its own copy of these rules, since neither
// crate may depend on the other. The tables below are those of roan/src/target.rs, in its order:
// change both, or a template passes here that `Target::url` refuses for every row.
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
            assert_eq!(check_url(url), Ok(()), "{url:?}");
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
            assert!(check_url(url).is_err(), "{url:?} was accepted");
        }
    }

    #[test]
    fn tags_are_tokens() {
        assert_eq!(check_tag("author-7%20x"), Ok(()));
        for tag in ["", "a b", "a,b", "a\nb", "é"] {
            assert!(check_tag(tag).is_err(), "{tag:?} was accepted");
        }
    }

    #[test]
    fn an_escape_that_ends_at_the_query_is_none() {
        assert_eq!(check_url("/a%2?b"), Err(Flaw::Escape));
        assert_eq!(check_url("/a?b=%4"), Err(Flaw::Escape));
    }

    #[test]
    fn messages_say_what_to_write() {
        assert_eq!(
            Flaw::Character('é').to_string(),
            "'é' must be written `%C3%A9`"
        );
        assert_eq!(
            Flaw::Character('\n').to_string(),
            r"'\n' must be written `%0A`"
        );
    }
}
