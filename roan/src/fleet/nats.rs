//! How to reach the servers of a fleet.

use std::path::{Path, PathBuf};

use async_nats::{Auth, ServerAddr};
use rustls::ClientConfig;

use super::secret::{Secret, read_file};
use super::tls;
use crate::base::redact::redacted;
use crate::error::ConfigError;

/// How to reach the NATS servers of a fleet: where they are, as whom, and whether by TLS.
///
/// Secrets come from files or environment variables. They are read at each connection, so a new secret in a file works from the
/// next connection on; the certificates of TLS are read at the first one. `Debug` and errors do not show secrets.
///
/// ```
/// use roan::fleet::Nats;
///
/// let nats = Nats::at("tls://nats-1.internal:4222,tls://nats-2.internal:4222")?
///     .credentials_file("/etc/roan/nats.creds")
///     .root_certificates("/etc/roan/ca.pem");
/// # Ok::<(), roan::ConfigError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nats {
    servers: Vec<String>,
    identity: Identity,
    root: Option<PathBuf>,
    client: Option<(PathBuf, PathBuf)>,
}

/// As whom it connects.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
enum Identity {
    #[default]
    Nobody,
    Credentials(PathBuf),
    Nkey(PathBuf),
    Token(Secret),
    User(String, Secret),
}

impl Nats {
    /// The servers of one cluster, separated by commas: `nats://nats-1:4222,nats://nats-2:4222`. `tls://` insists on TLS.
    /// Without a port it is 4222. One of them is enough to find the others; if it is down, another one is asked.
    ///
    /// # Errors
    ///
    /// If one is not such a URL, or has a user name: that is a secret, for which there are files and environment variables.
    pub fn at(servers: impl AsRef<str>) -> Result<Self, ConfigError> {
        let mut read = Vec::new();
        for server in servers.as_ref().split(',').map(str::trim) {
            let invalid = |problem: &str| {
                let problem = format!("{problem}: write `nats://nats-1.internal:4222`");
                ConfigError::value("NATS server", redacted(server), problem)
            };
            let with_scheme = match server.contains("://") {
                true => server.to_owned(),
                false => format!("nats://{server}"),
            };
            let Ok(address) = with_scheme.parse::<ServerAddr>() else {
                return Err(invalid("is not a URL of a NATS server"));
            };
            if server.contains('@') || address.has_user_pass() {
                let instead = "has a user name: remove it, and write user and password into files or environment variables";
                return Err(ConfigError::value("NATS server", redacted(server), instead));
            }
            let scheme = address.scheme();
            if !matches!(scheme, "nats" | "tls") {
                return Err(invalid("has a scheme other than nats and tls"));
            }
            if address.host().is_empty() {
                return Err(invalid("has no host name"));
            }
            let url = format!("{scheme}://{}:{}", host(&address), address.port());
            if !read.contains(&url) {
                read.push(url);
            }
        }
        Ok(Self {
            servers: read,
            identity: Identity::Nobody,
            root: None,
            client: None,
        })
    }

