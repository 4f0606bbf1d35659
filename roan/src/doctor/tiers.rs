//! The order in which several caches are purged.

use super::finding::{Fault, Finding, Mend, NodeName, Place};
use super::patient::Patient;
use super::report::Report;
use crate::base::target::Target;

/// A cache that fetches from another one must be purged after that: or it fetches the stale page again.
///
/// It is seen by a page that nobody has asked for: if it is in the second cache after a visit at the first, the first has
/// fetched it there.
pub(super) async fn look_at_order(
    patients: &[Patient],
    page: &Target,
    nonce: &str,
    report: &mut Report,
) {
    for (number, first) in patients.iter().enumerate() {
        for second in &patients[number + 1..] {
            let (inner, outer) = (second, first);
            // Nodes of one cache, and two that are one server, cannot be told apart so.
            if first.node.tier == second.node.tier
                || first.visitor.origin() == second.visitor.origin()
            {
                continue;
            }
            let path = page.as_str().split('?').next().unwrap_or("/");
            let tiers = format!("{}-{}", first.node.tier, second.node.tier);
            let Ok(url) = Target::url(format!("{path}?roan-doctor={nonce}-{tiers}")) else {
                continue;
            };
            // Twice: only then it is sure to be stored where it passes.
            if !matches!(outer.warm(&url, &[]).await, Ok(Ok(_))) {
                report.unknown(
                    &NodeName::default(),
                    format_args!(
                        "whether {} is before {}: {url} is not cached at the first",
                        outer.name, inner.name
                    ),
                );
                continue;
            }
            let Ok(seen) = inner.visitor.get(&url, &[]).await else {
                continue;
            };
            if seen.is_cached() {
                report.findings.push(Finding {
                    fault: Fault::WrongOrder,
                    cache: String::new(),
                    node: String::new(),
                    seen: format!(
                        "after a visit at {}, {url} was in {}, where nobody had asked for it: {}",
                        outer.name,
                        inner.name,
                        seen.told()
                    ),
                    why: format!(
                        "{} fetches from {}, and is purged before it: it is filled again with the stale page. Name the cache \
                         nearest to the app first",
                        outer.name, inner.name
                    ),
                    mend: vec![Mend::new(
                        Place::Caches,
                        format!("{}\n{}", inner.node.cache, outer.node.cache),
                    )],
                });
            } else {
                report.pass(
                    &outer.name,
                    format!(
                        "it does not fetch from {}, which is purged after it",
                        inner.name
                    ),
                );
            }
            let _ = outer.purge(&url).await;
            let _ = inner.purge(&url).await;
        }
    }
}
