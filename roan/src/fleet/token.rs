//! A name as a token of NATS: that of a site in a subject; that of a node for its consumer and for the key of its heartbeat.

use std::borrow::Cow;

/// What the name of a node's consumer begins with.
pub(crate) const CONSUMER: &str = "roan-";

/// Returns the name as one token. Two names never have the same one.
///
/// Consumers and keys have no room for `.`, `*`, `>`, spaces and slashes, and subjects give some of these a meaning
/// (<https://docs.nats.io/nats-concepts/subjects>). What is neither a letter or digit of ASCII nor `-` or
/// `_` becomes `=` and two hexadecimal digits a byte: the host `edge-1.example.org` is the node `edge-1=2Eexample=2Eorg`.
pub(crate) fn token(name: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    if name.bytes().all(is_plain) {
        return Cow::Borrowed(name);
    }
    let mut token = String::with_capacity(name.len() + 8);
    for byte in name.bytes() {
        match is_plain(byte) {
            true => token.push(char::from(byte)),
            false => token.push_str(&format!("={byte:02X}")),
        }
    }
    Cow::Owned(token)
}

#[cfg(test)]
mod tests {
    use super::token;

    #[test]
    fn a_host_name_is_one_token() {
        assert_eq!(token("edge-1"), "edge-1");
        assert_eq!(token("edge-1.example.org"), "edge-1=2Eexample=2Eorg");
        assert_ne!(token("a=2Eb"), token("a.b"));
    }
}
