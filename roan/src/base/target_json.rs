//! Targets as JSON, as the rows of the outbox and the messages of a fleet have them.
//!
//! ```json
//! ["/posts", {"url": "/posts/a", "site": "shop"}, {"tag": "author-1"}, {"prefix": "/docs/v1/"}, {"host": true}, {"everything": true}]
//! ```

use serde_json::Value;

use super::target::{Target, TargetKind};

/// What a target may be, by the key of its object.
pub(crate) const KINDS: [&str; 5] = ["url", "tag", "prefix", "host", "everything"];

/// The key of its site.
pub(crate) const SITE: &str = "site";

/// The version of a row or a message. It may be newer than what this program knows.
///
/// # Errors
///
/// What is wrong with it, in words.
pub(crate) fn read_version(value: &Value) -> Result<u64, String> {
    let Some(version) = value.get("v") else {
        return Err("does not have a version: write `\"v\": 1`".to_owned());
    };
    let number = version.as_u64().filter(|number| *number > 0);
    number.ok_or_else(|| {
        format!("has the version {version}, which is not a whole number from 1: write `\"v\": 1`")
    })
}

/// One target, as a text of its own.
#[cfg(feature = "_sql")]
pub(crate) fn encode_target(target: &Target) -> String {
    let mut text = String::new();
    write_target(&mut text, target);
    text
}

/// A text, or an object if the target is more than a URL.
pub(crate) fn write_target(out: &mut String, target: &Target) {
    let key = match target.kind() {
        TargetKind::Url if target.site().is_none() => return write_text(out, target.as_str()),
        TargetKind::Url => "url",
        TargetKind::Tag => "tag",
        TargetKind::Prefix => "prefix",
        TargetKind::Host => "host",
        TargetKind::Everything => "everything",
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
    match target.kind() {
        TargetKind::Host | TargetKind::Everything => out.push_str("true"),
        TargetKind::Url | TargetKind::Tag | TargetKind::Prefix => {
            write_text(out, target.as_str());
        }
    }
    out.push('}');
}

pub(crate) fn write_text(out: &mut String, text: &str) {
    let is_plain = |byte: u8| byte >= b' ' && byte != b'"' && byte != b'\\';
    if text.bytes().all(is_plain) {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        out.push_str(&Value::from(text).to_string());
    }
}

/// Whether it is a key of a target.
pub(crate) fn is_known(key: &str) -> bool {
    KINDS.contains(&key) || key == SITE
}

pub(crate) fn decode_target(value: &Value) -> Result<Target, String> {
    let text = |key: &str, value: &Value| match value.as_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err(format!("`{key}` is not a text")),
    };
    if let Some(url) = value.as_str() {
        return Target::url(url).map_err(|error| error.to_string());
    }
    let Some(object) = value.as_object() else {
        return Err(format!("{value} is neither a text nor an object"));
    };
    if let Some(unknown) = object.keys().find(|key| !is_known(key)) {
        return Err(format!(
            "unknown key {unknown:?}: the keys are `url`, `tag`, `prefix`, `host`, `everything` and `site`"
        ));
    }
    let mut kinds = object.iter().filter(|(key, _)| *key != "site");
    let (Some((kind, value)), None) = (kinds.next(), kinds.next()) else {
        let known = "`url`, `tag`, `prefix`, `host` and `everything`";
        return Err(format!("needs one of {known}"));
    };
    let whole = |target| match value {
        Value::Bool(true) => Ok(target),
        _ => Err(format!(
            "`{kind}` has the value {value}: write `{{\"{kind}\": true}}`"
        )),
    };
    let target = match kind.as_str() {
        "host" => whole(Target::host())?,
        "everything" if object.contains_key("site") => {
            let instead = "remove `site`, or write `{\"host\": true, \"site\": \"...\"}`";
            return Err(format!("`everything` is the pages of all sites: {instead}"));
        }
        "everything" => whole(Target::everything())?,
        "url" => Target::url(text(kind, value)?).map_err(|error| error.to_string())?,
        "prefix" => Target::prefix(text(kind, value)?).map_err(|error| error.to_string())?,
        _ => Target::tag(text(kind, value)?).map_err(|error| error.to_string())?,
    };
    match object.get("site") {
        Some(site) => Ok(target.at_site(&text("site", site)?)),
        None => Ok(target),
    }
}