    /// Connects with a credentials file (`.creds`), as `nsc` and hosted NATS make it: a token and a key that signs.
    #[must_use]
    pub fn credentials_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.identity = Identity::Credentials(path.into());
        self
    }

    /// Connects with an nkey: the file contains the seed, which begins with `SU`.
    #[must_use]
    pub fn nkey_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.identity = Identity::Nkey(path.into());
        self
    }

    /// Connects with the token in this file.
    #[must_use]
    pub fn token_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.identity = Identity::Token(Secret::File(path.into()));
        self
    }

    /// Connects with the token in this environment variable.
    #[must_use]
    pub fn token_env(mut self, variable: &str) -> Self {
        self.identity = Identity::Token(Secret::Variable(variable.to_owned()));
        self
    }

    /// Connects as this user, with the password in this file.
    #[must_use]
    pub fn password_file(mut self, user: &str, path: impl Into<PathBuf>) -> Self {
        self.identity = Identity::User(user.to_owned(), Secret::File(path.into()));
        self
    }

    /// Connects as this user, with the password in this environment variable.
    #[must_use]
    pub fn password_env(mut self, user: &str, variable: &str) -> Self {
        self.identity = Identity::User(user.to_owned(), Secret::Variable(variable.to_owned()));
        self
    }

    /// Connects with this token, which was read from `place`.
    pub(crate) fn token_of(mut self, place: &str, token: &str) -> Self {
        self.identity = Identity::Token(Secret::Given {
            place: place.to_owned(),
            value: token.to_owned(),
        });
        self
    }

    /// Connects as this user, with this password, which was read from `place`.
    pub(crate) fn password_of(mut self, user: &str, place: &str, password: &str) -> Self {
        let password = Secret::Given {
            place: place.to_owned(),
            value: password.to_owned(),
        };
        self.identity = Identity::User(user.to_owned(), password);
        self
    }

    /// Trusts the certificates of this file (PEM), in place of those of the system, and insists on TLS.
    #[must_use]
    pub fn root_certificates(mut self, path: impl Into<PathBuf>) -> Self {
        self.root = Some(path.into());
        self
    }

    /// Shows the server this certificate, with its key (both PEM), and insists on TLS.
    #[must_use]
    pub fn client_certificate(
        mut self,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        self.client = Some((certificate.into(), key.into()));
        self
    }

    /// The servers, for messages.
    pub(crate) fn shown(&self) -> String {
        self.servers.join(",")
    }

    pub(super) fn addresses(&self) -> Vec<ServerAddr> {
        let parsed = self.servers.iter().map(|server| server.parse());
        parsed.filter_map(Result::ok).collect()
    }

    /// The TLS to use where the server offers it, and whether to refuse a server that does not.
    pub(super) fn tls(&self) -> Result<(ClientConfig, bool), ConfigError> {
        let is_required = self.root.is_some()
            || self.client.is_some()
            || self.servers.iter().any(|server| server.starts_with("tls:"));
        let config = tls::config(self.root.as_deref(), self.client.as_ref())?;
        Ok((config, is_required))
    }

    /// Reads the secrets, and signs the server's challenge.
    pub(super) fn auth(&self, nonce: &[u8]) -> Result<Auth, ConfigError> {
        let mut auth = Auth::new();
        match &self.identity {
            Identity::Nobody => {}
            Identity::Token(token) => auth.token = Some(token.read()?),
            Identity::User(user, password) => {
                auth.username = Some(user.clone());
                auth.password = Some(password.read()?);
            }
            Identity::Nkey(path) => {
                let text = read_file(path)?;
                let pair = key_pair(path, text.trim())?;
                auth.nkey = Some(pair.public_key());
                auth.signature = Some(sign(path, &pair, nonce)?);
            }
            Identity::Credentials(path) => {
                let text = read_file(path)?;
                let [token, seed] = blocks(&text).ok_or_else(|| {
                    let problem = "(content not shown) has no token and key: name the `.creds` file that `nsc generate creds` writes";
                    ConfigError::value("credentials file", path.display().to_string(), problem)
                })?;
                let pair = key_pair(path, seed)?;
                auth.jwt = Some(token.to_owned());
                auth.signature = Some(sign(path, &pair, nonce)?);
            }
        }
        Ok(auth)
    }

    /// What to change if the server refuses this identity.
    pub(super) fn remedy(&self) -> String {
        match &self.identity {
            Identity::Nobody => "it wants credentials: set a credentials file, an nkey, a token, or a user and password".to_owned(),
            Identity::Credentials(path) => format!("see that the user of {} is known there and not expired", path.display()),
            Identity::Nkey(path) => format!("see that the public key of {} is one of its users", path.display()),
            Identity::Token(token) => format!("see that {token:?} has its token"),
            Identity::User(user, password) => format!("see that it has the user {user:?} with the password in {password:?}"),
        }
    }
}

