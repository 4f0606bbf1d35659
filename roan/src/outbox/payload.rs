//! The payload of a row of the outbox: JSON, so that programs in any language can write it.
//!
//! ```json
//! {"v": 1, "purge": ["/posts", {"url": "/posts/a", "site": "shop"}, {"tag": "author-1"}]}
//! {"v": 2, "purge": [{"prefix": "/docs/v1/"}, {"host": true, "site": "shop"}, {"everything": true}]}
//! ```
//!
//! Version 2 has the last three kinds. A program that knows version 1 alone leaves such a row to a newer one, so a payload
//! without those kinds has version 1.
//!
//! A database trigger does not know targets. It writes rows: see [`Rows`]. A payload may contain both.

use serde_json::{Map, Value};

use super::history;

use crate::base::event::Events;
use crate::base::history::{Fired, PurgeCause};
use crate::base::target::{Target, TargetKind};
use crate::base::target_json::{decode_target, read_version, write_target};

/// The newest version that Roan reads.
const VERSION: u64 = 2;

/// The version in which a target of this kind can be written.
fn version_of(kind: TargetKind) -> u64 {
    match kind {
        TargetKind::Url | TargetKind::Tag => 1,
        TargetKind::Prefix | TargetKind::Host | TargetKind::Everything => 2,
    }
}

/// The maximum number of targets, or of rows, in one payload. More make a second one, so that each row of the outbox stays
/// small enough to be taken.
pub(crate) const LONGEST: usize = 500;

/// What is wrong with a payload of a newer version.
pub(crate) fn newer(version: u64) -> String {
    format!(
        "payload has version {version}, but this program supports up to {VERSION}: update the program"
    )
}

