//! The handle of a dispatcher.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::builder::RoanBuilder;
use crate::base::history::{Filter, PurgeRecord};
use crate::base::report::Reports;
use crate::dispatcher::{Command, Engine, Flush, LONGEST, PauseError, Remaining, Stats};
#[cfg(all(feature = "dashboard", feature = "nats"))]
use crate::fleet::{Nats, Stream};
#[cfg(feature = "_sql")]
use crate::outbox::link::Link;
#[cfg(feature = "embedded")]
use crate::purger::embedded::Embedded;
#[cfg(feature = "web")]
use crate::{error::ConfigError, web::WebLayer};

/// A dispatcher: it sends purges to every node of every cache, and reports the results.
///
/// Most programs have one, the global dispatcher, which [`RoanBuilder::install`] or the first hook starts. The hooks,
/// such as [`roan::saved`](crate::saved), use it. Clones are handles of the same dispatcher. It runs on its own thread,
/// so it works with and without an asynchronous runtime. After the last handle is dropped, it ends as soon as no purge
/// waits.
///
/// What waits in memory when the program ends is lost: end with [`shutdown`](Self::shutdown), or let
/// a [`guard`](Self::guard) do so. When `main` returns, panics or calls [`std::process::exit`] before,
/// standard error says how much was lost, where the platform runs the destructors of the main thread's
/// thread-locals (Linux does), and the program has a model or that thread has made a dispatcher or fired a hook. After `exit` on
/// another thread, an abort or a signal nothing is said.
///
/// ```
/// use std::time::Duration;
/// use roan::Roan;
/// use roan::testing::Recorder;
///
/// let recorder = Recorder::new();
/// let roan = Roan::builder().cache(recorder.clone()).build()?;
/// roan.purge("/posts")?;
/// let left = roan.flush_blocking(Duration::from_secs(5));
/// assert_eq!(left.pending(), 0);
/// roan::assert_purged!(recorder.purges(), "/posts");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Roan {
    handle: Arc<Handle>,
}

/// The state that the clones of a [`Roan`] share. The dispatcher's thread shares only the engine, so this is dropped
/// with the last clone.
struct Handle {
    engine: Arc<Engine>,
    /// The relay's side of the durable outbox, if there is one.
    #[cfg(feature = "_sql")]
    link: Option<Arc<Link>>,
    #[cfg(feature = "web")]
    web: Option<WebLayer>,
    #[cfg(feature = "embedded")]
    embedded: Option<Embedded>,
    /// The servers and the stream of the cache that is a fleet.
    #[cfg(all(feature = "dashboard", feature = "nats"))]
    fleet: Option<(Nats, Stream)>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.engine.command(Command::Close);
    }
}

impl Roan {
    pub(super) fn new(
        engine: Arc<Engine>,
        #[cfg(feature = "web")] web: Option<WebLayer>,
        #[cfg(feature = "embedded")] embedded: Option<Embedded>,
        #[cfg(all(feature = "dashboard", feature = "nats"))] fleet: Option<(Nats, Stream)>,
        #[cfg(feature = "_sql")] link: Option<Arc<Link>>,
    ) -> Self {
        let handle = Handle {
            engine,
            #[cfg(feature = "web")]
            web,
            #[cfg(feature = "embedded")]
            embedded,
            #[cfg(all(feature = "dashboard", feature = "nats"))]
            fleet,
            #[cfg(feature = "_sql")]
            link,
        };
        Self {
            handle: Arc::new(handle),
        }
    }

    #[cfg(feature = "_sql")]
    pub(super) fn link(&self) -> Option<&Arc<Link>> {
        self.handle.link.as_ref()
    }

    /// Returns a builder with the default settings.
    pub fn builder() -> RoanBuilder {
        RoanBuilder::default()
    }

    /// Returns the [web layer](crate::web), for `router.layer(roan.web()?)`. It does not keep the dispatcher alive: keep a
    /// handle.
    ///
    /// # Errors
    ///
    /// If the dispatcher was built without [`RoanBuilder::web`].
    #[cfg(feature = "web")]
    #[cfg_attr(docsrs, doc(cfg(feature = "web")))]
    pub fn web(&self) -> Result<WebLayer, ConfigError> {
        self.handle.web.clone().ok_or(ConfigError::NoWebLayer)
    }

