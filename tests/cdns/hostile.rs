//! No value of a row escapes from its place in a path, a header, a JSON body or XML: each stand-in has purged just what was
//! asked for.

use std::collections::BTreeSet;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use proptest::prelude::*;
use roan::{Target, TargetKind, encode};
use roan_tests::stand_ins::Purged;

use crate::support::{HOST, SHOP, cloudflare, cloudfront, fastly, flush, roan};

/// Targets of values of rows, and of texts that a program writes itself.
fn target() -> impl Strategy<Value = Target> {
    let value = any::<String>();
    let at = |target: Target, shop: bool| if shop { target.at_site("shop") } else { target };
    let of_value = (value, 0..4_usize, any::<bool>()).prop_filter_map(
        "not a target",
        move |(value, kind, shop)| {
            let segment = encode::path_segment(&value);
            let target = match kind {
                0 => Target::url(format!("/posts/{segment}")),
                1 => Target::url(format!("/search?q={}", encode::query_value(&value))),
                2 => Target::tag(format!("tag-{segment}")),
                _ => Target::prefix(format!("/docs/{segment}/")),
            };
            target.ok().map(|target| at(target, shop))
        },
    );
    let of_text = ("[!-~]{1,40}", any::<bool>(), any::<bool>()).prop_filter_map(
        "not a target",
        move |(text, is_url, shop)| {
            let target = match is_url {
                true => Target::url(format!("/{text}")),
                false => Target::prefix(format!("/{text}/")),
            };
            target.ok().map(|target| at(target, shop))
        },
    );
    let tag = ("([A-Za-z0-9._~:/=-]|%[0-9A-Fa-f]{2}){1,20}", any::<bool>());
    let tag = tag.prop_map(move |(text, shop)| at(Target::tag(text).unwrap(), shop));
    prop_oneof![of_value, of_text, tag]
}

fn expected(target: &Target) -> Purged {
    let host = if target.site().is_some() { SHOP } else { HOST };
    match target.kind() {
        TargetKind::Tag => Purged::tag(target.as_str()),
        TargetKind::Prefix => Purged::prefix(host, target.as_str()),
        _ => Purged::url(host, target.as_str()),
    }
}

/// As CloudFront sees it: without host, without the case of tags, and with some more letters encoded.
fn at_cloudfront(purged: Purged) -> Purged {
    let decoded = |text: &str| percent_decode_str(text).decode_utf8_lossy().into_owned();
    match purged {
        Purged::Tag(tag) => Purged::Tag(tag.to_ascii_lowercase()),
        Purged::Prefix(_, prefix) => Purged::prefix("", &decoded(&prefix)),
        Purged::Url(_, url) => Purged::url("", &decoded(&url)),
        other => other,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_was_asked_for_is_purged_and_nothing_else(mut targets in prop::collection::vec(target(), 1..60)) {
        // CloudFront takes so many at a time.
        let mut prefixes = 0;
        targets.retain(|target| {
            prefixes += usize::from(target.kind() == TargetKind::Prefix);
            target.kind() != TargetKind::Prefix || prefixes <= 5
        });
        let (cloudflare, fastly, cloudfront) = (cloudflare(), fastly(), cloudfront());
        for (roan, takes_prefixes) in [
            (roan(cloudflare.cache), true),
            (roan(fastly.cache), false),
            (roan(cloudfront.cache), true),
        ] {
            for target in targets.iter().filter(|target| takes_prefixes || target.kind() != TargetKind::Prefix) {
                roan.purge(target).unwrap();
            }
            flush(&roan);
            let _rebounds = roan.shutdown_blocking(Duration::ZERO);
        }
        let all: BTreeSet<_> = targets.iter().map(expected).collect();
        let of = |purged: Vec<Purged>| purged.into_iter().collect::<BTreeSet<_>>();
        prop_assert_eq!(cloudflare.api.refused(), []);
        prop_assert_eq!(&of(cloudflare.api.purged()), &all);
        let without_prefixes = all.iter().filter(|one| !matches!(one, Purged::Prefix(..)));
        prop_assert_eq!(fastly.api.refused(), []);
        prop_assert_eq!(of(fastly.api.purged()), without_prefixes.cloned().collect());
        prop_assert_eq!(cloudfront.api.refused(), []);
        let seen: Vec<_> = cloudfront.api.purged().into_iter().map(at_cloudfront).collect();
        prop_assert_eq!(of(seen), all.into_iter().map(at_cloudfront).collect());
    }
}
