//! Caches that are purged by HTTP requests of a form that the user describes.

mod client;
mod config;
mod presets;
mod request;
mod template;

use std::collections::BTreeMap;
use std::sync::Arc;

use self::client::HttpNode;
pub use self::config::{HttpPurgerConfig, RequestConfig};
pub use self::request::RequestTemplate;
use super::http::{CacheType, Connecting, Nodes, node_methods};
use super::{Cache, Limits, Mode, NodeClient, TagHeader};
use crate::base::target::TargetKind;
use crate::error::ConfigError;

const HTTP: CacheType = CacheType {
    builder: "HttpPurger",
    example: "http://localhost:8080",
    has_path: true,
};

/// Any cache that is purged by HTTP requests: you describe their form, by a [`RequestTemplate`] for each kind of target that
/// the cache knows.
///
/// There are presets: [`souin`](Self::souin), [`pingora`](Self::pingora), [`bunny`](Self::bunny),
/// [`http_invalidation`](Self::http_invalidation). For a cache with another protocol implement
/// [`Purger`](super::Purger).
///
/// ```
/// use roan::purger::{HttpPurger, Limits, RequestTemplate};
/// use roan::{Cache, Roan, TargetKind};
///
/// let by_url = RequestTemplate::new("POST", "/purge?url={url}")?;
/// let by_tag = RequestTemplate::new("POST", "/purge")?.json(r#"{"tags": {tags}}"#)?;
/// let mine = HttpPurger::at("http://10.0.0.11:9000/api")?
///     .name("mine")
///     .header("Authorization", "Bearer secret")?
///     .purges(TargetKind::Url, by_url)
///     .purges(TargetKind::Tag, by_tag)
///     .limits([TargetKind::Tag], Limits::new().batch(30).rate(5.0));
/// let roan = Roan::builder().cache(mine).site("https://www.example.org").build()?;
/// # Ok::<(), roan::ConfigError>(())
/// ```
///
/// An answer of such a cache does not say which page it is about, so purges are never
/// [verified](crate::Report::verified).
///
/// A CDN whose API fits does not need a preset. [KeyCDN](https://www.keycdn.com/api) takes the zone's host and the path:
///
/// ```
/// # use roan::purger::{HttpPurger, Limits, RequestTemplate};
/// # use roan::TargetKind;
/// # fn key_cdn() -> Result<HttpPurger, roan::ConfigError> {
/// let by_url = RequestTemplate::new("DELETE", "/zones/purgeurl/12345.json")?
///     .json(r#"{"urls": ["{host}{path}"]}"#)?;
/// # let url = "http://api.example.org";
/// # #[cfg(any())]
/// let url = "https://api.keycdn.com";
/// let key_cdn = HttpPurger::at(url)?
///     .header_from_env("Authorization", "KEYCDN_AUTHORIZATION")?
///     .purges(TargetKind::Url, by_url)
///     .limits([TargetKind::Url], Limits::new().rate(20.0 / 60.0));
/// # Ok(key_cdn)
/// # }
/// ```
///
/// Akamai's API does not fit: it asks for a signature over each request (`EG1-HMAC-SHA256`).
#[derive(Debug, Clone)]
pub struct HttpPurger {
    nodes: Nodes,
    forms: Forms,
    limits: Vec<(Vec<TargetKind>, Limits)>,
    tag_header: Option<TagHeader>,
    mode: Mode,
}

/// The form of the requests for each kind of target.
#[derive(Debug, Clone, Default)]
struct Forms(BTreeMap<Kind, RequestTemplate>);

/// A kind of target, in the order of [`ALL`].
type Kind = usize;

const ALL: [TargetKind; 5] = [
    TargetKind::Url,
    TargetKind::Tag,
    TargetKind::Prefix,
    TargetKind::Host,
    TargetKind::Everything,
];

fn place_of(kind: TargetKind) -> Kind {
    ALL.iter()
        .position(|other| *other == kind)
        .unwrap_or(ALL.len())
}

impl Forms {
    fn of(&self, kind: TargetKind) -> Option<&RequestTemplate> {
        self.0.get(&place_of(kind))
    }

    fn kinds(&self) -> impl Iterator<Item = (TargetKind, &RequestTemplate)> {
        self.0
            .iter()
            .filter_map(|(place, form)| Some((*ALL.get(*place)?, form)))
    }
}

node_methods!(HttpPurger, "http");

impl HttpPurger {
    /// A cache, or its API, at this URL. The paths of the requests are appended to it.
    ///
    /// # Errors
    ///
    /// As [`HttpPurger::node`].
    pub fn at(url: &str) -> Result<Self, ConfigError> {
        Self::new().node(url)
    }

    /// A cache without nodes, for nodes that all have names.
    #[must_use]
    pub fn new() -> Self {
        Self {
            nodes: Nodes::new(HTTP, "http"),
            forms: Forms::default(),
            limits: Vec::new(),
            tag_header: None,
            mode: Mode::Hard,
        }
    }

    /// Purges targets of this kind by requests of this form. What does not go together is an error when the dispatcher is
    /// built.
    #[must_use]
    pub fn purges(mut self, kind: TargetKind, request: RequestTemplate) -> Self {
        self.forms.0.insert(place_of(kind), request);
        self
    }

