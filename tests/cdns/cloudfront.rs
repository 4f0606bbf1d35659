//! CloudFront.

use std::time::Duration;

use roan::{Outcome, Target};
use roan_tests::stand_ins::{Fault, Invalidation, Purged, Reply};
use roan_tests::wait;

use crate::support::{
    KEY_ID, NEW_TOKEN, TOKEN, assert_failed_once, builder, cloudfront, flush, purge_all, refusal,
    reports_of, roan, targets,
};

fn error(status: u16, code: &str) -> Fault {
    let xml = format!(
        "<?xml version=\"1.0\"?>\n<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>As told</Message></Error></ErrorResponse>"
    );
    Fault::Answer(Reply::new(status, xml))
}

#[test]
fn each_kind_of_target_is_an_item_of_a_signed_invalidation() {
    let cdn = cloudfront();
    purge_all(&roan(cdn.cache), targets());
    let expected = [
        Purged::url("", "/posts?page=2"),
        Purged::url("", "/posts"),
        Purged::tag("author-7"),
        Purged::prefix("", "/docs/v1/"),
        Purged::Everything,
        Purged::Everything,
    ];
    assert_eq!(cdn.api.purged(), expected, "{:?}", cdn.api.refused());
    if let Ok(path) = std::env::var("ROAN_WIRE_FORM") {
        let calls: Vec<_> = cdn.api.calls().iter().map(|call| {
            serde_json::json!({"method": call.method, "target": call.target, "headers": call.headers, "body": call.body})
        }).collect();
        let calls =
            serde_json::json!({"id": KEY_ID, "key": TOKEN, "url": cdn.api.url(), "calls": calls});
        std::fs::write(path, calls.to_string()).unwrap();
    }
}

/// The answer to the first request is lost, and the retry has its reference.
#[test]
fn a_retry_does_not_invalidate_twice() {
    let cdn = cloudfront();
    let roan = roan(cdn.cache);
    cdn.api.fail([Fault::Lose]);
    assert_failed_once(
        &reports_of(&roan, Target::url("/a").unwrap()),
        "connection lost",
    );
    let [one] = &*invalidations(&cdn.api) else {
        panic!("one invalidation");
    };
    assert_eq!((one.asked, &*one.items), (2, &["/a".to_owned()][..]));
}

#[test]
fn a_purge_that_is_asked_for_again_is_another_invalidation() {
    let cdn = cloudfront();
    let roan = roan(cdn.cache);
    for _ in 0..3 {
        roan.purge("/a").unwrap();
        flush(&roan);
    }
    let references: Vec<_> = invalidations(&cdn.api)
        .into_iter()
        .map(|one| one.reference)
        .collect();
    assert_eq!(references.len(), 3, "{references:?}");
}

/// CloudFront has invalidated the page before the second write. If the retry had the reference of the lost request, the page
/// of the first write would stay.
#[test]
fn an_ask_between_an_attempt_and_its_retry_is_another_invalidation() {
    let cdn = cloudfront();
    let pause = Duration::from_secs(1);
    let roan = builder(cdn.cache).backoff(pause, pause).build().unwrap();
    let mut reports = roan.subscribe();
    cdn.api.fail([Fault::Lose]);
    roan.purge("/a").unwrap();
    let failed = reports.next_blocking().unwrap();
    assert!(matches!(failed.outcome, Outcome::Failed(_)), "{failed}");
    roan.purge("/a").unwrap();
    flush(&roan);
    let asked: Vec<_> = invalidations(&cdn.api)
        .into_iter()
        .map(|one| one.asked)
        .collect();
    assert_eq!(asked, [1, 1]);
}

/// The same while the first attempt is in flight.
#[test]
fn an_ask_during_an_attempt_is_another_invalidation() {
    let cdn = cloudfront();
    let timeout = Duration::from_secs(1);
    let roan = builder(cdn.cache).timeout(timeout).build().unwrap();
    cdn.api.fail([Fault::Hang]);
    roan.purge("/a").unwrap();
    cdn.api.wait_for(1);
    roan.purge("/a").unwrap();
    flush(&roan);
    let references = |body: &str| {
        body.split_once("<CallerReference>")
            .map(|(_, rest)| rest.to_owned())
    };
    let calls = cdn.api.calls();
    let all: Vec<_> = calls.iter().map(|call| references(&call.body)).collect();
    assert_eq!(all.len(), 2, "{all:?}");
    assert_ne!(all[0], all[1]);
}

#[test]
fn too_many_in_progress_wait_until_others_have_ended() {
    let cdn = cloudfront();
    let roan = roan(cdn.cache);
    let prefixes = (0..15).map(|number| Invalidation {
        reference: number.to_string(),
        items: vec![format!("/{number}/*")],
        asked: 1,
    });
    cdn.api.rules(|rules| rules.invalidations.extend(prefixes));
    let mut reports = roan.subscribe();
    roan.purge(Target::prefix("/docs/").unwrap()).unwrap();
    let report = reports.next_blocking().unwrap();
    let text = report.outcome.to_string();
    assert!(
        text.starts_with("failed: too many purges")
            && text.contains("TooManyInvalidationsInProgress"),
        "{text}"
    );
    cdn.api.rules(|rules| rules.invalidations.clear());
    wait::until(wait::LONG, "the retry", || {
        cdn.api.purged() == [Purged::prefix("", "/docs/")]
    });
}

#[test]
fn faults_are_told_apart() {
    let cdn = cloudfront();
    let roan = roan(cdn.cache);
    let target = || Target::url("/a").unwrap();
    for (fault, text) in [
        (error(500, "InternalError"), "status 500"),
        (error(503, "ServiceUnavailable"), "status 503"),
        (error(403, "RequestExpired"), "RequestExpired"),
        (Fault::Answer(Reply::new(200, "hello")), "did not take"),
        (Fault::Close, "connection lost"),
    ] {
        cdn.api.fail([fault]);
        assert_failed_once(&reports_of(&roan, target()), text);
    }
    for (fault, text) in [
        (error(403, "AccessDenied"), "cloudfront:CreateInvalidation"),
        (
            error(403, "SignatureDoesNotMatch"),
            "cloudfront:CreateInvalidation",
        ),
        (error(404, "NoSuchDistribution"), "compare the distribution"),
        (error(400, "InvalidArgument"), "(InvalidArgument: As told)"),
    ] {
        cdn.api.fail([fault]);
        let refusal = refusal(&reports_of(&roan, target()));
        assert!(refusal.contains(text), "{refusal}");
    }
}

#[test]
fn temporary_credentials_are_read_again_when_they_have_expired() {
    let cdn = cloudfront();
    let roan = roan(cdn.cache);
    for (id, key, session) in [
        ("ASIA1", NEW_TOKEN, "session/1+=="),
        ("ASIA2", TOKEN, "session/2+=="),
    ] {
        cdn.api.rules(|rules| rules.sign_by(id, key, session));
        cdn.file.write_credentials(id, key, session);
        let reports = reports_of(&roan, Target::tag("author-7").unwrap());
        assert_eq!(reports.len(), 1, "{reports:?}");
        assert_eq!(reports[0].outcome, Outcome::Purged);
    }
}

fn invalidations(
    api: &roan_tests::stand_ins::StandIn<roan_tests::stand_ins::CloudFrontApi>,
) -> Vec<Invalidation> {
    api.rules(|rules| rules.invalidations.clone())
}
