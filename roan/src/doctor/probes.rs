//! What is looked at besides the page itself.

use std::net::IpAddr;

use super::blame::{FOR_CACHES_ALONE, directives, is_past};
use super::finding::{Fault, Mend, Place};
use super::mend;
use super::patient::{Patient, Trial};
use super::report::Report;
use super::visit::{Seen, own_address};
use crate::base::outcome::{Failure, Outcome};
use crate::base::target::Target;
use crate::purger::Mode;
use crate::purger::access::Software;

/// Endings for which sites often have a location by a regular expression.
const ENDINGS: [&str; 12] = [
    "html", "php", "css", "js", "json", "xml", "txt", "jpg", "png", "svg", "pdf", "webp",
];

impl Patient {
    /// Purges of URLs with an ending must reach the purge location, too.
    pub(super) async fn look_for_shadows(&self, nonce: &str, report: &mut Report) {
        let named = async |url: &str| {
            let asked = self.visitor.ask_to_purge(url, self.site.authority(), None);
            Some(asked.await?.ok()?.key().is_some())
        };
        if named(&format!("/roan-doctor-{nonce}")).await != Some(true) {
            return;
        }
        let mut shadowed = Vec::new();
        for ending in ENDINGS {
            if named(&format!("/roan-doctor-{nonce}.{ending}")).await == Some(false) {
                shadowed.push(format!(".{ending}"));
            }
        }
        if shadowed.is_empty() {
            report.pass(
                &self.name,
                "no regular expression takes purges from the purge location",
            );
            return;
        }
        let path = self.path();
        report.findings.push(self.finding(
            Fault::Shadowed,
            format!(
                "a purge of /roan-doctor-{nonce} reaches the purge location, and those with the endings {} do not",
                shadowed.join(", ")
            ),
            format!(
                "a location with a regular expression (`location ~ ...`) takes them: nginx prefers it to `location {path}/`, but \
                 not to `location ^~ {path}/`"
            ),
            mend::purge_location(path),
        ));
    }

    /// The purge location must not answer strangers.
    pub(super) async fn look_for_open_door(
        &self,
        from: Option<IpAddr>,
        nonce: &str,
        report: &mut Report,
    ) {
        let from = match from {
            Some(from) => from,
            None if !self.visitor.is_on_loopback() => {
                report.unknown(
                    &self.name,
                    "whether its purge location is open to the world: this machine may use it. Run `roan doctor` on a machine that may not, \
                     or name an address of this machine that may not by --from",
                );
                return;
            }
            None => match own_address() {
                Some(own) => own,
                None => {
                    report.unknown(
                        &self.name,
                        "whether its purge location is open to the world: this machine has no other address than loopback to ask from",
                    );
                    return;
                }
            },
        };
        let url = format!("/roan-doctor-{nonce}");
        let asked = self
            .visitor
            .ask_to_purge(&url, self.site.authority(), Some(from))
            .await;
        match asked {
            None => {}
            Some(Err(failure)) => report.unknown(
                &self.name,
                format_args!("whether its purge location is open to the world: no connection from {from} ({failure})"),
            ),
            Some(Ok(seen)) if seen.key().is_none() || matches!(seen.status, 401 | 403) => {
                report.pass(&self.name, format!("the purge location does not answer {from}, which is not loopback"));
            }
            Some(Ok(seen)) => report.findings.push(self.finding(
                Fault::Open,
                format!("a purge from {from} without credentials was answered with status {} and the key", seen.status),
                "whoever reaches nginx can purge its pages, and fill its keys zone with keys that do not exist. Admit the servers \
                 that the app runs on. (If this address is one of them, name one that is not by --from.)",
                mend::purge_location(self.path()),
            )),
        }
    }

    /// Whether the answer for a page that is not there is kept.
    pub(super) async fn look_for_missing(
        &self,
        nonce: &str,
        report: &mut Report,
    ) -> Result<(), Failure> {
        let Ok(page) = Target::url(format!("/roan-doctor-{nonce}/missing")) else {
            return Ok(());
        };
        let seen = match self.warm(&page, &[]).await? {
            Ok(seen) | Err(seen) => seen,
        };
        // nginx adds a header to a 404 only with `always`, so the purge shows whether there was an entry; and none shall stay.
        // An answer that shows it counts more: Varnish has entries for what it does not store, too.
        let purged = self.purge(&page).await.outcome == Outcome::Purged;
        let had_entry = purged && self.mode == Mode::Hard && seen.state().is_none();
        if seen.status != 404 {
            report.unknown(
                &self.name,
                format_args!(
                    "whether a 404 is cached: a page that is not there is answered with {}",
                    seen.told()
                ),
            );
        } else if seen.is_cached() || had_entry {
            report.findings.push(self.finding(
                Fault::CachedMissing,
                format!("{page} does not exist, and its 404 was in the cache"),
                "a new page is not seen until its URL is purged: rules must fire on `create` (or `save`), too. Visitors can fill the \
                 cache with pages that do not exist. Or do not cache them",
                match self.is_nginx() {
                    true => mend::page_location("proxy_cache_valid 200 1y;"),
                    false => vec![Mend::new(Place::App, "Cache-Control: no-store")],
                },
            ));
        } else {
            report.pass(&self.name, "a 404 is not cached");
        }
        Ok(())
    }

