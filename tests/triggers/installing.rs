//! Triggers come, are compared with the rules, and go.

use crate::support::{Place, Watched, on_each_database, run};

on_each_database!(installed_again_they_stay_as_they_are);

async fn installed_again_they_stay_as_they_are(place: Place) {
    let outbox = place.triggered().await;
    outbox.install_triggers().await.unwrap();
    let watched = Watched::start(outbox.clone().triggers(place.wanted().strict()));
    outbox.drop_triggers().await.unwrap();
    let mut client = place.connect().await;
    run(&mut client, "INSERT INTO posts (id, slug, title) VALUES (1, 'a', 'A')").await;
    assert!(watched.purged().await.is_empty());
}
