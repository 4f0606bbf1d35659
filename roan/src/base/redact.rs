//! The part of a text that messages may show, if it may contain a secret.

use http::Uri;

/// The replacement for hidden text.
pub(crate) const HIDDEN: &str = "***";

/// Scheme, host, port and path of a URL: its user name, password, query and fragment may be secrets. So is an address that lacks
/// the scheme alone, the most frequent mistake. Any other text is hidden completely, because its content is unknown.
pub(crate) fn redacted(text: &str) -> String {
    match readable(text) {
        Some(shown) => shown,
        None if text.is_empty() => String::new(),
        None => HIDDEN.to_owned(),
    }
}

/// The same for a site, whose scheme is optional.
pub(crate) fn redacted_site(text: &str) -> String {
    const SCHEME: &str = "http://";
    if text.is_empty() || text.contains("://") {
        return redacted(text);
    }
    let shown = redacted(&format!("{SCHEME}{text}"));
    shown.strip_prefix(SCHEME).unwrap_or(&shown).to_owned()
}

fn readable(text: &str) -> Option<String> {
    // The name of a file, which cannot contain credentials.
    if text.starts_with("sqlite:") && !text.contains('@') {
        let end = text.find(['?', '#']).unwrap_or(text.len());
        return Some(marked(&text[..end], &text[end..]));
    }
    if is_plain_address(text) || is_misspelt_host(text) {
        return Some(text.to_owned());
    }
    let (_, rest) = text.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, after) = rest.split_at(end);
    // A password that contains one of these, which should be percent-encoded.
    if after.contains('@') {
        return None;
    }
    let uri: Uri = text.parse().ok()?;
    let parsed = uri.authority()?;
    let host_and_port = parsed.as_str().rsplit('@').next()?;
    let port = host_and_port.strip_prefix(parsed.host())?;
    if !is_host(parsed.host()) || !port.is_empty() && parsed.port_u16().is_none() {
        return None;
    }
    let user = if authority.contains('@') { "***@" } else { "" };
    let end = after.find(['?', '#']).unwrap_or(after.len());
    let (path, rest) = after.split_at(end);
    // `;password=...`, as in the URLs of some databases.
    let path = if path.contains([';', '=']) {
        "/***"
    } else {
        path
    };
    let shown = format!("{}://{user}{host_and_port}{path}", uri.scheme_str()?);
    Some(marked(&shown, rest))
}

/// Whether a text can only be meant as the address of a server, with a path or without: `localhost/purge`, `10.0.0.11:80`,
/// `www.example.org/posts`. A token with dots has capital letters, or is longer.
fn is_plain_address(text: &str) -> bool {
    let (authority, path) = text.split_at(text.find('/').unwrap_or(text.len()));
    let (host, port) = authority.split_once(':').unwrap_or((authority, "0"));
    let is_label = |label: &str| {
        let is_letter =
            |letter: u8| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == b'-';
        (1..=32).contains(&label.len()) && label.bytes().all(is_letter)
    };
    let is_named = host == "localhost" || host.contains('.') && host.split('.').all(is_label);
    let in_path = |letter: u8| letter.is_ascii_alphanumeric() || b"/-._~%".contains(&letter);
    is_named && port.parse::<u16>().is_ok() && path.bytes().all(in_path)
}

/// Whether a text is a scheme of pages and what was meant as a host, without anything that may begin a user name, a password
/// or a query.
fn is_misspelt_host(text: &str) -> bool {
    let host = ["http://", "https://"]
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme));
    let is_of_one = |letter: char| letter.is_alphanumeric() || ".-_;,!*".contains(letter);
    host.is_some_and(|host| (1..=253).contains(&host.len()) && host.chars().all(is_of_one))
}

/// The URL of a page, which visitors see; without its user name and password, if it has them.
#[cfg(feature = "doctor")]
pub(crate) fn redacted_page(url: &str) -> String {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    match authority.contains('@') {
        true => redacted(url),
        false => url.to_owned(),
    }
}

/// Appends a mark for the query or fragment that begins with the first letter of `rest`.
fn marked(shown: &str, rest: &str) -> String {
    match rest.chars().next() {
        Some(begin) => format!("{shown}{begin}{HIDDEN}"),
        None => shown.to_owned(),
    }
}

