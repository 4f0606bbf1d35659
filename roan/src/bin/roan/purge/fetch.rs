//! Bytes from elsewhere, as they come: a thread reads them, so that Ctrl-C is heard while none come.

use std::io::{self, BufRead, Read};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use reqwest::{Client, Url, redirect};

use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;

type Chunk = io::Result<Vec<u8>>;

/// The most chunks that wait for their reader.
const WAITING: usize = 8;

/// How long a server may be silent.
const SILENCE: Duration = Duration::from_secs(30);

const CONNECT: Duration = Duration::from_secs(10);

const REDIRECTS: usize = 5;

/// Chunks from a thread.
pub(super) struct Chunks {
    chunks: Receiver<Chunk>,
    interrupt: Interrupt,
    current: Vec<u8>,
    read: usize,
}

impl Chunks {
    fn new(chunks: Receiver<Chunk>, interrupt: Interrupt) -> Self {
        Self {
            chunks,
            interrupt,
            current: Vec::new(),
            read: 0,
        }
    }

    /// Standard input.
    pub(super) fn of_stdin(interrupt: Interrupt) -> Result<Self, Failure> {
        let (sender, receiver) = sync_channel(WAITING);
        spawn(move || read_stdin(&sender))?;
        Ok(Self::new(receiver, interrupt))
    }

    /// The body at a URL. Redirects are followed within the host.
    pub(super) fn of_url(url: &str, interrupt: Interrupt) -> Result<Self, Failure> {
        let parsed = Url::parse(url)
            .map_err(|error| Failure::bad_input(format!("{url:?} is not a URL: {error}")))?;
        let unreachable =
            |problem: String| Failure::new(Exit::Unreachable, format!("{url}: {problem}"));
        let (sender, receiver) = sync_channel(WAITING);
        spawn(move || match download(parsed, &sender) {
            Ok(()) => {}
            Err(problem) => {
                let _ = sender.send(Err(io::Error::other(problem)));
            }
        })?;
        let mut chunks = Self::new(receiver, interrupt);
        // Whether there is anything is known with the first chunk.
        chunks
            .fill_buf()
            .map_err(|error| unreachable(error.to_string()))?;
        Ok(chunks)
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) -> Result<(), Failure> {
    std::thread::Builder::new()
        .spawn(work)
        .map(drop)
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot start a thread: {error}")))
}

fn read_stdin(sender: &SyncSender<Chunk>) {
    let mut stdin = io::stdin().lock();
    loop {
        let mut chunk = vec![0; 16 * 1024];
        let chunk = match stdin.read(&mut chunk) {
            Ok(0) => return,
            Ok(length) => {
                chunk.truncate(length);
                Ok(chunk)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let is_last = chunk.is_err();
        if sender.send(chunk).is_err() || is_last {
            return;
        }
    }
}

fn download(url: Url, sender: &SyncSender<Chunk>) -> Result<(), String> {
    let host = (
        url.host_str().map(str::to_owned),
        url.port_or_known_default(),
    );
    let policy = redirect::Policy::custom(move |attempt| {
        let next = attempt.url();
        let is_same = next.host_str().map(str::to_owned) == host.0
            && (next.port_or_known_default() == host.1 || next.port().is_none());
        if !is_same {
            attempt.error("a redirect to another host")
        } else if attempt.previous().len() > REDIRECTS {
            attempt.error("too many redirects")
        } else {
            attempt.follow()
        }
    });
    let client = Client::builder()
        .redirect(policy)
        .connect_timeout(CONNECT)
        .read_timeout(SILENCE)
        .user_agent(concat!("roan/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| innermost(&error))?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    runtime.block_on(async {
        let mut response = client
            .get(url)
            .send()
            .await
            .map_err(|error| innermost(&error))?;
        let status = response.status();
        if !status.is_success() {
            return Err(format!("status {status}"));
        }
        while let Some(chunk) = response.chunk().await.map_err(|error| innermost(&error))? {
            // It blocks this thread until there is room: the server then waits, too.
            if sender.send(Ok(chunk.to_vec())).is_err() {
                return Ok(());
            }
        }
        Ok(())
    })
}

/// The useful one of the causes: "Connection refused", not "error sending request".
fn innermost(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}

impl BufRead for Chunks {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        while self.read == self.current.len() {
            match self.chunks.recv_timeout(Duration::from_millis(50)) {
                Ok(chunk) => {
                    self.current = chunk?;
                    self.read = 0;
                }
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) if self.interrupt.is_asked() => {
                    return Err(io::Error::other("ended by a signal"));
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        Ok(&self.current[self.read..])
    }

    fn consume(&mut self, amount: usize) {
        self.read = (self.read + amount).min(self.current.len());
    }
}

impl Read for Chunks {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        read_buffered(self, into)
    }
}

/// Reads from the buffer of a reader that has nothing else.
pub(super) fn read_buffered(reader: &mut impl BufRead, into: &mut [u8]) -> io::Result<usize> {
    let available = reader.fill_buf()?;
    let length = available.len().min(into.len());
    into[..length].copy_from_slice(&available[..length]);
    reader.consume(length);
    Ok(length)
}
