//! What the index finds, forgets and refuses.

use std::time::Duration;

use super::*;

fn index(pages: usize, spellings: usize) -> Index {
    Index::new(Limits {
        pages,
        spellings,
        keys: 3,
        pages_of_a_key: 2,
    })
}

fn asked(url: &str) -> Asked {
    Asked::new(Target::url(url).unwrap())
}

fn tags(names: &[&str]) -> Vec<Target> {
    names
        .iter()
        .map(|name| Target::tag(name).unwrap())
        .collect()
}

fn learn(index: &mut Index, url: &str, names: &[&str]) {
    learn_with(index, url, names).unwrap();
}

fn learn_with(index: &mut Index, url: &str, names: &[&str]) -> Result<Option<Target>, Full> {
    index.learn(&asked(url), &tags(names).into(), None, |_, _| {
        panic!("nothing is forgotten")
    })
}

fn shown(targets: &[Target]) -> Vec<String> {
    let mut shown: Vec<_> = targets.iter().map(ToString::to_string).collect();
    shown.sort();
    shown
}

/// Nothing is left of a page that was forgotten.
fn assert_consistent(index: &Index) {
    let count = index.pages.len();
    assert_eq!(index.by_url.len(), count);
    assert_eq!(index.by_age.len(), count);
    assert_eq!(index.by_place.values().map(Vec::len).sum::<usize>(), count);
    let carried: usize = index.pages.iter().map(|(_, page)| page.keys.len()).sum();
    let carriers = index.by_key.values().map(|carriers| carriers.pages.len());
    assert_eq!(carriers.sum::<usize>(), carried);
    assert!(
        index
            .by_key
            .values()
            .all(|carriers| !carriers.pages.is_empty())
    );
}

#[test]
fn a_key_finds_the_pages_that_carry_it() {
    let mut index = index(10, 10);
    learn(&mut index, "/a", &["x", "y"]);
    learn(&mut index, "/b", &["y"]);
    assert_eq!(shown(&index.of_key(&tags(&["y"])[0])), ["/a", "/b"]);
    assert_eq!(shown(&index.purge_key(&tags(&["x"])[0]).urls), ["/a"]);
    assert!(index.purge_key(&tags(&["z"])[0]).urls.is_empty());
    assert_eq!(shown(&index.keys_of(&asked("/a/"))), ["tag x", "tag y"]);
    assert_consistent(&index);
}

#[test]
fn a_url_finds_the_spellings_that_were_asked_for() {
    let mut index = index(10, 10);
    for url in ["/a", "/a/", "//a?utm_source=x", "/a?q=1&p=2", "/a?q=2"] {
        learn(&mut index, url, &[]);
    }
    learn(&mut index, "/b", &[]);
    assert_eq!(index.purge_spellings(&asked("/a")).urls.len(), 5);
    assert_eq!(
        shown(&index.purge_spellings(&asked("/a?q=1")).urls),
        ["/a?q=1&p=2"]
    );
    assert!(index.purge_spellings(&asked("/c")).urls.is_empty());
}

#[test]
fn a_page_keeps_what_its_former_copies_carry_until_it_is_purged() {
    let mut index = index(10, 10);
    learn(&mut index, "/a", &["x"]);
    learn(&mut index, "/a", &["y"]);
    assert_eq!(shown(&index.of_key(&tags(&["x"])[0])), ["/a"]);
    index.purge_spellings(&asked("/a"));
    learn(&mut index, "/a", &["y"]);
    assert!(index.of_key(&tags(&["x"])[0]).is_empty());
    assert_eq!(shown(&index.of_key(&tags(&["y"])[0])), ["/a"]);
    assert_consistent(&index);
}

#[test]
fn beyond_the_limit_the_oldest_is_purged_and_then_forgotten() {
    let mut index = index(2, 10);
    learn(&mut index, "/a", &["x"]);
    learn(&mut index, "/b", &["x"]);
    learn(&mut index, "/a", &["x"]);
    let mut purged = Vec::new();
    let learned = index.learn(&asked("/c"), &Arc::default(), None, |url, _| {
        purged.push(url.clone());
        true
    });
    assert_eq!((learned, shown(&purged)), (Ok(None), vec!["/b".to_owned()]));
    assert_eq!(shown(&index.of_key(&tags(&["x"])[0])), ["/a"]);
    assert_consistent(&index);
    // A purge that cannot be queued leaves the page where it is.
    let refused = index.learn(&asked("/d"), &Arc::default(), None, |_, _| false);
    assert_eq!(refused, Err(Full::Queue));
    assert_eq!(shown(&index.of_key(&tags(&["x"])[0])), ["/a"]);
    assert_eq!(index.len(), 2);
    assert_consistent(&index);
}

