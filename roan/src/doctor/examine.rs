//! The course of an examination.

use std::sync::Arc;

use super::Doctor;
use super::blame::reasons;
use super::finding::{Fault, Finding, Mend, NodeName, Place};
use super::mend;
use super::patient::{Patient, Trial};
use super::report::Report;
use super::tiers;
use super::visit::{Seen, Visitor, ask_app};
use crate::base::outcome::Failure;
use crate::base::site::Site;
use crate::base::target::Target;
use crate::dispatcher::{Engine, Node};
use crate::purger::Mode;

impl Doctor {
    pub(super) async fn report(self, engine: &Engine) -> Report {
        let scheme = self.site.scheme().unwrap_or("https");
        let page = format!("{scheme}://{}{}", self.site.authority(), self.page.as_str());
        let mut report = Report::new(page);
        let site = self.configured_site(engine, &mut report);
        // New each time: what an earlier examination has left in a cache must not matter.
        let nonce = format!("{:08x}", fastrand::u32(..));
        let mut patients = Vec::new();
        for node in &engine.nodes {
            let mode = engine
                .tiers
                .get(node.tier)
                .map_or(Mode::Hard, crate::purger::Capabilities::mode);
            match patient(node, &site, mode).await {
                Ok(patient) => patients.push(patient),
                Err(failure) => report.unknown(&node_name(node), failure),
            }
        }
        for patient in &patients {
            if let Some(why) = &patient.visitor.without_tls {
                report.unknown(
                    &patient.name,
                    format_args!(
                        "whether pages are the same by https: they were asked for over http with `X-Forwarded-Proto: https`, because \
                         the node does not serve the site by https ({why})"
                    ),
                );
            }
            if let Err(failure) = self.examine_node(patient, &nonce, &mut report).await {
                let why = match failure {
                    Failure::Connection(_) => {
                        "the node accepts connections, and ends them without an answer: its error log says why. (nginx cannot write \
                         to its folders?)"
                    }
                    _ => {
                        "the page cannot be reached at this node: check the address, and that the node runs"
                    }
                };
                report.findings.push(patient.finding(
                    Fault::Unreachable,
                    format!(
                        "GET {} at {}: {failure}",
                        self.page,
                        patient.visitor.origin()
                    ),
                    why,
                    Vec::new(),
                ));
            }
        }
        tiers::look_at_order(&patients, &self.page, &nonce, &mut report).await;
        if patients.iter().any(Patient::is_nginx) {
            report.unknown(
            &NodeName::default(),
            "how full the keys zones are: nginx does not show it. Pages that go without a purge are a sign of it, and \
             \"could not allocate node in cache keys zone\" in its error log. A megabyte holds about 8,000 keys",
        );
        }
        report
    }

    /// The site under which purges of the page are sent.
    fn configured_site(&self, engine: &Engine, report: &mut Report) -> Site {
        let sites = &engine.sites;
        let mut all = sites.default.iter().chain(sites.named.values());
        let same = |site: &&Site| site.host() == self.site.host();
        if let Some(site) = all.find(|site| site.authority() == self.site.authority()) {
            return site.clone();
        }
        let mut all = sites.default.iter().chain(sites.named.values());
        // The port is in few keys.
        if let Some(site) = all.find(same) {
            return site.clone();
        }
        let seen = match &sites.default {
            None => {
                "no site is configured, so each purge names the host of its purge URL".to_owned()
            }
            Some(site) => format!(
                "the configured site is {site}, and the page is one of {}",
                self.site
            ),
        };
        report.findings.push(Finding {
            fault: Fault::NoSite,
            cache: String::new(),
            node: String::new(),
            seen,
            why: "a purge must name the host that visitors ask for, or it is a purge of another page. (What follows was looked at \
                  with the host of the page.)"
                .to_owned(),
            mend: vec![Mend::new(Place::Environment, format!("ROAN_SITE={}", self.site))],
        });
        self.site.clone()
    }

