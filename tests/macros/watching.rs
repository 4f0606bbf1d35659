//! `update(field, ...)`

use roan::{__private::Model, purge_on};

#[purge_on(save, url = "/posts")]
#[purge_on(create, update(title, r#type), delete, url = "/feed.xml")]
#[derive(Clone)]
struct Post {
    title: String,
    r#type: u8,
    body: String,
}

#[test]
fn a_watching_rule_asks_its_fields() {
    let old = Post {
        title: "a".to_owned(),
        r#type: 1,
        body: "b".to_owned(),
    };
    let changed = |change: fn(&mut Post), rule| {
        let mut new = old.clone();
        change(&mut new);
        Post::watched_changed(&old, &new, rule)
    };
    assert!(changed(|new| new.title.push('!'), 1));
    assert!(changed(|new| new.r#type = 2, 1));
    assert!(!changed(|new| new.body.push('!'), 1));
    assert!(changed(|new| new.body.push('!'), 0));
    assert_eq!(Post::rules()[1].watched(), ["title", "type"]);
    assert_eq!(Post::rules()[1].events().to_string(), "save, delete");
    assert!(old.body.len() == 1);
}

#[purge_on(update(1), url = "/x")]
struct Pair(u8, f64);

#[test]
fn tuple_fields_are_watched_by_number() {
    assert!(Pair::watched_changed(&Pair(1, 1.0), &Pair(1, 2.0), 0));
    assert!(!Pair::watched_changed(&Pair(1, 1.0), &Pair(2, 1.0), 0));
    assert_eq!(Pair(3, 0.0).0, 3);
    assert_eq!(Pair::rules()[0].watched(), ["1"]);
}
