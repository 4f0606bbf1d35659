//! Server-sent events: the state of the dispatcher, twice a second while somebody looks.
//!
//! Events are made when a client asks for the next one, so that none waits for a slow client. The pulse is a task on the
//! dispatcher's thread that runs while there are clients.

use std::fmt::Write as _;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use super::service::Shared;
use super::state;
use crate::base::lock::Mutex;
use crate::dispatcher::{Command, Engine};

/// The number of streams at a time.
pub(super) const CLIENTS: usize = 16;

const BEAT: Duration = Duration::from_millis(500);

/// The length of a stream in beats. Then the browser asks for the next one: so one whose client has gone ends, and a
/// server that waits for its connections ends, too.
const BEATS: u32 = 20;

/// The time after which the browser comes again, in milliseconds.
const COMES_AGAIN: u32 = 500;

/// Wakes the streams while there are any.
#[derive(Debug, Default)]
pub(super) struct Pulse(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    clients: usize,
    beats: Option<watch::Receiver<()>>,
    closed: bool,
}

impl Pulse {
    /// Takes a place among the clients. `None` if there is none, or after [`close`](Self::close).
    fn join(self: &Arc<Self>, engine: &Engine) -> Option<Client> {
        let mut state = self.0.lock();
        if state.closed || state.clients >= CLIENTS {
            return None;
        }
        let beats = state.beats.get_or_insert_with(|| {
            let (sender, receiver) = watch::channel(());
            let pulse = Arc::clone(self);
            // When the dispatcher ends, this drops the sender, and the streams end.
            engine.command(Command::Run(Box::pin(pulse.beat(sender))));
            receiver
        });
        let beats = beats.clone();
        if beats.has_changed().is_err() {
            return None;
        }
        state.clients += 1;
        Some(Client {
            beats,
            pulse: Arc::clone(self),
        })
    }

    async fn beat(self: Arc<Self>, sender: watch::Sender<()>) {
        loop {
            tokio::time::sleep(BEAT).await;
            {
                let mut state = self.0.lock();
                if state.clients == 0 {
                    state.beats = None;
                    return;
                }
            }
            sender.send_replace(());
        }
    }

    /// Ends all streams within a beat, and refuses others.
    pub(super) fn close(&self) {
        self.0.lock().closed = true;
    }

    fn is_closed(&self) -> bool {
        self.0.lock().closed
    }
}

/// The place of one stream.
struct Client {
    beats: watch::Receiver<()>,
    pulse: Arc<Pulse>,
}

impl Drop for Client {
    fn drop(&mut self) {
        self.pulse.0.lock().clients -= 1;
    }
}

type Next = Pin<Box<dyn Future<Output = Option<(Bytes, Stream)>> + Send>>;

/// A stream of events.
pub(super) struct Live(Option<Next>);

impl Live {
    /// `None` if there are too many.
    pub(super) fn start(shared: Arc<Shared>) -> Option<Self> {
        let stream = Stream {
            client: shared.pulse.join(shared.roan.engine())?,
            shared,
            beats: 0,
            last: String::new(),
        };
        Some(Self(Some(Box::pin(stream.next()))))
    }

    pub(super) fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(next) = &mut self.0 else {
            return Poll::Ready(None);
        };
        let event = ready!(next.as_mut().poll(context));
        Poll::Ready(match event {
            Some((event, stream)) => {
                self.0 = Some(Box::pin(stream.next()));
                Some(event)
            }
            None => {
                self.0 = None;
                None
            }
        })
    }
}

struct Stream {
    client: Client,
    shared: Arc<Shared>,
    beats: u32,
    /// The data of the last event.
    last: String,
}

impl Stream {
    /// Waits until the state is another one.
    async fn next(mut self) -> Option<(Bytes, Self)> {
        loop {
            let is_first = self.last.is_empty();
            if !is_first {
                self.client.beats.changed().await.ok()?;
                self.beats += 1;
            }
            if self.beats > BEATS || self.client.pulse.is_closed() {
                return None;
            }
            let data = state::of(&self.shared).to_string();
            if data == self.last {
                continue;
            }
            let mut event = String::new();
            if is_first {
                let _ = writeln!(event, "retry: {COMES_AGAIN}");
            }
            // JSON has no line breaks outside of its strings, and writes those inside as `\n`.
            let _ = write!(event, "event: state\ndata: {data}\n\n");
            self.last = data;
            return Some((event.into(), self));
        }
    }
}
