//! Which URLs, prefixes and tags can be purged.
//!
//! `roan` uses this file to check rendered templates, `roan-macros` to check the templates themselves. One file is a link to
//! the other, because neither crate may depend on the other.

/// The longest URL, prefix or tag, in bytes.
pub(crate) const MAX_LEN: usize = 16 * 1024;

/// Why a text is not a URL or not a tag. Places are in bytes from the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    /// It does not begin with `/`.
    NoLeadingSlash,
    /// A browser would percent-encode it, or cut the URL there; in a tag, a template would encode it in a value.
    Character { found: char, at: usize },
    /// A `%` without two hexadecimal digits after it.
    Escape { at: usize },
    /// A segment `.` or `..`, which clients resolve before they send a request.
    DotSegment,
    /// A server that decodes it may resolve it to a path outside of the purge location.
    Climbs,
    /// A tag without a character.
    EmptyTag,
    /// A prefix that is the root, and so all of the site.
    Root,
    /// A prefix with a query.
    Query,
    /// A prefix without a slash at its end: `/docs/v1` is also the beginning of `/docs/v10`.
    NoTrailingSlash,
    /// A prefix with a segment that is not the name of a folder, at least once a server has decoded it.
    NoFolder,
    /// Longer than [`MAX_LEN`].
    TooLong,
}

/// Accepts exactly the URLs that the URL parser of browsers (and of reqwest) leaves unchanged:
/// <https://url.spec.whatwg.org/#path-percent-encode-set> and the set of the query next to it.
pub(crate) fn check_url(url: &str) -> Result<(), Flaw> {
    if !url.starts_with('/') {
        return Err(Flaw::NoLeadingSlash);
    }
    let mut in_query = false;
    for (at, found) in url.char_indices() {
        let stays = match found {
            '?' => {
                in_query = true;
                true
            }
            '%' => {
                if !is_escape(url, at) {
                    return Err(Flaw::Escape { at });
                }
                true
            }
            '"' | '#' | '<' | '>' => false,
            '\'' => !in_query,
            '\\' | '^' | '`' | '{' | '}' => in_query,
            other => other.is_ascii_graphic(),
        };
        if !stays {
            return Err(Flaw::Character { found, at });
        }
    }
    check_rendered_url(url)
}

/// The rest of [`check_url`], for a URL whose literal pieces were checked before and whose values were encoded.
pub(crate) fn check_rendered_url(url: &str) -> Result<(), Flaw> {
    if url.len() > MAX_LEN {
        return Err(Flaw::TooLong);
    }
    let path = url.find('?').map_or(url, |query| &url[..query]);
    // Almost all paths end here. An encoded dot is `%2E`, or has the `%25` of another encoding.
    let may_have_dots = |pair: &[u8]| matches!(pair, b"/." | b".." | b"%2");
    if !path.as_bytes().windows(2).any(may_have_dots) {
        return Ok(());
    }
    if path.split('/').any(is_dot_segment) {
        return Err(Flaw::DotSegment);
    }
    let may_hide_dots = |three: &[u8]| {
        let encoded =
            three[0] == b'%' && three[1] == b'2' && matches!(three[2], b'e' | b'E' | b'5');
        encoded || three.starts_with(b"..") || three.ends_with(b"..")
    };
    if path.as_bytes().windows(3).any(may_hide_dots) && climbs(path) {
        return Err(Flaw::Climbs);
    }
    Ok(())
}

/// Accepts the URL of a folder below the root, which means the same folder to every server: to those that merge slashes,
/// and to those that decode a segment before they resolve it.
pub(crate) fn check_prefix(prefix: &str) -> Result<(), Flaw> {
    check_url(prefix)?;
    if prefix.contains('?') {
        return Err(Flaw::Query);
    }
    if prefix == "/" {
        return Err(Flaw::Root);
    }
    let folders = prefix[1..].strip_suffix('/').ok_or(Flaw::NoTrailingSlash)?;
    if folders.split('/').all(names_folder) {
        Ok(())
    } else {
        Err(Flaw::NoFolder)
    }
}

