//! What to allow a user whom a server has denied something, in the words of the guide's `users.conf`.

/// Returns `publish to` or `subscribe to` with the subject to allow, from the words of a server, such as
/// `Permissions Violation for Publish to "roan.shop.url"`.
pub(super) fn of(violation: &str) -> Option<String> {
    let (_, what) = violation.split_once(" for ")?;
    let (verb, rest) = match what.strip_prefix("Publish to ") {
        Some(rest) => ("publish to", rest),
        None => ("subscribe to", what.strip_prefix("Subscription to ")?),
    };
    let subject = rest.strip_prefix('"')?.split('"').next()?;
    Some(format!("{verb} `{}`", allowed(subject)))
}

/// The narrowest subject that a file of permissions would name: without the parts that are others for each purge, node and request.
fn allowed(subject: &str) -> String {
    let parts: Vec<_> = subject.split('.').collect();
    let kept = match *parts {
        ["roan", _, _] | ["_INBOX" | "$KV", _, ..] => 2.min(parts.len() - 1),
        ["$JS", "ACK", _, _, ..] => 3,
        ["$JS", "API", "CONSUMER", "DURABLE" | "MSG", _, _, _, ..] => 6,
        ["$JS", "API", "CONSUMER", _, _, _, ..] => 5,
        _ => return subject.to_owned(),
    };
    match parts[0] {
        "_INBOX" => "_INBOX.>".to_owned(),
        _ => format!("{}.>", parts[..kept].join(".")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USERS: &str = include_str!("../guide/fleet/users.conf");

    #[test]
    fn what_is_to_be_allowed_is_in_the_file_of_the_guide() {
        for (denied, allow) in [
            ("Publish to \"roan.shop.url\"", "publish to `roan.shop.>`"),
            (
                "Publish to \"$JS.API.STREAM.INFO.ROAN\"",
                "publish to `$JS.API.STREAM.INFO.ROAN`",
            ),
            (
                "Publish to \"$JS.API.CONSUMER.MSG.NEXT.ROAN.roan-eu-1\"",
                "publish to `$JS.API.CONSUMER.MSG.NEXT.ROAN.>`",
            ),
            (
                "Publish to \"$JS.API.CONSUMER.DURABLE.CREATE.ROAN.roan-eu-1\"",
                "publish to `$JS.API.CONSUMER.DURABLE.CREATE.ROAN.>`",
            ),
            (
                "Publish to \"$JS.API.CONSUMER.LIST.ROAN\"",
                "publish to `$JS.API.CONSUMER.LIST.ROAN`",
            ),
            (
                "Publish to \"$JS.ACK.ROAN.roan-eu-1.1.1.1.1.1\"",
                "publish to `$JS.ACK.ROAN.>`",
            ),
            (
                "Publish to \"$KV.ROAN_AGENTS.eu-1\"",
                "publish to `$KV.ROAN_AGENTS.>`",
            ),
            (
                "Publish to \"$JS.API.CONSUMER.CREATE.KV_ROAN_AGENTS\"",
                "publish to `$JS.API.CONSUMER.CREATE.KV_ROAN_AGENTS`",
            ),
            (
                "Subscription to \"_INBOX.abc.*\"",
                "subscribe to `_INBOX.>`",
            ),
        ] {
            let violation = format!("Permissions Violation for {denied}");
            assert_eq!(of(&violation).as_deref(), Some(allow));
            let subject = allow.split('`').nth(1).unwrap();
            assert!(USERS.contains(&format!("\"{subject}\"")), "{subject}");
        }
        let info = "Permissions Violation for Publish to \"$JS.API.CONSUMER.INFO.ROAN.roan-a\"";
        let allow = "publish to `$JS.API.CONSUMER.INFO.ROAN.>`";
        assert_eq!(of(info).as_deref(), Some(allow));
        assert_eq!(of("Permissions Violation"), None);
    }
}
