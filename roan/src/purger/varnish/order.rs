//! What is sent to the VCL, and what it says that it has done.
//!
//! Values travel in the request line and in headers. The VCL makes the expression of a ban from them, and quotes them.

use http::{HeaderName, HeaderValue, Method};

use crate::base::site::Site;
use crate::base::target::{Target, TargetKind};

/// Asks for a soft purge of a URL.
const SOFT: HeaderName = HeaderName::from_static("x-roan-soft");
/// What a ban is about: `prefix`, `host` or `everything`.
const BAN: HeaderName = HeaderName::from_static("x-roan-ban");
const PREFIX: HeaderName = HeaderName::from_static("x-roan-prefix");
const PURGE_TAGS: HeaderName = HeaderName::from_static("xkey-purge");
const SOFT_PURGE_TAGS: HeaderName = HeaderName::from_static("xkey-softpurge");

/// A request for a purge.
#[derive(Debug)]
pub(super) struct Order {
    pub(super) method: Method,
    /// The path, with a query or without.
    pub(super) path: String,
    /// The lines beside `Host`.
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) kind: TargetKind,
    /// The URL, the list of tags, or the prefix.
    value: String,
    soft: bool,
}

impl Order {
    /// The request for targets, of which there is one, or several tags. `None` if a value cannot be sent.
    pub(super) fn of(targets: &[Target], soft: bool) -> Option<Self> {
        let first = targets.first()?;
        let (kind, mut value) = (first.kind(), first.as_str().to_owned());
        let (mut method, mut path) = ("BAN", "/");
        let mut headers = Vec::new();
        let ban = |what| (BAN, HeaderValue::from_static(what));
        match kind {
            TargetKind::Url => {
                (method, path) = ("PURGE", first.as_str());
                headers.extend(soft.then(|| (SOFT, HeaderValue::from_static("1"))));
            }
            TargetKind::Tag => {
                let tags: Vec<_> = targets.iter().map(Target::as_str).collect();
                if !tags.iter().all(|tag| is_word(tag)) {
                    return None;
                }
                value = tags.join(" ");
                method = "PURGE";
                let name = if soft { SOFT_PURGE_TAGS } else { PURGE_TAGS };
                headers.push((name, HeaderValue::try_from(&value).ok()?));
            }
            TargetKind::Prefix => {
                // So that nothing ends the quotation in the VCL, `\Q...\E`, or its word.
                if !is_word(&value) || value.contains('\\') {
                    return None;
                }
                headers = vec![ban("prefix"), (PREFIX, HeaderValue::try_from(&value).ok()?)];
            }
            TargetKind::Host => headers.push(ban("host")),
            TargetKind::Everything => headers.push(ban("everything")),
        }
        Some(Self {
            method: Method::from_bytes(method.as_bytes()).ok()?,
            path: path.to_owned(),
            headers,
            kind,
            value,
            soft,
        })
    }

    /// What the VCL says it has done, for one of the forms in which it may know the host.
    fn expected(&self, host: &str) -> String {
        let soft = match self.soft {
            true => "soft-",
            false => "",
        };
        let value = &self.value;
        match self.kind {
            TargetKind::Url => format!("{soft}url {host}{value}"),
            TargetKind::Tag => format!("{soft}xkey {value}"),
            TargetKind::Prefix => format!("prefix {host}{value}"),
            TargetKind::Host => format!("host {host}"),
            TargetKind::Everything => "everything".to_owned(),
        }
    }

    /// Judges what the VCL says it has done.
    pub(super) fn judge(&self, said: &[u8], site: &Site) -> Said {
        let hosts = hosts(site);
        if hosts
            .iter()
            .any(|host| self.expected(host).as_bytes() == said)
        {
            return Said::Right;
        }
        if self.kind == TargetKind::Url
            && hosts.iter().any(|host| is_cut(said, &self.expected(host)))
        {
            return Said::Cut;
        }
        Said::Wrong {
            expected: self.expected(site.authority()),
        }
    }
}

/// What a VCL says that it has done.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// What it should do.
    Right,
    /// The same for the URL without some parameters of the query, which this VCL removes from its keys.
    Cut,
    /// Something else.
    Wrong { expected: String },
}

/// The forms of a site's host: the VCL of the guide cuts a port that is the scheme's, others cut any.
fn hosts(site: &Site) -> Vec<&str> {
    let mut hosts = vec![site.authority(), site.host()];
    hosts.dedup();
    hosts
}

