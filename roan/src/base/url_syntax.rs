//! What a text that cannot be purged is answered.

use super::legality::{self, Flaw};
use super::target::{TargetError, TargetKind, shortened};

pub(super) fn check_url(url: &str) -> Result<(), TargetError> {
    legality::check_url(url).map_err(|flaw| error(TargetKind::Url, url, flaw))
}

/// The rest of the check, for a URL whose literal pieces were checked at compile time and whose values were encoded.
pub(crate) fn check_rendered_url(url: &str) -> Result<(), TargetError> {
    legality::check_rendered_url(url).map_err(|flaw| error(TargetKind::Url, url, flaw))
}

pub(crate) fn check_tag(tag: &str) -> Result<(), TargetError> {
    legality::check_tag(tag).map_err(|flaw| error(TargetKind::Tag, tag, flaw))
}

pub(crate) fn check_prefix(prefix: &str) -> Result<(), TargetError> {
    legality::check_prefix(prefix).map_err(|flaw| prefix_error(prefix, flaw))
}

#[cold]
fn prefix_error(whole: &str, flaw: Flaw) -> TargetError {
    let problem = match flaw {
        Flaw::NoLeadingSlash => {
            "must begin with `/`: write the path of a folder, without scheme and host"
        }
        Flaw::Escape { .. } => {
            "has a `%` without two hexadecimal digits after it: write `%25` for a plain `%`"
        }
        Flaw::Root => "is every page of the site: write `Target::host()`, or `host` in a rule",
        Flaw::Query => "has a query, which the pages below it need not have: end it before the `?`",
        Flaw::NoTrailingSlash => {
            "must end with `/`, or `/docs/v1` would mean `/docs/v10`, too: write `/docs/v1/`"
        }
        Flaw::DotSegment | Flaw::Climbs | Flaw::NoFolder => {
            "has a segment that is empty, `.` or `..`, at least once a server has decoded it, so that it would mean another \
             prefix: take that out of the value"
        }
        Flaw::Character { .. } | Flaw::EmptyTag | Flaw::TooLong => {
            return error(TargetKind::Prefix, whole, flaw);
        }
    };
    let prefix = shortened(whole);
    TargetError::Prefix { prefix, problem }
}