    /// Each variant of a page must go.
    pub(super) async fn look_for_variants(
        &self,
        page: &Target,
        seen: &Seen,
        report: &mut Report,
    ) -> Result<(), Failure> {
        let Some(vary) = seen.header("vary") else {
            report.pass(&self.name, "the page has one variant (no Vary)");
            return Ok(());
        };
        let mut several = false;
        for name in vary.split(',').map(str::trim).take(4) {
            let name = name.to_ascii_lowercase();
            let (one, other) = match &*name {
                "*" | "cookie" | "authorization" | "" => continue,
                "accept-encoding" => ("identity", "gzip"),
                "accept-language" => ("en", "de"),
                "accept" => ("text/html", "application/json"),
                _ => ("roan-doctor-1", "roan-doctor-2"),
            };
            let (one, other) = ([(&*name, one)], [(&*name, other)]);
            let _ = self.purge(page).await;
            if self.warm(page, &one).await?.is_err() {
                continue;
            }
            // One entry for both is in the cache already.
            let first = self.visitor.get(page, &other).await?;
            if first.is_cached() || self.warm(page, &other).await?.is_err() {
                continue;
            }
            several = true;
            let _ = self.purge(page).await;
            let one_after = self.visitor.get(page, &one).await?;
            let other_after = self.visitor.get(page, &other).await?;
            if one_after.is_cached() || other_after.is_cached() {
                let mends = if name == "accept-encoding" && self.software() == Software::Squid {
                    vec![Mend::new(
                        Place::SquidConf,
                        "request_header_access Accept-Encoding deny all",
                    )]
                } else if name == "accept-encoding" && self.is_nginx() {
                    mend::one_variant()
                } else if name == "accept-encoding" {
                    Vec::new()
                } else {
                    vec![Mend::new(Place::App, "Vary: Accept-Encoding")]
                };
                report.findings.push(self.finding(
                    Fault::VariantLeft,
                    format!(
                        "the page was cached for `{name}: {}` and for `{name}: {}`. After the purge, the first: {}; the second: {}",
                        one[0].1,
                        other[0].1,
                        one_after.told(),
                        other_after.told()
                    ),
                    "a purge removes one variant of a page, and the others come back stale. So store one variant only; a page that \
                     differs between visitors needs a URL for each variant, or must not be cached",
                    mends,
                ));
                return Ok(());
            }
        }
        let what = if several {
            "a purge removes all variants"
        } else {
            "the page has one variant in the cache"
        };
        report.pass(&self.name, format!("{what} (Vary: {vary})"));
        Ok(())
    }

    /// No purge reaches what a browser keeps.
    pub(super) fn look_at_browsers(&self, seen: &Seen, report: &mut Report) {
        let mend = || match self.is_nginx() {
            true => mend::page_location(
                "proxy_hide_header Cache-Control;\n\
                 proxy_hide_header Expires;\n\
                 add_header Cache-Control \"no-cache\";  # browsers ask each time; nginx answers",
            ),
            false => vec![Mend::new(Place::App, FOR_CACHES_ALONE)],
        };
        let value = seen.header("cache-control");
        let all = value.as_deref().map(directives).unwrap_or_default();
        let has = |name: &str| all.iter().any(|(known, _)| known == name);
        let max_age = all.iter().find_map(|(name, value)| {
            (name == "max-age").then(|| value.trim_matches('"').parse::<u64>().unwrap_or(0))
        });
        let shown = value
            .as_deref()
            .map_or("no Cache-Control".to_owned(), |value| {
                format!("`Cache-Control: {value}`")
            });
        if has("no-cache") || has("no-store") || max_age == Some(0) {
            report.pass(
                &self.name,
                format!("browsers ask for the page each time ({shown})"),
            );
            return;
        }
        if let Some(seconds) = max_age {
            report.findings.push(self.finding(
                Fault::BrowserKeeps,
                shown,
                format!("browsers keep the page for {seconds} s, and no purge reaches them"),
                mend(),
            ));
            return;
        }
        if seen.header("expires").is_some_and(|date| is_past(&date)) {
            report.pass(
                &self.name,
                "browsers ask for the page each time (Expires is over)",
            );
            return;
        }
        if seen.header("expires").is_some() {
            report.findings.push(self.finding(
                Fault::BrowserKeeps,
                format!(
                    "{shown}, `Expires: {}`",
                    seen.header("expires").unwrap_or_default()
                ),
                "browsers keep the page until then, and no purge reaches them",
                mend(),
            ));
            return;
        }
        if let Some(date) = seen.header("last-modified") {
            report.findings.push(self.finding(
                Fault::BrowserKeeps,
                format!("{shown} for browsers, and `Last-Modified: {date}`"),
                "browsers then guess how long to keep the page, mostly a tenth of its age (RFC 9111, section 4.2.2), and no purge \
                 reaches them",
                mend(),
            ));
            return;
        }
        report.pass(
            &self.name,
            format!("browsers do not keep the page ({shown}, no Last-Modified to guess from)"),
        );
    }

