//! The nodes of a cache, and what is sent to all of them.

use std::fmt;
use std::sync::Arc;

use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::node_url::basic;
use super::{Connecting, Endpoint, NodeUrl, client};
use crate::error::ConfigError;

/// The words of messages about a kind of cache.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CacheType {
    /// The name of its builder, such as `Nginx`.
    pub(crate) builder: &'static str,
    /// The URL of a node, as an example.
    pub(crate) example: &'static str,
    /// Whether that URL may have a path, to which the URLs of pages are appended.
    pub(crate) has_path: bool,
}

/// The nodes of a cache, with what their builders have in common.
#[derive(Clone)]
pub(crate) struct Nodes {
    cache: CacheType,
    /// The name of the cache.
    pub(crate) name: String,
    nodes: Vec<(String, NodeUrl)>,
    headers: HeaderMap,
    pub(crate) env_proxy: bool,
}

impl Nodes {
    pub(crate) fn new(cache: CacheType, name: &str) -> Self {
        Self {
            cache,
            name: name.to_owned(),
            nodes: Vec::new(),
            headers: HeaderMap::new(),
            env_proxy: false,
        }
    }

    pub(crate) fn cache(&self) -> CacheType {
        self.cache
    }

    /// Adds a node whose name is its host and port.
    pub(crate) fn add(&mut self, url: &str) -> Result<(), ConfigError> {
        let url = self.parsed(url)?;
        self.nodes.push((url.authority().to_owned(), url));
        Ok(())
    }

    /// Adds a node with a name.
    pub(crate) fn add_named(&mut self, name: &str, url: &str) -> Result<(), ConfigError> {
        let url = self.parsed(url)?;
        self.nodes.push((name.to_owned(), url));
        Ok(())
    }

    fn parsed(&self, url: &str) -> Result<NodeUrl, ConfigError> {
        let CacheType {
            example, has_path, ..
        } = self.cache;
        let url = NodeUrl::parse(url, example)?;
        if !has_path && !url.path().is_empty() {
            let problem = format!(
                "has a path, but the URL of a page is appended to the address: write it alone, such as `{example}`"
            );
            return Err(ConfigError::PurgeUrl {
                url: url.to_string(),
                problem,
            });
        }
        Ok(url)
    }

    /// Adds a header to each request.
    pub(crate) fn set_header(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
        let (name, value) = self.checked_header(name, value)?;
        self.headers.insert(name, value);
        Ok(())
    }

    fn checked_header(
        &self,
        name: &str,
        value: &str,
    ) -> Result<(HeaderName, HeaderValue), ConfigError> {
        let setting = format!("{}::header", self.cache.builder);
        // An invalid name may be a secret in the wrong place.
        let Ok(header) = HeaderName::from_bytes(name.as_bytes()) else {
            let problem =
                "is not a header name: write letters, digits and `-` (RFC 9110, section 5.1)";
            return Err(ConfigError::value(setting, "***", problem));
        };
        if ["host", "content-length", "transfer-encoding", "connection"].contains(&header.as_str())
        {
            let problem = "is set by Roan itself: for `Host`, set the site";
            return Err(ConfigError::value(setting, name, problem));
        }
        let Ok(mut value) = HeaderValue::from_str(value) else {
            let problem = "has a value with characters that are not valid in a header";
            return Err(ConfigError::value(setting, name, problem));
        };
        value.set_sensitive(true);
        Ok((header, value))
    }

    /// Adds basic authentication to each request whose URL does not contain credentials.
    pub(crate) fn set_basic_auth(&mut self, user: &str, password: &str) {
        self.headers.insert(AUTHORIZATION, basic(user, password));
    }

    pub(crate) fn has_authorization(&self) -> bool {
        self.headers.contains_key(AUTHORIZATION)
    }

    pub(crate) fn clear(&mut self) {
        self.nodes.clear();
    }

    pub(crate) fn urls(&self) -> impl Iterator<Item = &NodeUrl> {
        self.nodes.iter().map(|(_, url)| url)
    }

    /// An error, unless there is a node.
    pub(crate) fn checked(&self) -> Result<(), ConfigError> {
        if self.nodes.is_empty() {
            let CacheType { builder, .. } = self.cache;
            let problem = format!("does not have a node: add one with `{builder}::named_node`");
            return Err(ConfigError::value(
                format!("{builder}::new"),
                &self.name,
                problem,
            ));
        }
        Ok(())
    }

    /// Each node with its name. They share a client.
    pub(crate) fn endpoints(
        &self,
        connecting: &Connecting,
    ) -> Result<impl Iterator<Item = (&str, Endpoint)>, ConfigError> {
        self.checked()?;
        let http = client(connecting, self.env_proxy)?;
        let has_said_no_site = Arc::default();
        Ok(self.nodes.iter().map(move |(name, url)| {
            let endpoint = Endpoint {
                http: http.clone(),
                url: url.clone(),
                headers: self.headers.clone(),
                has_said_no_site: Arc::clone(&has_said_no_site),
            };
            (&**name, endpoint)
        }))
    }
}

/// Without secrets.
impl fmt::Debug for Nodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.keys().collect();
        f.debug_struct("Nodes")
            .field("name", &self.name)
            .field("nodes", &self.nodes)
            .field("headers", &names)
            .field("env_proxy", &self.env_proxy)
            .finish()
    }
}
