//! The form of a request.

use std::fmt;

use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method};

use super::template::{Many, Place, Template, advice};
use crate::base::site::Site;
use crate::base::target::{Target, TargetKind};
use crate::error::ConfigError;

/// The form of the requests that purge targets of one kind: method, path, headers and body as templates, for
/// [`HttpPurger::purges`](super::HttpPurger::purges).
///
/// | placeholder | value | of |
/// |---|---|---|
/// | `{path}` | the URL of the page without scheme and host, with its query | URL |
/// | `{url}` | the whole URL, such as `https://www.example.org/posts/hello` | URL, prefix |
/// | `{prefix}` | such as `/docs/v1/` | prefix |
/// | `{tag}` | a tag | tag |
/// | `{paths}`, `{urls}`, `{prefixes}` | the list of all targets of the request, in JSON only | as above |
/// | `{tags}`, `{tags,}` | all tags: a list in JSON, or else separated by spaces or by commas | tag |
/// | `{scheme}`, `{host}`, `{hostname}`, `{port}`, `{origin}` | of the site: `https`, `www.example.org:8443`, `www.example.org`, `8443` or the scheme's own, `https://www.example.org:8443` | all but everything |
///
/// No value leaves its place:
///
/// - In a path `{path}` and `{prefix}` are sent byte for byte. All others, and all in a query, are percent-encoded.
/// - A tag does not contain spaces and commas, so a list of tags cannot gain one.
/// - In JSON a value is one string, with the escapes of RFC 8259. A placeholder inside of quotes is a part of that string;
///   without quotes it becomes a string or a list of strings.
///
/// ```
/// use roan::purger::RequestTemplate;
///
/// let by_tag = RequestTemplate::new("POST", "/v1/purge")?.json(r#"{"tags": {tags}, "host": "{host}"}"#)?;
/// let by_url = RequestTemplate::new("PURGE", "{path}")?.header("Host", "{host}")?;
/// # Ok::<(), roan::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct RequestTemplate {
    pub(super) method: Method,
    path: Template,
    headers: Vec<(HeaderName, Template)>,
    body: Option<Template>,
    pub(super) purged: Vec<u16>,
    pub(super) not_cached: Vec<u16>,
    pub(super) refused: Vec<u16>,
    /// Why a target cannot be named to this cache.
    pub(super) unfit: Option<fn(&str) -> Option<&'static str>>,
}

/// A request without what all have in common.
pub(super) struct Rendered {
    pub(super) path: String,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Option<String>,
}

impl RequestTemplate {
    /// A request with this method and this path below the URL of the node: empty, or with a `/` at the beginning, and perhaps a
    /// query.
    ///
    /// # Errors
    ///
    /// If the method is not valid, or if the path has an unknown placeholder or characters that a URL cannot have.
    pub fn new(method: &str, path: &str) -> Result<Self, ConfigError> {
        const SETTING: &str = "RequestTemplate::new";
        let parsed = Method::from_bytes(method.as_bytes()).map_err(|_| {
            let problem = "is not an HTTP method: write one such as `PURGE` or `POST`";
            ConfigError::value(SETTING, method, problem)
        })?;
        let template = Template::parse(path, Place::Path);
        Ok(Self {
            method: parsed,
            path: template.map_err(|problem| ConfigError::value(SETTING, path, problem))?,
            headers: Vec::new(),
            body: None,
            purged: vec![200, 202, 204],
            not_cached: vec![404],
            refused: Vec::new(),
            unfit: None,
        })
    }

    /// Adds a header. `Host` is the host of the node, unless it is set here, such as to `{host}`. A secret belongs in
    /// [`HttpPurger::header_from_env`](super::HttpPurger::header_from_env).
    ///
    /// # Errors
    ///
    /// If the name is not valid, if the HTTP client sets the header (`Content-Length`, `Transfer-Encoding`, `Connection`), or
    /// if the template has an unknown placeholder, or one for a list of URLs.
    pub fn header(mut self, name: &str, template: &str) -> Result<Self, ConfigError> {
        let Ok(header) = HeaderName::from_bytes(name.as_bytes()) else {
            let problem =
                "is not a header name: write letters, digits and `-` (RFC 9110, section 5.1)";
            return Err(ConfigError::value(
                "RequestTemplate::header",
                "***",
                problem,
            ));
        };
        if ["content-length", "transfer-encoding", "connection"].contains(&header.as_str()) {
            let problem = "is set by the HTTP client: remove it";
            return Err(ConfigError::value("RequestTemplate::header", name, problem));
        }
        let parsed = Template::parse(template, Place::Header);
        // The template may have a secret, so the message has the name only.
        let parsed = parsed
            .map_err(|problem| ConfigError::value("RequestTemplate::header", name, problem))?;
        self.headers.retain(|(other, _)| *other != header);
        self.headers.push((header, parsed));
        Ok(self)
    }