    /// Sets limits that these kinds share. Default: one target in each request, and as many requests as the cache answers.
    #[must_use]
    pub fn limits(mut self, kinds: impl Into<Vec<TargetKind>>, limits: Limits) -> Self {
        self.limits.push((kinds.into(), limits));
        self
    }

    /// The cache reads the tags of a page in this header, which the [web layer](crate::guide::web) writes.
    #[must_use]
    pub fn tag_header(mut self, header: TagHeader) -> Self {
        self.tag_header = Some(header);
        self
    }

    /// What a purge does to a page. Default: [`Mode::Hard`].
    #[must_use]
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Sends a header with each request, with the value of an environment variable. Roan never shows the value.
    ///
    /// # Errors
    ///
    /// If the variable is not set, or if name or value are not valid in a header.
    pub fn header_from_env(self, name: &str, variable: &str) -> Result<Self, ConfigError> {
        let value = std::env::var(variable).unwrap_or_default();
        if value.trim().is_empty() {
            let problem =
                format!("is not set, so the header {name} has no value: set that variable");
            return Err(ConfigError::value(
                "HttpPurger::header_from_env",
                variable,
                problem,
            ));
        }
        self.header(name, value.trim())
            .map_err(|error| error.about("HttpPurger::header_from_env"))
    }

    /// Sends a header with each request, with the content of a file, without the space around it. Roan never shows the content.
    /// The file is read once.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or is empty, or if name or value are not valid in a header.
    pub fn header_from_file(
        self,
        name: &str,
        file: impl AsRef<std::path::Path>,
    ) -> Result<Self, ConfigError> {
        const SETTING: &str = "HttpPurger::header_from_file";
        let file = file.as_ref();
        let shown = file.display().to_string();
        let value = std::fs::read_to_string(file).map_err(|error| {
            let problem = format!("cannot be read for the header {name}: {error}");
            ConfigError::value(SETTING, &*shown, problem)
        })?;
        if value.trim().is_empty() {
            let problem =
                format!("is empty, so the header {name} has no value: write the value into it");
            return Err(ConfigError::value(SETTING, shown, problem));
        }
        self.header(name, value.trim())
            .map_err(|error| error.about(SETTING))
    }

    /// For nodes that come later.
    fn without_nodes(mut self) -> Self {
        self.nodes.clear();
        self
    }

    fn limits_of(&self, kind: TargetKind) -> Limits {
        let mut limits = self.limits.iter().rev();
        let limits = limits.find(|(kinds, _)| kinds.contains(&kind));
        limits.map_or_else(Limits::new, |(_, limits)| *limits)
    }

    /// What does not go together.
    fn checked(&self) -> Result<(), ConfigError> {
        self.nodes.checked()?;
        let error = |value: &dyn std::fmt::Display, problem: String| {
            Err(ConfigError::value(
                "HttpPurger::purges",
                value.to_string(),
                problem,
            ))
        };
        if self.forms.0.is_empty() {
            let problem = "has no request for any kind of target: add one, such as \
                           `.purges(TargetKind::Url, RequestTemplate::new(\"PURGE\", \"{path}\")?)`";
            return error(&self.nodes.name, problem.to_owned());
        }
        for (kind, form) in self.forms.kinds() {
            if let Err(problem) = form.check(kind, self.limits_of(kind).batch_size()) {
                return error(&kind, problem);
            }
        }
        for (kinds, _) in &self.limits {
            if let Some(kind) = kinds.iter().find(|kind| self.forms.of(**kind).is_none()) {
                let problem = "has limits, but no request: add `HttpPurger::purges` for it, or remove it from \
                               `HttpPurger::limits`";
                return error(kind, problem.to_owned());
            }
        }
        Ok(())
    }

    fn connect(&self, connecting: &Connecting) -> Result<Vec<NodeClient>, ConfigError> {
        self.checked()?;
        let forms = Arc::new(self.forms.clone());
        let nodes = self.nodes.endpoints(connecting)?;
        let nodes = nodes.map(|(name, endpoint)| NodeClient {
            name: name.into(),
            purger: Box::new(HttpNode {
                endpoint,
                forms: Arc::clone(&forms),
            }),
        });
        Ok(nodes.collect())
    }
}

impl Default for HttpPurger {
    fn default() -> Self {
        Self::new()
    }
}

impl From<HttpPurger> for Cache {
    fn from(http: HttpPurger) -> Self {
        let mut cache = Self::new(&http.nodes.name);
        cache.capabilities = super::Capabilities::none();
        cache = cache.mode(http.mode);
        for (kind, _) in http.forms.kinds() {
            cache = cache.purges([kind], Limits::new());
        }
        for (kinds, limits) in &http.limits {
            cache = cache.purges(kinds.clone(), *limits);
        }
        if let Some(header) = http.tag_header.clone()
            && http.forms.of(TargetKind::Tag).is_some()
        {
            cache = cache.tag_header(header);
        }
        cache.connect = Box::new(move |connecting| http.connect(connecting));
        cache
    }
}
