//! What the history says of rows that triggers wrote.

use roan::history::{CauseKind, Filter, PurgeState};
use roan::{Event, Target};
use roan_tests::wait;

use crate::support::{LONG, Place, on_each_database};

on_each_database!(a_row_of_a_trigger_says_which_rules_it_has_fired);

async fn a_row_of_a_trigger_says_which_rules_it_has_fired(place: Place) {
    let (watched, mut client) = place.start().await;
    let insert = "INSERT INTO posts (id, slug, title) VALUES (1, 'a b', 'A')";
    let purged = watched.after(&mut client, insert).await;
    assert_eq!(purged, ["/feed/1", "/posts", "/posts/a%20b"]);
    let filter = Filter::new().target(Target::url("/posts/a%20b").unwrap());
    let mut found = Vec::new();
    wait::until_async(LONG, "the row is over", async || {
        found = watched.roan.outbox().history(&filter).await.unwrap();
        found.iter().any(|purge| purge.state == PurgeState::Done)
    })
    .await;
    let purge = &found[0];
    let mut targets: Vec<_> = purge.targets.iter().map(Target::as_str).collect();
    targets.sort_unstable();
    assert_eq!(targets, purged);
    assert_eq!(purge.found.len(), 1);
    let mut of = Vec::new();
    for cause in &purge.causes {
        assert_eq!(
            (cause.kind(), cause.table()),
            (CauseKind::Rule, Some("posts"))
        );
        assert_eq!(cause.model(), Some("Post"));
        assert_eq!(cause.events(), Some(Event::Create.into()));
        assert!(
            cause.file().ends_with("models.rs") && cause.line() > 0,
            "{cause}"
        );
        of.extend_from_slice(cause.targets());
    }
    of.sort_unstable();
    assert_eq!(of, [0, 1, 2]);
    // Each of the three caches has answered for each of the three.
    let counts: Vec<_> = purge.answers.iter().map(|answer| answer.count).collect();
    assert_eq!(counts, [3, 3, 3], "{purge:#?}");
}
