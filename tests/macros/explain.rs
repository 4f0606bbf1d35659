//! `roan::explain`: it says what the hooks do, and why.

use std::collections::BTreeSet;
use std::time::Duration;

use proptest::prelude::*;
use roan::explain::{self, Explanation, Verdict, Way, Which, Yielded};
use roan::purger::{Answer, Cache, Limits, PurgeRequest, Purger};
use roan::testing::{Purges, Recorder, record_blocking};
use roan::{Refusal, Roan, Spellings, Target, TargetKind, purge_on};

/// A rule of each kind, with values that make some of them yield nothing or something invalid.
#[purge_on(save, delete, url = "/explained")]
#[purge_on(save, delete, url = "/explained/{slug}")]
#[purge_on(create, url = "/explained/new")]
#[purge_on(create, update(slug, shelf), delete, url = "/shelf/{shelf?}/{part*?}")]
#[purge_on(update(hidden), tag = "hidden-{hidden}", site = "shop")]
#[purge_on(save, delete, tag = "explained-{slug}", when = !self.hidden)]
#[purge_on(update, prefix = "/docs/{slug}/", site = "shop")]
#[purge_on(save, urls = Self::pages, when = !self.hidden)]
#[purge_on(delete, host, when = self.hidden)]
#[derive(Debug, Clone)]
struct Explained {
    slug: String,
    shelf: Option<u8>,
    part: Option<String>,
    hidden: bool,
    pages: u8,
}

impl Explained {
    fn pages(&self) -> Vec<String> {
        let pages = 0..self.pages;
        pages
            .map(|page| format!("/archive/{}/{page}", roan::encode::path_segment(&self.slug)))
            .collect()
    }
}

fn row() -> Explained {
    Explained {
        slug: "a".to_owned(),
        shelf: Some(1),
        part: Some("x/y".to_owned()),
        hidden: false,
        pages: 1,
    }
}

/// What each rule came to, in their order.
fn yielded(explanation: &Explanation) -> Vec<Vec<(Which, Yielded)>> {
    let rules = explanation.rules().iter();
    rules
        .map(|rule| match rule.verdict() {
            Verdict::Evaluated(yielded) => yielded.clone(),
            _ => Vec::new(),
        })
        .collect()
}

fn url(url: &str) -> Yielded {
    Yielded::Target(Target::url(url).unwrap())
}

#[test]
fn each_rule_says_why_it_did_not_fire() {
    let old = Explained {
        shelf: None,
        hidden: true,
        pages: 0,
        ..row()
    };
    let mut new = Explained {
        slug: "..".to_owned(),
        ..old.clone()
    };
    let why = roan::explain(&old, &new);
    assert_eq!(why.model(), "Explained");
    let verdicts: Vec<_> = why
        .rules()
        .iter()
        .map(explain::RuleTrace::verdict)
        .collect();
    assert_eq!(*verdicts[2], Verdict::OtherEvent);
    assert_eq!(*verdicts[4], Verdict::NothingChanged);
    assert_eq!(*verdicts[8], Verdict::OtherEvent);
    let of_rules = yielded(&why);
    assert_eq!(of_rules[1][0], (Which::Old, url("/explained/a")));
    assert!(
        matches!(&of_rules[1][1], (Which::New, Yielded::Invalid(error)) if error.to_string().contains("..")),
        "{of_rules:?}"
    );
    let absent = Yielded::Absent("shelf".to_owned());
    assert_eq!(
        of_rules[3],
        [(Which::Old, absent.clone()), (Which::New, absent)]
    );
    for rule in [5, 7] {
        let hidden = Yielded::ConditionIsFalse;
        assert_eq!(
            of_rules[rule],
            [(Which::Old, hidden.clone()), (Which::New, hidden)]
        );
    }
    new.hidden = false;
    new.shelf = Some(2);
    new.part = None;
    let of_rules = yielded(&explain::created(&new));
    assert_eq!(
        of_rules[3],
        [(Which::Only, Yielded::Absent("part".to_owned()))]
    );
    assert_eq!(of_rules[7], [(Which::Only, Yielded::NoPages)]);

    let text = why.to_string();
    for line in [
        "update of Explained: 3 of 9 rules fire",
        "- create: url = \"/explained/new\" at ",
        "  not on update",
        "- update(hidden): tag = \"hidden-{hidden}\", site = \"shop\" at ",
        "  none of its fields has changed: hidden",
        "- create, update(slug, shelf), delete: url = ",
        "  the old row: nothing, because `shelf` is absent",
        "  the new row: invalid: ",
        "- save, delete: tag = \"explained-{slug}\", when = !self.hidden at ",
        "  the old row: nothing, because its condition is false",
        "  /explained/a\n",
    ] {
        assert!(text.contains(line), "{line:?} is missing in\n{text}");
    }
    // One line for each rule leads to its place.
    let places = text.matches(&format!(" at {}:", file!())).count();
    assert_eq!(places, 9, "{text}");
}

