//! Where a page is among the folders of its site.

use super::canonical;

/// The most folders of a page by which a purge of one is noted. Visitors choose URLs, so there is a most.
const DEEPEST: usize = 32;

/// The path in one spelling, with a slash at its end if it has one: where a page is among the folders.
pub(crate) fn location(url: &str) -> String {
    let mut location = canonical::path(url);
    let path = url.split('?').next().unwrap_or_default();
    if path.ends_with('/') && !location.ends_with('/') {
        location.push('/');
    }
    location
}

/// Whether a page is below a folder, which is a location that ends with a slash, or empty for all pages.
pub(crate) fn is_below(url: &str, folder: &str) -> bool {
    let path = url.split('?').next().unwrap_or_default();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    if path.bytes().all(is_plain) && !path.contains("//") {
        // It is its own location.
        path.starts_with(folder)
    } else {
        location(url).starts_with(folder)
    }
}

/// The folders that are around a location, or are it, from the outermost and without the root: up to 32 of them.
pub(crate) fn folders(location: &str) -> impl Iterator<Item = &str> {
    let slashes = location.match_indices('/').skip(1).take(DEEPEST);
    slashes.map(|(at, _)| &location[..=at])
}
