//! The doctor: proves that purges evict a page at each node, and finds out why not.
//!
//! For each node it visits the page until it comes from the cache, purges it, and visits it again, which must come from
//! the app. It does so with a query, an encoded letter, two slashes and the variants of `Vary`. It looks at what else
//! makes purges useless: see [`Fault`]. Each [`Finding`] has what was seen, why, and the lines that mend it.
//!
//! It sends about 60 GET requests to each node, and purges the page and some URLs of its own. It changes nothing else.
//!
//! ```no_run
//! # async fn start(roan: roan::Roan) -> Result<(), roan::doctor::DoctorError> {
//! let report = roan.doctor("https://www.example.org/posts").await?;
//! if !report.is_healthy() {
//!     eprintln!("{report}");
//! }
//! # Ok(())
//! # }
//! ```

mod blame;
mod diagnose;
mod examine;
mod finding;
mod mend;
mod others;
mod patient;
mod probes;
mod report;
mod status;
mod tiers;
mod visit;

use std::net::IpAddr;

use tokio::sync::oneshot;

pub use finding::{Fault, Finding, Mend, Note, Place};
pub use report::Report;

use crate::app::Roan;
use crate::base::redact::redacted_page;
use crate::base::site::{Site, SiteError};
use crate::base::target::{Target, TargetError, shortened};
use crate::dispatcher::Command;

/// An examination of one page: made with [`Doctor::of`], done by [`examine`](Self::examine).
#[derive(Debug, Clone)]
#[must_use = "call `examine()`"]
pub struct Doctor {
    site: Site,
    page: Target,
    app: Option<String>,
    from: Option<IpAddr>,
}

/// Why there was no examination.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DoctorError {
    /// The text is not the whole URL of a page.
    #[error("{url:?} is not the URL of a page: {problem}")]
    Page {
        /// The text, without user name, password and query.
        url: String,
        /// What is wrong with it, and what to write.
        problem: String,
    },
    /// The address of the app is not a URL.
    #[error("{0:?} is not the address of the app: write one such as `http://127.0.0.1:3000`")]
    App(String),
    /// The dispatcher was shut down before the end of the examination.
    #[error("the dispatcher was shut down: examine before `Roan::shutdown`")]
    Ended,
}

impl Doctor {
    /// Examines the page at this URL, such as `https://www.example.org/posts`: one that exists, and that all visitors
    /// share.
    ///
    /// # Errors
    ///
    /// If it is not a whole URL, or cannot be purged.
    pub fn of(page_url: &str) -> Result<Self, DoctorError> {
        let error = |problem: String| DoctorError::Page {
            url: shortened(&redacted_page(page_url)),
            problem,
        };
        let (site, rest) = Site::split(page_url).map_err(|why: SiteError| {
            error(format!(
                "it {}: write `https://www.example.org/posts`",
                why.problem
            ))
        })?;
        let page = Target::url(&rest).map_err(|why: TargetError| error(why.to_string()))?;
        Ok(Self {
            site,
            page,
            app: None,
            from: None,
        })
    }

    /// The address of the app, such as `http://127.0.0.1:3000`. If the page is never cached, the doctor asks the app itself
    /// for its headers, some of which nginx hides.
    ///
    /// # Errors
    ///
    /// If it is not a URL.
    pub fn app(mut self, address: &str) -> Result<Self, DoctorError> {
        match Site::split(address) {
            Ok((_, path)) if path == "/" => {
                self.app = Some(address.to_owned());
                Ok(self)
            }
            _ => Err(DoctorError::App(crate::base::redact::redacted(address))),
        }
    }

    /// An address of this machine that the purge location must not answer. Default: the address by which this machine
    /// reaches others, if the node is on loopback; otherwise it is not known who may purge.
    pub fn from(mut self, address: IpAddr) -> Self {
        self.from = Some(address);
        self
    }

    /// Examines the page at each node of this dispatcher.
    ///
    /// # Errors
    ///
    /// If the dispatcher was shut down.
    pub async fn examine(self, roan: &Roan) -> Result<Report, DoctorError> {
        self.begin(roan).await.map_err(|_| DoctorError::Ended)
    }

    /// As [`examine`](Self::examine), for programs without a runtime.
    ///
    /// # Errors
    ///
    /// As [`examine`](Self::examine).
    ///
    /// # Panics
    ///
    /// If called inside an asynchronous task, which must not block: use [`Doctor::examine`] there.
    pub fn examine_blocking(self, roan: &Roan) -> Result<Report, DoctorError> {
        let reply = self.begin(roan);
        reply.blocking_recv().map_err(|_| DoctorError::Ended)
    }

    /// The purgers work on the dispatcher's thread, so the doctor does, too.
    fn begin(self, roan: &Roan) -> oneshot::Receiver<Report> {
        let (reply, receiver) = oneshot::channel();
        let engine = roan.shared_engine();
        let work = async move {
            let report = self.report(&engine).await;
            // The caller may have gone.
            let _ = reply.send(report);
        };
        roan.engine().command(Command::Run(Box::pin(work)));
        receiver
    }
}

impl Roan {
    /// Proves at each node that purges evict the page at this URL, and says what is wrong otherwise. See
    /// [`roan::doctor`](crate::doctor); [`Doctor`] has options.
    ///
    /// It takes about as long as 60 visits. It purges the page.
    ///
    /// # Errors
    ///
    /// If the URL is not that of a page, or the dispatcher was shut down.
    pub async fn doctor(&self, page_url: &str) -> Result<Report, DoctorError> {
        Doctor::of(page_url)?.examine(self).await
    }
}
