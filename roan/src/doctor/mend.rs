//! The lines that mend a configuration of nginx. `roan nginx-conf` prints them as a whole file.

use super::finding::{Mend, Place};

/// A purge location whose key is the page's own, byte for byte. `path` is that of the purge URL.
pub(super) fn purge_location(path: &str) -> Vec<Mend> {
    let path = if path.is_empty() { "/purge" } else { path };
    let pattern = pattern(path);
    vec![
        Mend::new(
            Place::Http,
            format!(
                "map $request_uri $roan_purge_uri {{ default \"\"; \"~^{pattern}(?<roan_rest>/.*)$\" $roan_rest; }}"
            ),
        ),
        Mend::new(
            Place::PageLocation,
            "proxy_cache_key \"$host$request_uri\";  # the zone of proxy_cache is that of proxy_cache_purge",
        ),
        Mend::new(
            Place::PurgeLocation,
            format!(
                "location ^~ {path}/ {{\n    \
                     allow 127.0.0.1;  # the servers that the app runs on\n    \
                     allow ::1;\n    \
                     deny all;\n    \
                     proxy_cache_purge pages \"$host$roan_purge_uri\";  # the zone of proxy_cache\n    \
                     add_header X-Roan-Purge \"$host$roan_purge_uri\" always;\n\
                 }}"
            ),
        ),
    ]
}

/// A path as a regular expression of nginx.
fn pattern(path: &str) -> String {
    let mut pattern = String::new();
    for letter in path.chars() {
        if !(letter.is_ascii_alphanumeric() || "/-_".contains(letter)) {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern
}

pub(super) fn page_location(lines: &str) -> Vec<Mend> {
    vec![Mend::new(Place::PageLocation, lines)]
}

/// One variant of each page: nginx compresses.
pub(super) fn one_variant() -> Vec<Mend> {
    page_location(
        "proxy_set_header Accept-Encoding \"\";  # the app sends one variant\n\
         proxy_ignore_headers Vary;             # only where pages vary by their compression alone\n\
         gzip on;                               # and nginx compresses it\n\
         gzip_vary on;",
    )
}

/// The module, on Debian and Ubuntu.
pub(super) fn module() -> Mend {
    Mend::new(
        Place::Shell,
        "apt install libnginx-mod-http-cache-purge && nginx -t && nginx -s reload",
    )
}
