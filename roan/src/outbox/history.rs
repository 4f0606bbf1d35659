//! The texts of the history in a row of the outbox: what has asked for its purges, in the payload, and how the nodes have
//! answered, in the column `history`.
//!
//! The payload names causes behind what is to be purged. A program that does not know these keys ignores them.
//!
//! ```json
//! {"purge": ["/posts", "/posts/a"], "v": 1, "by": [
//!     {"rule": "src/models.rs:12", "model": "Post", "event": "update", "of": [0]},
//!     {"rule": "src/models.rs:13", "model": "Post", "event": "update", "of": [1]}
//! ], "trace": "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"}
//! ```
//!
//! In place of `rule` there may be `run_time` or `call`. Without `of` it is the cause of all targets.
//!
//! The column has a line for each kind of answer of a node, and before them, for a row that a trigger wrote, what the rules
//! have yielded. Lines are added while nodes answer.
//!
//! ```json
//! {"purge": ["/posts/a"], "by": [{"rule": "src/models.rs:13", "model": "Post", "event": "update"}]}
//! {"cache": "nginx", "node": "10.0.0.11", "result": "purged", "of": [0]}
//! {"cache": "nginx", "node": "10.0.0.11", "result": "not-cached", "verified": true, "other_urls": 3}
//! ```

use serde_json::{Map, Value};

use super::payload;
use crate::base::event::Events;
use crate::base::history::{AnswerKind, CauseKind, Fired, NodeAnswer, PurgeCause, Trace};
use crate::base::target::Target;
use crate::base::target_json;

/// The line of a row that sends the purges of another one again, before and after the id of that one.
pub(crate) const REPLAY: [&str; 2] = [r#"{"replay":"#, "}\n"];

/// The key before a trace, which [`Store::purge_since`](super::store::Store) removes before it compares payloads.
pub(crate) const TRACE: &str = r#","trace":""#;

/// The length of a trace.
pub(crate) const TRACE_LEN: usize = 49;

/// More causes of one payload are not written.
const MOST: usize = 16;

/// Longer names are cut.
const LONGEST_NAME: usize = 200;

/// The longest column. MySQL's `mediumtext` holds 16 MB; this is more than 500 targets need.
const LONGEST: usize = 64 * 1024;

fn key_of(kind: CauseKind) -> Option<&'static str> {
    match kind {
        CauseKind::Rule => Some("rule"),
        CauseKind::RunTimeRule => Some("run_time"),
        CauseKind::Call => Some("call"),
        CauseKind::Unknown => None,
    }
}

