//! The addresses in the configurations of caches: nothing in them may end a word or a block of one.

use std::net::IpAddr;

use roan::Site;

use crate::exit::Failure;

pub(crate) fn wrong(option: &str, value: &str, problem: &str) -> Failure {
    Failure::bad_input(format!("{option}: {value:?} {problem}"))
}

/// Of the app, for `--app`.
pub(crate) fn app(app: &str) -> Result<&str, Failure> {
    let problem =
        "is not an address: write `127.0.0.1:3000`, `app.internal:3000` or `unix:/run/app.sock`";
    let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || "/._-:[]".contains(letter);
    let is_one = !app.is_empty() && app.chars().all(is_allowed);
    let is_socket = app
        .strip_prefix("unix:")
        .is_some_and(|path| path.starts_with('/'));
    let is_host = !app.contains('/') && app.parse::<Site>().is_ok();
    if is_one && (is_socket || is_host) {
        Ok(app)
    } else {
        Err(wrong("--app", app, problem))
    }
}

/// To listen at, for `--listen`.
pub(crate) fn address(listen: &str) -> Result<&str, Failure> {
    let port = listen.rsplit(':').next().unwrap_or(listen);
    let before = listen[..listen.len() - port.len()].trim_end_matches(':');
    let is_host = before.is_empty()
        || before == "*"
        || before.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    if is_host && port.parse::<u16>().is_ok_and(|port| port > 0) {
        Ok(listen)
    } else {
        Err(wrong(
            "--listen",
            listen,
            "is not an address: write `80`, `10.0.0.11:80` or `[::]:80`",
        ))
    }
}

/// Who may purge, for `--allow`.
pub(crate) fn network(allow: &str) -> Result<&str, Failure> {
    let (address, bits) = match allow.split_once('/') {
        Some((address, bits)) => (address, bits.parse::<u8>().ok()),
        None => (allow, Some(0)),
    };
    let most = match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => 0,
    };
    if most > 0 && bits.is_some_and(|bits| bits <= most) {
        Ok(allow)
    } else {
        Err(wrong(
            "--allow",
            allow,
            "is not an address or network: write `10.0.0.5` or `10.0.0.0/24`",
        ))
    }
}
