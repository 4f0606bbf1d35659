//! Fastly.

use roan::{Outcome, Target};
use roan_tests::stand_ins::{Fault, Purged, Reply};

use crate::support::{
    HOST, NEW_TOKEN, SERVICE, SHOP, assert_failed_once, fastly, flush, purge_all, refusal,
    reports_of, roan, targets,
};

fn served() -> Vec<Target> {
    let not_served = ["host", "prefix"];
    let mut targets = targets();
    targets.retain(|target| !not_served.contains(&&*target.kind().to_string()));
    targets
}

fn expected() -> [Purged; 3] {
    [
        Purged::url(HOST, "/posts?page=2"),
        Purged::url(SHOP, "/posts"),
        Purged::tag("author-7"),
    ]
}

#[test]
fn urls_keys_and_everything_are_purged() {
    let cdn = fastly();
    purge_all(&roan(cdn.cache), served());
    let mut purged = expected().to_vec();
    purged.push(Purged::Everything);
    assert_eq!(cdn.api.purged(), purged, "{:?}", cdn.api.refused());
    let targets: Vec<_> = cdn
        .api
        .calls()
        .into_iter()
        .map(|call| call.target)
        .collect();
    assert_eq!(
        targets,
        [
            format!("/purge/{HOST}/posts?page=2"),
            format!("/purge/{SHOP}/posts"),
            format!("/service/{SERVICE}/purge"),
            format!("/service/{SERVICE}/purge_all"),
        ]
    );
}

#[test]
fn a_soft_purge_is_soft_except_of_everything() {
    let cdn = fastly();
    purge_all(&roan(cdn.cache.soft()), served());
    let soft = |purged: Purged| Purged::Soft(Box::new(purged));
    let mut purged = expected().map(soft).to_vec();
    purged.push(Purged::Everything);
    assert_eq!(cdn.api.purged(), purged, "{:?}", cdn.api.refused());
}

#[test]
fn prefixes_and_hosts_are_refused_where_they_are_asked_for() {
    let roan = roan(fastly().cache);
    for target in [Target::prefix("/docs/").unwrap(), Target::host()] {
        let refusal = refusal(&reports_of(&roan, target.clone()));
        assert!(
            refusal.contains(&format!("cannot purge by {}", target.kind()))
                || refusal.contains("no configured cache"),
            "{refusal}"
        );
    }
}

/// Its servers fill each other, so the second purge is needed even where the site needs none.
#[test]
fn a_second_purge_is_kept_for_later_although_the_rebound_is_off() {
    let cdn = fastly();
    let roan = roan(cdn.cache);
    roan.purge("/a").unwrap();
    flush(&roan);
    assert_eq!(roan.stats().nodes[0].rebounds, 1);
}

#[test]
fn faults_are_told_apart() {
    // A dispatcher each: the second purge of one before could meet the fault of the next.
    let reports_of = |fault: Reply, target: Target| {
        let cdn = fastly();
        cdn.api.fail([Fault::Answer(fault)]);
        reports_of(&roan(cdn.cache), target)
    };
    let limit = Reply::new(429, r#"{"msg":"Too many requests"}"#);
    for (fault, text) in [
        (
            limit.clone().header("Fastly-RateLimit-Reset", "1452032384"),
            "status 429",
        ),
        (limit.header("Retry-After", "0"), "status 429"),
        (Reply::new(503, ""), "status 503"),
        (Reply::new(200, r#"{"other":"1"}"#), "did not confirm"),
        (Reply::new(200, "<html>"), "did not confirm"),
    ] {
        assert_failed_once(&reports_of(fault, Target::tag("author-7").unwrap()), text);
    }
    for (fault, text) in [
        (
            Reply::new(
                401,
                r#"{"msg":"Provided credentials are missing or invalid"}"#,
            ),
            "purge_select",
        ),
        (
            Reply::new(403, r#"{"msg":"You are not authorized"}"#),
            "(You are not authorized)",
        ),
        (
            Reply::new(400, r#"{"msg":"Bad request","detail":"No"}"#),
            "(Bad request: No)",
        ),
        (Reply::new(404, "{}"), "compare the service"),
    ] {
        let refusal = refusal(&reports_of(fault, Target::url("/a").unwrap()));
        assert!(refusal.contains(text), "{refusal}");
    }
}

#[test]
fn a_new_token_in_the_file_is_used_when_the_old_one_is_refused() {
    let cdn = fastly();
    let roan = roan(cdn.cache);
    cdn.file.write(NEW_TOKEN);
    cdn.api.rules(|rules| rules.token = NEW_TOKEN.to_owned());
    let reports = reports_of(&roan, Target::tag("author-7").unwrap());
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert_eq!(reports[0].outcome, Outcome::Purged);
}
