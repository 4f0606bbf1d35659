//! An API over HTTP: a log of what came, the rules of one service, and faults.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::Purged;
use crate::background::Background;
use crate::head::{self, Head};
use crate::lock;
use crate::wait;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// `POST` and so on.
    pub method: String,
    /// The request target, byte for byte.
    pub target: String,
    /// Names as they came, values without the space around them.
    pub headers: Vec<(String, String)>,
    /// The body, which must be text.
    pub body: String,
}

impl Call {
    /// The value of the only header of that name, in whatever case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        head::find(&self.headers, name)
    }
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The status.
    pub status: u16,
    /// Further headers.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl Reply {
    /// An answer without further headers.
    #[must_use]
    pub fn new(status: u16, body: impl Into<String>) -> Self {
        Self {
            status,
            headers: Vec::new(),
            body: body.into(),
        }
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// What happens to a request in place of the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// It is answered so.
    Answer(Reply),
    /// It is not answered.
    Hang,
    /// The connection is closed without an answer.
    Close,
    /// It is done as the rules say, and the connection is closed without an answer.
    Lose,
}

/// The rules of one service.
pub(super) trait Rules: Send + 'static {
    /// Answers a request; `Ok` is what it purges, with the answer. `Err` refuses it.
    fn answer(&mut self, call: &Call) -> Result<(Vec<Purged>, Reply), Reply>;
}

type OnPurge = Box<dyn Fn(&Purged) + Send>;

struct Shared<R> {
    rules: R,
    calls: Vec<Call>,
    purged: Vec<Purged>,
    refused: Vec<Reply>,
    faults: VecDeque<Fault>,
    on_purge: Option<OnPurge>,
}

impl<R> std::fmt::Debug for StandIn<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "StandIn({})", self.addr)
    }
}

/// A service on a free port of 127.0.0.1; it ends when dropped.
pub struct StandIn<R> {
    addr: SocketAddr,
    shared: Arc<Mutex<Shared<R>>>,
    _server: Background,
}

impl<R> StandIn<R> {
    /// The address of the API, without a path.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Changes the rules.
    pub fn rules<T>(&self, change: impl FnOnce(&mut R) -> T) -> T {
        change(&mut lock(&self.shared).rules)
    }

    /// The next requests meet these faults, one each.
    pub fn fail(&self, faults: impl IntoIterator<Item = Fault>) {
        lock(&self.shared).faults.extend(faults);
    }

    /// Forgets the faults that no request has met.
    pub fn mend(&self) {
        lock(&self.shared).faults.clear();
    }

    /// Does this for everything that is purged from now on.
    pub fn on_purge(&self, work: impl Fn(&Purged) + Send + 'static) {
        lock(&self.shared).on_purge = Some(Box::new(work));
    }

    /// The requests that came, in order.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        lock(&self.shared).calls.clone()
    }

    /// What was purged, in order.
    #[must_use]
    pub fn purged(&self) -> Vec<Purged> {
        lock(&self.shared).purged.clone()
    }

    /// The answers by which the rules refused requests.
    #[must_use]
    pub fn refused(&self) -> Vec<Reply> {
        lock(&self.shared).refused.clone()
    }

    /// Blocks until at least `count` requests came.
    ///
    /// # Panics
    ///
    /// When they do not come.
    #[track_caller]
    pub fn wait_for(&self, count: usize) {
        wait::until(wait::LONG, &format!("{count} requests"), || {
            lock(&self.shared).calls.len() >= count
        });
    }
}

impl<R> StandIn<R> {
    pub(super) fn start(rules: R) -> Self
    where
        R: Rules,
    {
        let shared = Arc::new(Mutex::new(Shared {
            rules,
            calls: Vec::new(),
            purged: Vec::new(),
            refused: Vec::new(),
            faults: VecDeque::new(),
            on_purge: None,
        }));
        let (server, addr) = {
            let shared = Arc::clone(&shared);
            Background::serve("stand-in", |listener| accept(listener, shared))
        };
        Self {
            addr,
            shared,
            _server: server,
        }
    }
}

async fn accept<R: Rules>(listener: TcpListener, shared: Arc<Mutex<Shared<R>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(converse(stream, Arc::clone(&shared)));
    }
}

/// Serves one connection until it is closed by either side.
async fn converse<R: Rules>(mut stream: TcpStream, shared: Arc<Mutex<Shared<R>>>) {
    let mut bytes = Vec::new();
    while let Some(call) = read(&mut stream, &mut bytes).await {
        let (fault, reply) = {
            let mut shared = lock(&shared);
            let fault = shared.faults.pop_front();
            shared.calls.push(call.clone());
            let reply = match &fault {
                None | Some(Fault::Lose) => Some(shared.take(&call)),
                Some(Fault::Answer(reply)) => Some(reply.clone()),
                Some(Fault::Hang | Fault::Close) => None,
            };
            (fault, reply)
        };
        let reply = match (fault, reply) {
            (Some(Fault::Hang), _) => std::future::pending().await,
            (Some(Fault::Lose), _) | (_, None) => return,
            (_, Some(reply)) => reply,
        };
        let mut text = format!(
            "HTTP/1.1 {} As Told\r\nContent-Length: {}\r\n",
            reply.status,
            reply.body.len()
        );
        for (name, value) in &reply.headers {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text = text + "\r\n" + &reply.body;
        if stream.write_all(text.as_bytes()).await.is_err() {
            return;
        }
    }
}

impl<R: Rules> Shared<R> {
    fn take(&mut self, call: &Call) -> Reply {
        match self.rules.answer(call) {
            Ok((purged, reply)) => {
                if let Some(work) = &self.on_purge {
                    purged.iter().for_each(work);
                }
                self.purged.extend(purged);
                reply
            }
            Err(reply) => {
                self.refused.push(reply.clone());
                reply
            }
        }
    }
}

/// The next request of the connection; what came after it stays in `bytes`.
async fn read(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<Call> {
    loop {
        if let Some((Head { first, headers }, end)) = Head::parse(bytes) {
            let length = head::find(&headers, "Content-Length").unwrap_or("0");
            let length: usize = length.parse().ok()?;
            if bytes.len() >= end + length {
                let body = String::from_utf8(bytes[end..end + length].to_vec()).ok()?;
                bytes.drain(..end + length);
                let mut words = first.split(' ').map(str::to_owned);
                return Some(Call {
                    method: words.next()?,
                    target: words.next()?,
                    headers,
                    body,
                });
            }
        }
        if stream.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
    }
}