    /// Sets a JSON body, and `Content-Type: application/json` if that header is not set.
    ///
    /// # Errors
    ///
    /// If the template has an unknown placeholder, or a string that is not closed.
    pub fn json(mut self, template: &str) -> Result<Self, ConfigError> {
        let parsed = Template::parse(template, Place::Json);
        self.body =
            Some(parsed.map_err(|problem| {
                ConfigError::value("RequestTemplate::json", template, problem)
            })?);
        Ok(self)
    }

    /// Sets the statuses that mean that the target is purged. Default: 200, 202 and 204.
    ///
    /// 202 says that the cache will do it soon: the purge counts as done, and the second purge (the *rebound*,
    /// [`RoanBuilder::rebound`](crate::RoanBuilder::rebound)) follows.
    #[must_use]
    pub fn purged(mut self, statuses: impl Into<Vec<u16>>) -> Self {
        self.purged = statuses.into();
        self
    }

    /// Sets the statuses that mean that the page was not cached. Default: 404.
    #[must_use]
    pub fn not_cached(mut self, statuses: impl Into<Vec<u16>>) -> Self {
        self.not_cached = statuses.into();
        self
    }

    /// Sets the statuses that another attempt would not change, in addition to those of 3xx and 4xx that are neither above nor
    /// 408, 425 or 429. All other answers are failures, and retried.
    ///
    /// A refused request for several targets is divided to find the one that is refused, but not after 401, 407 or a redirect,
    /// which are not about a target.
    #[must_use]
    pub fn refused(mut self, statuses: impl Into<Vec<u16>>) -> Self {
        self.refused = statuses.into();
        self
    }

    /// Refuses targets that this cache cannot be told of, or would read in another way.
    pub(super) fn unfit(mut self, why: fn(&str) -> Option<&'static str>) -> Self {
        self.unfit = Some(why);
        self
    }

    fn templates(&self) -> impl Iterator<Item = (String, &Template)> {
        let path = [("the path".to_owned(), &self.path)];
        let headers = self.headers.iter();
        let headers = headers.map(|(name, template)| (format!("the header {name}"), template));
        let body = self
            .body
            .iter()
            .map(|body| ("the JSON body".to_owned(), body));
        path.into_iter().chain(headers).chain(body)
    }

    /// Whether it can purge targets of that kind, so many at a time. The error says what to write.
    pub(super) fn check(&self, kind: TargetKind, batch: usize) -> Result<(), String> {
        let mut names = None;
        for (place, template) in self.templates() {
            match template
                .names(kind)
                .map_err(|problem| format!("{place} {problem}"))?
            {
                Some(Many::All) => names = Some(Many::All),
                Some(Many::First) if names.is_none() => names = Some(Many::First),
                _ => {}
            }
            if batch > 1
                && kind != TargetKind::Host
                && let Some(text) = template.names_only_the_first()
            {
                return Err(format!(
                    "{place} has `{text}`, the first of up to {batch} targets: write the list, such as `{{tags}}` or \
                     `{{urls}}`, or `Limits::batch(1)`"
                ));
            }
        }
        match names {
            None if kind != TargetKind::Everything => Err(format!(
                "does not name the target, so that all requests would be the same: write {}",
                advice(kind)
            )),
            Some(Many::First) | None if batch > 1 => Err(format!(
                "names one target, but `Limits::batch` is {batch}: write the list, or `Limits::batch(1)`"
            )),
            _ => Ok(()),
        }
    }

    /// The error says why the request cannot be made.
    pub(super) fn render(&self, targets: &[Target], site: &Site) -> Result<Rendered, String> {
        if let Some(unfit) = self.unfit {
            for target in targets {
                if let Some(why) = unfit(target.as_str()) {
                    return Err(why.to_owned());
                }
            }
        }
        let mut headers = Vec::with_capacity(self.headers.len() + 1);
        for (name, template) in &self.headers {
            let value = HeaderValue::from_str(&template.render(targets, site)?);
            let value =
                value.map_err(|_| format!("its value is not valid in the header {name}"))?;
            headers.push((name.clone(), value));
        }
        let body = self.body.as_ref().map(|body| body.render(targets, site));
        let body = body.transpose()?;
        if body.is_some() && headers.iter().all(|(name, _)| *name != CONTENT_TYPE) {
            headers.push((CONTENT_TYPE, HeaderValue::from_static("application/json")));
        }
        Ok(Rendered {
            path: self.path.render(targets, site)?,
            headers,
            body,
        })
    }
}

/// Without the templates of headers and body, which may have secrets.
impl fmt::Debug for RequestTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("RequestTemplate")
            .field("method", &self.method)
            .field("headers", &names)
            .field("has_body", &self.body.is_some())
            .finish_non_exhaustive()
    }
}
