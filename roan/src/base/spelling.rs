//! The spellings of one page's URL.
//!
//! A cache stores `/tags/C%2B%2B` and `/tags/C++` separately, although an app shows the same page under both. Roan
//! percent-encodes all but the unreserved characters of RFC 3986. Other encoders leave more characters unchanged.

/// The spellings of a URL to purge, for [`RoanBuilder::spellings`](crate::RoanBuilder::spellings).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Spellings {
    /// Each spelling that one of these encoders produces for the path and for the query, where they differ: RFC 3986 with
    /// its unreserved characters (which is Roan's own), the URL parser of browsers and of the crate `url` ([WHATWG]),
    /// JavaScript's `encodeURI` and `encodeURIComponent`, and for the query an HTML form.
    ///
    /// A URL without a percent-encoded punctuation mark or space has one spelling. `C++` in a path has two. A URL
    /// whose path and query both contain every kind of punctuation has 25, which is the maximum.
    ///
    /// A `*` at the end stays encoded, because some caches purge by prefix otherwise. Redirect such a link if your site has one.
    ///
    /// [WHATWG]: https://url.spec.whatwg.org/#percent-encoded-bytes
    #[default]
    Common,
    /// Only the URL as the rule makes it, for sites whose links all come from [`roan::url!`](crate::url!) or
    /// [`roan::encode`](crate::encode), or have the same spelling.
    Exact,
}

/// An encoder, by the difference of its output from Roan's spelling.
struct Encoder {
    /// The characters that it leaves unchanged, besides the unreserved ones.
    literal: &'static [u8],
    is_form: bool,
}

/// <https://url.spec.whatwg.org/#path-percent-encode-set>, without those that end a segment (`/`), are read as such
/// (`\`), or begin an escape (`%`).
const BROWSER_PATH: Encoder = Encoder::new(b"!$&'()*+,:;=@[]|");

/// Chromium encodes `|`, too.
const CHROMIUM_PATH: Encoder = Encoder::new(b"!$&'()*+,:;=@[]");

/// <https://tc39.es/ecma262/#sec-encodeuri-uri>
const ENCODE_URI_PATH: Encoder = Encoder::new(b"!$&'()*+,:;=@");

/// <https://url.spec.whatwg.org/#special-query-percent-encode-set>, without those that end a value (`&`) or begin an
/// escape (`%`).
const BROWSER_QUERY: Encoder = Encoder::new(b"!$()*+,/:;=?@[\\]^`{|}");

/// As in a path; the browser's parser then encodes `'`.
const ENCODE_URI_QUERY: Encoder = Encoder::new(b"!$()*+,/:;=?@");

/// <https://tc39.es/ecma262/#sec-encodeuricomponent-uricomponent>
const ENCODE_URI_COMPONENT: Encoder = Encoder::new(b"!'()*");

/// The same in a query: the browser's parser then encodes `'`.
const ENCODE_URI_COMPONENT_QUERY: Encoder = Encoder::new(b"!()*");

/// <https://url.spec.whatwg.org/#application-x-www-form-urlencoded-percent-encode-set>
const FORM: Encoder = Encoder {
    literal: b"*",
    is_form: true,
};

impl Spellings {
    /// The other spellings of a URL in Roan's own spelling.
    pub(crate) fn others(self, url: &str) -> Vec<String> {
        if self == Self::Exact || !url.bytes().any(|byte| matches!(byte, b'%' | b'~')) {
            return Vec::new();
        }
        let (path, query) = match url.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (url, None),
        };
        let paths = distinct(
            path,
            &[
                BROWSER_PATH,
                CHROMIUM_PATH,
                ENCODE_URI_PATH,
                ENCODE_URI_COMPONENT,
            ],
        );
        let Some(query) = query else {
            return paths
                .into_iter()
                .skip(1)
                .filter(|url| is_no_wildcard(url))
                .collect();
        };
        let queries = distinct(
            query,
            &[
                BROWSER_QUERY,
                ENCODE_URI_QUERY,
                ENCODE_URI_COMPONENT_QUERY,
                FORM,
            ],
        );
        let of_path = |path: &String| {
            let urls = queries.iter().map(|query| format!("{path}?{query}"));
            urls.collect::<Vec<_>>()
        };
        paths
            .iter()
            .flat_map(of_path)
            .skip(1)
            .filter(|url| is_no_wildcard(url))
            .collect()
    }
}

/// Forks of nginx's purge module treat a `*` at the end as a prefix purge. A value of a row must never cause that.
fn is_no_wildcard(url: &str) -> bool {
    !url.ends_with('*')
}

/// The text itself, then each other spelling of it once.
fn distinct(text: &str, encoders: &[Encoder]) -> Vec<String> {
    let mut spellings = vec![text.to_owned()];
    for encoder in encoders {
        let other = encoder.respell(text);
        if !spellings.contains(&other) {
            spellings.push(other);
        }
    }
    spellings
}

impl Encoder {
    const fn new(literal: &'static [u8]) -> Self {
        Self {
            literal,
            is_form: false,
        }
    }

    /// The text, with its escapes as this encoder writes them.
    fn respell(&self, text: &str) -> String {
        let mut spelling = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find(['%', '~']) {
            spelling.push_str(&rest[..at]);
            let escape = rest.get(at..at + 3).and_then(escaped);
            let (piece, length) = match (&rest[at..=at], escape) {
                ("~", _) if self.is_form => ("%7E", 1),
                (_, Some(b' ')) if self.is_form => ("+", 3),
                (_, Some(byte)) if self.literal.contains(&byte) => {
                    spelling.push(char::from(byte));
                    ("", 3)
                }
                (same, _) => (same, 1),
            };
            spelling.push_str(piece);
            rest = &rest[at + length..];
        }
        spelling.push_str(rest);
        spelling
    }
}

