//! What a test may change in the VCL that the docs quote.

use std::net::SocketAddr;

/// The VCL, the one that the guide shows.
pub const VARNISH_VCL: &str = include_str!("../../conf/varnish.vcl");

/// The changes; none by default.
#[derive(Debug, Clone, Default)]
pub struct VarnishOptions {
    whole: Option<String>,
    complete: Option<String>,
    edits: Vec<(String, String)>,
    pub(super) parameters: Vec<(String, String)>,
}

impl VarnishOptions {
    /// Takes this text in place of the quoted one, after a line that names the backend.
    #[must_use]
    pub fn whole(mut self, text: &str) -> Self {
        self.whole = Some(text.to_owned());
        self
    }

    /// Takes this text as it is, with its backend.
    #[must_use]
    pub fn complete(mut self, vcl: &str) -> Self {
        self.complete = Some(vcl.to_owned());
        self
    }

    /// Replaces a text that occurs once in the VCL.
    #[must_use]
    pub fn edit(mut self, text: &str, with: &str) -> Self {
        self.edits.push((text.to_owned(), with.to_owned()));
        self
    }

    /// Sets a run-time parameter (`varnishd -p`).
    #[must_use]
    pub fn parameter(mut self, name: &str, value: &str) -> Self {
        self.parameters.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The quoted text for one Varnish: only the address of the app is replaced.
    pub(super) fn vcl(&self, origin: SocketAddr) -> String {
        let app = format!(
            ".host = \"{}\"; .port = \"{}\";",
            origin.ip(),
            origin.port()
        );
        if let Some(vcl) = &self.complete {
            return vcl.clone();
        }
        if let Some(text) = &self.whole {
            return format!("vcl 4.1;\nbackend default {{ {app} }}\n{text}");
        }
        let mut vcl = VARNISH_VCL.to_owned();
        for (text, with) in &self.edits {
            replace(&mut vcl, text, with);
        }
        replace(&mut vcl, ".host = \"127.0.0.1\"; .port = \"3000\";", &app);
        vcl
    }
}

/// Replaces a word that must occur once: otherwise the test does not use the quoted text.
#[track_caller]
fn replace(vcl: &mut String, word: &str, with: &str) {
    let times = vcl.matches(word).count();
    assert_eq!(times, 1, "tests/conf/varnish.vcl must have {word:?} once");
    *vcl = vcl.replace(word, with);
}