/// With `causes`, it says what has asked for them: see [`history`](super::history).
pub(crate) fn encode(fired: &[Fired], causes: bool) -> String {
    let mut payload = String::with_capacity(32 + fired.len() * 48);
    payload.push_str(r#"{"purge":["#);
    for (number, fired) in fired.iter().enumerate() {
        if number > 0 {
            payload.push(',');
        }
        write_target(&mut payload, &fired.target);
    }
    payload.push_str(r#"],"v":"#);
    let versions = fired.iter().map(|fired| version_of(fired.target.kind()));
    payload.push_str(&versions.max().unwrap_or(1).to_string());
    if causes {
        history::write_causes(&mut payload, fired);
    }
    payload.push('}');
    payload
}

/// The content of a payload.
#[derive(Debug, PartialEq)]
pub(crate) enum Payload {
    Readable(Content),
    /// A newer version of the format, which this program cannot read.
    Newer(u64),
}

/// What a payload asks for: targets, rows, or both.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Content {
    pub(crate) targets: Vec<Target>,
    /// What has asked for them, as far as it is known.
    pub(crate) causes: Vec<PurgeCause>,
    pub(crate) rows: Option<Rows>,
    /// What is wrong with the rest of it, in words.
    pub(crate) errors: Vec<String>,
}

/// Rows that a statement has written, with the columns that the rules of their table name:
///
/// ```json
/// {"v": 1, "table": "posts", "event": "update", "changed": {"title": true}, "rows": [{"slug": "a"}, {"slug": "b"}]}
/// ```
///
/// An update has the old rows and the new rows.
#[derive(Debug, PartialEq)]
pub(crate) struct Rows {
    pub(crate) table: String,
    pub(crate) events: Events,
    /// Whether each watched column differs between the old rows and the new rows. Absent columns count as different.
    pub(crate) changed: Map<String, Value>,
    /// `None` means all rows of the table, which were deleted.
    pub(crate) rows: Option<Vec<Map<String, Value>>>,
    /// A hash of the rules that the trigger was made from.
    pub(crate) rules: Option<String>,
}

/// Returns an error that says what is wrong, and where.
pub(crate) fn decode(payload: &str) -> Result<Payload, String> {
    let value: Value = serde_json::from_str(payload)
        .map_err(|error| format!("payload is not valid JSON: {error}"))?;
    let version = read_version(&value).map_err(|problem| format!("payload {problem}"))?;
    if version > VERSION {
        return Ok(Payload::Newer(version));
    }
    Ok(Payload::Readable(read_content(value, version).0))
}

/// What can be read of a payload of a newer version, to be shown: not all that it asks for. Also where each of its targets is
/// among those that can be read.
pub(crate) fn known_part(payload: &str) -> (Content, Vec<Option<usize>>) {
    let value = serde_json::from_str(payload).unwrap_or_default();
    read_content(value, VERSION)
}

fn read_content(mut value: Value, version: u64) -> (Content, Vec<Option<usize>>) {
    let mut content = Content::default();
    let mut places = Vec::new();
    match value.get("purge") {
        Some(Value::Array(purge)) => {
            for (number, target) in purge.iter().enumerate() {
                let error = match decode_target(target) {
                    Ok(target) if version_of(target.kind()) > version => {
                        let needed = version_of(target.kind());
                        format!(
                            "a payload of version {version} does not have {}: write `\"v\": {needed}`",
                            target.kind()
                        )
                    }
                    Ok(target) => {
                        places.push(Some(content.targets.len()));
                        content.targets.push(target);
                        continue;
                    }
                    Err(error) => error,
                };
                places.push(None);
                content.errors.push(format!("purge[{number}]: {error}"));
            }
        }
        None if value.get("table").is_some() => {}
        _ => {
            let error = "payload does not have a list `purge`";
            content.errors.push(error.to_owned());
        }
    }
    if let Value::Object(payload) = &value {
        content.causes = history::read_causes(payload);
        if places.contains(&None) {
            history::renumber(&mut content.causes, &places);
        }
    }
    if value.get("table").is_some() {
        match decode_rows(&mut value, &mut content.errors) {
            Ok(rows) => content.rows = Some(rows),
            Err(error) => content.errors.push(error),
        }
    }
    (content, places)
}

/// The rows that can be read. The others become errors.
fn decode_rows(value: &mut Value, errors: &mut Vec<String>) -> Result<Rows, String> {
    let Value::String(table) = value["table"].take() else {
        return Err("`table` is not a text".to_owned());
    };
    let mut rows = match value.get_mut("rows").map(Value::take) {
        Some(Value::Array(rows)) => {
            let mut read = Vec::with_capacity(rows.len());
            for (number, row) in rows.into_iter().enumerate() {
                match row {
                    Value::Object(row) => read.push(row),
                    other => errors.push(format!("rows[{number}]: {other} is not an object")),
                }
            }
            Some(read)
        }
        Some(_) => return Err("`rows` is not a list".to_owned()),
        None => None,
    };
    let events = match value.get("event").and_then(Value::as_str) {
        Some("create") => Events::CREATE,
        Some("update") => Events::UPDATE,
        Some("delete") => Events::DELETE,
        // The new row has replaced another row, which no other event reports.
        Some("replace") => Events::UPDATE.union(Events::DELETE),
        Some("truncate") => {
            rows = None;
            Events::DELETE
        }
        _ => {
            let known = "`create`, `update`, `delete`, `replace` or `truncate`";
            return Err(format!("payload does not have an `event`: write {known}"));
        }
    };
    if rows.is_none() && value["event"] != "truncate" {
        return Err("payload does not have a list `rows`".to_owned());
    }
    let changed = match value.get_mut("changed").map(Value::take) {
        Some(Value::Object(changed)) => changed,
        Some(_) => return Err("`changed` is not an object".to_owned()),
        None => Map::new(),
    };
    let rules = value.get("rules").and_then(Value::as_str);
    Ok(Rows {
        rules: rules.map(str::to_owned),
        table,
        events,
        changed,
        rows,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::target_json::encode_target;
    use crate::outbox::stored_target::{
        encode_delivery, read_delivery, read_target, target_of_delivery,
    };

    fn fired(targets: &[Target]) -> Vec<Fired> {
        targets.iter().map(Fired::unsaid).collect()
    }

    fn readable(payload: &str) -> Content {
        match decode(payload) {
            Ok(Payload::Readable(content)) => content,
            other => panic!("{payload}: {other:?}"),
        }
    }

    /// What is wrong with it, if nothing else can be read.
    fn error_of(payload: &str) -> String {
        decode(payload).map_or_else(
            |error| error,
            |_| {
                let content = readable(payload);
                assert_eq!(content.rows, None, "{payload}");
                content.errors.join("; ")
            },
        )
    }

    #[test]
    fn what_was_written_is_read() {
        let url = Target::url("/caf%C3%A9?q=%22").unwrap();
        let targets = vec![
            url.clone(),
            url.at_site("sh\"op"),
            Target::tag("author-1").unwrap(),
            Target::tag("x").unwrap().at_site("www"),
        ];
        let old = encode(&fired(&targets), false);
        assert!(old.ends_with(r#""v":1}"#), "{old}");
        assert_eq!(readable(&old).targets, targets);
        let targets = [
            &*targets,
            &[
                Target::prefix("/docs/%22/").unwrap(),
                Target::prefix("/a/").unwrap().at_site("shop"),
                Target::host(),
                Target::host().at_site("shop"),
                Target::everything(),
            ],
        ]
        .concat();
        let payload = encode(&fired(&targets), false);
        assert_eq!(
            payload,
            r#"{"purge":["/caf%C3%A9?q=%22",{"site":"sh\"op","url":"/caf%C3%A9?q=%22"},{"tag":"author-1"},{"site":"www","tag":"x"},{"prefix":"/docs/%22/"},{"site":"shop","prefix":"/a/"},{"host":true},{"site":"shop","host":true},{"everything":true}],"v":2}"#
        );
        let content = readable(&payload);
        assert_eq!((content.targets, content.errors), (targets, vec![]));
        assert_eq!(content.rows, None);
    }

    #[test]
    fn the_error_of_an_invalid_payload_says_why() {
        for (payload, words) in [
            ("", "is not valid JSON"),
            ("{", "is not valid JSON"),
            ("[]", "does not have a version"),
            ("{}", "does not have a version"),
            (
                r#"{"v":"1","purge":[]}"#,
                "version \"1\", which is not a whole",
            ),
            (
                r#"{"v":1.0,"purge":[]}"#,
                "version 1.0, which is not a whole",
            ),
            (r#"{"v":0,"purge":[]}"#, "version 0, which is not a whole"),
            (r#"{"v":-1,"purge":[]}"#, "version -1, which is not a whole"),
            (
                r#"{"v":null,"purge":[]}"#,
                "version null, which is not a whole",
            ),
            (r#"{"v":1}"#, "not have a list `purge`"),
            (r#"{"v":1,"purge":"/a"}"#, "not have a list `purge`"),
            (r#"{"v":1,"purge":["/a","b"]}"#, "purge[1]: URL \"b\""),
            (r#"{"v":1,"purge":[1]}"#, "purge[0]: 1 is neither"),
            (r#"{"v":1,"purge":[{}]}"#, "needs one of `url`, `tag`,"),
            (r#"{"v":1,"purge":[{"site":"a"}]}"#, "needs one of `url`"),
            (
                r#"{"v":1,"purge":[{"url":"/a","tag":"b"}]}"#,
                "needs one of `url`, `tag`,",
            ),
            (
                r#"{"v":2,"purge":[{"host":true,"everything":true}]}"#,
                "needs one of `url`",
            ),
            (
                r#"{"v":2,"purge":[{"host":"shop"}]}"#,
                r#"`host` has the value "shop": write `{"host": true}`"#,
            ),
            (
                r#"{"v":2,"purge":[{"everything":false}]}"#,
                r#"write `{"everything": true}`"#,
            ),
            (
                r#"{"v":2,"purge":[{"everything":true,"site":"shop"}]}"#,
                r#"remove `site`, or write `{"host": true"#,
            ),
            (
                r#"{"v":2,"purge":[{"prefix":"/docs"}]}"#,
                "purge[0]: prefix \"/docs\" must end with `/`",
            ),
            (
                r#"{"v":2,"purge":[{"prefix":1}]}"#,
                "`prefix` is not a text",
            ),
            (
                r#"{"v":1,"purge":[{"host":true}]}"#,
                r#"purge[0]: a payload of version 1 does not have host: write `"v": 2`"#,
            ),
            (
                r#"{"v":1,"purge":[{"url":"/a","cite":"b"}]}"#,
                "unknown key \"cite\"",
            ),
            (r#"{"v":1,"purge":[{"url":1}]}"#, "`url` is not a text"),
            (
                r#"{"v":1,"purge":[{"url":"/a","site":1}]}"#,
                "`site` is not a text",
            ),
        ] {
            let error = error_of(payload);
            assert!(error.contains(words), "{payload}: {error}");
        }
        let half = readable(r#"{"v":1,"purge":["b","/a",7]}"#);
        assert_eq!(half.targets, [Target::url("/a").unwrap()]);
        let [first, second] = &*half.errors else {
            panic!("{half:?}");
        };
        assert!(first.starts_with("purge[0]: "), "{first}");
        assert!(second.starts_with("purge[2]: "), "{second}");
        assert_eq!(decode(r#"{"v":3,"x":1}"#), Ok(Payload::Newer(3)));
        assert_eq!(readable(r#"{"v":1,"purge":[]}"#), Content::default());
    }

    fn targets() -> impl Strategy<Value = Target> {
        let of_texts = (
            "([a-z:/=]|%25|%22){0,3}",
            "(/[a-c*{]{1,2}){1,3}/",
            0..5_usize,
        );
        let target = of_texts.prop_map(|(text, path, kind)| match kind {
            0 => Target::url(path.replace('{', "x")),
            1 => Target::tag(format!("t{text}")),
            2 => Target::prefix(path.replace('{', "x")),
            3 => Ok(Target::host()),
            _ => Ok(Target::everything()),
        });
        let target = target.prop_map(|target| target.expect("a target"));
        (target, proptest::option::of("\\PC{1,6}")).prop_map(|(target, site)| match site {
            Some(site) => target.at_site(&site),
            None => target,
        })
    }

    #[test]
    fn causes_keep_their_targets_beside_one_that_cannot_be_read() {
        let payload = r#"{"v":3,"purge":["/a",{"variant":"/b"},"/c"],"by":[
            {"call":"a.rs:1","of":[0]},{"call":"b.rs:2","of":[1]},{"call":"c.rs:3","of":[1,2]},{"call":"d.rs:4"}]}"#;
        let (content, places) = known_part(payload);
        assert_eq!(content.targets.len(), 2);
        assert_eq!(places, [Some(0), None, Some(1)]);
        let of: Vec<_> = content
            .causes
            .iter()
            .map(|cause| (cause.file(), cause.targets()))
            .collect();
        let expected: [(_, &[usize]); 3] = [("a.rs", &[0]), ("c.rs", &[1]), ("d.rs", &[])];
        assert_eq!(of, expected);
        assert_eq!(decode(payload), Ok(Payload::Newer(3)));
    }

    proptest! {
        #[test]
        fn each_target_is_read_as_it_was_written(targets in prop::collection::vec(targets(), 0..9)) {
            let read = readable(&encode(&fired(&targets), true));
            prop_assert_eq!(&read.causes, &[]);
            prop_assert_eq!(&read.targets, &targets);
            prop_assert!(read.errors.is_empty());
            for target in &targets {
                prop_assert_eq!(&read_target(&encode_target(target)), &Ok(target.clone()));
                let next: Vec<_> = targets.iter().collect();
                let read = read_delivery(&encode_delivery(target, &next)).unwrap();
                let is_alone = next.iter().all(|next| *next == target);
                let expected = if is_alone { Vec::new() } else { targets.clone() };
                prop_assert_eq!(read, (target.clone(), expected));
                let shown = target_of_delivery(encode_delivery(target, &next));
                prop_assert_eq!(shown, encode_target(target));
            }
        }
    }

    #[test]
    fn rows_are_read() {
        let payload = r#"{"v":1,"table":"posts","event":"update","changed":{"title":true},"rows":[{"slug":"a"},{"slug":null}]}"#;
        let rows = readable(payload).rows.unwrap();
        assert_eq!((&*rows.table, rows.events), ("posts", Events::UPDATE));
        assert_eq!(rows.changed["title"], true);
        assert_eq!(rows.rows.map(|rows| rows.len()), Some(2));
        let truncated = readable(r#"{"v":1,"table":"posts","event":"truncate"}"#);
        assert_eq!(truncated.rows.unwrap().rows, None);
        for (payload, words) in [
            (r#"{"v":1,"table":1}"#, "`table` is not a text"),
            (
                r#"{"v":1,"table":"t","event":"x","rows":[]}"#,
                "not have an `event`",
            ),
            (
                r#"{"v":1,"table":"t","event":"create"}"#,
                "not have a list `rows`",
            ),
            (
                r#"{"v":1,"table":"t","event":"create","rows":1}"#,
                "`rows` is not a list",
            ),
            (
                r#"{"v":1,"table":"t","event":"create","rows":[],"changed":1}"#,
                "`changed` is not an object",
            ),
        ] {
            let error = error_of(payload);
            assert!(error.contains(words), "{payload}: {error}");
        }
    }

    #[test]
    fn one_half_of_a_payload_does_not_lose_the_other() {
        let both = readable(
            r#"{"v":1,"purge":["/both"],"table":"posts","event":"update","rows":[1,{"slug":"a"}]}"#,
        );
        assert_eq!(both.targets, [Target::url("/both").unwrap()]);
        assert_eq!(both.rows.unwrap().rows.map(|rows| rows.len()), Some(1));
        assert_eq!(both.errors, ["rows[0]: 1 is not an object"]);
        let no_rows = readable(r#"{"v":1,"purge":["/both"],"table":"posts"}"#);
        assert_eq!(no_rows.targets.len(), 1);
        assert!(no_rows.errors[0].contains("not have an `event`"));
        let no_list = readable(r#"{"v":1,"purge":1,"table":"t","event":"create","rows":[]}"#);
        assert!(no_list.rows.is_some());
        assert_eq!(no_list.errors, ["payload does not have a list `purge`"]);
    }
}