    /// The spellings of the page, each of which must be purged as it is.
    pub(super) async fn look_at_spellings(
        &self,
        page: &Target,
        nonce: &str,
        report: &mut Report,
    ) -> Result<(), Failure> {
        let path = page.as_str().split('?').next().unwrap_or("/");
        let query = format!("{path}?roan-doctor=caf%C3%A9-{nonce}");
        let spellings = [
            (Some(query), "a URL with a query", Fault::KeyQuery),
            (encoded(path), "an encoded URL", Fault::KeyEncoding),
            (
                Some(format!("/{path}")),
                "a URL with two slashes",
                Fault::KeyEncoding,
            ),
        ];
        for (url, what, fault) in spellings {
            let Some(url) = url.and_then(|url| Target::url(url).ok()) else {
                continue;
            };
            match self.trial(&url).await? {
                Trial::Evicted(_) => report.pass(&self.name, format!("{what} is purged: {url}")),
                Trial::NotServed(seen) | Trial::NeverCached(seen) => report.unknown(
                    &self.name,
                    format_args!(
                        "whether {what} is purged: {url} is not cached ({})",
                        seen.told()
                    ),
                ),
                Trial::Unanswered(failure) => {
                    report.unknown(
                        &self.name,
                        format_args!("whether {what} is purged: {failure}"),
                    );
                }
                Trial::Stays { answer, after } => {
                    let asked = self
                        .visitor
                        .ask_to_purge(url.as_str(), self.site.authority(), None)
                        .await;
                    let key = match asked {
                        Some(Ok(reply)) => reply.key(),
                        _ => None,
                    };
                    let named = key.map_or_else(String::new, |key| format!(" for the key {key:?}"));
                    let why = match fault {
                        _ if !self.is_nginx() => {
                            "the plain page is purged, and in another spelling it is not: this cache has another key for that \
                             spelling than its purges have"
                        }
                        Fault::KeyQuery => {
                            "the plain page is purged, and with a query it is not: the purge location drops the query (`$1` of a \
                             location and `$uri` have none). Build the key from `$request_uri`"
                        }
                        _ => {
                            "the plain page is purged, and in another spelling it is not: nginx decodes `$1` of a location and `$uri`, \
                             and merges slashes there, but not in `$request_uri`, which the page's key has"
                        }
                    };
                    report.findings.push(self.finding(
                        fault,
                        format!(
                            "the purge of {url} was answered \"{}\"{named}, and then the page: {}",
                            answer.outcome,
                            after.told()
                        ),
                        why,
                        match self.is_nginx() {
                            true => mend::purge_location(self.path()),
                            false => Vec::new(),
                        },
                    ));
                }
            }
        }
        Ok(())
    }
}

/// The path with one letter as an escape, which means the same (RFC 3986, section 6.2.2.2) and is another key.
fn encoded(path: &str) -> Option<String> {
    let at = path.rfind(|letter: char| letter.is_ascii_alphanumeric())?;
    let before = &path.as_bytes()[..at];
    // Not the digit of an escape.
    if before.ends_with(b"%") || at >= 2 && before[at - 2] == b'%' {
        return None;
    }
    let letter = path.as_bytes()[at];
    Some(format!("{}%{letter:02X}{}", &path[..at], &path[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::encoded;

    #[test]
    fn one_letter_is_encoded_and_no_escape_is_broken() {
        assert_eq!(encoded("/posts").as_deref(), Some("/post%73"));
        assert_eq!(encoded("/posts/").as_deref(), Some("/post%73/"));
        assert_eq!(encoded("/caf%C3%A9"), None);
        assert_eq!(encoded("/"), None);
    }
}
