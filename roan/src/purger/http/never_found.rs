//! Notices that the purges of a node never find a page.

use std::collections::HashSet;

use crate::base::canonical;
use crate::base::lock::Mutex;
use crate::base::outcome::Outcome;
use crate::purger::PurgeRequest;

/// So many pages that were not found, and none that was, are suspicious.
pub(crate) const ODD: usize = 20;

/// The pages that a node should have had and did not have, until one is found.
#[derive(Debug)]
pub(crate) struct NeverFound(Mutex<Option<HashSet<String>>>);

impl Default for NeverFound {
    fn default() -> Self {
        Self(Mutex::new(Some(HashSet::new())))
    }
}

impl NeverFound {
    /// Notes an answer, and returns whether this is the one that makes the node suspicious. A page counts once, however often
    /// and under whatever spelling it is purged.
    pub(crate) fn is_odd(&self, outcome: &Outcome, request: &PurgeRequest<'_>) -> bool {
        let mut missing = self.0.lock();
        if *outcome == Outcome::Purged {
            // From here on the node is not suspicious.
            *missing = None;
            return false;
        }
        let Some(pages) = missing.as_mut().filter(|_| request.is_expected) else {
            return false;
        };
        let url = request.target().as_str();
        pages.insert(canonical::path(url) + "?" + &canonical::parameters(url).join("&"));
        let is_odd = pages.len() >= ODD;
        if is_odd {
            *missing = None;
        }
        is_odd
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::target::Target;

    #[test]
    fn a_page_that_is_not_found_counts_once_and_only_if_it_should_be_there() {
        let note = |found: &NeverFound, url: &str, is_expected| {
            let target = Target::url(url).unwrap();
            let mut request = PurgeRequest::new(std::slice::from_ref(&target), None);
            request.is_expected = is_expected;
            found.is_odd(&Outcome::NotCached, &request)
        };
        let found = NeverFound::default();
        for page in 0..ODD - 1 {
            for spelling in ["", "/", "/?utm_source=x"] {
                assert!(!note(&found, &format!("/{page}{spelling}"), true));
            }
        }
        assert!(!note(&found, "/other", false));
        assert!(note(&found, "/0?page=2", true));
        // It is said once.
        assert!((0..ODD).all(|page| !note(&found, &format!("/later/{page}"), true)));

        let found = NeverFound::default();
        let target = Target::url("/").unwrap();
        assert!(!found.is_odd(
            &Outcome::Purged,
            &PurgeRequest::new(std::slice::from_ref(&target), None)
        ));
        assert!((0..ODD).all(|page| !note(&found, &format!("/{page}"), true)));
    }
}