fn key_pair(path: &Path, seed: &str) -> Result<nkeys::KeyPair, ConfigError> {
    nkeys::KeyPair::from_seed(seed).map_err(|_| {
        let problem =
            "(content not shown) has no nkey: write the seed of a user there, which begins with SU";
        ConfigError::value("nkey file", path.display().to_string(), problem)
    })
}

fn sign(path: &Path, pair: &nkeys::KeyPair, nonce: &[u8]) -> Result<Vec<u8>, ConfigError> {
    pair.sign(nonce).map_err(|_| {
        let problem = "(content not shown) has a key that cannot sign: write the seed of a user there, which begins with SU";
        ConfigError::value("nkey file", path.display().to_string(), problem)
    })
}

/// The token and the seed of a credentials file: the lines between its marks.
fn blocks(text: &str) -> Option<[&str; 2]> {
    let mut inside = text
        .lines()
        .map(str::trim)
        .skip_while(|line| !line.starts_with("---"));
    let mut block = || {
        let mut lines = inside
            .by_ref()
            .skip_while(|line| !line.contains("BEGIN"))
            .skip(1);
        lines.find(|line| !line.is_empty())
    };
    let found = [block()?, block()?];
    found
        .iter()
        .all(|text| !text.starts_with('-'))
        .then_some(found)
}

/// The host, in the brackets that an address of IPv6 needs.
fn host(address: &ServerAddr) -> String {
    match address.host() {
        host if host.contains(':') && !host.starts_with('[') => format!("[{host}]"),
        host => host.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_read_and_what_is_not_one_is_refused() {
        let nats = Nats::at("nats://a, tls://B:4333,[::1]:1,a").unwrap();
        assert_eq!(nats.shown(), "nats://a:4222,tls://b:4333,nats://[::1]:1");
        for (servers, words) in [
            ("", "has no host name"),
            ("nats://a,,", "has no host name"),
            ("http://a", "is not a URL of a NATS server"),
            ("ws://a", "has a scheme other than nats and tls"),
            ("nats://a b", "is not a URL of a NATS server"),
            ("nats://SECRET@a", "has a user name"),
            ("nats://me:SECRET@a", "has a user name"),
        ] {
            let error = Nats::at(servers).expect_err(servers).to_string();
            assert!(error.contains(words), "{servers}: {error}");
            assert!(!error.contains("SECRET"), "{error}");
        }
    }

    #[test]
    fn credentials_are_what_nsc_writes() {
        let text = "-----BEGIN NATS USER JWT-----\r\neyJ0.a-_b.c\r\n------END NATS USER JWT------\r\n\n\
            ************************* IMPORTANT *************************\nNKEY Seed printed below.\n\n\
            -----BEGIN USER NKEY SEED-----\nSUAIO3\n------END USER NKEY SEED------\n";
        assert_eq!(blocks(text), Some(["eyJ0.a-_b.c", "SUAIO3"]));
        assert_eq!(blocks("eyJ0.a.b"), None);
        assert_eq!(blocks("-----BEGIN A-----\n-----BEGIN B-----\n----"), None);
    }

    #[test]
    fn nothing_shows_a_secret() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("nats");
        std::fs::write(&file, "SECRET").unwrap();
        let at = || Nats::at("a").unwrap();
        for nats in [
            at().credentials_file(&file),
            at().nkey_file(&file),
            at().token_file(&file),
            at().password_file("me", &file),
        ] {
            let error = nats.auth(b"nonce").err();
            let shown = format!("{nats:?} {error:?} {}", nats.remedy());
            assert!(!shown.contains("SECRET"), "{shown}");
        }
        let missing = at().token_env("ROAN_TESTS_UNSET").auth(b"").err().unwrap();
        assert!(
            missing
                .to_string()
                .starts_with("ROAN_TESTS_UNSET: is not set"),
            "{missing}"
        );
        let missing = at().nkey_file("/none/nats.nk").auth(b"").err().unwrap();
        assert!(missing.to_string().contains("/none/nats.nk"), "{missing}");
    }
}
