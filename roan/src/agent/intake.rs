//! From a message to the targets that this node's caches are to purge.

use crate::base::target::{Target, TargetKind};
use crate::dispatcher::Sites;
use crate::fleet::message::{Message, MessageError, decode};

/// What a message means here.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Intake {
    pub(super) targets: Vec<Target>,
    /// What of it cannot be read, in words.
    pub(super) unread: Vec<String>,
    /// Whether the rest is of a newer version.
    pub(super) is_newer: bool,
    /// The number of targets of sites that this node does not serve.
    pub(super) elsewhere: u64,
    /// The host of the site, as the message says it and as this agent has it, if the two differ.
    pub(super) other_host: Option<(String, String)>,
}

impl Intake {
    /// Reads a message. `serves` has the names of the sites that the node serves, `None` for the
    /// default site; without any it serves all.
    ///
    /// The configuration of the agent wins: a site that it has is that one, whatever the message says. A site that only the
    /// message knows has the address of the message. A site of which nobody knows the address cannot be purged.
    pub(super) fn of(payload: &[u8], serves: &[Option<String>], sites: &Sites) -> Self {
        let Message {
            targets,
            site,
            errors,
        } = match decode(payload) {
            Ok(message) => message,
            Err(error) => {
                return Self {
                    is_newer: matches!(error, MessageError::Newer(_)),
                    unread: vec![error.to_string()],
                    ..Self::default()
                };
            }
        };
        let mut intake = Self {
            unread: errors,
            ..Self::default()
        };
        for target in targets {
            let name = target.site();
            let is_for_all = target.kind() == TargetKind::Everything;
            let is_it = |known: &Option<String>| known.as_deref() == name;
            if !is_for_all && !serves.is_empty() && !serves.iter().any(is_it) {
                intake.elsewhere += 1;
                continue;
            }
            let own = sites.get(name);
            if let (Some(said), Some(own), false) = (&site, &own, is_for_all)
                && said.host() != own.host()
            {
                intake.other_host = Some((said.host().to_owned(), own.host().to_owned()));
            }
            let is_known = is_for_all || own.is_some();
            let learned = match (&site, is_known) {
                (Some(site), false) => sites.learn(site),
                _ => None,
            };
            match (learned, name) {
                (Some(learned), _) => intake.targets.push(target.at_site(&learned)),
                (None, Some(name)) if !is_known => intake.unread.push(format!(
                    "{} is of the site {name:?}, of which neither the message nor this agent has the address: write it into \
                     `[sites]` of the agent's configuration, or name the sites that this node serves in `sites` of `[agent]`",
                    target.shown()
                )),
                // The purge has the host of the purge URL.
                (None, _) => intake.targets.push(target),
            }
        }
        intake
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sites() -> Sites {
        let mut sites = Sites::default();
        let site = "https://shop.test".parse().unwrap();
        sites.named.insert("shop".to_owned(), site);
        sites
    }

    fn shown(intake: &Intake) -> Vec<String> {
        let shown = |target: &Target| format!("{:?} {}", target.site(), target.as_str());
        intake.targets.iter().map(shown).collect()
    }

    #[test]
    fn the_configuration_of_the_agent_wins_over_the_message() {
        let sites = sites();
        let of = |message: &str| Intake::of(message.as_bytes(), &[], &sites);
        let known =
            of(r#"{"v":1,"purge":[{"url":"/a","site":"shop"}],"site":"https://else.test"}"#);
        assert_eq!(shown(&known), [r#"Some("shop") /a"#]);
        let hosts = known.other_host.unwrap();
        assert_eq!((&*hosts.0, &*hosts.1), ("else.test", "shop.test"));
        let learned =
            of(r#"{"v":1,"purge":[{"url":"/a","site":"blog"}],"site":"https://blog.test"}"#);
        assert_eq!(learned.other_host, None);
        assert_eq!(shown(&learned), [r#"Some("https://blog.test") /a"#]);
        let site = sites.get(Some("https://blog.test")).unwrap();
        assert_eq!(site.host(), "blog.test");
        // The default site is not configured.
        let default = of(r#"{"v":1,"purge":["/a"],"site":"https://www.test"}"#);
        assert_eq!(shown(&default), [r#"Some("https://www.test") /a"#]);
        let bare = of(r#"{"v":1,"purge":["/a"]}"#);
        assert_eq!(shown(&bare), ["None /a"]);
    }

    #[test]
    fn what_nobody_knows_the_address_of_is_not_purged_and_that_is_said() {
        let sites = sites();
        let message = br#"{"v":1,"purge":[{"url":"/a","site":"blog"},{"everything":true},7]}"#;
        let intake = Intake::of(message, &[], &sites);
        assert_eq!(intake.targets, [Target::everything()]);
        let [number, site] = &*intake.unread else {
            panic!("{intake:?}");
        };
        assert!(number.starts_with("purge[2]: "), "{number}");
        assert!(site.contains("is of the site \"blog\""), "{site}");
        // It cannot matter to a node that says what it serves.
        let serves = [Some("shop".to_owned()), None];
        let intake = Intake::of(message, &serves, &sites);
        assert_eq!((intake.elsewhere, intake.unread.len()), (1, 1));
        assert_eq!(intake.targets, [Target::everything()]);
    }

    #[test]
    fn a_newer_version_is_not_damage() {
        let sites = sites();
        let newer = Intake::of(br#"{"v":9}"#, &[], &sites);
        assert!(newer.is_newer && newer.unread.len() == 1);
        let damaged = Intake::of(b"\0", &[], &sites);
        assert!(!damaged.is_newer && damaged.unread.len() == 1);
    }
}
