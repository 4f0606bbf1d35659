//! Keys as the configuration of nginx writes them.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use crate::base::site::Site;

/// A key in nginx's syntax: texts and variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyPattern {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Variable(Variable),
}

/// The variables of nginx whose value for a page Roan knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variable {
    Scheme,
    Host,
    HttpHost,
    RequestMethod,
    RequestUri,
    Uri,
    IsArgs,
    Args,
}

const NAMES: [(&str, Variable); 9] = [
    ("scheme", Variable::Scheme),
    ("host", Variable::Host),
    ("http_host", Variable::HttpHost),
    ("request_method", Variable::RequestMethod),
    ("request_uri", Variable::RequestUri),
    ("uri", Variable::Uri),
    ("is_args", Variable::IsArgs),
    ("args", Variable::Args),
    ("query_string", Variable::Args),
];

impl KeyPattern {
    /// Whether `key` is the page's key by this pattern. If the site does not have a scheme, both are accepted.
    pub(super) fn matches(&self, key: &[u8], site: &Site, url: &str) -> bool {
        schemes(site).any(|scheme| self.expand(scheme, site, url) == key)
    }

    /// Whether `key` is that of the page without some of its query's parameters.
    pub(super) fn matches_cut(&self, key: &[u8], site: &Site, url: &str) -> bool {
        let Some((path, query)) = url.split_once('?') else {
            return false;
        };
        schemes(site).any(|scheme| {
            let without = self.expand(scheme, site, path);
            let Some(rest) = key.strip_prefix(&*without) else {
                return false;
            };
            let rest = match rest {
                [] => return true,
                [b'?', rest @ ..] => rest,
                _ => return false,
            };
            let mut all = query.split('&');
            rest.split(|byte| *byte == b'&')
                .all(|kept| all.any(|one| one.as_bytes() == kept))
        })
    }

    /// The key of a page.
    pub(super) fn example(&self, site: &Site, url: &str) -> String {
        let scheme = schemes(site).next().unwrap_or_default();
        String::from_utf8_lossy(&self.expand(scheme, site, url)).into_owned()
    }

    /// The keys of a page: one for each scheme that it may have.
    #[cfg(all(unix, feature = "nginx-files"))]
    pub(super) fn keys(&self, site: &Site, url: &str) -> Vec<Vec<u8>> {
        let mut keys: Vec<_> = schemes(site)
            .map(|scheme| self.expand(scheme, site, url))
            .collect();
        keys.dedup();
        keys
    }

    /// What the keys of all pages of a site begin with.
    #[cfg(all(unix, feature = "nginx-files"))]
    pub(super) fn beginnings(&self, site: &Site) -> Vec<Vec<u8>> {
        let names_the_page = |part: &Part| {
            [Variable::RequestUri, Variable::Uri]
                .map(Part::Variable)
                .contains(part)
        };
        let parts = self.parts.iter().take_while(|part| !names_the_page(part));
        let before = Self {
            parts: parts.cloned().collect(),
        };
        let mut beginnings = before.keys(site, "");
        for beginning in &mut beginnings {
            // No page of another host that begins alike.
            beginning.push(b'/');
        }
        beginnings
    }

    fn expand(&self, scheme: &str, site: &Site, url: &str) -> Vec<u8> {
        let (path, query) = url.split_once('?').unwrap_or((url, ""));
        let mut key = Vec::with_capacity(url.len() + 64);
        for part in &self.parts {
            let value = match part {
                Part::Text(text) => text.as_bytes(),
                Part::Variable(variable) => match variable {
                    Variable::Scheme => scheme.as_bytes(),
                    Variable::Host => site.host().as_bytes(),
                    Variable::HttpHost => site.authority().as_bytes(),
                    // That of visitors' requests, independent of that of the purge.
                    Variable::RequestMethod => b"GET",
                    Variable::RequestUri => url.as_bytes(),
                    Variable::Uri => {
                        let decoded = Cow::from(percent_encoding::percent_decode_str(path));
                        for byte in decoded.iter() {
                            // As `merge_slashes` does, which is on by default.
                            if *byte != b'/' || key.last() != Some(&b'/') {
                                key.push(*byte);
                            }
                        }
                        continue;
                    }
                    Variable::IsArgs if query.is_empty() => b"",
                    Variable::IsArgs => b"?",
                    Variable::Args => query.as_bytes(),
                },
            };
            key.extend_from_slice(value);
        }
        key
    }
}

