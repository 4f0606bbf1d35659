//! Sites: the scheme and host under which pages are cached.

use std::fmt;
use std::str::FromStr;

use http::HeaderValue;
use http::uri::{Authority, Scheme};

use super::redact::{is_host, redacted_site};

/// The scheme and host under which pages are cached.
///
/// Roan sends a purge with the `Host` of the site, so that the cache builds the key of the page from it. The scheme
/// matters only if the keys of the cache contain it.
///
/// ```
/// use roan::Site;
///
/// let site: Site = "https://www.example.org".parse()?;
/// assert_eq!(site.host(), "www.example.org");
/// assert_eq!(site.scheme(), Some("https"));
/// let site: Site = "WWW.example.org:8080".parse()?;
/// assert_eq!(site.to_string(), "www.example.org:8080");
/// # Ok::<(), roan::SiteError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Site {
    scheme: Option<Scheme>,
    /// In lower case, with the port if one was given.
    authority: String,
    host_len: usize,
    header: HeaderValue,
}

impl Site {
    /// Splits the URL of a page into its site and the rest, byte for byte. An empty path is `/`.
    ///
    /// ```
    /// use roan::Site;
    ///
    /// let (site, rest) = Site::split("https://www.example.org/posts?page=2")?;
    /// assert_eq!((site.host(), &*rest), ("www.example.org", "/posts?page=2"));
    /// # Ok::<(), roan::SiteError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If it does not begin with `http://` or `https://` and a host.
    pub fn split(url: &str) -> Result<(Self, String), SiteError> {
        let begin = url.find("://").map_or(url.len(), |at| at + "://".len());
        let length = url[begin..].find(['/', '?', '#']);
        let (site, rest) = url.split_at(length.map_or(url.len(), |length| begin + length));
        if begin == url.len() {
            let text = crate::base::target::shortened(&redacted_site(url));
            let problem = "is not a whole URL";
            return Err(SiteError { text, problem });
        }
        let rest = match rest.as_bytes() {
            [b'/', ..] => rest.to_owned(),
            _ => format!("/{rest}"),
        };
        Ok((site.parse()?, rest))
    }

    /// The scheme, if one was given.
    #[must_use]
    pub fn scheme(&self) -> Option<&str> {
        self.scheme.as_ref().map(Scheme::as_str)
    }

    /// The host in lower case, without a port: nginx's `$host`.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.authority[..self.host_len]
    }

    /// The host in lower case, with its port if one was given: the `Host` header of a purge.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.authority
    }

    pub(crate) fn header(&self) -> &HeaderValue {
        &self.header
    }
}

/// Why a text is not a [`Site`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "site {text:?} {problem}: write `https://www.example.org`, `www.example.org` or `localhost:8080`"
)]
pub struct SiteError {
    pub(crate) text: String,
    pub(crate) problem: &'static str,
}

impl FromStr for Site {
    type Err = SiteError;

    fn from_str(text: &str) -> Result<Self, SiteError> {
        let error = |problem| {
            let text = crate::base::target::shortened(&redacted_site(text));
            Err(SiteError { text, problem })
        };
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => {
                (Some(Scheme::HTTP), rest)
            }
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => {
                (Some(Scheme::HTTPS), rest)
            }
            Some(_) => return error("has a scheme other than http and https"),
            None => (None, text),
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest).to_ascii_lowercase();
        match authority.find(['@', '/', '?', '#', '*']) {
            None => {}
            Some(_) if authority.contains('@') => {
                return error("has a user name");
            }
            Some(at) => {
                return error(match &authority[at..=at] {
                    "/" => "has a path",
                    "?" => "has a query",
                    "#" => "has a fragment",
                    _ => "has a wildcard, but a site is one host",
                });
            }
        }
        // nginx's `$host` ends without it, too.
        let authority = authority.strip_suffix('.').unwrap_or(&authority).to_owned();
        if authority.is_empty() {
            return error("has no host name");
        }
        if !authority.is_ascii() {
            return error(
                "has a host name with a letter outside of ASCII (write it as DNS has it: `xn--mnchen-3ya.de` for `münchen.de`)",
            );
        }
        const NOT_OF_A_HOST: &str = "has a character that no host name has";
        let Ok(parsed) = Authority::from_str(&authority) else {
            return error(NOT_OF_A_HOST);
        };
        if parsed.host().is_empty() {
            return error("has no host name");
        }
        if !is_host(parsed.host()) {
            return error(NOT_OF_A_HOST);
        }
        // To nginx, a name that begins with a dot is a pattern of names.
        if parsed.host().split('.').any(str::is_empty) {
            return error("has a host name with a dot too many");
        }
        match (&authority[parsed.host().len()..], parsed.port_u16()) {
            ("", _) | (_, Some(1..)) => {}
            _ => return error("has a port outside of 1 to 65535"),
        }
        let host_len = parsed.host().len();
        let Ok(header) = HeaderValue::from_str(&authority) else {
            return error(NOT_OF_A_HOST);
        };
        Ok(Self {
            scheme,
            authority,
            host_len,
            header,
        })
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(scheme) = &self.scheme {
            write!(f, "{scheme}://")?;
        }
        f.write_str(&self.authority)
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Site({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_a_host_with_perhaps_a_scheme_and_a_port() {
        let site: Site = "HTTPS://Www.Example.org:8443/".parse().unwrap();
        assert_eq!(site.scheme(), Some("https"));
        assert_eq!(site.host(), "www.example.org");
        assert_eq!(site.authority(), "www.example.org:8443");
        let site: Site = "[::1]:8080".parse().unwrap();
        assert_eq!((site.host(), site.scheme()), ("[::1]", None));
    }

    #[test]
    fn what_is_not_a_site_is_refused_with_what_to_write() {
        for (text, problem) in [
            ("", "no host name"),
            ("http://", "no host name"),
            ("ftp://x", "a scheme other than http and https"),
            ("x/y", "a path"),
            ("a b", "a character"),
            ("a,b", "a character"),
            ("a;b", "a character"),
            (":80", "no host name"),
            (".example.org", "a host name with a dot too many"),
            ("a..b", "a host name with a dot too many"),
            ("x:", "a port"),
            ("x:0", "a port"),
            ("x:port", "a port"),
            ("x:65536", "a port"),
            ("x?y", "a query"),
            ("https://x/?y", "a path"),
            ("x#y", "a fragment"),
            ("*.example.org", "a wildcard"),
            ("https://me@x", "a user name"),
            ("é", "a host name with a letter outside of ASCII"),
            ("a\r\nb", "a character"),
        ] {
            let error = text.parse::<Site>().expect_err(text).to_string();
            assert!(error.contains(&format!("has {problem}")), "{text}: {error}");
            assert!(error.contains("write `https://www.example.org`"), "{error}");
        }
        let error = "http://münchen.de".parse::<Site>().unwrap_err();
        assert!(
            error.to_string().contains("site \"http://münchen.de\""),
            "{error}"
        );
    }
}
