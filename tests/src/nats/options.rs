//! What a test may ask of a NATS server: who may connect, and TLS.

use std::path::{Path, PathBuf};

/// The changes; none by default: everybody may do everything, without TLS.
#[derive(Debug, Clone, Default)]
pub struct NatsOptions {
    lines: String,
    pub(super) whole: Option<String>,
    pub(super) no_jetstream: bool,
}

impl NatsOptions {
    /// Adds lines to its configuration. `FOLDER` in them is its folder.
    #[must_use]
    pub fn lines(mut self, lines: &str) -> Self {
        self.lines.push_str(lines);
        self.lines.push('\n');
        self
    }

    /// This is its whole configuration, in which `ADDRESS`, `MONITOR`, `FOLDER` and, in a cluster, `NAME`, `ROUTE` and `ROUTES`
    /// are its own.
    #[must_use]
    pub fn whole(mut self, text: &str) -> Self {
        self.whole = Some(text.to_owned());
        self
    }

    /// It is a server of messages alone.
    #[must_use]
    pub fn without_jetstream(mut self) -> Self {
        self.no_jetstream = true;
        self
    }

    /// Only clients with this token may connect.
    #[must_use]
    pub fn token(self, token: &str) -> Self {
        self.lines(&format!("authorization {{ token: \"{token}\" }}"))
    }

    /// Only this user may connect.
    #[must_use]
    pub fn user(self, name: &str, password: &str) -> Self {
        self.lines(&format!(
            "authorization {{ user: \"{name}\", password: \"{password}\" }}"
        ))
    }

    /// Only the owner of this nkey may connect.
    #[must_use]
    pub fn nkey(self, public: &str) -> Self {
        self.lines(&format!(
            "authorization {{ users: [ {{ nkey: {public} }} ] }}"
        ))
    }

    /// Clients must use TLS. With `authority`, they must show a certificate of it, too.
    #[must_use]
    pub fn tls(self, certificate: &Path, key: &Path, authority: Option<&PathBuf>) -> Self {
        let verified = authority.map_or_else(String::new, |file| {
            format!("ca_file: \"{}\", verify: true", file.display())
        });
        self.lines(&format!(
            "tls {{ cert_file: \"{}\", key_file: \"{}\", {verified} }}",
            certificate.display(),
            key.display()
        ))
    }

    pub(super) fn conf(&self, folder: &Path) -> String {
        self.lines.replace("FOLDER", &folder.display().to_string())
    }
}