/// Whether a text is only a name, an address or a pattern of names.
pub(super) fn is_host(text: &str) -> bool {
    let text = text
        .strip_prefix('[')
        .and_then(|text| text.strip_suffix(']'))
        .unwrap_or(text);
    !text.is_empty()
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-._:*".contains(&byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::site::Site;

    #[test]
    fn what_cannot_be_a_secret_is_shown() {
        for (text, shown) in [
            ("http://localhost:8080/purge", "http://localhost:8080/purge"),
            ("http://me:pw@[::1]/purge", "http://***@[::1]/purge"),
            ("http://me%3Apw@x/", "http://***@x/"),
            ("http://token@x", "http://***@x"),
            ("http://x/p?a=b#c", "http://x/p?***"),
            ("http://x/p#c", "http://x/p#***"),
            ("redis://me:pw@x/", "redis://***@x/"),
            ("sqlite:app.db?mode=rwc", "sqlite:app.db?***"),
            ("sqlite:///srv/app.db", "sqlite:///srv/app.db"),
            ("localhost/purge", "localhost/purge"),
            ("localhost:8080", "localhost:8080"),
            ("10.0.0.11:80/purge", "10.0.0.11:80/purge"),
            ("www.example.org/posts", "www.example.org/posts"),
            ("http://münchen.de", "http://münchen.de"),
            ("https://a;b", "https://a;b"),
        ] {
            assert_eq!(redacted(text), shown);
        }
        for text in [
            "host=h password=pw",
            "pw",
            "me:pw@x",
            "http://me:p/w@x/",
            "http://me:1/w@x/",
            "http://me:p#w@x/",
            "http://me:pw@x:port/",
            "http://x y/",
            "sqlserver://x;password=pw",
            "http://x;password=pw",
            "http://é:pw",
            "ftp://é",
            "mailto:pw",
            "me:pw",
            "localhost:pw",
            "www.example.org/a?token=pw",
            "www.example.org/;pw",
            "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
            "0123456789abcdef0123456789abcdef0.0123456789abcdef",
        ] {
            assert_eq!(redacted(text), HIDDEN, "{text}");
        }
        assert_eq!(redacted_site("*.example.org"), "*.example.org");
        assert_eq!(redacted_site("me:pw@example.org"), "***@example.org");
        assert_eq!(redacted_site("a b"), HIDDEN);
    }

    proptest! {
        /// Wherever a secret may be in what was meant as a URL, no message has it.
        #[test]
        fn no_message_shows_a_secret(
            scheme in "(https?|ftp|postgres|postgresql|mysql|redis|sqlite|unix|)",
            slashes in "(://|:/|:|//|)",
            before in r"[ -~é\n\t]{0,8}",
            after in r"[ -~é\n\t]{0,8}",
            place in 0..6_usize,
        ) {
            // Upper case, so that it cannot be a part of anything else.
            const SECRET: &str = "SEKRET";
            let text = match place {
                0 => format!("{scheme}{slashes}{before}{SECRET}{after}@host:80/path"),
                1 => format!("{scheme}{slashes}user:{before}{SECRET}{after}@host/path"),
                2 => format!("{scheme}{slashes}host/path?{before}{SECRET}{after}"),
                3 => format!("{scheme}{slashes}host/path#{before}{SECRET}{after}"),
                4 => format!("host=h user=u password={before}{SECRET}{after}"),
                _ => format!("{scheme}{slashes}user:{before}{SECRET}{after}@host:port/path"),
            };
            let mut messages = vec![redacted(&text), redacted_site(&text)];
            messages.extend(text.parse::<Site>().err().map(|error| error.to_string()));
            let nginx = crate::Nginx::new().node(&text);
            messages.push(match &nginx {
                Ok(nginx) => format!("{nginx:?}"),
                Err(error) => format!("{error} {error:?}"),
            });
            let builder = crate::Roan::builder().site(&text).named_site("a", &text);
            messages.push(format!("{builder:?}"));
            messages.extend(builder.build().err().map(|error| format!("{error} {error:?}")));
            let config = crate::config::Config {
                site: Some(text.clone()),
                sites: [("a".to_owned(), text.clone())].into(),
                ..Default::default()
            };
            messages.push(format!("{config:?}"));
            messages.extend(config.builder().err().map(|error| format!("{error} {error:?}")));
            #[cfg(feature = "_sql")]
            messages.push(match crate::outbox::Outbox::at(&text) {
                Ok(outbox) => format!("{outbox:?}"),
                Err(error) => format!("{error} {error:?}"),
            });
            for message in messages {
                let message = message.to_ascii_uppercase();
                prop_assert!(!message.contains(SECRET), "{text:?}: {message}");
            }
        }
    }
}
