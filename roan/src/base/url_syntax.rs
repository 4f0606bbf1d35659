//! Which URLs and tags can be purged.

use super::target::{Target, TargetError, TargetKind, shortened};

fn check_length(kind: TargetKind, length: usize) -> Result<(), TargetError> {
    if length > Target::MAX_LEN {
        return Err(TargetError::TooLong { kind, length });
    }
    Ok(())
}

/// Accepts just the URLs that the URL parser of browsers (and of reqwest) leaves as they are:
/// <https://url.spec.whatwg.org/#path-percent-encode-set> and the query's set beside it.
pub(super) fn check_url(url: &str) -> Result<(), TargetError> {
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

/// The rest of the check, for a URL whose literal pieces were checked at compile time and whose values were encoded.
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
}
