//! Why a page stays in Varnish, Squid and Traffic Server, and the lines that mend them. The guide's pages have the whole
//! configurations.

use super::finding::{Fault, Finding, Mend, Place};
use super::patient::Patient;
use super::visit::{Seen, own_address};
use crate::base::outcome::{Outcome, Refusal};
use crate::base::target::Target;
use crate::purger::access::Software;
use crate::purger::{Answer, SetupFault};

impl Patient {
    /// A page that was purged and is still in the cache, of a server without a purge location.
    pub(super) fn stays_in_other(&self, page: &Target, answer: &Answer, after: &Seen) -> Finding {
        let status = answer
            .status
            .map_or_else(String::new, |status| format!(" (status {status})"));
        let seen = format!(
            "the purge of {page} was answered \"{}\"{status}, and then the page: {}",
            answer.outcome,
            after.told()
        );
        let refused = match &answer.outcome {
            Outcome::Refused(Refusal::Node(why)) => Some(&**why),
            _ => None,
        };
        match (refused, answer.setup_fault) {
            (Some(why), Some(SetupFault::NotAllowed)) => {
                self.finding(Fault::Refused, seen, why, self.lets_in())
            }
            (Some(why), Some(SetupFault::NotTaken)) => {
                let mut mends = self.takes_purges();
                mends.push(self.address());
                self.finding(Fault::NoPurgeLocation, seen, why, mends)
            }
            (Some(why), Some(SetupFault::OfOther)) => {
                let site = Mend::new(Place::Environment, format!("ROAN_SITE={}", self.site));
                self.finding(Fault::KeyHost, seen, why, vec![site])
            }
            (Some(why), None) => self.finding(Fault::Refused, seen, why, Vec::new()),
            (None, _) => self.not_evicted(seen, answer),
        }
    }

    /// A purge that the server says that it has done.
    fn not_evicted(&self, seen: String, answer: &Answer) -> Finding {
        let (why, mend) = match self.software() {
            Software::Varnish if answer.verified && answer.outcome == Outcome::NotCached => (
                "the VCL has purged this URL, and found nothing: `vcl_hash` makes another key for a purge than for a page, or \
                 `vcl_recv` changes the URL or the host of one of them alone",
                vec![Mend::new(
                    Place::Vcl,
                    "sub vcl_hash {\n    hash_data(req.url);\n    hash_data(req.http.Host);\n    return (lookup);\n}",
                )],
            ),
            Software::Varnish => (
                "the VCL answers a PURGE, but does not purge: it needs `return (purge)`, or `purge.hard()` in `vcl_miss` and in a \
                 hit",
                self.takes_purges(),
            ),
            Software::Squid => (
                "Squid has another key for the page: it has the scheme and the port under which a visitor came, and a variant for \
                 each value of what the page varies by. Let all visitors come by one port, and store one variant",
                vec![Mend::new(
                    Place::SquidConf,
                    "request_header_access Accept-Encoding deny all\n\
                     acl varies rep_header Vary .\n\
                     store_miss deny varies",
                )],
            ),
            Software::TrafficServer => (
                "Traffic Server has another key for the page: the host of the key must be the one that visitors ask for",
                vec![Mend::new(
                    Place::RecordsConfig,
                    "CONFIG proxy.config.url_remap.pristine_host_hdr INT 1",
                )],
            ),
            Software::Nginx | Software::Other => (
                "purges do not reach the page: look at how this cache builds its keys",
                Vec::new(),
            ),
        };
        self.finding(Fault::NotEvicted, seen, why, mend)
    }

    /// The address of this machine, as the node sees it.
    fn this_machine(&self) -> Vec<String> {
        match own_address().filter(|_| !self.visitor.is_on_loopback()) {
            Some(own) => vec![own.to_string()],
            None => vec!["127.0.0.1".to_owned(), "::1".to_owned()],
        }
    }

    /// Lets this machine purge.
    fn lets_in(&self) -> Vec<Mend> {
        let addresses = self.this_machine();
        match self.software() {
            Software::Varnish => {
                let listed: Vec<_> = addresses
                    .iter()
                    .map(|address| format!("    \"{address}\";"))
                    .collect();
                let lines = format!(
                    "acl roan {{  # in place of the list that the VCL compares with `client.ip`\n{}\n}}",
                    listed.join("\n")
                );
                vec![Mend::new(Place::Vcl, lines)]
            }
            Software::Squid => self.takes_purges(),
            Software::TrafficServer => {
                let rules: Vec<_> = addresses
                    .iter()
                    .map(|address| {
                        format!(
                            "  - apply: in\n    ip_addrs: {address}\n    action: allow\n    methods: ALL"
                        )
                    })
                    .collect();
                vec![Mend::new(Place::IpAllow, rules.join("\n"))]
            }
            Software::Nginx | Software::Other => Vec::new(),
        }
    }

    /// Makes the server purge.
    fn takes_purges(&self) -> Vec<Mend> {
        let addresses = self.this_machine();
        match self.software() {
            Software::Varnish => {
                let listed: Vec<_> = addresses
                    .iter()
                    .map(|address| format!("\"{address}\";"))
                    .collect();
                let lines = format!(
                    "acl purgers {{ {} }}  # the servers that the app runs on\n\
                     sub vcl_recv {{\n    \
                         unset req.http.X-Roan-Purge;\n    \
                         if (req.method == \"PURGE\") {{\n        \
                             if (client.ip !~ purgers) {{ return (synth(405)); }}\n        \
                             set req.http.X-Roan-Purge = \"url \" + req.http.Host + req.url;\n        \
                             return (purge);\n    \
                         }}\n\
                     }}\n\
                     sub vcl_synth {{\n    \
                         if (req.http.X-Roan-Purge) {{ set resp.http.X-Roan-Purge = req.http.X-Roan-Purge; return (deliver); }}\n\
                     }}",
                    listed.join(" ")
                );
                vec![Mend::new(Place::Vcl, lines)]
            }
            Software::Squid => vec![Mend::new(
                Place::SquidConf,
                format!(
                    "acl purgers src {}  # the servers that the app runs on\n\
                     acl purges method PURGE\n\
                     http_access allow purges purgers\n\
                     http_access deny purges\n\
                     reply_header_add X-Roan-Purge \"%>ru\" purges",
                    addresses.join(" ")
                ),
            )],
            Software::TrafficServer => vec![Mend::new(
                Place::RecordsConfig,
                "CONFIG proxy.config.http.cache.http INT 1",
            )],
            Software::Nginx | Software::Other => Vec::new(),
        }
    }
}
