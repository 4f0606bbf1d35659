//! The URL of one node.

use std::fmt;

use http::HeaderValue;
use reqwest::Url;

use crate::base::feature;
use crate::base::redact::redacted;
use crate::base::site::Site;
use crate::base::target::Target;
use crate::error::ConfigError;

/// The URL of a node, parsed and split: that of a purge location, or its address alone.
#[derive(Clone)]
pub(crate) struct NodeUrl {
    /// The URL without credentials and without a trailing slash. Targets are appended to it.
    prefix: String,
    authority: String,
    /// The site whose `Host` is sent if none is configured.
    site: Site,
    authorization: Option<HeaderValue>,
}

impl NodeUrl {
    /// Host and port, as given.
    pub(crate) fn authority(&self) -> &str {
        &self.authority
    }

    /// The path that a target is appended to: empty, or `/purge`.
    pub(crate) fn path(&self) -> &str {
        let after = self.prefix.find("://").map_or(0, |at| at + 3);
        let rest = &self.prefix[after..];
        &rest[rest.find('/').unwrap_or(rest.len())..]
    }

    /// Scheme, host and port.
    #[cfg(feature = "doctor")]
    pub(crate) fn origin(&self) -> &str {
        &self.prefix[..self.prefix.len() - self.path().len()]
    }

    pub(crate) fn is_localhost(&self) -> bool {
        self.site.host() == "localhost"
    }

    pub(crate) fn own_site(&self) -> &Site {
        &self.site
    }

    pub(crate) fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }

    /// The URL to request for a path. `None` if the HTTP client would not send it byte for byte.
    pub(crate) fn below(&self, path: &str) -> Option<Url> {
        joined(&self.prefix, path)
    }

    /// The URL of the page itself at this node.
    pub(crate) fn of_page(&self, target: &Target) -> Option<Url> {
        let address = &self.prefix[..self.prefix.len() - self.path().len()];
        joined(address, target.as_str())
    }
}

fn joined(prefix: &str, path: &str) -> Option<Url> {
    let url = format!("{prefix}{path}");
    let parsed = Url::parse(&url).ok()?;
    (parsed.as_str() == url).then_some(parsed)
}

const SEVERAL: &str =
    "must be one URL a node: separate them by commas, and begin each with `http://`";

impl NodeUrl {
    /// `example` is what messages say to write.
    pub(crate) fn parse(text: &str, example: &str) -> Result<Self, ConfigError> {
        let error = |problem: &str| {
            let url = crate::base::target::shortened(&redacted(text));
            Err(ConfigError::PurgeUrl {
                url,
                problem: problem.to_owned(),
            })
        };
        if text.contains(char::is_whitespace) {
            return error(SEVERAL);
        }
        let Ok(mut url) = Url::parse(text) else {
            return error(&format!("is not a URL: write `{example}`"));
        };
        if url.cannot_be_a_base() || !matches!(url.scheme(), "http" | "https") {
            return error(&format!(
                "must begin with `http://` or `https://`: write `{example}`"
            ));
        }
        if url.scheme() == "https" && !cfg!(feature = "rustls") {
            return error(&format!("is https, which {}", feature::needs("rustls")));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return error(
                "has a query or fragment: write it without, as the URL of a page is appended to it",
            );
        }
        // Otherwise a part of the password would be treated as the path, and shown.
        if url.path().contains('@') {
            return error(
                "has an `@` in its path: in a password write `/` as `%2F` and `\\` as `%5C`",
            );
        }
        let separators = [',', ';', '|'];
        let host = url.host_str().unwrap_or_default();
        if host.contains(separators)
            || url.path().contains(separators)
            || url.path().contains("://")
        {
            return error(SEVERAL);
        }
        let authorization = match (url.username(), url.password()) {
            ("", None) => None,
            (user, password) => Some(basic(
                &decoded(user),
                &decoded(password.unwrap_or_default()),
            )),
        };
        if url.set_username("").is_err() || url.set_password(None).is_err() {
            return error("has no host");
        }
        let authority = url.authority().to_owned();
        let Ok(site) = format!("{}://{authority}", url.scheme()).parse() else {
            return error("has no host that can be sent as `Host`");
        };
        let prefix = url.as_str().trim_end_matches('/').to_owned();
        Ok(Self {
            prefix,
            authority,
            site,
            authorization,
        })
    }
}

fn decoded(text: &str) -> String {
    percent_encoding::percent_decode_str(text)
        .decode_utf8_lossy()
        .into_owned()
}

/// The value of `Authorization` for basic authentication (RFC 7617).
#[expect(
    clippy::expect_used,
    reason = "base64 contains only characters that a header may have"
)]
pub(crate) fn basic(user: &str, password: &str) -> HeaderValue {
    use base64::Engine;
    let credentials = format!("{user}:{password}");
    let encoded = base64::engine::general_purpose::STANDARD.encode(credentials);
    let mut value = HeaderValue::from_str(&format!("Basic {encoded}"))
        .expect("base64 contains only characters that a header may have");
    value.set_sensitive(true);
    value
}

/// Without credentials.
impl fmt::Display for NodeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.prefix)
    }
}

impl fmt::Debug for NodeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<NodeUrl, ConfigError> {
        NodeUrl::parse(url, "http://localhost/purge")
    }

    #[test]
    fn a_target_is_appended_byte_for_byte() {
        for purge_url in [
            "http://localhost/purge",
            "http://localhost/purge/",
            "http://localhost:80/purge",
        ] {
            for target in [
                "/posts",
                "/caf%C3%A9",
                "//x",
                "/a%2fb?q=%27",
                "/",
                "/x?",
                "/%252e",
            ] {
                let url = parse(purge_url).unwrap().below(target).unwrap();
                assert_eq!(url.as_str(), format!("http://localhost/purge{target}"));
            }
        }
        let root = parse("http://10.0.0.1:8080/")
            .unwrap()
            .below("//x")
            .unwrap();
        assert_eq!(root.as_str(), "http://10.0.0.1:8080//x");
    }

    #[test]
    fn credentials_leave_the_url() {
        let location = parse("http://me:s%20cret@localhost/purge").unwrap();
        assert_eq!(location.authorization().unwrap(), "Basic bWU6cyBjcmV0");
        assert_eq!(format!("{location:?}"), "NodeUrl(http://localhost/purge)");
    }

    #[test]
    fn what_is_not_a_url_of_a_node_is_refused_without_its_secrets() {
        for url in [
            "",
            "localhost/purge",
            "ftp://x/purge",
            "http://",
            "http://x/p?q",
            "http://x/p#f",
            "mailto:x",
            "http://a/purge http://b/purge",
            "http://a/purge\nhttp://b/purge",
            "http://a/purge;http://b/purge",
            "http://a/purge|http://b/purge",
            "http://a/purge,b/purge",
            "http://a,b/purge",
        ] {
            assert!(parse(url).is_err(), "{url:?} was accepted");
        }
        let message = parse("ftp://me:secret@x").unwrap_err().to_string();
        assert!(!message.contains("secret"), "{message}");
    }
}
