//! The messages of a fleet: JSON, so that programs in any language can write and read them.
//!
//! ```json
//! {"v": 1, "purge": ["/posts/a", {"tag": "author-1"}], "asked": 1795665105175, "site": "https://www.example.org"}
//! ```
//!
//! `purge` has targets as a row of the outbox has them. `asked` is when the purge was asked for, in milliseconds since 1970;
//! agents do not read it. `site` is the scheme and host of the pages, if the sender knows them. Unknown keys are ignored.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::base::site::Site;
use crate::base::target::Target;
use crate::base::target_json::{decode_target, read_version, write_target, write_text};

/// The version that Roan writes, and the newest one that it reads.
const VERSION: u64 = 1;

/// The longest message, in bytes. The servers take 1 MiB by default (`max_payload`).
pub(crate) const LONGEST: usize = 512 * 1024;

/// What a message asks for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Message {
    /// Those that can be read.
    pub(crate) targets: Vec<Target>,
    /// The site of the pages, if the sender knows it.
    pub(crate) site: Option<Site>,
    /// What is wrong with the other targets, in words.
    pub(crate) errors: Vec<String>,
}

/// Why a message cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MessageError {
    /// It has a newer version of the format.
    #[error(
        "message has version {0}, but this program supports up to {VERSION}: update the program"
    )]
    Newer(u64),
    /// It was not written by Roan, or is damaged.
    #[error("message {0}")]
    Unreadable(String),
}

/// Writes a message.
pub(crate) fn encode(targets: &[Target], site: Option<&Site>, asked: SystemTime) -> String {
    let mut message = String::with_capacity(128);
    message.push_str(r#"{"v":1,"purge":["#);
    for (number, target) in targets.iter().enumerate() {
        if number > 0 {
            message.push(',');
        }
        write_target(&mut message, target);
    }
    message.push_str(r#"],"asked":"#);
    // A clock before 1970 is as good as none.
    let asked = asked.duration_since(UNIX_EPOCH).unwrap_or_default();
    message.push_str(&asked.as_millis().to_string());
    if let Some(site) = site {
        message.push_str(r#","site":"#);
        write_text(&mut message, &site.to_string());
    }
    message.push('}');
    debug_assert!(message.len() <= LONGEST, "too many targets for a message");
    message
}

/// Reads a message of anybody.
///
/// # Errors
///
/// If nothing of it can be read.
pub(crate) fn decode(message: &[u8]) -> Result<Message, MessageError> {
    let unreadable = |problem: String| Err(MessageError::Unreadable(problem));
    if message.len() > LONGEST {
        let length = message.len();
        return unreadable(format!("has {length} bytes, more than {LONGEST}"));
    }
    let value: Value = match serde_json::from_slice(message) {
        Ok(value) => value,
        Err(error) => return unreadable(format!("is not valid JSON: {error}")),
    };
    let version = read_version(&value).map_err(MessageError::Unreadable)?;
    if version > VERSION {
        return Err(MessageError::Newer(version));
    }
    let Some(Value::Array(purge)) = value.get("purge") else {
        return unreadable("does not have a list `purge`".to_owned());
    };
    let mut read = Message {
        targets: Vec::with_capacity(purge.len()),
        site: None,
        errors: Vec::new(),
    };
    for (number, target) in purge.iter().enumerate() {
        match decode_target(target) {
            Ok(target) => read.targets.push(target),
            Err(error) => read.errors.push(format!("purge[{number}]: {error}")),
        }
    }
    match value.get("site") {
        None => {}
        Some(Value::String(site)) => match site.parse() {
            Ok(site) => read.site = Some(site),
            Err(error) => read.errors.push(format!("site: {error}")),
        },
        Some(_) => read.errors.push("`site` is not a text".to_owned()),
    }
    Ok(read)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    fn target() -> impl Strategy<Value = Target> {
        let target = prop_oneof![
            "/[a-z0-9%]{0,8}(\\?q=[a-z]{0,4})?"
                .prop_filter_map("a URL", |url| Target::url(url).ok()),
            "[a-z0-9:-]{1,12}".prop_filter_map("a tag", |tag| Target::tag(tag).ok()),
            "/[a-z]{1,8}/".prop_filter_map("a prefix", |path| Target::prefix(path).ok()),
            Just(Target::host()),
            Just(Target::everything()),
        ];
        (target, proptest::option::of("\\PC{1,8}")).prop_map(|(target, site)| match site {
            Some(site) => target.at_site(&site),
            None => target,
        })
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(
            targets in proptest::collection::vec(target(), 1..4),
            site in proptest::option::of("(https?://)?[a-z]{1,8}(\\.org)?(:[1-9]{2})?"),
            ms in 0..4_000_000_000_000_u64,
        ) {
            let site: Option<Site> = site.map(|site| site.parse().unwrap());
            let asked = UNIX_EPOCH + Duration::from_millis(ms);
            let message = encode(&targets, site.as_ref(), asked);
            let said = format!(r#""asked":{ms}"#);
            prop_assert!(message.contains(&said), "{}", message);
            let read = Message { targets, site, errors: Vec::new() };
            prop_assert_eq!(decode(message.as_bytes()), Ok(read));
        }

        #[test]
        fn no_message_makes_it_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..64),
            text in r#"\{"v": ?(1|2|-1|"x"),"(purge|asked|site)": ?(\[[a-z"/{}:,0-9]{0,24}\]|[0-9]{1,24}|"[ -~]{0,8}")\}"#,
        ) {
            let _any = (decode(&bytes), decode(text.as_bytes()));
        }
    }

    #[test]
    fn the_error_says_what_is_wrong() {
        let too_long = format!(r#"{{"v":1,"purge":["/{}"]}}"#, "a".repeat(LONGEST));
        for (message, words) in [
            ("", "is not valid JSON"),
            ("\u{1}\u{2}", "is not valid JSON"),
            ("[]", "does not have a version"),
            (r#"{"v":0,"purge":[]}"#, "has the version 0"),
            (r#"{"v":"1","purge":[]}"#, "has the version \"1\""),
            (r#"{"v":1}"#, "does not have a list `purge`"),
            (r#"{"v":1,"purge":"/a"}"#, "does not have a list `purge`"),
            (&too_long, "more than 524288"),
        ] {
            let error = decode(message.as_bytes()).expect_err(words).to_string();
            assert!(
                error.starts_with("message ") && error.contains(words),
                "{error}"
            );
        }
        let newer = decode(br#"{"v":7,"purge":{"other":"form"}}"#).unwrap_err();
        assert_eq!(newer, MessageError::Newer(7));
        assert!(newer.to_string().ends_with("update the program"));
    }

    #[test]
    fn one_bad_target_does_not_lose_the_others() {
        let read =
            decode(br#"{"v":1,"purge":["/a","b",{"tags":"x"},{"tag":"c"}],"site":"a b","new":{}}"#)
                .unwrap();
        assert_eq!(
            read.targets,
            [Target::url("/a").unwrap(), Target::tag("c").unwrap()]
        );
        assert_eq!(read.site, None);
        let [url, key, site] = &*read.errors else {
            panic!("{:?}", read.errors);
        };
        assert!(url.starts_with("purge[1]: URL \"b\""), "{url}");
        assert!(key.starts_with("purge[2]: unknown key"), "{key}");
        assert!(
            site.contains("site \"***\" has a character that no host name has"),
            "{site}"
        );
    }
}