#[test]
fn nothing_is_purged() {
    let purges = record_blocking(|| {
        let all = [
            explain::created(&row()),
            roan::explain(&row(), &row()),
            explain::saved(&row()),
            explain::deleted(&row()),
        ];
        assert!(all.iter().all(|why| !why.targets().is_empty()));
    });
    assert_eq!(purges, Purges::default());
}

#[purge_on(update(name), url = "/quiet")]
struct Quiet {
    name: u8,
}

struct OfAnotherCrate;

#[test]
fn rules_at_run_time_and_none_at_all_are_said() {
    let _ = roan::purge("/run-time").on_delete::<Quiet>();
    let why = explain::deleted(&Quiet { name: 1 });
    assert_eq!(why.targets(), [Target::url("/run-time").unwrap()]);
    let text = why.to_string();
    assert!(
        text.contains(&format!(
            "+ delete: /run-time, made at run time by `roan::purge` at {}:",
            file!()
        )),
        "{text}"
    );
    let why = roan::explain(&Quiet { name: 1 }, &Quiet { name: 1 });
    assert_eq!(why.targets(), []);
    assert!(
        why.to_string().ends_with("\nNothing would be purged."),
        "{why}"
    );

    let why = explain::saved(&roan::External(&OfAnotherCrate));
    assert!(why.to_string().contains("0 of 0 rules"), "{why}");
    let _ = roan::purge("/other").on_save::<OfAnotherCrate>();
    let why = explain::saved(&roan::External(&OfAnotherCrate));
    assert_eq!(why.targets(), [Target::url("/other").unwrap()]);
}

struct Silent;

impl Purger for Silent {
    async fn purge(&self, _: PurgeRequest<'_>) -> Answer {
        Answer::purged()
    }
}

fn cache(name: &str, kinds: impl Into<Vec<TargetKind>>) -> Cache {
    Cache::new(name)
        .purges(kinds, Limits::new())
        .node("node", Silent)
}

