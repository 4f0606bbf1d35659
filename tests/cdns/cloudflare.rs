//! Cloudflare.

use std::time::Duration;

use roan::{Outcome, Target};
use roan_tests::stand_ins::{Fault, Purged, Reply};

use crate::support::{
    HOST, NEW_TOKEN, SHOP, TOKEN, ZONE, assert_failed_once, builder, cloudflare, purge_all,
    refusal, reports_of, roan, targets,
};

fn target() -> Target {
    Target::url("/a").unwrap()
}

fn error(status: u16, code: u32, message: &str) -> Fault {
    let error = format!(
        r#"{{"success":false,"errors":[{{"code":{code},"message":"{message}"}}],"messages":[],"result":null}}"#
    );
    Fault::Answer(Reply::new(status, error))
}

#[test]
fn each_kind_of_target_is_one_key_of_the_body() {
    let cdn = cloudflare();
    purge_all(&roan(cdn.cache), targets());
    let expected = [
        Purged::url(HOST, "/posts?page=2"),
        Purged::url(SHOP, "/posts"),
        Purged::tag("author-7"),
        Purged::prefix(HOST, "/docs/v1/"),
        Purged::Host(SHOP.to_owned()),
        Purged::Everything,
    ];
    assert_eq!(cdn.api.purged(), expected, "{:?}", cdn.api.refused());
    let bodies: Vec<_> = cdn.api.calls().into_iter().map(|call| call.body).collect();
    assert_eq!(
        bodies,
        [
            r#"{"files":["https://www.example.org/posts?page=2"]}"#,
            r#"{"files":["https://shop.example.org/posts"]}"#,
            r#"{"tags":["author-7"]}"#,
            r#"{"prefixes":["www.example.org/docs/v1/"]}"#,
            r#"{"hosts":["shop.example.org"]}"#,
            r#"{"purge_everything":true}"#,
        ]
    );
}

#[test]
fn what_may_pass_is_tried_again() {
    let cdn = cloudflare();
    let limit = |form: &str| Reply::new(429, "{}").header("Retry-After", form);
    let roan = builder(cdn.cache)
        .timeout(Duration::from_millis(500))
        .build()
        .unwrap();
    for (fault, text) in [
        (Fault::Answer(limit("0")), "status 429"),
        (
            Fault::Answer(limit("Sun, 06 Nov 1994 08:49:37 GMT")),
            "status 429",
        ),
        (Fault::Answer(Reply::new(500, "")), "status 500"),
        (Fault::Answer(Reply::new(502, "<html>")), "status 502"),
        (
            error(200, 1134, "Unable to purge, rate limit reached"),
            "too many purges",
        ),
        (
            error(200, 4711, "Something went wrong"),
            "(error 4711: Something went wrong)",
        ),
        (
            Fault::Answer(Reply::new(200, "<html>hello</html>")),
            "not of its API",
        ),
        (Fault::Hang, "no answer in time"),
        (Fault::Close, "connection lost"),
    ] {
        cdn.api.fail([fault]);
        assert_failed_once(&reports_of(&roan, target()), text);
    }
}

#[test]
fn what_will_not_pass_is_refused_with_its_cure() {
    let cdn = cloudflare();
    let roan = roan(cdn.cache);
    for (fault, text) in [
        (
            error(401, 10000, "Authentication error"),
            "Zone / Cache Purge",
        ),
        (
            error(403, 9109, "Invalid access token"),
            "Zone / Cache Purge",
        ),
        (
            error(200, 10000, "Authentication error"),
            "Zone / Cache Purge",
        ),
        (error(404, 7003, "Could not route"), "compare the zone"),
        (error(400, 1012, "Not a URL"), "(error 1012: Not a URL)"),
        (
            Fault::Answer(Reply::new(302, "").header("Location", "https://x/")),
            "is a redirect",
        ),
    ] {
        cdn.api.fail([fault]);
        let refusal = refusal(&reports_of(&roan, target()));
        assert!(refusal.contains(text), "{refusal}");
    }
    assert_eq!(cdn.api.purged(), []);
}

/// With `error_chain`, as of a token that cannot be one.
#[test]
fn a_wrong_token_is_refused_and_says_where_to_write_another() {
    let cdn = cloudflare();
    let roan = roan(cdn.cache);
    cdn.api.rules(|rules| rules.token = NEW_TOKEN.to_owned());
    let refusal = refusal(&reports_of(&roan, target()));
    let path = cdn.file.path();
    assert!(
        refusal.contains(&format!("into the file {path:?}")),
        "{refusal}"
    );
    assert!(
        refusal.contains(ZONE) && !refusal.contains("TOKEN"),
        "{refusal}"
    );
    assert_eq!(cdn.api.calls().len(), 1, "the same token is not sent twice");
}

#[test]
fn a_new_token_in_the_file_is_used_when_the_old_one_is_refused() {
    let cdn = cloudflare();
    let roan = roan(cdn.cache);
    assert_eq!(reports_of(&roan, target()).len(), 1);
    cdn.file.write(NEW_TOKEN);
    cdn.api.rules(|rules| rules.token = NEW_TOKEN.to_owned());
    let reports = reports_of(&roan, target());
    assert_eq!(reports.len(), 1, "{reports:?}");
    assert_eq!(reports[0].outcome, Outcome::Purged);
    let bearer = |token: &str| format!("Bearer {token}");
    let sent: Vec<_> = cdn
        .api
        .calls()
        .iter()
        .filter_map(|call| call.header("Authorization").map(str::to_owned))
        .collect();
    assert_eq!(sent, [bearer(TOKEN), bearer(TOKEN), bearer(NEW_TOKEN)]);
    assert_eq!(reports_of(&roan, target()).len(), 1);
    assert_eq!(cdn.api.calls().len(), 4, "the new one is kept");
}