/// Writes the causes of these targets: `,"by":[...],"trace":"..."`. Nothing if they are not known.
pub(super) fn write_causes(out: &mut String, fired: &[Fired]) {
    let mut causes: Vec<(PurgeCause, Vec<usize>)> = Vec::new();
    let mut trace = None;
    for (number, fired) in fired.iter().enumerate() {
        for cause in fired.causes.to_vec() {
            trace = trace.or(cause.trace());
            let cause = cause.with_trace(None);
            let is_room = causes.len() < MOST;
            match causes.iter_mut().rfind(|(known, _)| *known == cause) {
                Some((_, of)) if of.last() == Some(&number) => {}
                Some((_, of)) => of.push(number),
                None if is_room => causes.push((cause, vec![number])),
                None => {}
            }
        }
    }
    causes.retain(|(cause, _)| key_of(cause.kind()).is_some());
    if !causes.is_empty() {
        out.push_str(r#","by":["#);
        for (number, (cause, of)) in causes.iter().enumerate() {
            if number > 0 {
                out.push(',');
            }
            let of = if of.len() == fired.len() { &[][..] } else { of };
            write_cause(out, cause, of);
        }
        out.push(']');
    }
    if let Some(trace) = trace {
        out.push_str(TRACE);
        out.push_str(&trace.to_string());
        out.push('"');
    }
}

fn write_cause(out: &mut String, cause: &PurgeCause, of: &[usize]) {
    out.push('{');
    let place = format!("{}:{}", cause.file(), cause.line());
    target_json::write_text(out, key_of(cause.kind()).unwrap_or("call"));
    out.push(':');
    target_json::write_text(out, &place);
    for (key, text) in [("model", cause.model()), ("table", cause.table())] {
        if let Some(text) = text {
            write_member(out, key, text);
        }
    }
    if let Some(events) = cause.events() {
        write_member(out, "event", &events.to_string());
    }
    write_numbers(out, of);
    out.push('}');
}

fn write_member(out: &mut String, key: &str, text: &str) {
    out.push(',');
    target_json::write_text(out, key);
    out.push(':');
    target_json::write_text(out, text);
}

fn write_numbers(out: &mut String, of: &[usize]) {
    if of.is_empty() {
        return;
    }
    let of: Vec<String> = of.iter().map(usize::to_string).collect();
    out.push_str(r#","of":["#);
    out.push_str(&of.join(","));
    out.push(']');
}

/// The causes in a payload. What is not as [`write_causes`] writes it is left out: it is no part of the purge.
pub(super) fn read_causes(payload: &Map<String, Value>) -> Vec<PurgeCause> {
    let trace = payload.get("trace").and_then(Value::as_str);
    let trace = trace.and_then(Trace::read);
    let by = payload.get("by").and_then(Value::as_array);
    let causes = by.into_iter().flatten().filter_map(read_cause);
    let mut causes: Vec<_> = causes
        .take(MOST)
        .map(|cause| cause.with_trace(trace))
        .collect();
    if causes.is_empty() && trace.is_some() {
        causes.push(PurgeCause::unknown().with_trace(trace));
    }
    causes
}

/// Gives causes the places of their targets among those that can be read. One whose targets cannot be read is left out.
pub(super) fn renumber(causes: &mut Vec<PurgeCause>, places: &[Option<usize>]) {
    let all = std::mem::take(causes).into_iter();
    causes.extend(all.filter_map(|cause| match cause.targets() {
        [] => Some(cause),
        some => {
            let of = at(places, some);
            (!of.is_empty()).then(|| cause.with_targets(of))
        }
    }));
}

fn read_cause(value: &Value) -> Option<PurgeCause> {
    const KINDS: [CauseKind; 3] = [CauseKind::Rule, CauseKind::RunTimeRule, CauseKind::Call];
    let text = |key: &str| {
        let text = value.get(key)?.as_str()?;
        Some(text[..text.floor_char_boundary(LONGEST_NAME)].to_owned())
    };
    let mut known = KINDS.into_iter();
    let cause = match known.find_map(|kind| Some((kind, value.get(key_of(kind)?)?.as_str()?))) {
        Some((kind, place)) => {
            let (file, line) = place[..place.floor_char_boundary(LONGEST_NAME)].rsplit_once(':')?;
            PurgeCause::stored(kind, file.to_owned(), line.parse().ok()?)
        }
        // A newer program knows another kind of cause.
        None if value.get("event").is_some() => PurgeCause::unknown(),
        None => return None,
    };
    let events = text("event").and_then(|events| Events::read(&events));
    let cause = cause
        .with_event(text("model"), events)
        .with_table(text("table"))
        .with_targets(value.as_object().map(numbers).unwrap_or_default());
    Some(cause)
}

fn numbers(value: &Map<String, Value>) -> Vec<usize> {
    let of = value.get("of").and_then(Value::as_array);
    let of = of.into_iter().flatten().filter_map(Value::as_u64);
    of.filter_map(|number| usize::try_from(number).ok())
        .take(payload::LONGEST)
        .collect()
}

/// The line for what rules have yielded of the rows of a trigger.
pub(crate) fn yielded_line(fired: &[Fired]) -> String {
    let mut line = String::from(r#"{"purge":["#);
    let mut count = 0;
    for one in fired {
        if count > 0 {
            line.push(',');
        }
        line.push_str(&target_json::encode_target(&one.target));
        count += 1;
        if line.len() > LONGEST {
            break;
        }
    }
    line.push(']');
    write_causes(&mut line, &fired[..count]);
    line.push_str("}\n");
    line
}

/// The lines for these answers to a row with so many targets. For those of a delivery, `target` is its target.
pub(crate) fn answer_lines(answers: &[NodeAnswer], targets: usize, target: Option<&str>) -> String {
    let mut lines = String::new();
    for answer in answers {
        lines.push_str(r#"{"cache":"#);
        target_json::write_text(&mut lines, &answer.cache);
        write_member(&mut lines, "node", &answer.node);
        write_member(&mut lines, "result", answer.result.as_str());
        if let Some(error) = &answer.error {
            let end = error.floor_char_boundary(5 * LONGEST_NAME);
            write_member(&mut lines, "error", &error[..end]);
        }
        for (key, flag) in [("verified", answer.verified), ("rebound", answer.rebound)] {
            if flag {
                lines.push_str(&format!(r#","{key}":true"#));
            }
        }
        if let Some(status) = answer.status.filter(|_| answer.error.is_some()) {
            lines.push_str(&format!(r#","status":{status}"#));
        }
        if answer.attempts > 1 {
            lines.push_str(&format!(r#","attempts":{}"#, answer.attempts));
        }
        match (answer.other_urls, target) {
            (true, _) => lines.push_str(&format!(r#","other_urls":{}"#, answer.count)),
            (false, Some(target)) => {
                // It is JSON already.
                lines.push_str(&format!(r#","target":{target}"#));
            }
            (false, None) if answer.targets.len() < targets => {
                write_numbers(&mut lines, &answer.targets);
            }
            (false, None) => {}
        }
        lines.push_str("}\n");
        if lines.len() > LONGEST {
            break;
        }
    }
    lines
}

/// What the column contains.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Kept {
    /// The row whose purges it sends again.
    pub(crate) replay_of: Option<i64>,
    /// What rules have yielded, behind the targets of the payload.
    pub(crate) targets: Vec<Target>,
    pub(crate) causes: Vec<PurgeCause>,
    pub(crate) answers: Vec<NodeAnswer>,
}

/// Reads the column. `targets` are those of the payload, and `asked` says where each is that its writer could read. Lines that
/// are not as they are written here are left out.
pub(crate) fn read_lines(column: &str, targets: &[Target], asked: &[Option<usize>]) -> Kept {
    let mut kept = Kept::default();
    // The numbers of a line, as places in all targets: another program may have written lines before.
    let mut places = asked.to_vec();
    for line in column.lines() {
        let Ok(Value::Object(line)) = serde_json::from_str(line) else {
            continue;
        };
        if let Some(id) = line.get("replay").and_then(Value::as_i64) {
            kept.replay_of = Some(id);
            continue;
        }
        let Some(Value::Array(purge)) = line.get("purge") else {
            let all = [targets, &kept.targets].concat();
            kept.answers.extend(read_answer(&line, &all, &places));
            continue;
        };
        places.truncate(asked.len());
        for target in purge.iter().map(target_json::decode_target) {
            let Ok(target) = target else {
                // Of a newer program. The others keep their numbers.
                places.push(None);
                continue;
            };
            let known = kept.targets.iter().position(|known| *known == target);
            let place = known.unwrap_or_else(|| {
                kept.targets.push(target);
                kept.targets.len() - 1
            });
            places.push(Some(targets.len() + place));
        }
        for cause in read_causes(&line) {
            let of = match cause.targets() {
                [] => places[asked.len()..].iter().flatten().copied().collect(),
                some => at(&places[asked.len()..], some),
            };
            if of.is_empty() {
                continue;
            }
            let cause = match targets.is_empty() && of.len() == kept.targets.len() {
                true => cause.with_targets(Vec::new()),
                false => cause.with_targets(of),
            };
            if !kept.causes.contains(&cause) {
                kept.causes.push(cause);
            }
        }
    }
    kept
}

fn at(places: &[Option<usize>], numbers: &[usize]) -> Vec<usize> {
    let known = numbers.iter().filter_map(|number| places.get(*number));
    known.flatten().copied().collect()
}

fn read_answer(
    line: &Map<String, Value>,
    all: &[Target],
    places: &[Option<usize>],
) -> Option<NodeAnswer> {
    let text = |key: &str| line.get(key)?.as_str();
    let number = |key: &str| u32::try_from(line.get(key)?.as_u64()?).ok();
    let flag = |key: &str| line.get(key) == Some(&Value::Bool(true));
    let result = text("result")?;
    let mut kinds = AnswerKind::ALL.into_iter();
    let result = kinds.find(|kind| kind.as_str() == result)?;
    let (count, of) = match (number("other_urls"), line.get("target")) {
        (Some(others), _) => (Some(others), Vec::new()),
        (None, Some(target)) => {
            let target = target_json::decode_target(target).ok();
            match target.and_then(|target| all.iter().position(|known| *known == target)) {
                Some(place) => (None, vec![place]),
                // The page of a tag, another spelling, or what a newer program has asked for.
                None => (Some(1), Vec::new()),
            }
        }
        (None, None) => match numbers(line) {
            of if of.is_empty() => (None, places.iter().flatten().copied().collect()),
            of => match at(places, &of) {
                // Without targets it would be an answer for all.
                known if known.is_empty() => (u32::try_from(of.len()).ok(), known),
                known => (None, known),
            },
        },
    };
    Some(NodeAnswer {
        error: text("error").map(str::to_owned),
        status: number("status").and_then(|status| u16::try_from(status).ok()),
        verified: flag("verified"),
        rebound: flag("rebound"),
        other_urls: count.is_some(),
        attempts: number("attempts").unwrap_or(1),
        count: count.unwrap_or_else(|| u32::try_from(of.len()).unwrap_or(u32::MAX)),
        targets: if of.len() == all.len() {
            Vec::new()
        } else {
            of
        },
        ..NodeAnswer::of(&text("cache")?.into(), &text("node")?.into(), result)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::base::history::Causes;
    use crate::outbox::payload::{Payload, decode, encode};

    fn causes() -> impl Strategy<Value = PurgeCause> {
        let events = prop::sample::select(vec![
            None,
            Some(Events::CREATE),
            Some(Events::SAVE),
            Some(Events::SAVE.union(Events::DELETE)),
        ]);
        let name = "[a-z:\"\\\\/é]{1,12}";
        let optional = proptest::option::of(name);
        (
            0..3_usize,
            name,
            1..5_u32,
            events,
            optional.clone(),
            optional,
        )
            .prop_map(|(kind, file, line, events, model, table)| {
                let kind = [CauseKind::Rule, CauseKind::RunTimeRule, CauseKind::Call][kind];
                PurgeCause::stored(kind, file, line)
                    .with_event(model, events)
                    .with_table(table)
            })
    }

    fn read(column: &str, targets: &[Target]) -> Kept {
        let asked: Vec<_> = (0..targets.len()).map(Some).collect();
        read_lines(column, targets, &asked)
    }

    proptest! {
        #[test]
        fn causes_are_read_as_they_were_written(
            of in prop::collection::vec(prop::collection::vec(causes(), 0..3), 1..6),
            ids in proptest::option::of("[1-9a-f]{32}-[1-9a-f]{16}"),
        ) {
            let trace = ids.as_deref().and_then(Trace::read);
            let fired: Vec<_> = of.iter().enumerate().map(|(number, causes)| {
                let causes = causes.iter().map(|cause| cause.clone().with_trace(trace));
                Fired {
                    target: Target::url(format!("/{number}")).expect("a URL"),
                    causes: Causes::read(causes.collect()),
                }
            }).collect();
            let payload = encode(&fired, true);
            let content = match decode(&payload) {
                Ok(Payload::Readable(content)) => content,
                other => panic!("{payload}: {other:?}"),
            };
            prop_assert_eq!(content.errors, Vec::<String>::new());
            prop_assert_eq!(content.targets.len(), fired.len());
            for (number, one) in fired.iter().enumerate() {
                let is_of = |cause: &&PurgeCause| cause.targets().is_empty() || cause.targets().contains(&number);
                let read: Vec<_> = content.causes.iter().filter(is_of).map(|cause| cause.clone().with_targets(Vec::new())).collect();
                let written = one.causes.to_vec();
                prop_assert_eq!(read.len(), written.len(), "{}", payload);
                prop_assert!(written.iter().all(|cause| read.contains(cause)), "{}", payload);
            }
            // Without causes it is what an older program writes, and what the replay compares.
            let plain = encode(&fired, false);
            prop_assert!(payload.starts_with(plain.trim_end_matches('}')), "{} {}", plain, payload);
            let has_trace = trace.is_some() && of.iter().any(|causes| !causes.is_empty());
            let end = payload.len() - payload.len().min(TRACE.len() + TRACE_LEN + 2);
            prop_assert_eq!(has_trace, payload.is_char_boundary(end) && payload[end..].starts_with(TRACE));
        }

        #[test]
        fn answers_are_read_as_they_were_written(
            answers in prop::collection::vec((0..8_usize, "[a-z\"é]{1,5}", any::<(bool, bool, bool)>(), 1..4_u32, prop::collection::btree_set(0..4_usize, 1..4)), 0..6),
        ) {
            let targets: Vec<_> = (0..4).map(|number| Target::url(format!("/{number}")).expect("a URL")).collect();
            let answers: Vec<_> = answers.into_iter().map(|(kind, node, (verified, rebound, others), attempts, of)| {
                let cache: Arc<str> = "nginx".into();
                let of: Vec<_> = of.into_iter().collect();
                NodeAnswer {
                    verified,
                    rebound,
                    other_urls: others,
                    attempts,
                    count: if others { 7 } else { u32::try_from(of.len()).expect("few") },
                    targets: if others { Vec::new() } else { of },
                    ..NodeAnswer::of(&cache, &node.into(), AnswerKind::ALL[kind])
                }
            }).collect();
            let lines = answer_lines(&answers, targets.len(), None);
            prop_assert_eq!(read(&lines, &targets).answers, answers);
        }

        #[test]
        fn any_text_is_read(column in "(\\PC|\n|[{}\\[\\]\",:a-z0-9]){0,80}", of in any::<u64>()) {
            let targets = [Target::url("/a").expect("a URL")];
            let _ = read(&column, &targets);
            let _ = read(&format!(r#"{{"cache":"a","node":"b","result":"purged","of":[{of}]}}"#), &targets);
            let _ = decode(&format!(r#"{{"v":1,"purge":["/a"],"by":[{{"rule":"a:{of}","of":[{of}]}}],"trace":{of}}}"#));
        }
    }

    #[test]
    fn what_another_program_writes_under_the_keys_does_no_harm() {
        for keys in [
            r#""by":7,"trace":[]"#,
            r#""by":[{"rule":1},{"call":"no place"},[],{"rule":"a.rs:x"}],"trace":"no trace""#,
        ] {
            let payload = format!(r#"{{"v":1,"purge":["/a"],{keys}}}"#);
            let Ok(Payload::Readable(content)) = decode(&payload) else {
                panic!("{payload}");
            };
            assert_eq!(
                (content.targets.len(), content.causes, content.errors),
                (1, vec![], vec![])
            );
        }
    }

    #[test]
    fn what_rules_have_yielded_comes_behind_the_targets_of_the_payload() {
        let targets: Vec<_> = ["/a", "/b", "/c"]
            .map(|url| Target::url(url).expect("a URL"))
            .into();
        let cause = PurgeCause::stored(CauseKind::Rule, "a.rs".to_owned(), 1);
        let yielded = |target: &Target| Fired {
            target: target.clone(),
            causes: Causes::read(vec![cause.clone()]),
        };
        let answer = NodeAnswer {
            targets: vec![1],
            ..NodeAnswer::of(&"nginx".into(), &"a".into(), AnswerKind::Purged)
        };
        // Two versions of a program have left it and taken it.
        let column = [
            yielded_line(&[yielded(&targets[1])]),
            answer_lines(std::slice::from_ref(&answer), 2, None),
            yielded_line(&[yielded(&targets[2])]),
            answer_lines(&[answer], 2, None),
        ];
        let kept = read(&column.concat(), &targets[..1]);
        assert_eq!(kept.targets, targets[1..]);
        let of: Vec<_> = kept
            .answers
            .iter()
            .map(|answer| answer.targets.clone())
            .collect();
        assert_eq!(of, [[1], [2]]);
        let of: Vec<_> = kept
            .causes
            .iter()
            .map(|cause| cause.targets().to_vec())
            .collect();
        assert_eq!(of, [[1], [2]]);
    }
}