    #[cfg(feature = "doctor")]
    pub(crate) fn shared_engine(&self) -> Arc<Engine> {
        Arc::clone(&self.handle.engine)
    }

    /// Returns the [embedded cache](Embedded), if it is among the caches. So a program may leave it to its configuration
    /// whether the cache is in the program or before it:
    ///
    /// ```no_run
    /// # fn serve(app: axum::Router) -> Result<axum::Router, roan::ConfigError> {
    /// let roan = roan::RoanBuilder::from_env()?.install()?;
    /// let app = match roan.embedded() {
    ///     Some(pages) => app.layer(pages.layer()),
    ///     None => app,
    /// };
    /// # Ok(app)
    /// # }
    /// ```
    #[cfg(feature = "embedded")]
    #[cfg_attr(docsrs, doc(cfg(feature = "embedded")))]
    #[must_use]
    pub fn embedded(&self) -> Option<&Embedded> {
        self.handle.embedded.as_ref()
    }

    /// Where the fleet is, if one of the caches is a fleet.
    #[cfg(all(feature = "dashboard", feature = "nats"))]
    pub(crate) fn fleet(&self) -> Option<(&Nats, &Stream)> {
        let fleet = self.handle.fleet.as_ref();
        fleet.map(|(nats, stream)| (nats, stream))
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.handle.engine
    }