/// Visible ASCII: one word of an expression, one tag of a list.
fn is_word(value: &str) -> bool {
    !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Whether `said` is `whole` without some of the parameters of its query.
fn is_cut(said: &[u8], whole: &str) -> bool {
    let Some((path, query)) = whole.split_once('?') else {
        return false;
    };
    let rest = match said.strip_prefix(path.as_bytes()) {
        Some([]) => return true,
        Some([b'?', rest @ ..]) => rest,
        _ => return false,
    };
    let mut all = query.split('&');
    rest.split(|byte| *byte == b'&')
        .all(|kept| all.any(|one| one.as_bytes() == kept))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The ban that the VCL of the guide makes of a prefix. `None` if it does not take it.
    fn ban(host: &str, prefix: &str) -> Option<String> {
        // "^/[!-\\[\\]-~]+$"
        let is_taken = |byte: u8| byte.is_ascii_graphic() && byte != b'\\';
        let rest = prefix.strip_prefix('/')?;
        (!rest.is_empty() && rest.bytes().all(is_taken)).then(|| {
            format!("obj.http.x-roan-host == {host} && obj.http.x-roan-url ~ ^\\Q{prefix}\\E")
        })
    }

    fn header<'o>(order: &'o Order, name: &HeaderName) -> Option<&'o str> {
        let mut lines = order.headers.iter().filter(|(one, _)| one == name);
        let (_, value) = lines.next()?;
        assert!(lines.next().is_none());
        value.to_str().ok()
    }

    /// Any text, and texts made of what has a meaning in an expression, a pattern, a list or a header.
    fn hostile() -> impl Strategy<Value = String> {
        let parts = prop::sample::select(vec![
            "/",
            "\\E",
            "\\Q",
            "\\",
            ".*",
            "|",
            "(",
            ")",
            "[",
            "]",
            "^",
            "$",
            "+",
            "?",
            "{2}",
            " ",
            "\t",
            "\r\n",
            "\0",
            "&&",
            "||",
            "~",
            "==",
            "!=",
            "\"",
            "'",
            ",",
            ";",
            "%5C",
            "%20",
            "%",
            "#",
            "..",
            "é",
            "obj.status",
            "req.url",
            "X-Roan-Ban: everything",
            "a",
            "B",
        ]);
        prop_oneof![
            any::<String>(),
            prop::collection::vec(parts, 0..8).prop_map(|parts| parts.concat())
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn no_value_escapes_the_expression_of_a_ban(text in hostile()) {
            let Ok(target) = Target::prefix(format!("/{text}/")) else { return Ok(()) };
            let prefix = target.as_str();
            let order = Order::of(std::slice::from_ref(&target), false);
            // Whatever can be a prefix can be sent, and is taken.
            let order = order.expect(prefix);
            prop_assert_eq!(header(&order, &BAN), Some("prefix"));
            prop_assert_eq!(header(&order, &PREFIX), Some(prefix));
            prop_assert_eq!(order.headers.len(), 2);
            prop_assert_eq!(&*order.path, "/");
            let ban = ban("site.test", prefix).expect(prefix);
            // Varnish splits a ban at white space, and its words have their meaning by their place.
            let words: Vec<_> = ban.split_ascii_whitespace().collect();
            let [_, "==", "site.test", "&&", _, "~", pattern] = words[..] else {
                return Err(TestCaseError::fail(ban));
            };
            let quoted = pattern.strip_prefix("^\\Q").and_then(|rest| rest.strip_suffix("\\E"));
            prop_assert_eq!(quoted, Some(prefix));
            prop_assert!(!prefix.contains("\\E"));
        }

        #[test]
        fn no_value_escapes_a_list_of_tags(texts in prop::collection::vec(hostile(), 1..9), soft: bool) {
            let tags: Vec<_> = texts.iter().filter_map(|text| Target::tag(text).ok()).collect();
            let Some(order) = Order::of(&tags, soft) else {
                prop_assert!(tags.is_empty());
                return Ok(());
            };
            let (name, other) = if soft { (SOFT_PURGE_TAGS, PURGE_TAGS) } else { (PURGE_TAGS, SOFT_PURGE_TAGS) };
            let line = header(&order, &name).unwrap();
            prop_assert!(line.split(' ').eq(tags.iter().map(Target::as_str)));
            prop_assert_eq!(header(&order, &other), None);
            prop_assert_eq!(&*order.path, "/");
        }

        #[test]
        fn a_url_is_sent_as_it_is(text in hostile(), soft: bool) {
            let Ok(target) = Target::url(format!("/{text}")) else { return Ok(()) };
            let order = Order::of(std::slice::from_ref(&target), soft).unwrap();
            prop_assert_eq!((order.method.as_str(), &*order.path), ("PURGE", target.as_str()));
            prop_assert_eq!(order.headers.len(), usize::from(soft));
            let site = "site.test".parse().unwrap();
            let said = format!("{}url site.test{target}", if soft { "soft-" } else { "" });
            prop_assert_eq!(order.judge(said.as_bytes(), &site), Said::Right);
            let said = format!("{said}x");
            let is_wrong = matches!(order.judge(said.as_bytes(), &site), Said::Wrong { .. });
            prop_assert!(is_wrong);
        }
    }

    #[test]
    fn a_batch_of_tags_fits_into_a_line() {
        let longest = "x".repeat(super::super::LONGEST_TAG);
        let tags = vec![Target::tag(longest).unwrap(); super::super::TAGS];
        let order = Order::of(&tags, true).unwrap();
        let lines = order.headers.iter();
        let line: usize = lines
            .map(|(name, value)| name.as_str().len() + ": ".len() + value.len())
            .sum();
        assert!(line < 8 * 1024, "{line}");
    }

    #[test]
    fn what_cannot_be_sent_is_not() {
        // A target made in another way than by its constructors.
        let bent = |target: Target, text: &str| Order::of(&[target.with_text(text)], false);
        let prefix = Target::prefix("/a/").unwrap();
        for text in ["/a\\E.*/", "/a b/", "/a\r\nX: y/", "/\u{e9}/", ""] {
            assert!(bent(prefix.clone(), text).is_none(), "{text:?}");
        }
        for text in ["a b", "a\nb", "", "\u{e9}"] {
            assert!(bent(Target::tag("a").unwrap(), text).is_none(), "{text:?}");
        }
        assert!(Order::of(&[], false).is_none());
    }
}
