//! Caches whose API is known. None of them can be had by the tests, which run against a stand-in that takes the documented
//! requests only.

use super::{HttpPurger, RequestTemplate};
use crate::base::target::TargetKind;
use crate::error::ConfigError;
use crate::purger::{Limits, TagHeader};

impl HttpPurger {
    /// [Souin], and the cache handler of Caddy that is made of it. `url` is that of its API, such as
    /// `http://10.0.0.11/souin-api/souin`. **Tested against a stand-in**, made from its documents and source.
    ///
    /// | target | request |
    /// |---|---|
    /// | tags | `PURGE` with `Surrogate-Key: a, b`, 100 at a time |
    /// | URL | `PURGE /GET-https-www.example.org-/posts/hello`, the default key of a page |
    /// | everything | `PURGE /flush` |
    ///
    /// Souin answers 204 whether it had the page or not. Its key has the decoded path, which a request cannot name, so a URL
    /// with an escape in its path (`/caf%C3%A9`) is refused: give such pages a tag. The scheme of the key is that of Souin's own
    /// port, and must be the site's.
    ///
    /// Some versions look tags up by a regular expression without anchors, so that a purge of `post-1` also [removes the index
    /// of `post-10`](https://github.com/api-platform/components-web-app/issues/84), whose pages then cannot be purged. Use tags
    /// of which none is a part of another one, or a version without that fault.
    ///
    /// # Errors
    ///
    /// As [`HttpPurger::node`].
    ///
    /// [Souin]: https://github.com/darkweak/souin#souin-api
    pub fn souin(url: &str) -> Result<Self, ConfigError> {
        const HEADER: http::HeaderName = http::HeaderName::from_static("surrogate-key");
        let tags = RequestTemplate::new("PURGE", "")?.header("Surrogate-Key", "{tags,}")?;
        let page = RequestTemplate::new("PURGE", "/GET-{scheme}-{host}-{path}")?.unfit(|url| {
            let (path, query) = url.split_once('?').unwrap_or((url, "-"));
            let is_unfit = path.contains('%') || query.is_empty();
            is_unfit.then_some(
                "Souin's key has the decoded URL, which a purge cannot name: give the page a tag, and purge that",
            )
        });
        let souin = Self::at(url)?
            .name("souin")
            .purges(TargetKind::Tag, tags.purged([200, 204]))
            .purges(TargetKind::Url, page.purged([200, 204]))
            .purges(
                TargetKind::Everything,
                RequestTemplate::new("PURGE", "/flush")?.purged([200, 204]),
            )
            .limits([TargetKind::Tag], Limits::new().batch(100))
            .tag_header(TagHeader::cache_tag().named(HEADER));
        Ok(souin)
    }

    /// A proxy made with [Pingora], with the usual `PURGE` of a page's URL: `PURGE /posts/hello` with the `Host` of the site,
    /// answered by 200 or 404. **Tested against a stand-in**, made from the source of Pingora.
    ///
    /// The proxy decides what a purge does. If it expires the page (`PurgeAction::Expire`), set
    /// [`mode(Mode::Soft)`](Self::mode).
    ///
    /// # Errors
    ///
    /// As [`HttpPurger::node`].
    ///
    /// [Pingora]: https://docs.rs/pingora-proxy/latest/pingora_proxy/trait.ProxyHttp.html#method.is_purge
    pub fn pingora(url: &str) -> Result<Self, ConfigError> {
        let page = RequestTemplate::new("PURGE", "{path}")?.header("Host", "{host}")?;
        let page = page.purged([200, 204]);
        Ok(Self::at(url)?.name("pingora").purges(TargetKind::Url, page))
    }