    /// Whether both are handles of the same dispatcher.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.handle, &other.handle)
    }

    /// Waits until no purge waits or is in flight, but at most for `timeout`, and returns what remains.
    ///
    /// This does not wait for rebounds. It does wait for purges that are requested meanwhile. Works on any runtime.
    pub async fn flush(&self, timeout: Duration) -> Remaining {
        let reply = self.order_flush(timeout, false);
        reply.await.unwrap_or_else(|_| self.engine().left(false))
    }

    /// As [`Roan::flush`], for programs without a runtime.
    ///
    /// # Panics
    ///
    /// If called inside an asynchronous task, which must not block: use [`Roan::flush`] there.
    pub fn flush_blocking(&self, timeout: Duration) -> Remaining {
        let reply = self.order_flush(timeout, false);
        reply
            .blocking_recv()
            .unwrap_or_else(|_| self.engine().left(false))
    }

    /// Waits until no purge and no rebound waits or is in flight, but at most for `timeout`, and ends the dispatcher. It
    /// reports what remains as [`Outcome::Abandoned`](crate::Outcome::Abandoned), and logs an error that says how much of it is
    /// not in an outbox. Without a `tracing` subscriber, the error is on standard error.
    ///
    /// Call it after the program has stopped serving requests. Later purges are dropped, and reported as such.
    pub async fn shutdown(&self, timeout: Duration) -> Remaining {
        let flushed = self.order_flush(timeout, true).await.ok();
        let reply = self.order_end(timeout).await.ok();
        self.ended(flushed, reply)
    }

    /// As [`Roan::shutdown`], for programs without a runtime.
    ///
    /// # Panics
    ///
    /// If called inside an asynchronous task, which must not block: use [`Roan::shutdown`] there.
    pub fn shutdown_blocking(&self, timeout: Duration) -> Remaining {
        let flushed = self.order_flush(timeout, true).blocking_recv().ok();
        let reply = self.order_end(timeout).blocking_recv().ok();
        self.ended(flushed, reply)
    }

    /// What remains at the end: at the nodes by the second order, in the outbox by the first, for the end gives back
    /// to the outbox what it has taken.
    fn ended(&self, flushed: Option<Remaining>, ended: Option<Remaining>) -> Remaining {
        let mut remaining = ended.unwrap_or_else(|| self.engine().left(true));
        if let Some(flushed) = flushed {
            remaining.outbox = flushed.outbox;
            remaining.outbox_unread = flushed.outbox_unread;
        }
        remaining
    }

    /// Runs `work` on the dispatcher's thread after `delay`, if `needed` is still alive. A flush waits for it.
    #[cfg(feature = "_orm")]
    pub(crate) fn later(
        &self,
        delay: Duration,
        needed: std::sync::Weak<()>,
        work: impl FnOnce() + Send + 'static,
    ) {
        self.engine()
            .command(Command::Later(crate::dispatcher::Later {
                due: Instant::now() + delay,
                needed,
                work: Box::new(work),
            }));
    }

    fn order_flush(&self, timeout: Duration, rebounds: bool) -> oneshot::Receiver<Remaining> {
        let (reply, receiver) = oneshot::channel();
        let now = Instant::now();
        let deadline = now.checked_add(timeout).unwrap_or(now + LONGEST);
        self.engine().command(Command::Flush(Flush {
            deadline,
            rebounds,
            look: self.engine().want_look(),
            looked: (now, false),
            reply,
        }));
        receiver
    }

    fn order_end(&self, timeout: Duration) -> oneshot::Receiver<Remaining> {
        let (reply, receiver) = oneshot::channel();
        self.engine().command(Command::End { timeout, reply });
        receiver
    }

    /// Returns the newest purges that did not wait in a durable outbox and that the filter finds, the newest first. Those of an
    /// outbox are in `roan.outbox().history(...)`.
    ///
    /// It knows the newest 1,000 ([`RoanBuilder::history`]).
    #[must_use]
    pub fn history(&self, filter: &Filter) -> Vec<PurgeRecord> {
        self.engine().reporter.history.find(filter)
    }

    /// Purges nothing at a node until it is resumed: for its maintenance. Returns whether that is new.
    ///
    /// Purges wait meanwhile, as for a node that is down, but they neither fail nor become dead, however long it takes. What
    /// is in flight ends. Later caches are purged at once, and again after the node is. [`NodeStats::paused`] shows the
    /// pause, and a warning repeats it every hour. It ends with the program.
    ///
    /// With a durable outbox call `roan.outbox().pause(...)`, which is for all programs with that outbox, and outlives them.
    ///
    /// ```
    /// # use roan::{Nginx, PauseError, Roan};
    /// let roan = Roan::builder().cache(Nginx::at("http://10.0.0.11/purge")?).build()?;
    /// assert_eq!(roan.pause("nginx", "10.0.0.11"), Ok(true));
    /// // ... its disk is replaced ...
    /// assert_eq!(roan.resume("nginx", "10.0.0.11"), Ok(true));
    /// # Ok::<(), roan::ConfigError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// If no node has that name, or purges wait in a durable outbox.
    ///
    /// [`NodeStats::paused`]: crate::NodeStats::paused
    pub fn pause(&self, cache: &str, node: &str) -> Result<bool, PauseError> {
        self.set_paused((cache, node), true)
    }

    /// Ends a [`pause`](Self::pause): what waits is sent. Returns whether the node was paused.
    ///
    /// # Errors
    ///
    /// As [`pause`](Self::pause).
    pub fn resume(&self, cache: &str, node: &str) -> Result<bool, PauseError> {
        self.set_paused((cache, node), false)
    }

    fn set_paused(&self, place: (&str, &str), paused: bool) -> Result<bool, PauseError> {
        #[cfg(feature = "_sql")]
        if self.link().is_some() {
            return Err(PauseError::Durable);
        }
        self.engine().set_paused(place, paused)
    }

    /// Returns the current counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.engine().stats()
    }

    /// Sets the [metrics](crate::metrics) to their current values. Call it before an exporter reads them, as in the handler
    /// of `/metrics`.
    ///
    /// Without this they are up to a second old. It looks at each target that waits: a million take about 20 ms. Those of a
    /// durable outbox are the last that the relay has counted, every 5 s.
    #[cfg(feature = "metrics")]
    #[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
    pub fn update_metrics(&self) {
        self.engine().measure();
    }

    /// Subscribes to the reports of all purges from now on.
    #[must_use]
    pub fn subscribe(&self) -> Reports {
        self.engine().reporter.subscribe()
    }
}

impl fmt::Debug for Roan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Roan")
            .field("stats", &self.stats())
            .finish()
    }
}
