//! The payload of a row of the outbox: JSON, so that programs in any language can write it.
//!
//! ```json
//! {"v": 1, "purge": ["/posts", {"url": "/posts/a", "site": "shop"}, {"tag": "author-1"}]}
//! ```
//!
//! A trigger of the database knows no targets, but rows: see [`Rows`].

use serde_json::{Map, Value};

use crate::base::event::Events;
use crate::base::target::{Target, TargetKind};

/// The version that is written, and the newest that is read.
const VERSION: u64 = 1;

pub(crate) fn encode(targets: &[Target]) -> String {
    let mut payload = String::with_capacity(32 + targets.len() * 48);
    payload.push_str(r#"{"purge":["#);
    for (number, target) in targets.iter().enumerate() {
        if number > 0 {
            payload.push(',');
        }
        write_target(&mut payload, target);
    }
    payload.push_str(r#"],"v":"#);
    payload.push_str(&VERSION.to_string());
    payload.push('}');
    payload
}

/// One target, for a column of its own.
pub(crate) fn encode_target(target: &Target) -> String {
    let mut text = String::new();
    write_target(&mut text, target);
    text
}

/// A text, or an object where there is more to say.
fn write_target(out: &mut String, target: &Target) {
    let key = match target.kind() {
        TargetKind::Url if target.site().is_none() => return write_text(out, target.as_str()),
        TargetKind::Url => "url",
        TargetKind::Tag => "tag",
    };
    out.push('{');
    if let Some(site) = target.site() {
        out.push_str(r#""site":"#);
        write_text(out, site);
        out.push(',');
    }
    out.push('"');
    out.push_str(key);
    out.push_str("\":");
    write_text(out, target.as_str());
    out.push('}');
}

fn write_text(out: &mut String, text: &str) {
    let is_plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
    if text.bytes().all(is_plain) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&Value::from(text).to_string());
    }
}

/// What a payload holds.
#[derive(Debug, PartialEq)]
pub(crate) enum Payload {
    /// With what is wrong with those that are not among them.
    Targets(Vec<Target>, Option<String>),
    Rows(Rows),
}

/// Rows that a statement has written, as the columns that the rules of their table name:
///
/// ```json
/// {"v": 1, "table": "posts", "event": "update", "changed": {"title": true}, "rows": [{"slug": "a"}, {"slug": "b"}]}
/// ```
///
/// An update has the old rows and the new ones.
#[derive(Debug, PartialEq)]
pub(crate) struct Rows {
    pub(crate) table: String,
    pub(crate) events: Events,
    /// Whether the watched columns differ between the old rows and the new ones; those that are not
    /// there may.
    pub(crate) changed: Map<String, Value>,
    /// `None` stands for all rows of the table, which are gone.
    pub(crate) rows: Option<Vec<Map<String, Value>>>,
}

/// The error says what is wrong, and where.
pub(crate) fn decode(payload: &str) -> Result<Payload, String> {
    let mut value: Value =
        serde_json::from_str(payload).map_err(|error| format!("payload is not JSON: {error}"))?;
    match value.get("v").map(Value::as_u64) {
        Some(Some(VERSION)) => {}
        Some(Some(newer)) if newer > VERSION => {
            return Err(format!(
                "payload has version {newer}, and this program knows up to {VERSION}: update it"
            ));
        }
        _ => return Err(format!("payload has no version: write `\"v\": {VERSION}`")),
    }
    if value.get("table").is_some() {
        return decode_rows(&mut value).map(Payload::Rows);
    }
    let Some(Value::Array(purge)) = value.get("purge") else {
        return Err("payload has no list `purge`".to_owned());
    };
    let mut targets = Vec::with_capacity(purge.len());
    let mut errors = Vec::new();
    for (number, target) in purge.iter().enumerate() {
        match decode_target(target) {
            Ok(target) => targets.push(target),
            Err(error) => errors.push(format!("purge[{number}]: {error}")),
        }
    }
    let error = (!errors.is_empty()).then(|| errors.join("; "));
    Ok(Payload::Targets(targets, error))
}

fn decode_rows(value: &mut Value) -> Result<Rows, String> {
    let Value::String(table) = value["table"].take() else {
        return Err("`table` is no text".to_owned());
    };
    let mut rows = match value.get_mut("rows").map(Value::take) {
        Some(Value::Array(rows)) => Some(
            rows.into_iter()
                .map(|row| match row {
                    Value::Object(row) => Ok(row),
                    other => Err(format!("{other} in `rows` is no object")),
                })
                .collect::<Result<Vec<_>, _>>()?,
        ),
        Some(_) => return Err("`rows` is no list".to_owned()),
        None => None,
    };
    let events = match value.get("event").and_then(Value::as_str) {
        Some("create") => Events::CREATE,
        Some("update") => Events::UPDATE,
        Some("delete") => Events::DELETE,
        // A new row took the place of another, of which nothing else is told.
        Some("replace") => Events::UPDATE.union(Events::DELETE),
        Some("truncate") => {
            rows = None;
            Events::DELETE
        }
        _ => {
            let known = "`create`, `update`, `delete`, `replace` or `truncate`";
            return Err(format!("payload has no `event`: write {known}"));
        }
    };
    if rows.is_none() && value["event"] != "truncate" {
        return Err("payload has no list `rows`".to_owned());
    }
    let changed = match value.get_mut("changed").map(Value::take) {
        Some(Value::Object(changed)) => changed,
        Some(_) => return Err("`changed` is no object".to_owned()),
        None => Map::new(),
    };
    Ok(Rows {
        table,
        events,
        changed,
        rows,
    })
}

/// What [`encode_target`] made, as the text of a column.
pub(crate) fn read_target(text: &str) -> Result<Target, String> {
    let value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    decode_target(&value)
}

fn decode_target(value: &Value) -> Result<Target, String> {
    let text = |value: &Value| value.as_str().map(str::to_owned);
    if let Some(url) = value.as_str() {
        return Target::url(url).map_err(|error| error.to_string());
    }
    let Some(object) = value.as_object() else {
        return Err(format!("{value} is neither a URL nor an object"));
    };
    if let Some(unknown) = object
        .keys()
        .find(|key| !["url", "tag", "site"].contains(&key.as_str()))
    {
        return Err(format!(
            "unknown key {unknown:?}: there are `url`, `tag` and `site`"
        ));
    }
    let target = match (object.get("url"), object.get("tag")) {
        (Some(url), None) => Target::url(text(url).ok_or("`url` is no text")?),
        (None, Some(tag)) => Target::tag(text(tag).ok_or("`tag` is no text")?),
        _ => return Err("needs either `url` or `tag`".to_owned()),
    };
    let target = target.map_err(|error| error.to_string())?;
    match object.get("site") {
        Some(site) => Ok(target.at_site(&text(site).ok_or("`site` is no text")?)),
        None => Ok(target),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let url = Target::url("/caf%C3%A9?q=%22").unwrap();
        let targets = vec![
            url.clone(),
            url.at_site("sh\"op"),
            Target::tag("author-1").unwrap(),
            Target::tag("x").unwrap().at_site("www"),
        ];
        let payload = encode(&targets);
        assert_eq!(
            payload,
            r#"{"purge":["/caf%C3%A9?q=%22",{"site":"sh\"op","url":"/caf%C3%A9?q=%22"},{"tag":"author-1"},{"site":"www","tag":"x"}],"v":1}"#
        );
        assert_eq!(decode(&payload).unwrap(), Payload::Targets(targets, None));
    }

    #[test]
    fn a_payload_that_is_not_valid_is_told_why() {
        for (payload, words) in [
            ("", "is not JSON"),
            ("{", "is not JSON"),
            ("[]", "has no version"),
            ("{}", "has no version"),
            (r#"{"v":"1","purge":[]}"#, "has no version"),
            (r#"{"v":0,"purge":[]}"#, "has no version"),
            (r#"{"v":2,"purge":[]}"#, "version 2"),
            (r#"{"v":1}"#, "no list `purge`"),
            (r#"{"v":1,"purge":"/a"}"#, "no list `purge`"),
            (r#"{"v":1,"purge":["/a","b"]}"#, "purge[1]: URL \"b\""),
            (r#"{"v":1,"purge":[1]}"#, "purge[0]: 1 is neither"),
            (r#"{"v":1,"purge":[{}]}"#, "either `url` or `tag`"),
            (
                r#"{"v":1,"purge":[{"url":"/a","tag":"b"}]}"#,
                "either `url` or `tag`",
            ),
            (
                r#"{"v":1,"purge":[{"url":"/a","cite":"b"}]}"#,
                "unknown key \"cite\"",
            ),
            (r#"{"v":1,"purge":[{"url":1}]}"#, "`url` is no text"),
            (
                r#"{"v":1,"purge":[{"url":"/a","site":1}]}"#,
                "`site` is no text",
            ),
        ] {
            let error = match decode(payload) {
                Err(error) | Ok(Payload::Targets(_, Some(error))) => error,
                read => panic!("{payload}: {read:?}"),
            };
            assert!(error.contains(words), "{payload}: {error}");
        }
        let half = decode(r#"{"v":1,"purge":["b","/a",7]}"#);
        let Ok(Payload::Targets(targets, Some(error))) = half else {
            panic!("{half:?}");
        };
        assert_eq!(targets, [Target::url("/a").unwrap()]);
        assert!(
            error.contains("purge[0]") && error.contains("purge[2]"),
            "{error}"
        );
        let empty = decode(r#"{"v":1,"purge":[]}"#);
        assert_eq!(empty, Ok(Payload::Targets(Vec::new(), None)));
    }

    #[test]
    fn rows_are_read() {
        let payload = r#"{"v":1,"table":"posts","event":"update","changed":{"title":true},"rows":[{"slug":"a"},{"slug":null}]}"#;
        let Ok(Payload::Rows(rows)) = decode(payload) else {
            panic!("it is rows");
        };
        assert_eq!((&*rows.table, rows.events), ("posts", Events::UPDATE));
        assert_eq!(rows.changed["title"], true);
        assert_eq!(rows.rows.map(|rows| rows.len()), Some(2));
        let truncated = decode(r#"{"v":1,"table":"posts","event":"truncate"}"#);
        assert!(matches!(
            truncated,
            Ok(Payload::Rows(Rows { rows: None, .. }))
        ));
        for (payload, words) in [
            (r#"{"v":1,"table":1}"#, "`table` is no text"),
            (r#"{"v":1,"table":"t","event":"x","rows":[]}"#, "no `event`"),
            (r#"{"v":1,"table":"t","event":"create"}"#, "no list `rows`"),
            (
                r#"{"v":1,"table":"t","event":"create","rows":1}"#,
                "`rows` is no list",
            ),
            (
                r#"{"v":1,"table":"t","event":"create","rows":[1]}"#,
                "is no object",
            ),
            (
                r#"{"v":1,"table":"t","event":"create","rows":[],"changed":1}"#,
                "`changed` is no object",
            ),
        ] {
            let error = decode(payload).unwrap_err();
            assert!(error.contains(words), "{payload}: {error}");
        }
    }
}