    async fn examine_node(
        &self,
        patient: &Patient,
        nonce: &str,
        report: &mut Report,
    ) -> Result<(), Failure> {
        let page = &self.page;
        let name = &patient.name;
        let trial = patient.trial(page).await?;
        let before = match trial {
            Trial::Evicted(before) => {
                report.pass(
                    name,
                    format!("{page} came from the cache, was purged, and came from the app"),
                );
                before
            }
            Trial::NotServed(seen) | Trial::NeverCached(seen) => {
                self.not_cached(patient, &seen, report).await;
                return Ok(());
            }
            wrong => {
                let finding = patient.diagnose(page, &wrong).await;
                report.findings.push(finding);
                patient.look_for_open_door(self.from, nonce, report).await;
                return Ok(());
            }
        };
        let refilled = patient.warm(page, &[]).await?.is_ok();
        patient.look_at_spellings(page, nonce, report).await?;
        let later = patient.visitor.get(page, &[]).await?;
        if refilled && !later.is_cached() {
            report.findings.push(vanished(patient, page, &later));
        }
        patient.look_for_variants(page, &before, report).await?;
        patient.look_at_browsers(&before, report);
        patient.look_for_missing(nonce, report).await?;
        if patient.has_purge_location() {
            patient.look_for_shadows(nonce, report).await;
            patient.look_for_open_door(self.from, nonce, report).await;
        }
        Ok(())
    }

    async fn not_cached(&self, patient: &Patient, seen: &Seen, report: &mut Report) {
        let told = format!("5 visits of {}: the last with {}", self.page, seen.told());
        if seen.shown.is_none() && seen.status == 200 {
            report.findings.push(patient.finding(
                Fault::NotShown,
                told,
                format!(
                    "no header shows whether the page comes from a cache (X-Cache-Status, Cache-Status, X-Cache, CF-Cache-Status, \
                     Age), so nothing can be proven{}",
                    match patient.is_nginx() {
                        true => ". It may also be in a location without `proxy_cache`",
                        false => "",
                    }
                ),
                mend_of_nginx(patient, "proxy_cache pages;\nproxy_cache_key \"$host$request_uri\";\nproxy_cache_valid 200 1y;\n\
                     add_header X-Cache-Status $upstream_cache_status;",
                ),
            ));
            return;
        }
        let app = match &self.app {
            Some(app) => match ask_app(app, &self.page, &self.site).await {
                Ok(seen) => Some(seen),
                Err(failure) => {
                    report.unknown(
                        &patient.name,
                        format_args!("what the app at {app} says: {failure}"),
                    );
                    None
                }
            },
            None => None,
        };
        let reasons = reasons(seen, app.as_ref(), patient.is_nginx());
        let why: Vec<_> = reasons.iter().map(|reason| &*reason.why).collect();
        let why = why.join("; ");
        let mend = reasons.into_iter().flat_map(|reason| reason.mend).collect();
        report
            .findings
            .push(patient.finding(Fault::NotCached, told, why, mend));
    }
}

/// Lines for the location of the pages, where there is one.
fn mend_of_nginx(patient: &Patient, lines: &str) -> Vec<Mend> {
    if patient.is_nginx() {
        mend::page_location(lines)
    } else {
        Vec::new()
    }
}

fn vanished(patient: &Patient, page: &Target, later: &Seen) -> Finding {
    patient.finding(
        Fault::Vanished,
        format!("{page} came from the cache, and a moment later did not: {}", later.told()),
        match patient.is_nginx() {
            true => {
                "nobody purged it here: the keys zone or the disk is full, `inactive` is short, or somebody else purges. If the \
                 zone is full, make it larger"
            }
            false => "nobody purged it here: the cache is full, the page's lifetime is short, or somebody else purges",
        },
        match patient.is_nginx() {
            true => vec![Mend::new(
                Place::Http,
                "proxy_cache_path /var/cache/nginx-pages levels=1:2 keys_zone=pages:64m inactive=1y;",
            )],
            false => Vec::new(),
        },
    )
}

fn node_name(node: &Node) -> NodeName {
    NodeName {
        cache: node.cache.to_string(),
        node: node.name.to_string(),
    }
}

async fn patient(node: &Arc<Node>, site: &Site, mode: Mode) -> Result<Patient, Failure> {
    Ok(Patient {
        node: Arc::clone(node),
        name: node_name(node),
        visitor: Visitor::new(node.purger.access(), site).await?,
        mode,
        site: site.clone(),
    })
}
