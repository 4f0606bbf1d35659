//! Areas: targets that mean pages by where they are, not by what they carry. A prefix, a host, everything.

use super::folder;
use super::target::{Target, TargetKind, TargetRef};

/// A prefix, a host or everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Area(Target);

impl Area {
    /// `None` for a target of another kind. The site should be the one of its host.
    pub(crate) fn of(target: &Target) -> Option<Self> {
        match target.kind() {
            TargetKind::Url | TargetKind::Tag => None,
            TargetKind::Host | TargetKind::Everything => Some(Self(target.clone())),
            TargetKind::Prefix => {
                let folder = folder::location(target.as_str());
                Some(Self(target.with_text(&folder)))
            }
        }
    }

    /// The target, with its prefix in one spelling.
    pub(crate) fn target(&self) -> &Target {
        &self.0
    }

    /// Whether it means the page with this URL, under whatever spelling.
    pub(crate) fn covers(&self, page: &Target) -> bool {
        self.0.kind() == TargetKind::Everything
            || self.0.site() == page.site() && folder::is_below(page.as_str(), self.0.as_str())
    }

    /// What a fence notes for its purge: one of [`marks_around`](Self::marks_around) of each page that it covers, and
    /// perhaps of more.
    pub(crate) fn mark(&self) -> Target {
        match folder::folders(self.0.as_str()).last() {
            Some(folder) => self.0.with_text(folder),
            None => self.0.clone(),
        }
    }

    /// The marks of all areas that cover a page. There are few.
    pub(crate) fn marks_around(page: &Target) -> Vec<Target> {
        let site = page.site().unwrap_or_default();
        let at_site = |kind, path: &str| {
            let text = [site, path].concat();
            TargetRef::new(kind, &text, site.len()).to_target()
        };
        let location = folder::location(page.as_str());
        let folders = folder::folders(&location);
        let prefixes = folders.map(|folder| at_site(TargetKind::Prefix, folder));
        let wide = [Target::everything(), at_site(TargetKind::Host, "")];
        wide.into_iter().chain(prefixes).collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn url(text: &str) -> Target {
        Target::url(text).unwrap()
    }

    fn area(target: &Target) -> Area {
        Area::of(target).unwrap()
    }

    #[test]
    fn a_prefix_covers_what_is_below_it_under_any_spelling() {
        let docs = area(&Target::prefix("/docs/v1/").unwrap());
        for below in [
            "/docs/v1/",
            "/docs/v1/?x=1",
            "/docs/v1/a",
            "/docs/v1/a/b?x",
            "//docs//v1//a",
            "/docs/%761/a",
            "/docs/v1//",
        ] {
            assert!(docs.covers(&url(below)), "{below}");
        }
        for other in [
            "/docs/v1",
            "/docs/v1?x=/docs/v1/",
            "/docs/v10/a",
            "/docs/",
            "/docs/V1/a",
            "/x/docs/v1/a",
            "/docs%2Fv1%2Fa",
            "/?/docs/v1/a",
        ] {
            assert!(!docs.covers(&url(other)), "{other}");
        }
        let spelt = area(&Target::prefix("/caf%c3%a9/it's/").unwrap());
        for below in [
            "/caf%C3%A9/it's/a",
            "/caf%C3%A9/it%27s/",
            "//caf%c3%a9/it's//a",
        ] {
            assert!(spelt.covers(&url(below)), "{below}");
        }
    }

    #[test]
    fn a_host_covers_its_site_and_everything_covers_all() {
        let (page, shop) = (url("/a"), url("/a").at_site("shop"));
        assert!(area(&Target::host()).covers(&page));
        assert!(!area(&Target::host()).covers(&shop));
        assert!(area(&Target::host().at_site("shop")).covers(&shop));
        assert!(!area(&Target::prefix("/b/").unwrap()).covers(&page));
        assert!(area(&Target::everything()).covers(&shop));
        assert_eq!(Area::of(&page), None);
    }

    #[test]
    fn a_page_has_few_marks_however_deep_it_is() {
        let deep = "/x".repeat(1000);
        assert_eq!(Area::marks_around(&url(&deep)).len(), 34);
        let marks = Area::marks_around(&url("/a/b?c=/d/e").at_site("shop"));
        let shown: Vec<_> = marks.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            ["everything", "host at site shop", "prefix /a/ at site shop"]
        );
    }

    proptest! {
        /// What the fence notes for an area is looked for by each page that the area covers.
        #[test]
        fn no_page_overlooks_the_mark_of_an_area(
            folders in prop::collection::vec("[a-c%é]{1,2}", 1..50),
            rest in "[a-c/]{0,6}",
            doubled: bool,
        ) {
            let encoded: Vec<_> = folders.iter().map(|folder| crate::base::encode::path_segment(folder)).collect();
            let prefix = format!("/{}/", encoded.join("/"));
            let area = area(&Target::prefix(&prefix).unwrap().at_site("shop"));
            let raw = format!("{prefix}{rest}");
            let page = if doubled { raw.replace('/', "//") } else { raw };
            let page = url(&page).at_site("shop");
            prop_assert!(area.covers(&page));
            prop_assert!(Area::marks_around(&page).contains(&area.mark()));
        }
    }
}