#[purge_on(
    save,
    url = "/c++/{0}",
    tag = "c-{0}",
    prefix = "/c/{0}/",
    site = "shop"
)]
#[purge_on(save, everything)]
struct Cached(&'static str);

#[test]
fn each_cache_is_named_with_its_way() {
    let urls_and_tags = cache("cdn", [TargetKind::Url, TargetKind::Tag]);
    let builder = Roan::builder().named_site("shop", "https://shop.test");
    let roan = builder
        .cache(cache("nginx", [TargetKind::Url]))
        .cache(urls_and_tags);
    let roan = roan.build().unwrap();
    let why = explain::saved(&Cached("a b+")).by(&roan);
    let ways = |why: &Explanation, text: &str| {
        let of = why
            .purged()
            .iter()
            .find(|purged| purged.target().to_string().starts_with(text));
        let of = of.unwrap_or_else(|| panic!("{text} in\n{why}"));
        let ways: Vec<_> = of
            .caches()
            .map(|(cache, way)| (cache.to_owned(), way))
            .collect();
        (ways, of.refusal().cloned())
    };
    let of = |nginx, cdn| vec![("nginx".to_owned(), nginx), ("cdn".to_owned(), cdn)];
    assert_eq!(ways(&why, "/c"), (of(Way::Itself, Way::Itself), None));
    assert_eq!(ways(&why, "tag"), (of(Way::Not, Way::Itself), None));
    let (not, refusal) = ways(&why, "prefix");
    assert_eq!(not, of(Way::Not, Way::Not));
    assert_eq!(refusal, Some(Refusal::NoCacheFor(TargetKind::Prefix)));
    let text = why.to_string();
    for line in [
        "  /c++/a%20b%2B at site shop (https://shop.test)\n    nginx: purges by URL\n    cdn: purges by URL\n    also as /c++/a%20b+\n",
        "    nginx: does not purge by tag\n",
        "    refused: no configured cache can purge by prefix",
    ] {
        assert!(text.contains(line), "{line:?} is missing in\n{text}");
    }

    let web = Roan::builder()
        .site("https://www.example.org")
        .named_site("shop", "https://shop.test");
    let web = web
        .cache(cache("nginx", [TargetKind::Url]))
        .web(roan::web::Web::new());
    let web = web.build().unwrap();
    let why = explain::saved(&Cached("a")).by(&web);
    for kind in ["tag", "prefix", "everything"] {
        let learned = vec![("nginx".to_owned(), Way::LearnedUrls)];
        assert_eq!(ways(&why, kind), (learned, None), "{kind}");
    }
    assert!(why.to_string().contains("by the learned index"), "{why}");

    // A site that is not configured.
    let roan = Roan::builder()
        .cache(cache("nginx", [TargetKind::Url]))
        .build()
        .unwrap();
    let why = explain::saved(&Cached("a")).by(&roan);
    assert_eq!(
        ways(&why, "/c").1,
        Some(Refusal::UnknownSite("shop".to_owned()))
    );
}

#[test]
fn it_becomes_json() {
    let old = Explained {
        shelf: None,
        ..row()
    };
    let roan = Roan::builder()
        .cache(Recorder::named("memory"))
        .build()
        .unwrap();
    let why = roan::explain(&old, &row()).by(&roan);
    let json = serde_json::to_value(&why).unwrap();
    assert_eq!(json["model"], "Explained");
    assert_eq!(json["events"], "update");
    let rules = json["rules"].as_array().unwrap();
    assert_eq!(rules.len(), 9);
    assert_eq!(rules[2]["verdict"], "other-event");
    assert_eq!(rules[4]["verdict"], "nothing-changed");
    assert_eq!(rules[4]["watched"], serde_json::json!(["hidden"]));
    assert_eq!(rules[3]["fired"], true);
    assert_eq!(
        rules[3]["rows"],
        serde_json::json!([
            {"row": "old", "result": "absent", "field": "shelf"},
            {"row": "new", "result": "target", "target": {"kind": "url", "text": "/shelf/1/x/y", "site": null}},
        ])
    );
    let target = &json["targets"][0];
    assert_eq!(
        (&target["kind"], &target["text"]),
        (&"url".into(), &"/archive/a/0".into())
    );
    assert_eq!(
        target["caches"],
        serde_json::json!([{"cache": "memory", "way": "itself"}])
    );
}

/// What a dispatcher with this cache sends for a hook.
fn received(spellings: Spellings, hook: impl FnOnce(&Roan)) -> BTreeSet<String> {
    let recorder = Recorder::new();
    let roan = Roan::builder()
        .cache(recorder.clone())
        .named_site("shop", "https://shop.test")
        .spellings(spellings)
        .rebound(None)
        .build()
        .unwrap();
    hook(&roan);
    let left = roan.flush_blocking(Duration::from_secs(20));
    assert_eq!(left.pending(), 0);
    recorder
        .requests()
        .iter()
        .map(ToString::to_string)
        .collect()
}

fn explained() -> impl Strategy<Value = Explained> {
    let slug = prop_oneof![
        Just("a".to_owned()),
        Just("..".to_owned()),
        Just(String::new()),
        "\\PC{0,6}",
        "[ -~]{1,6}"
    ];
    let part = proptest::option::of("[a/+ ]{0,4}");
    (
        slug,
        proptest::option::of(0..3u8),
        part,
        any::<bool>(),
        0..3u8,
    )
        .prop_map(|(slug, shelf, part, hidden, pages)| Explained {
            slug,
            shelf,
            part,
            hidden,
            pages,
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// It says just what the hooks do: the same targets, the same invalid ones.
    #[test]
    fn it_says_what_the_hooks_do(old in explained(), new in explained()) {
        let cases: [(Explanation, &dyn Fn()); 4] = [
            (explain::created(&new), &|| roan::created(&new)),
            (roan::explain(&old, &new), &|| roan::updated(&old, &new)),
            (explain::saved(&new), &|| roan::saved(&new)),
            (explain::deleted(&old), &|| roan::deleted(&old)),
        ];
        for (why, hook) in cases {
            let purges = record_blocking(hook);
            prop_assert_eq!(why.targets(), purges.targets(), "{}", why);
            let invalid: Vec<_> = yielded(&why)
                .into_iter()
                .flatten()
                .filter_map(|(_, yielded)| match yielded {
                    Yielded::Invalid(error) => Some(error),
                    _ => None,
                })
                .collect();
            prop_assert_eq!(&invalid, purges.refused(), "{}", why);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// What a cache receives are the targets that it says, with the spellings that it says.
    #[test]
    fn a_cache_receives_the_targets_that_it_says(old in explained(), new in explained()) {
        for spellings in [Spellings::Exact, Spellings::Common] {
            let mut said = BTreeSet::new();
            let received = received(spellings, |roan| {
                roan.updated(&old, &new);
                for purged in roan::explain(&old, &new).by(roan).purged() {
                    said.insert(purged.target().to_string());
                    said.extend(purged.spellings().iter().map(ToString::to_string));
                }
            });
            prop_assert_eq!(said, received);
        }
    }
}