#[cold]
fn error(kind: TargetKind, whole: &str, flaw: Flaw) -> TargetError {
    let length = whole.len();
    let text = shortened(whole);
    match flaw {
        Flaw::NoLeadingSlash => TargetError::NoLeadingSlash(text),
        Flaw::Character { found, at } => {
            let mut bytes = [0; 4];
            let bytes = found.encode_utf8(&mut bytes).bytes();
            let instead = bytes.map(|byte| format!("%{byte:02X}")).collect();
            TargetError::Character {
                kind,
                text,
                found,
                at,
                instead,
            }
        }
        Flaw::Escape { at } => TargetError::Escape { kind, text, at },
        Flaw::DotSegment => TargetError::DotSegment(text),
        Flaw::Climbs => TargetError::Climbs(text),
        Flaw::EmptyTag => TargetError::EmptyTag,
        Flaw::TooLong => TargetError::TooLong { kind, length },
        // Of prefixes.
        Flaw::Root | Flaw::Query | Flaw::NoTrailingSlash | Flaw::NoFolder => {
            prefix_error(whole, flaw)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::spelling::Spellings;
    use crate::base::target::Target;

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
        for tag in ["author-7%20x", "a%2fb", "a:b/c=d", "aZ0-._~"] {
            assert!(Target::tag(tag).is_ok(), "{tag:?} was refused");
        }
        assert_eq!(Target::tag(""), Err(TargetError::EmptyTag));
        let message = |tag: &str| Target::tag(tag).unwrap_err().to_string();
        assert_eq!(
            message("post-100%"),
            r#"tag "post-100%": the `%` at byte 8 needs two hexadecimal digits; a plain `%` is `%25`"#
        );
        assert_eq!(
            message("R&D"),
            r#"tag "R&D": '&' at byte 1 must be written `%26`"#
        );
    }

    proptest! {
        /// What a template makes of a value is a tag; of a text without escapes, only what it leaves as it is, and separators.
        #[test]
        fn a_tag_is_what_a_template_yields(value in "[ -~é\n]{1,8}") {
            let yielded = crate::base::encode::path_segment(&value);
            prop_assert!(Target::tag(format!("post-{yielded}")).is_ok(), "{yielded}");
            let text = value.replace([':', '/', '='], "");
            let stays = crate::base::encode::path_segment(&text) == text;
            if !value.contains('%') {
                prop_assert_eq!(Target::tag(&value).is_ok(), stays, "{}", value);
            }
        }
    }

    /// What nginx and other servers do with a path, step by step: decode it, so often; part it, at `/`
    /// alone or at the backslash too; resolve its segments from the root. Whether a `..` is met there.
    fn some_server_climbs(path: &str) -> bool {
        let mut text = path.as_bytes().to_vec();
        loop {
            for separators in [&b"/"[..], &b"/\\"[..]] {
                for cuts_parameters in [false, true] {
                    if goes_above_root(&text, separators, cuts_parameters) {
                        return true;
                    }
                }
            }
            let once: Vec<u8> = percent_encoding::percent_decode(&text).collect();
            if once == text {
                return false;
            }
            text = once;
        }
    }

    fn goes_above_root(text: &[u8], separators: &[u8], cuts_parameters: bool) -> bool {
        let mut stack = Vec::new();
        for segment in text.split(|byte| separators.contains(byte)) {
            let mut segment = String::from_utf8_lossy(segment).into_owned();
            if cuts_parameters && let Some(at) = segment.find(';') {
                segment.truncate(at);
            }
            match &*segment {
                "" | "." => {}
                ".." => {
                    if stack.pop().is_none() {
                        return true;
                    }
                }
                _ => stack.push(segment),
            }
        }
        false
    }

    /// Paths of what has a meaning somewhere, after any number of encodings.
    fn path() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "/",
            "..",
            ".",
            "a",
            "%2F",
            "%2f",
            "%5C",
            "%2E",
            "%2e%2e",
            "%252F",
            "%252e",
            "%25",
            "2F",
            "2e",
            "%32%46",
            "%25%32%65",
            "%255C",
            "%25255c",
            ";",
            "%3B",
            "x=1",
            "%00",
            "%C3%A9",
            "%",
            "%2",
            "?",
        ]);
        prop::collection::vec(piece, 0..14).prop_map(|pieces| format!("/{}", pieces.concat()))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(3_000))]

        #[test]
        fn no_server_can_climb_out(url in path()) {
            let path = url.split('?').next().unwrap_or_default();
            if some_server_climbs(path) {
                prop_assert!(Target::url(&url).is_err(), "{url} was accepted");
                prop_assert!(check_rendered_url(&url).is_err(), "{url} was accepted");
            }
            for other in Target::url(&url).iter().flat_map(|url| url.other_spellings(Spellings::Common)) {
                let path = other.as_str().split('?').next().unwrap_or_default();
                prop_assert!(!some_server_climbs(path), "{other} is another spelling");
            }
            // Refused are only those in which a server may see a `..`, not in their last resort alone.
            if let Err(TargetError::Climbs(_)) = Target::url(&url) {
                let mut seen = path.to_owned();
                for _ in 0..8 {
                    let bytes = percent_encoding::percent_decode_str(&seen).collect::<Vec<_>>();
                    seen = String::from_utf8_lossy(&bytes).into_owned();
                }
                prop_assert!(seen.contains(".."), "{url} was refused");
            }
        }

        #[test]
        fn a_value_that_stays_in_its_segment_is_purged(names in prop::collection::vec("[a-z]{1,3}", 1..5)) {
            // `a/../b`, `a/b`, `a..b/c`
            let there_and_back = format!("/posts/{}", names.join("%2F..%2F"));
            if names.len() <= 2 {
                prop_assert!(Target::url(&there_and_back).is_ok(), "{there_and_back}");
            }
            let below = format!("/{}", names.join("%2F"));
            prop_assert!(Target::url(&below).is_ok(), "{below}");
            let dotted = format!("/{}", names.join("..%2F"));
            prop_assert!(Target::url(&dotted).is_ok(), "{dotted}");
        }
    }

    #[test]
    fn a_url_that_climbs_is_refused() {
        for url in [
            "/..%2F",
            "/posts/..%2F..%2Finternal%2Fdelete-all",
            "/posts/..%5C..%5Cinternal",
            "/posts/..%2f..%5cinternal",
            "/posts/x%2F..%2F..%2F..%2Finternal",
            "/posts/%2E%2E%2F%2e%2e%2Finternal",
            "/posts/..%252F..%252Finternal",
            "/posts/%252e%252e%252f%25252e%25252e%25252finternal",
            "/posts/%25%32%65%25%32%65%2F..%2Finternal",
            // nginx resolves two segments: `x\y` is one name to it.
            "/x%5Cy%2F..%2F..%2Finternal",
            // A server that leaves `%2F` alone resolves two segments.
            "/x%2Fy%5C..%5C..%5Cinternal",
            "/%2F%2F..%2Finternal",
            "/posts/..;/..;x=1/internal",
            "/..%2Fpurge%2Fposts",
        ] {
            assert_eq!(
                Target::url(url),
                Err(TargetError::Climbs(url.to_owned())),
                "{url}"
            );
        }
        for url in [
            "/posts/..%2Fx",
            "/posts/a%2F..%2Fb",
            "/posts/...%2F...%2F...%2Fx",
            "/posts/..a%2F..a%2F..a",
            "/x?next=..%2F..%2F..%2Finternal",
            "/100%25..%25",
        ] {
            assert!(Target::url(url).is_ok(), "{url} was refused");
        }
    }
}