    /// A cache with the API of the Internet-Draft [draft-nottingham-http-invalidation-01], which expired in February 2024.
    /// `url` is that of its *invalidation resource*. **Tested against a stand-in**, made from the draft.
    ///
    /// Each request is a `POST` of JSON, of up to 100 targets: `{"type": "uri", "selectors": [...]}`, and `uri-prefix`,
    /// `origin`, or `group` with `groups`. Tags are the groups of RFC 9875 (`Cache-Groups`).
    ///
    /// 200 means that the pages are gone. 202 means that they will be: the purge counts as done, and the rebound purges them
    /// again. 501 means that the cache does not support that kind of target: the purge is refused.
    ///
    /// # Errors
    ///
    /// As [`HttpPurger::node`].
    ///
    /// [draft-nottingham-http-invalidation-01]: https://datatracker.ietf.org/doc/html/draft-nottingham-http-invalidation-01
    pub fn http_invalidation(url: &str) -> Result<Self, ConfigError> {
        let by = |body: &str| {
            let request = RequestTemplate::new("POST", "")?.json(body)?;
            Ok::<_, ConfigError>(request.purged([200, 202]).not_cached([]).refused([501]))
        };
        let origin = "{scheme}://{hostname}:{port}";
        let cache = Self::at(url)?
            .name("http-invalidation")
            .purges(TargetKind::Url, by(r#"{"type":"uri","selectors":{urls}}"#)?)
            .purges(
                TargetKind::Prefix,
                by(r#"{"type":"uri-prefix","selectors":{urls}}"#)?,
            )
            .purges(
                TargetKind::Host,
                by(&format!(r#"{{"type":"origin","selectors":["{origin}"]}}"#))?,
            )
            .purges(
                TargetKind::Tag,
                by(&format!(
                    r#"{{"type":"group","selectors":["{origin}"],"groups":{{tags}}}}"#
                ))?,
            )
            .limits([TargetKind::Url], Limits::new().batch(100))
            .limits([TargetKind::Prefix], Limits::new().batch(100))
            .limits([TargetKind::Tag], Limits::new().batch(100))
            .tag_header(TagHeader::cache_groups());
        Ok(cache)
    }

    /// The CDN [Bunny]. `url` is `https://api.bunny.net`, which needs the feature `rustls`, and `pull_zone` the id of the pull
    /// zone. Add the key of the account by [`header_from_env("AccessKey", ...)`](Self::header_from_env). **Tested against a
    /// stand-in**, made from its documents.
    ///
    /// | target | request | limit |
    /// |---|---|---|
    /// | URL | `POST /purge?url=...&exactPath=true` | 5 a second, 120 at once |
    /// | prefix | `POST /purge?url=...`, of a URL that ends with `/` | 1 in 2 seconds, 20 at once |
    /// | tag | `POST /pullzone/{id}/purgeCache` with `{"CacheTag": ...}` | as URLs |
    /// | everything | the same without a body: the pull zone | as prefixes |
    ///
    /// A URL with `*` is refused, because Bunny would take it for a wildcard. `exactPath` has an effect only in a pull zone
    /// that does not ignore query strings; in another one the purge of a URL that ends with `/` purges the pages below it, too.
    ///
    /// # Errors
    ///
    /// As [`HttpPurger::node`].
    ///
    /// [Bunny]: https://docs.bunny.net/reference/purgepublic_indexpost
    pub fn bunny(url: &str, pull_zone: u64) -> Result<Self, ConfigError> {
        const HEADER: http::HeaderName = http::HeaderName::from_static("cdn-tag");
        let wildcard: fn(&str) -> Option<&'static str> = |url| {
            let why = "Bunny would take `*` for a wildcard, and purge other pages: write `%2A` in the links of the site";
            url.contains('*').then_some(why)
        };
        let zone = format!("/pullzone/{pull_zone}/purgeCache");
        let page = RequestTemplate::new("POST", "/purge?url={url}&exactPath=true")?.unfit(wildcard);
        let prefix = RequestTemplate::new("POST", "/purge?url={url}")?.unfit(wildcard);
        let tag = RequestTemplate::new("POST", &zone)?.json(r#"{"CacheTag":{tag}}"#)?;
        let all = RequestTemplate::new("POST", &zone)?;
        // 404 is an unknown pull zone.
        let done = |request: RequestTemplate| request.purged([200, 204]).not_cached([]);
        let bunny = Self::at(url)?
            .name("bunny")
            .purges(TargetKind::Url, done(page))
            .purges(TargetKind::Prefix, done(prefix))
            .purges(TargetKind::Tag, done(tag))
            .purges(TargetKind::Everything, done(all))
            .limits(
                [TargetKind::Url, TargetKind::Tag],
                Limits::new().rate(5.0).burst(120),
            )
            .limits(
                [TargetKind::Prefix, TargetKind::Everything],
                Limits::new().rate(0.5).burst(20),
            )
            // Together 1,024 bytes.
            .tag_header(TagHeader::cache_tag().named(HEADER).limits(63, 16));
        Ok(bunny)
    }
}