#[test]
fn a_flood_of_spellings_is_not_learned_and_a_purge_makes_room() {
    let mut index = index(100, 2);
    learn(&mut index, "/a", &[]);
    learn(&mut index, "/a?x=1", &[]);
    assert_eq!(
        learn_with(&mut index, "/a?x=2", &[]),
        Err(Full::Spellings(2))
    );
    learn(&mut index, "/a?x=1", &[]);
    index.purge_spellings(&asked("/a"));
    learn(&mut index, "/a", &[]);
    learn(&mut index, "/a?x=2", &[]);
    assert_eq!(
        learn_with(&mut index, "/a?x=1", &[]),
        Err(Full::Spellings(2))
    );
    assert_consistent(&index);
}

#[test]
fn a_flood_of_spellings_does_not_keep_the_plain_page_out() {
    let mut index = index(100, 2);
    for flood in ["/a?x=1", "//a"] {
        learn(&mut index, flood, &[]);
    }
    learn(&mut index, "/a", &[]);
    learn(&mut index, "/a/", &[]);
    for flood in ["/a?", "/a//", "/a?x=2"] {
        assert_eq!(
            learn_with(&mut index, flood, &[]),
            Err(Full::Spellings(2)),
            "{flood}"
        );
    }
    assert_consistent(&index);
}

#[test]
fn a_key_on_too_many_pages_is_told_once() {
    let mut index = index(10, 10);
    learn(&mut index, "/1", &["x"]);
    learn(&mut index, "/2", &["x"]);
    assert_eq!(
        learn_with(&mut index, "/3", &["x"]),
        Ok(Some(tags(&["x"])[0].clone()))
    );
    assert_eq!(learn_with(&mut index, "/4", &["x"]), Ok(None));
}

#[test]
fn a_page_with_too_many_keys_is_not_learned() {
    let mut index = index(10, 10);
    learn(&mut index, "/a", &["1", "2", "3"]);
    assert_eq!(learn_with(&mut index, "/a", &["4"]), Err(Full::Keys(3)));
    let many = learn_with(&mut index, "/b", &["1", "2", "3", "4"]);
    assert_eq!(many, Err(Full::Keys(3)));
    assert_eq!(shown(&index.of_key(&tags(&["1"])[0])), ["/a"]);
    assert_consistent(&index);
}

fn learn_at(index: &mut Index, url: &str, names: &[&str], leaves: Instant) {
    let learned = index.learn(&asked(url), &tags(names).into(), Some(leaves), |_, _| true);
    assert_eq!(learned, Ok(None));
}

/// A moment so long ago.
fn ago(seconds: u64) -> Instant {
    Instant::now()
        .checked_sub(Duration::from_secs(seconds))
        .unwrap()
}

#[test]
fn a_page_that_left_a_short_while_ago_may_be_on_its_way_when_it_is_purged() {
    let mut index = index(10, 10);
    let (recent, long_ago) = (ago(1), ago(3));
    learn_at(&mut index, "/a", &["x"], recent);
    learn_at(&mut index, "/a/", &["x"], long_ago);
    let area = Area::of(&Target::host()).unwrap();
    for _ in 0..2 {
        for purged in [
            index.purge_spellings(&asked("/a")),
            index.purge_key(&tags(&["x"])[0]),
            index.purge_area(&area),
        ] {
            assert_eq!(shown(&purged.urls), ["/a", "/a/"]);
            let expected = (Target::url("/a").unwrap(), recent + ON_THE_WAY);
            assert_eq!(purged.stragglers, [expected]);
        }
    }
    // The last time counts: that of another copy, or of the end of the body.
    let again = ago(0);
    learn_at(&mut index, "/a", &["x"], again);
    index.leaves(&asked("/a/"), again);
    let purged = index.purge_spellings(&asked("/a"));
    assert_eq!(purged.stragglers.len(), 2);
    let times = purged.stragglers.iter().map(|(_, until)| *until);
    assert!(times.eq([again + ON_THE_WAY; 2]));
}

#[test]
fn a_page_that_is_forgotten_may_be_on_its_way() {
    let mut index = index(1, 10);
    let (recent, long_ago) = (ago(1), ago(3));
    for (leaves, until) in [(recent, Some(recent + ON_THE_WAY)), (long_ago, None)] {
        learn_at(&mut index, "/a", &[], leaves);
        let mut forgotten = Vec::new();
        let learned = index.learn(&asked("/b"), &Arc::default(), None, |url, until| {
            forgotten.push((url.to_string(), until));
            true
        });
        assert_eq!(learned, Ok(None));
        assert_eq!(forgotten, [("/a".to_owned(), until)]);
    }
}