/// Whether each server sees at least one name in the segment, and no `..`.
fn names_folder(segment: &str) -> bool {
    let mut is_named = false;
    for piece in decoded(segment).split(|byte| matches!(byte, b'/' | b'\\')) {
        let end = piece.iter().position(|byte| *byte == b';');
        match &piece[..end.unwrap_or(piece.len())] {
            b"." | b".." => return false,
            b"" => {}
            _ => is_named = true,
        }
    }
    is_named
}

/// Accepts what a template yields: the characters that stay in a value, escapes, and the separators that a template may
/// have between values. Any other text is on no page, or not for long: a value has the character encoded.
pub(crate) fn check_tag(tag: &str) -> Result<(), Flaw> {
    if tag.len() > MAX_LEN {
        return Err(Flaw::TooLong);
    }
    if tag.is_empty() {
        return Err(Flaw::EmptyTag);
    }
    for (at, found) in tag.char_indices() {
        match found {
            '-' | '.' | '_' | '~' | ':' | '/' | '=' => {}
            '%' if is_escape(tag, at) => {}
            '%' => return Err(Flaw::Escape { at }),
            other if other.is_ascii_alphanumeric() => {}
            found => return Err(Flaw::Character { found, at }),
        }
    }
    Ok(())
}

/// Whether two hexadecimal digits follow the `%` at this place.
fn is_escape(text: &str, at: usize) -> bool {
    let digits = text.as_bytes().get(at + 1..at + 3);
    digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
}

fn is_dot_segment(segment: &str) -> bool {
    let after_dot = |text: &'_ str| -> Option<usize> {
        if text.starts_with('.') {
            Some(1)
        } else if text.len() >= 3 && text.as_bytes()[..3].eq_ignore_ascii_case(b"%2e") {
            Some(3)
        } else {
            None
        }
    };
    let Some(first) = after_dot(segment) else {
        return false;
    };
    let rest = &segment[first..];
    rest.is_empty() || after_dot(rest) == Some(rest.len())
}

/// Whether some server on the way can take the path for one above its own root, and so above the purge
/// location that it is sent below. nginx decodes `%2F` and resolves `..` then, before it picks a location.
///
/// Servers decode once, twice, or only some characters; a backslash separates for some; and some cut off what
/// follows a `;`. So each `..` that any of them can see counts, and a name only where all of them see one: once
/// for each `/` or `..` before it, and not behind a `;`. A text such as `a/../b` in one segment stays below.
fn climbs(path: &str) -> bool {
    let mut depth = 0_usize;
    for segment in path.split('/') {
        let (mut is_named, mut is_cut) = (false, false);
        for piece in decoded(segment).split(|byte| matches!(byte, b'/' | b'\\')) {
            let end = piece.iter().position(|byte| *byte == b';');
            match &piece[..end.unwrap_or(piece.len())] {
                b"" | b"." => {}
                b".." => {
                    let Some(above) = depth.checked_sub(1) else {
                        return true;
                    };
                    depth = above;
                    is_named = false;
                }
                _ if is_named || is_cut => {}
                _ => {
                    depth += 1;
                    is_named = true;
                }
            }
            is_cut |= end.is_some();
        }
    }
    false
}

/// `text`, percent-decoded until it does not change any more.
fn decoded(text: &str) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let mut decoded = Vec::with_capacity(text.len());
    for byte in text.bytes() {
        decoded.push(byte);
        // A decoded byte may be the last one of an escape, which then began as an encoded `%`.
        while let [.., b'%', high, low] = decoded[..] {
            let (Some(high), Some(low)) = (digit(high), digit(low)) else {
                break;
            };
            decoded.truncate(decoded.len() - 3);
            decoded.extend(u8::try_from(high * 16 + low));
        }
    }
    decoded
}
