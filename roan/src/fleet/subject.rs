//! The subjects of a fleet's messages: `roan.<site>.<kind>`.
//!
//! The site is one token, so that a server's permissions and an agent's filter can name it: `roan.shop.>`.

use std::borrow::Cow;

use crate::base::target::{Target, TargetKind};

/// What the stream takes: the messages of all sites.
pub(crate) const ALL: &str = "roan.>";

/// The token of the default site.
const DEFAULT: &str = "-";

/// Returns the subject of a message with this target.
pub(crate) fn of(target: &Target) -> String {
    let kind = match target.kind() {
        TargetKind::Url => "url",
        TargetKind::Tag => "tag",
        TargetKind::Prefix => "prefix",
        TargetKind::Host => "host",
        TargetKind::Everything => "everything",
    };
    format!("roan.{}.{kind}", token(target.site()))
}

/// The name of a site as one token, which no other name and not the default site has.
fn token(site: Option<&str>) -> Cow<'_, str> {
    match site {
        None => Cow::Borrowed(DEFAULT),
        Some(DEFAULT) => Cow::Borrowed("=2D"),
        Some(site) => super::token::token(site),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_subject_names_the_site_and_the_kind() {
        let url = Target::url("/a.b").unwrap();
        assert_eq!(of(&url), "roan.-.url");
        assert_eq!(of(&url.at_site("shop")), "roan.shop.url");
        assert_eq!(of(&Target::tag("a").unwrap()), "roan.-.tag");
        assert_eq!(of(&Target::prefix("/a/").unwrap()), "roan.-.prefix");
        let host = Target::host().at_site("www.example.org");
        assert_eq!(of(&host), "roan.www=2Eexample=2Eorg.host");
        assert_eq!(of(&Target::everything()), "roan.-.everything");
    }

    proptest! {
        #[test]
        fn each_name_is_one_token_and_has_it_alone(a in "\\PC{1,8}|[-=>.* a2DE]{1,4}", b in "\\PC{1,8}|[-=>.* a2DE]{1,4}") {
            for name in [&a, &b] {
                let token = token(Some(name));
                prop_assert!(!token.is_empty() && token != DEFAULT, "{token}");
                prop_assert!(!token.contains(['.', '*', '>']) && token.is_ascii(), "{token}");
                prop_assert!(!token.contains(|letter: char| letter.is_whitespace() || letter.is_control()), "{token}");
                prop_assert!(of(&Target::host().at_site(name)).starts_with("roan."));
            }
            prop_assert_eq!(a == b, token(Some(&a)) == token(Some(&b)));
        }
    }
}
