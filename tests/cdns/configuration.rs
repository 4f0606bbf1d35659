//! What a configuration must have.

use roan::purger::{Capabilities, LifetimeHeader, Mode, TagHeader};
use roan::{Cache, Roan, TargetKind};

use crate::support::{cloudflare, cloudfront, fastly};

fn message(cache: impl Into<Cache>, sites: &[&str]) -> Option<String> {
    let mut builder = Roan::builder().cache(cache);
    for (number, site) in sites.iter().enumerate() {
        builder = match number {
            0 => builder.site(*site),
            _ => builder.named_site(format!("site {number}"), *site),
        };
    }
    builder.build().err().map(|error| error.to_string())
}

#[test]
fn a_site_is_needed_where_urls_are_purged_with_it() {
    let (whole, bare) = ("https://www.example.org", "www.example.org");
    let (one, two, three) = (cloudflare(), fastly(), cloudfront());
    assert_eq!(message(one.cache.clone(), &[whole]), None);
    assert_eq!(message(two.cache.clone(), &[bare]), None);
    assert_eq!(message(three.cache, &[]), None);
    let error = message(one.cache.clone(), &[bare]).unwrap();
    assert!(
        error.contains("\"www.example.org\" has no scheme, and the cache \"cloudflare\""),
        "{error}"
    );
    let error = message(one.cache.clone(), &[whole, bare]).unwrap();
    assert!(error.contains("has no scheme"), "{error}");
    for error in [message(one.cache, &[]), message(two.cache, &[])] {
        let error = error.unwrap();
        assert!(
            error.contains("is not set") && error.contains("write `https://www.example.org`"),
            "{error}"
        );
    }
}

#[test]
fn what_each_can_is_data() {
    let (one, two, three) = (cloudflare(), fastly(), cloudfront());
    let kinds = |cache: &Cache| {
        let all = [
            TargetKind::Url,
            TargetKind::Tag,
            TargetKind::Prefix,
            TargetKind::Host,
            TargetKind::Everything,
        ];
        let can: &Capabilities = cache.capabilities();
        all.map(|kind| can.can_purge(kind))
    };
    let batch = |cache: &Cache, kind| cache.capabilities().limits(kind).unwrap().batch_size();
    let cloudflare: Cache = one.cache.into();
    assert_eq!(kinds(&cloudflare), [true; 5]);
    assert_eq!(batch(&cloudflare, TargetKind::Tag), 100);
    let fastly: Cache = two.cache.clone().into();
    assert_eq!(kinds(&fastly), [true, true, false, false, true]);
    assert_eq!(batch(&fastly, TargetKind::Tag), 256);
    assert_eq!(fastly.capabilities().mode(), Mode::Hard);
    assert_eq!(
        Cache::from(two.cache.soft()).capabilities().mode(),
        Mode::Soft
    );
    let cloudfront: Cache = three.cache.into();
    assert_eq!(kinds(&cloudfront), [true; 5]);
    let without_tags = roan::purger::cloudfront::CloudFront::distribution("E1").unwrap();
    assert_eq!(kinds(&without_tags.into()), [true, false, true, true, true]);
    let _headers = (TagHeader::cache_tag(), LifetimeHeader::CdnCacheControl);
}