/// The byte of an escape with upper-case digits.
fn escaped(text: &str) -> Option<u8> {
    let digits = text.strip_prefix('%')?;
    let is_canonical = digits
        .bytes()
        .all(|digit| matches!(digit, b'0'..=b'9' | b'A'..=b'F'));
    is_canonical
        .then(|| u8::from_str_radix(digits, 16).ok())
        .flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::target::Target;

    fn all(url: &str) -> Vec<String> {
        let mut all = Spellings::Common.others(url);
        all.push(url.to_owned());
        all
    }

    #[test]
    fn a_plain_url_has_one_spelling() {
        for url in [
            "/",
            "/posts/hello-world_1.html",
            "/posts?page=2",
            "/caf%C3%A9",
            "/a%2Fb%3Fc%25",
            "/100%",
            "/%c3%a9%2b",
        ] {
            assert!(Spellings::Common.others(url).is_empty(), "{url}");
        }
        assert!(Spellings::Exact.others("/C%2B%2B").is_empty());
    }

    #[test]
    fn each_encoder_adds_its_spelling_where_it_differs() {
        assert_eq!(Spellings::Common.others("/C%2B%2B"), ["/C++"]);
        assert_eq!(Spellings::Common.others("/it%27s"), ["/it's"]);
        assert_eq!(
            Spellings::Common.others("/Rust%20%28x%29%2C"),
            ["/Rust%20(x),", "/Rust%20(x)%2C"]
        );
        assert_eq!(
            Spellings::Common.others("/s?q=two%20words%21"),
            ["/s?q=two%20words!", "/s?q=two+words%21"]
        );
        assert_eq!(
            Spellings::Common.others("/%40alice?q=~%3A"),
            [
                "/%40alice?q=~:",
                "/%40alice?q=%7E%3A",
                "/@alice?q=~%3A",
                "/@alice?q=~:",
                "/@alice?q=%7E%3A"
            ]
        );
    }

    /// A value in each place, spelled by the encoders themselves.
    fn links(value: &str) -> Vec<(String, String)> {
        use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
        const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
            .remove(b'-')
            .remove(b'.')
            .remove(b'_')
            .remove(b'~');
        const COMPONENT: &AsciiSet = &UNRESERVED
            .remove(b'!')
            .remove(b'\'')
            .remove(b'(')
            .remove(b')')
            .remove(b'*');
        let canonical = utf8_percent_encode(value, UNRESERVED).to_string();
        let component = utf8_percent_encode(value, COMPONENT).to_string();
        let parsed = |link: String| {
            let url = reqwest::Url::parse(&format!("http://h{link}")).unwrap();
            url.as_str()["http://h".len()..].to_owned()
        };
        let mut pushed = reqwest::Url::parse("http://h/tags").unwrap();
        pushed.path_segments_mut().unwrap().push(value);
        let mut form = reqwest::Url::parse("http://h/s").unwrap();
        form.query_pairs_mut().append_pair("q", value);
        let path = format!("/tags/{canonical}");
        let query = format!("/s?q={canonical}");
        let mut links = vec![
            (path.clone(), parsed(pushed.path().to_owned())),
            (path.clone(), parsed(format!("/tags/{component}"))),
            (query.clone(), parsed(format!("/s?q={component}"))),
            (query.clone(), form.as_str()["http://h".len()..].to_owned()),
        ];
        // What is written into a link as it is, where that means the same value.
        if !value.contains(['/', '\\', '?', '#', '%', '\t', '\n', '\r']) && value.trim() == value {
            links.push((path, parsed(format!("/tags/{value}"))));
        }
        if !value.contains(['&', '#', '%', '\t', '\n', '\r']) && value.trim() == value {
            links.push((query, parsed(format!("/s?q={value}"))));
        }
        links
    }

    /// What Chromium's URL parser made of links to values: see the file.
    #[test]
    fn every_link_of_a_browser_is_a_spelling() {
        let table = include_str!("spelling/chromium.tsv");
        let mut links = 0;
        for line in table.lines().filter(|line| !line.starts_with('#')) {
            let (canonical, link) = line.split_once('\t').unwrap();
            if link.ends_with('*') {
                assert!(!all(canonical).iter().any(|url| url == link), "{line}");
                continue;
            }
            assert!(all(canonical).iter().any(|url| url == link), "{line}");
            links += 1;
        }
        assert!(links > 100);
    }

    proptest! {
        #[test]
        fn every_link_that_an_encoder_makes_is_a_spelling(value in "[ -~\u{a0}-\u{17f}]{1,12}") {
            for (canonical, link) in links(&value) {
                // Clients resolve such a segment, so that nobody asks for such a page. Browsers encode `^` in a path;
                // the crate `url` does not yet.
                if Target::url(&canonical).is_err() || link.starts_with("/tags/") && value.contains('^') || link.ends_with('*') {
                    continue;
                }
                prop_assert!(all(&canonical).contains(&link), "{} is not among {:?}", link, all(&canonical));
            }
        }

        #[test]
        fn every_spelling_can_be_purged_and_is_there_once(
            value in "[ -~\u{a0}-\u{17f}]{1,12}",
            query in "[ -~]{0,12}",
        ) {
            use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
            let encode = |text: &str| {
                let encoded = utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
                encoded.replace("%7E", "~").replace("%2D", "-").replace("%2E", ".").replace("%5F", "_")
            };
            let url = format!("/a{}?q={}", encode(&value), encode(&query));
            let all = all(&url);
            for spelling in &all {
                prop_assert!(Target::url(spelling).is_ok(), "{}", spelling);
                prop_assert_eq!(all.iter().filter(|other| *other == spelling).count(), 1);
            }
            prop_assert!(all.len() <= 25);
        }
    }
}
