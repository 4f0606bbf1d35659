//! A purge endpoint with the faults that no configuration of nginx shows, and a log of what came.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::background::Background;
use crate::head::{self, Head};
use crate::lock;
use crate::wait;

/// What Roan asks for at the start to see how a node is set up. It is no purge of a test, and so not in the log.
const CHECK: &str = "/.well-known/roan%2Dcheck?roan=check";

/// What the endpoint does with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Behaviour {
    /// Accepts the connection and does not read from it, while this is set.
    Ignore,
    /// Reads the request and keeps it waiting until another behaviour is set, which then is its
    /// own; for ever, if none is.
    Hang,
    /// Reads the request and closes the connection without a byte.
    Close,
    /// Promises a body, sends the half of it, and closes the connection.
    CloseMidAnswer,
    /// Sends the half of a status line, and no more.
    StallMidAnswer,
    /// Answers as nginx with the purge module would: 200, with the key in `X-Roan-Purge`.
    Purged,
    /// Answers after this time as [`Behaviour::Purged`].
    Slow(Duration),
    /// Answers with this status and these headers; an empty body.
    Answer(u16, Vec<(String, String)>),
    /// Answers so for targets with this text in them, and as [`Behaviour::Purged`] for all others.
    AnswerSome(String, u16),
    /// Answers so until this time is over since the first request, then as [`Behaviour::Purged`].
    AnswerFor(Duration, u16, Vec<(String, String)>),
}

/// One request, in the order in which they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// `GET` and so on.
    pub method: String,
    /// The request target, byte for byte.
    pub target: String,
    /// Names as they came, values without the space around them.
    pub headers: Vec<(String, String)>,
}

impl Received {
    /// The value of the first header of that name, in whatever case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        head::find(&self.headers, name)
    }
}

/// The endpoint; it ends when dropped.
#[derive(Debug)]
pub struct Faulty {
    addr: SocketAddr,
    behaviour: watch::Sender<Behaviour>,
    log: Arc<Mutex<Log>>,
    _server: Background,
}

#[derive(Debug, Default)]
struct Log {
    connections: usize,
    requests: Vec<Received>,
    began: Option<Instant>,
}

impl Faulty {
    /// Starts one on a free port of 127.0.0.1.
    #[must_use]
    pub fn start(behaviour: Behaviour) -> Self {
        let (behaviour, behaves) = watch::channel(behaviour);
        let log = Arc::<Mutex<Log>>::default();
        let (server, addr) = {
            let log = Arc::clone(&log);
            Background::serve("faulty", |listener| accept(listener, behaves, log))
        };
        Self {
            addr,
            behaviour,
            log,
            _server: server,
        }
    }

    /// What to do from now on, also with the requests that hang.
    pub fn set(&self, behaviour: Behaviour) {
        self.behaviour.send_replace(behaviour);
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// What Roan is given as the place of the purge location.
    #[must_use]
    pub fn purge_url(&self) -> String {
        format!("http://{}/purge", self.addr)
    }

    /// The requests that came, in order.
    #[must_use]
    pub fn requests(&self) -> Vec<Received> {
        self.with_log(|log| log.requests.clone())
    }

    /// How many requests came.
    #[must_use]
    pub fn count(&self) -> usize {
        self.with_log(|log| log.requests.len())
    }

    /// How many connections were taken.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.with_log(|log| log.connections)
    }

    /// Blocks until at least `count` requests came.
    ///
    /// # Panics
    ///
    /// When they do not come.
    #[track_caller]
    pub fn wait_for(&self, count: usize) {
        wait::until(wait::LONG, &format!("{count} requests"), || {
            self.count() >= count
        });
    }

    fn with_log<T>(&self, read: impl FnOnce(&Log) -> T) -> T {
        read(&lock(&self.log))
    }
}

async fn accept(listener: TcpListener, behaves: watch::Receiver<Behaviour>, log: Arc<Mutex<Log>>) {
    while let Ok((stream, _)) = listener.accept().await {
        lock(&log).connections += 1;
        tokio::spawn(converse(stream, behaves.clone(), Arc::clone(&log)));
    }
}

/// Serves one connection until it is closed by either side.
async fn converse(
    mut stream: TcpStream,
    mut behaves: watch::Receiver<Behaviour>,
    log: Arc<Mutex<Log>>,
) {
    let mut bytes = Vec::new();
    loop {
        if wait_while(&mut behaves, &Behaviour::Ignore).await.is_none() {
            return;
        }
        let Some(request) = read_request(&mut stream, &mut bytes).await else {
            return;
        };
        let url = request
            .target
            .strip_prefix("/purge")
            .unwrap_or(&request.target);
        let key = format!("{}{url}", request.header("Host").unwrap_or_default());
        let last = request.header("Connection") == Some("close");
        let target = request.target.clone();
        let age = {
            let mut log = lock(&log);
            if !target.ends_with(CHECK) {
                log.requests.push(request);
            }
            log.began.get_or_insert_with(Instant::now).elapsed()
        };

        let Some(behaviour) = wait_while(&mut behaves, &Behaviour::Hang).await else {
            return;
        };
        if let Behaviour::Slow(time) = behaviour {
            tokio::time::sleep(time).await;
        }
        let text = match behaviour {
            // Set between the two waits: the request was read already, so it is left alone.
            Behaviour::Ignore | Behaviour::Hang => continue,
            Behaviour::Close => return,
            Behaviour::CloseMidAnswer => {
                let half = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of it";
                let _broken = stream.write_all(half).await;
                return;
            }
            Behaviour::StallMidAnswer => {
                let _broken = stream.write_all(b"HTTP/1.1 2").await;
                std::future::pending().await
            }
            Behaviour::Answer(status, headers) => answer(status, &headers),
            Behaviour::AnswerSome(text, status) if target.contains(&text) => answer(status, &[]),
            Behaviour::AnswerFor(time, status, headers) if age < time => answer(status, &headers),
            Behaviour::Purged
            | Behaviour::Slow(_)
            | Behaviour::AnswerSome(..)
            | Behaviour::AnswerFor(..) => answer(200, &[("X-Roan-Purge".to_owned(), key)]),
        };
        if stream.write_all(text.as_bytes()).await.is_err() || last {
            return;
        }
    }
}

/// The first behaviour that is another; `None` when the endpoint is gone.
async fn wait_while(
    behaves: &mut watch::Receiver<Behaviour>,
    unwanted: &Behaviour,
) -> Option<Behaviour> {
    let other = behaves.wait_for(|behaviour| behaviour != unwanted).await;
    other.ok().map(|behaviour| behaviour.clone())
}

/// The next request of the connection; what came after it stays in `bytes`.
async fn read_request(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<Received> {
    loop {
        if let Some((Head { first, headers }, end)) = Head::parse(bytes) {
            bytes.drain(..end);
            let mut words = first.split(' ').map(str::to_owned);
            return Some(Received {
                method: words.next()?,
                target: words.next()?,
                headers,
            });
        }
        if stream.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
    }
}

fn answer(status: u16, headers: &[(String, String)]) -> String {
    let mut text = format!("HTTP/1.1 {status} As Told\r\nContent-Length: 0\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text + "\r\n"
}