fn schemes(site: &Site) -> impl Iterator<Item = &'static str> {
    ["https", "http"]
        .into_iter()
        .filter(|scheme| site.scheme().is_none_or(|own| own == *scheme))
}

impl FromStr for KeyPattern {
    /// What is wrong, and what to write.
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // As it may be copied from the configuration.
        let text = text.trim().trim_end_matches(';').trim_matches('"');
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let end = rest.find('$').unwrap_or(rest.len());
            if end > 0 {
                parts.push(Part::Text(rest[..end].to_owned()));
                rest = &rest[end..];
                continue;
            }
            let braced = rest.starts_with("${");
            rest = &rest[if braced { 2 } else { 1 }..];
            let is_name = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
            let end = rest
                .bytes()
                .position(|byte| !is_name(byte))
                .unwrap_or(rest.len());
            let name = &rest[..end];
            let Some((_, variable)) = NAMES.iter().find(|(known, _)| *known == name) else {
                let known: Vec<_> = NAMES.iter().map(|(known, _)| format!("${known}")).collect();
                return Err(format!(
                    "has the variable `${name}`, whose value only nginx knows: write the variables of which it consists ({})",
                    known.join(", ")
                ));
            };
            parts.push(Part::Variable(*variable));
            rest = &rest[end..];
            if braced {
                rest = rest.strip_prefix('}').ok_or_else(|| {
                    format!("has a `${{{name}` without its `}}`: write `${name}`")
                })?;
            }
        }
        let names_the_page = [Variable::RequestUri, Variable::Uri].map(Part::Variable);
        if !parts.iter().any(|part| names_the_page.contains(part)) {
            return Err("does not contain the URL: write `$host$request_uri`".to_owned());
        }
        Ok(Self { parts })
    }
}

impl fmt::Display for KeyPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.parts.iter().try_for_each(|part| match part {
            Part::Text(text) => f.write_str(text),
            Part::Variable(variable) => {
                let name = NAMES.iter().find(|(_, known)| known == variable);
                write!(f, "${}", name.map_or("", |(name, _)| name))
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> KeyPattern {
        text.parse().unwrap()
    }

    #[test]
    fn a_pattern_makes_the_key_that_nginx_makes() {
        let site: Site = "https://www.example.org:8443".parse().unwrap();
        for (text, key) in [
            ("$host$request_uri", "www.example.org/a%2Db//c?x=%20&y"),
            (
                "\"$http_host$request_uri\";",
                "www.example.org:8443/a%2Db//c?x=%20&y",
            ),
            ("$scheme://${host}|$uri", "https://www.example.org|/a-b/c"),
            (
                "$scheme$request_method$host$uri$is_args$args",
                "httpsGETwww.example.org/a-b/c?x=%20&y",
            ),
            ("v1$uri$query_string", "v1/a-b/cx=%20&y"),
        ] {
            let pattern = pattern(text);
            let url = "/a%2Db//c?x=%20&y";
            assert!(pattern.matches(key.as_bytes(), &site, url), "{text}");
            assert_eq!(pattern.example(&site, url), key);
        }
        assert_eq!(pattern("$uri$is_args$args").example(&site, "/a"), "/a");
        assert_eq!(
            pattern("${scheme}://$host$uri").to_string(),
            "$scheme://$host$uri"
        );
    }

    #[test]
    fn what_roan_cannot_make_a_key_of_is_refused() {
        for (text, words) in [
            ("", "does not contain the URL"),
            ("$host", "does not contain the URL"),
            ("$host$cookie_a$request_uri", "the variable `$cookie_a`"),
            ("$host$request_uri$", "the variable `$`"),
            ("$host${request_uri", "without its `}`"),
        ] {
            let problem = text.parse::<KeyPattern>().unwrap_err();
            assert!(problem.contains(words), "{text}: {problem}");
        }
    }

    #[test]
    fn parameters_may_be_cut_but_not_changed() {
        let site: Site = "www.example.org".parse().unwrap();
        let cut = |key: &str| {
            pattern("$host$request_uri").matches_cut(key.as_bytes(), &site, "/a?x=1&utm=2&y=3")
        };
        for key in ["", "?x=1&y=3", "?utm=2", "?x=1&utm=2&y=3"] {
            assert!(cut(&format!("www.example.org/a{key}")), "{key}");
        }
        for key in ["?y=3&x=1", "?x=1&z=2", "b?x=1", "&x=1", "?"] {
            assert!(!cut(&format!("www.example.org/a{key}")), "{key}");
        }
    }
}
