//! Targets in columns of their own. A program that reads one may be older than the one that wrote it.

use serde_json::Value;

use crate::base::target::Target;
use crate::base::target_json::{KINDS, SITE, decode_target, encode_target, is_known, write_target};

const NEXT: &str = "next";

/// What this program reads of a text in a column: a newer one may know more.
pub(crate) fn known_keys() -> String {
    format!("{} {SITE} {NEXT}", KINDS.join(" "))
}

/// A target that one node is still to be asked for, and what the next cache is asked for after the answer, for one column:
/// `{"url": "/posts/a", "next": [{"tag": "author-1"}]}`. Without `next` it is the target itself.
pub(crate) fn encode_delivery(target: &Target, next: &[&Target]) -> String {
    if next.iter().all(|next| *next == target) {
        return encode_target(target);
    }
    let mut text = String::new();
    write_target(&mut text, target);
    if !text.ends_with('}') {
        text = format!(r#"{{"url":{text}}}"#);
    }
    text.pop();
    text.push_str(r#","next":["#);
    for (number, target) in next.iter().enumerate() {
        if number > 0 {
            text.push(',');
        }
        write_target(&mut text, target);
    }
    text.push_str("]}");
    text
}

/// Why the text of a column cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// It has a key that this program does not know, so a newer one has written it.
    Newer(String),
    /// No program can read it.
    Invalid(String),
}

impl Unreadable {
    /// Of a target that cannot be read because of this error.
    fn of(value: &Value, error: String) -> Self {
        let keys = value.as_object().into_iter().flatten();
        match keys.map(|(key, _)| key).find(|key| !is_known(key)) {
            Some(key) => Self::Newer(format!(
                "the target has the key {key:?}, which this program does not know: update the program"
            )),
            None => Self::Invalid(error),
        }
    }
}

/// Reads the text of a column that [`encode_target`] made.
pub(crate) fn read_target(text: &str) -> Result<Target, Unreadable> {
    decode_stored(&parse(text)?)
}

fn parse(text: &str) -> Result<Value, Unreadable> {
    serde_json::from_str(text).map_err(|error| Unreadable::Invalid(error.to_string()))
}

fn decode_stored(value: &Value) -> Result<Target, Unreadable> {
    decode_target(value).map_err(|error| Unreadable::of(value, error))
}

/// Reads the text of a column that [`encode_delivery`] made: the target, and what the next cache is asked for if that is not
/// the target alone.
pub(crate) fn read_delivery(text: &str) -> Result<(Target, Vec<Target>), Unreadable> {
    let mut value = parse(text)?;
    let next = value.as_object_mut().and_then(|object| object.remove(NEXT));
    let target = decode_stored(&value)?;
    let next = match next {
        Some(Value::Array(next)) => next.iter().map(decode_stored).collect::<Result<_, _>>()?,
        Some(other) => {
            let error = format!("`{NEXT}` has the value {other}, which is not a list");
            return Err(Unreadable::Invalid(error));
        }
        None => Vec::new(),
    };
    Ok((target, next))
}

/// The target of such a column, as the payload has it. A text that cannot be read is left as it is.
pub(crate) fn target_of_delivery(text: String) -> String {
    match read_delivery(&text) {
        Ok((target, next)) if !next.is_empty() => encode_target(&target),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_says_what_the_next_cache_is_asked_for() {
        let (url, tag) = (Target::url("/a").unwrap(), Target::tag("x").unwrap());
        assert_eq!(encode_delivery(&url, &[&url]), r#""/a""#);
        let text = encode_delivery(&url, &[&tag, &url]);
        assert_eq!(text, r#"{"url":"/a","next":[{"tag":"x"},"/a"]}"#);
        assert_eq!(
            read_delivery(&text),
            Ok((url.clone(), vec![tag, url.clone()]))
        );
        assert_eq!(read_delivery(r#""/a""#), Ok((url, Vec::new())));
        for (wrong, why) in [
            (r#"{"url":"/a","next":"/b"}"#, "is not a list"),
            (r#"{"url":"/a","next":[7]}"#, "7 is neither"),
            (r#"{"next":[]}"#, "needs one of"),
        ] {
            let Err(Unreadable::Invalid(error)) = read_delivery(wrong) else {
                panic!("{wrong}");
            };
            assert!(error.contains(why), "{error}");
            assert_eq!(target_of_delivery(wrong.to_owned()), wrong);
        }
        for newer in [
            r#"{"variant":"/a"}"#,
            r#"{"url":"/a","variant":"phone"}"#,
            r#"{"url":"/a","next":[{"tag":"x"},{"variant":"/a"}]}"#,
        ] {
            let Err(Unreadable::Newer(why)) = read_delivery(newer) else {
                panic!("{newer}");
            };
            assert!(why.contains(r#"the key "variant""#), "{why}");
            assert_eq!(target_of_delivery(newer.to_owned()), newer);
        }
    }
}
