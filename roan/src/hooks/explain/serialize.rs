//! An explanation for JSON.

use serde::{Serialize, Serializer};

use super::{Explanation, Purged, RuleTrace, Source, Verdict, Way, Which, Yielded};
use crate::base::rule::Rule;
use crate::base::target::Target;

/// `{"model", "events", "rules": [{"rule", "events", "condition", "site", "file", "line", "fired", "verdict", "rows": [{"row",
/// "result", "target" | "error" | "field"}]}], "targets": [{"kind", "text", "site", "address", "error", "caches":
/// [{"cache", "way"}], "spellings"}]}`. The words of `verdict`, `result` and `way` are those of the enums, with hyphens between them.
#[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
impl Serialize for Explanation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let view = View {
            model: self.model,
            events: self.events.to_string(),
            rules: self.rules.iter().map(RuleView::of).collect(),
            targets: self.targets.iter().map(PurgedView::of).collect(),
        };
        view.serialize(serializer)
    }
}

#[derive(Serialize)]
struct View<'a> {
    model: &'static str,
    events: String,
    rules: Vec<RuleView<'a>>,
    targets: Vec<PurgedView<'a>>,
}

#[derive(Serialize)]
struct RuleView<'a> {
    rule: String,
    events: String,
    watched: &'static [&'static str],
    condition: Option<&'static str>,
    site: Option<&'a str>,
    file: &'static str,
    line: u32,
    fired: bool,
    verdict: &'static str,
    rows: Vec<RowView<'a>>,
}

impl<'a> RuleView<'a> {
    fn of(trace: &'a RuleTrace) -> Self {
        let (events, site) = match &trace.source {
            Source::Attribute(rule) => (rule.events(), rule.site()),
            Source::RunTime(_, events, target) => (*events, target.site()),
        };
        let rule = trace.rule();
        let (file, line) = trace.place();
        let text = match &trace.source {
            Source::Attribute(rule) => rule.target().to_string(),
            Source::RunTime(_, _, target) => target.to_string(),
        };
        Self {
            rule: text,
            events: events.to_string(),
            watched: rule.map(Rule::watched).unwrap_or_default(),
            condition: rule.and_then(Rule::condition),
            site,
            file,
            line,
            fired: trace.has_fired(),
            verdict: match trace.verdict {
                Verdict::OtherEvent => "other-event",
                Verdict::NothingChanged => "nothing-changed",
                Verdict::Related => "related",
                Verdict::Evaluated(_) => "evaluated",
            },
            rows: trace.yielded().iter().map(RowView::of).collect(),
        }
    }
}

#[derive(Serialize)]
struct RowView<'a> {
    row: Option<&'static str>,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a Target>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
}

impl<'a> RowView<'a> {
    fn of((row, yielded): &'a (Which, Yielded)) -> Self {
        let mut view = Self {
            row: match row {
                Which::Old => Some("old"),
                Which::New => Some("new"),
                Which::Only => None,
            },
            result: "",
            target: None,
            error: None,
            field: None,
        };
        view.result = match yielded {
            Yielded::Target(target) => {
                view.target = Some(target);
                "target"
            }
            Yielded::Invalid(error) => {
                view.error = Some(error.to_string());
                "invalid"
            }
            Yielded::Absent(field) => {
                view.field = Some(field);
                "absent"
            }
            Yielded::ConditionIsFalse => "condition-is-false",
            Yielded::NoPages => "no-pages",
        };
        view
    }
}

#[derive(Serialize)]
struct PurgedView<'a> {
    #[serde(flatten)]
    target: &'a Target,
    address: Option<&'a str>,
    error: Option<String>,
    caches: Vec<CacheView<'a>>,
    spellings: Vec<&'a str>,
}

#[derive(Serialize)]
struct CacheView<'a> {
    cache: &'a str,
    way: &'static str,
}

impl<'a> PurgedView<'a> {
    fn of(purged: &'a Purged) -> Self {
        let caches = purged.caches().map(|(cache, way)| CacheView {
            cache,
            way: match way {
                Way::Itself => "itself",
                Way::LearnedUrls => "learned-urls",
                Way::Not => "not",
            },
        });
        Self {
            target: &purged.target,
            address: purged.site(),
            error: purged.refusal().map(ToString::to_string),
            caches: caches.collect(),
            spellings: purged.spellings.iter().map(Target::as_str).collect(),
        }
    }
}
