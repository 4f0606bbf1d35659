//! What a test may change in the configuration that the docs quote.

use std::net::SocketAddr;
use std::path::Path;

use crate::server::port;

/// The `http` part of the configuration, the one that the README shows.
pub const SITE_CONF: &str = include_str!("../../conf/site.conf");

/// The same for refreshes, the one that the guide shows.
pub const REFRESH_CONF: &str = include_str!("../../conf/refresh.conf");

/// The secret of an nginx of [`Options::refresh`]: as long as can be.
pub const SECRET: &str = "0123456789abcdef0123456789abcdefABCDEFGHIJKLMN";

/// The changes; none by default.
#[derive(Debug, Clone, Default)]
pub struct Options {
    http_text: String,
    whole: Option<String>,
    refresh: bool,
    edits: Vec<(String, String)>,
    server_text: String,
    keys_zone: Option<String>,
    purge_location: Option<String>,
    scheme_in_key: bool,
    keeps_missing: bool,
    default_buffers: bool,
    pub(super) one_worker: bool,
    pub(super) stock: bool,
}

impl Options {
    /// Takes this text in place of the quoted one, for set-ups that nobody should copy. `LISTEN`, `APP` and `FOLDER` in
    /// it stand for the address to listen at, that of the app, and the folder of the cache.
    #[must_use]
    pub fn whole(mut self, text: &str) -> Self {
        self.whole = Some(text.to_owned());
        self
    }

    /// Takes the configuration for refreshes, with [`SECRET`], and does not load the module.
    #[must_use]
    pub fn refresh(mut self) -> Self {
        self.refresh = true;
        self.stock = true;
        self
    }

    /// Replaces a text that occurs once in the configuration.
    #[must_use]
    pub fn edit(mut self, text: &str, with: &str) -> Self {
        self.edits.push((text.to_owned(), with.to_owned()));
        self
    }

    /// Puts more text into the `server` block, such as another location.
    #[must_use]
    pub fn server_text(mut self, text: &str) -> Self {
        self.server_text.push_str(text);
        self
    }

    /// Puts more text before the `server` block, such as a `limit_req_zone`.
    #[must_use]
    pub fn http_text(mut self, text: &str) -> Self {
        self.http_text.push_str(text);
        self
    }

    /// Sets the size of the keys zone, such as `128m`.
    #[must_use]
    pub fn keys_zone(mut self, size: &str) -> Self {
        self.keys_zone = Some(size.to_owned());
        self
    }

    /// Puts this text in place of the content of the purge location: `return 403;`,
    /// `return 302 /login;`, an `auth_basic`.
    #[must_use]
    pub fn purge_location(mut self, text: &str) -> Self {
        self.purge_location = Some(text.to_owned());
        self
    }

    /// Does not load the module: for a configuration without a purge location.
    #[must_use]
    pub fn stock(mut self) -> Self {
        self.stock = true;
        self.edits.push((
            "proxy_cache_purge pages $roan_key;".to_owned(),
            "return 404;".to_owned(),
        ));
        self
    }

    /// Runs one worker in place of two, so that it does not matter which worker takes which
    /// connections.
    #[must_use]
    pub fn one_worker(mut self) -> Self {
        self.one_worker = true;
        self
    }

    /// Begins the key with the scheme, which many sites do.
    #[must_use]
    pub fn scheme_in_key(mut self) -> Self {
        self.scheme_in_key = true;
        self
    }

    /// Keeps the 404 of a page that is not there for as long as a page, which many sites do.
    #[must_use]
    pub fn keeps_missing(mut self) -> Self {
        self.keeps_missing = true;
        self
    }

    /// Leaves the length of request lines at nginx's default.
    #[must_use]
    pub fn default_buffers(mut self) -> Self {
        self.default_buffers = true;
        self
    }

    /// The quoted text for one nginx: only the addresses and the folder are replaced.
    pub(super) fn site_conf(&self, port: u16, origin: SocketAddr, cache: &Path) -> String {
        if let Some(text) = &self.whole {
            return text
                .replace("LISTEN", &format!("127.0.0.1:{port}"))
                .replace("APP", &origin.to_string())
                .replace("FOLDER", &cache.display().to_string());
        }
        let mut conf = match self.refresh {
            true => REFRESH_CONF.replace("127.0.0.1:8079", &format!("127.0.0.1:{}", port::free())),
            false => SITE_CONF.to_owned(),
        };
        for (text, with) in &self.edits {
            replace(&mut conf, text, with);
        }
        replace(
            &mut conf,
            "listen 80;",
            &format!("listen 127.0.0.1:{port};"),
        );
        // Not every machine that runs the tests has IPv6.
        replace(&mut conf, "listen [::]:80;", "");
        // With its end: a free port may begin with 3000.
        replace(&mut conf, "127.0.0.1:3000;", &format!("{origin};"));
        let cache = cache.display().to_string();
        replace(&mut conf, "/var/cache/nginx-pages", &cache);

        if let Some(size) = &self.keys_zone {
            replace(&mut conf, "pages:64m", &format!("pages:{size}"));
        }
        if self.default_buffers {
            replace(&mut conf, "large_client_header_buffers 4 32k;", "");
        }
        if self.keeps_missing {
            replace(&mut conf, "valid 200 1y", "valid 200 404 1y");
        }
        if self.scheme_in_key {
            replace(&mut conf, "\"$host$roan_uri", "\"$scheme$host$roan_uri");
        }
        let opening = match self.refresh {
            true => "location / {",
            false => "location ^~ /purge/ {",
        };
        if self.refresh {
            conf = conf.replace("CHANGE-ME", SECRET);
        }
        if let Some(text) = &self.purge_location {
            let start = conf.find(opening).expect("the purge location") + opening.len();
            let length = conf[start..].find('}').expect("the end of the location");
            conf.replace_range(start..start + length, text);
        }
        let server_text = format!("{}\n    {opening}", self.server_text);
        replace(&mut conf, opening, &server_text);
        format!("{}\n{conf}", self.http_text)
    }
}

/// Replaces a word that must occur once: otherwise the test does not use the quoted text.
fn replace(conf: &mut String, word: &str, with: &str) {
    let times = conf.matches(word).count();
    assert_eq!(
        times, 1,
        "the configuration in tests/conf must have {word:?} once"
    );
    *conf = conf.replace(word, with);
}
