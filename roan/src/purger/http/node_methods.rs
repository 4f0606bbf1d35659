//! The methods that builders of caches with HTTP nodes have in common.

/// Makes them for a type with the field `nodes: Nodes`. `$name` is the default name of the cache.
macro_rules! node_methods {
    ($type:ident, $name:literal) => {
        impl $type {
            /// Adds another node, whose name is its host and port. Each node keeps its own pages, so each purge goes to all.
            ///
            /// # Errors
            ///
            /// If the URL is not absolute, has a query or fragment, is neither `http` nor `https`, or is `https` and the
            /// feature `rustls` is off.
            pub fn node(mut self, url: &str) -> Result<Self, $crate::ConfigError> {
                self.nodes.add(url)?;
                Ok(self)
            }

            /// Adds another node with a name, for reports and counters. With a durable outbox a node is known by its name:
            /// name a node that may move to another address.
            ///
            /// # Errors
            ///
            /// As [`node`](Self::node).
            pub fn named_node(mut self, name: &str, url: &str) -> Result<Self, $crate::ConfigError> {
                self.nodes.add_named(name, url)?;
                Ok(self)
            }

            #[doc = concat!("Sets the name of the cache in reports and counters. Default: `", $name, "`.")]
            #[must_use]
            pub fn name(mut self, name: &str) -> Self {
                name.clone_into(&mut self.nodes.name);
                self
            }

            /// Sends a header with each request. Roan never shows its value.
            ///
            /// # Errors
            ///
            /// If `name` or `value` is not valid in a header, or if Roan sets the header itself
            /// (`Host`, `Content-Length`, `Transfer-Encoding`, `Connection`).
            pub fn header(mut self, name: &str, value: &str) -> Result<Self, $crate::ConfigError> {
                self.nodes.set_header(name, value)?;
                Ok(self)
            }

            /// Sends basic authentication (RFC 7617) to every node whose URL does not contain credentials.
            #[must_use]
            pub fn basic_auth(mut self, user: &str, password: &str) -> Self {
                self.nodes.set_basic_auth(user, password);
                self
            }

            /// Uses the proxies of `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`. Default: off, because a cache is usually on a
            /// private network, and a proxy would answer in its place.
            #[must_use]
            pub fn env_proxy(mut self) -> Self {
                self.nodes.env_proxy = true;
                self
            }
        }
    };
}

pub(crate) use node_methods;
