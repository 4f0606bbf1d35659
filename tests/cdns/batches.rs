//! What waits leaves in requests as large as each API takes, and not larger: the stand-ins refuse those.

use std::time::Duration;

use roan::{Cache, Roan, Target};
use roan_tests::stand_ins::{Fault, StandIn};
use roan_tests::wait;

use crate::support::{KEY_ID, builder, cloudflare, cloudfront, fastly, flush};

/// Lets the first request hang, so that all targets wait together when its connection ends.
fn held<R>(api: &StandIn<R>, cache: impl Into<Cache>, first: Target, others: &[Target]) -> Roan {
    let timeout = Duration::from_secs(2);
    let roan = builder(cache)
        .concurrency(1)
        .timeout(timeout)
        .build()
        .unwrap();
    api.fail([Fault::Hang]);
    roan.purge(first).unwrap();
    api.wait_for(1);
    for target in others {
        roan.purge(target).unwrap();
    }
    wait::until(wait::LONG, "all to wait", || {
        roan.stats().nodes[0].pending > others.len()
    });
    flush(&roan);
    roan
}

fn tags(count: usize) -> Vec<Target> {
    (0..count)
        .map(|number| Target::tag(format!("tag-{number}")).unwrap())
        .collect()
}

/// The numbers of targets of the requests for them, without the one that hung and its retry.
fn sizes(calls: usize, purged: usize, others: usize) -> (usize, usize) {
    assert_eq!(purged, others + 1);
    (calls - 2, others)
}

#[test]
fn fastly_takes_256_keys_in_a_request() {
    let cdn = fastly();
    let first = Target::url("/first").unwrap();
    let _roan = held(&cdn.api, cdn.cache, first, &tags(257));
    assert_eq!(
        sizes(cdn.api.calls().len(), cdn.api.purged().len(), 257),
        (2, 257)
    );
    assert_eq!(cdn.api.refused(), []);
}

#[test]
fn cloudflare_takes_100_in_a_request() {
    let cdn = cloudflare();
    let first = Target::url("/first").unwrap();
    let _roan = held(&cdn.api, cdn.cache, first, &tags(201));
    assert_eq!(
        sizes(cdn.api.calls().len(), cdn.api.purged().len(), 201),
        (3, 201)
    );
    assert_eq!(cdn.api.refused(), []);
}

#[test]
fn cloudfront_takes_1000_in_a_request() {
    let cdn = cloudfront();
    let first = Target::tag("first").unwrap();
    let urls: Vec<_> = (0..1001)
        .map(|number| Target::url(format!("/{number}")).unwrap())
        .collect();
    let _roan = held(&cdn.api, cdn.cache, first, &urls);
    assert_eq!(
        sizes(cdn.api.calls().len(), cdn.api.purged().len(), 1001),
        (2, 1001)
    );
    assert_eq!(cdn.api.refused(), []);
}

/// One wrong tag of a batch is found, and the others are purged.
#[test]
fn a_tag_that_is_refused_does_not_harm_the_others() {
    let cdn = cloudflare();
    let first = Target::url("/first").unwrap();
    cdn.api
        .rules(|rules| rules.refused_tag = Some("tag-7".to_owned()));
    let roan = held(&cdn.api, cdn.cache, first, &tags(50));
    assert_eq!(cdn.api.purged().len(), 1 + 49);
    assert_eq!(roan.stats().nodes[0].refused, 1);
}

/// A refused token is not a matter of one target: the batch is not divided to find out which.
#[test]
fn a_batch_whose_token_is_refused_is_one_request() {
    fn of_one_cdn<R>(api: &StandIn<R>, cache: impl Into<Cache>) {
        let first = Target::tag("first").unwrap();
        let roan = held(api, cache, first, &tags(100));
        assert_eq!(roan.stats().nodes[0].refused, 1 + 100);
        // The one that hung, its retry, and the batch.
        let (calls, refused) = (api.calls().len(), api.refused().len());
        assert_eq!((calls, refused), (3, 2));
    }
    let cdn = cloudflare();
    cdn.file.write("wrong");
    of_one_cdn(&cdn.api, cdn.cache);
    let cdn = fastly();
    cdn.file.write("wrong");
    of_one_cdn(&cdn.api, cdn.cache);
    let cdn = cloudfront();
    cdn.file.write_credentials(KEY_ID, "wrong", "");
    of_one_cdn(&cdn.api, cdn.cache);
}
