//! A connection to the servers, which restores itself.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::Context;
use async_nats::jetstream::context::ContextBuilder;
use async_nats::{AuthError, Client, ConnectErrorKind, ConnectOptions, Event};

use tokio::sync::watch;

use super::{FleetError, Nats, permission};
use crate::base::lock::Mutex;
use crate::error::ConfigError;

/// How long a server may take to answer: the connection, and each request to JetStream.
const PATIENCE: Duration = Duration::from_secs(5);

/// The client pings a server so often, and goes to another one when three pings are not answered: one that hangs keeps its
/// connections open.
const PING: Duration = Duration::from_secs(5);

/// So many messages may wait for the stream's acknowledgement. More wait before they are sent.
const IN_FLIGHT: usize = 4096;

/// A connection. If it is lost, the client opens it again by itself, at another server of the cluster if need be.
#[derive(Clone)]
pub(crate) struct Connection {
    client: Client,
    jetstream: Context,
    servers: String,
    /// The last words of a server or of the client about what is wrong. Empty while it is connected.
    trouble: Arc<Mutex<String>>,
    /// How often it was lost.
    losses: watch::Receiver<u64>,
}

impl Connection {
    /// Opens one, under a name that `nats server report connections` shows. Its client is a task of the current runtime.
    ///
    /// # Errors
    ///
    /// If a file cannot be read, or if all servers are down or refuse this client.
    pub(crate) async fn open(nats: &Nats, name: &str) -> Result<Self, FleetError> {
        // The callback could only say that it has failed.
        let (tls, is_required) = apart(nats, |nats| {
            nats.auth(b"nonce")?;
            nats.tls()
        })
        .await?;
        let trouble = Arc::new(Mutex::new(String::new()));
        let note = Arc::clone(&trouble);
        let (count, losses) = watch::channel(0);
        let identity = nats.clone();
        let options = ConnectOptions::with_auth_callback(move |nonce| {
            let identity = identity.clone();
            async move {
                let auth = apart(&identity, move |nats| nats.auth(&nonce)).await;
                auth.map_err(AuthError::new)
            }
        })
        .name(name)
        .connection_timeout(PATIENCE)
        .ping_interval(PING)
        .tls_client_config(tls)
        .require_tls(is_required)
        .event_callback(move |event| {
            if matches!(event, Event::Disconnected | Event::Closed) {
                count.send_modify(|count| *count += 1);
            }
            let text = match event {
                Event::ServerError(error) => Some(error.to_string()),
                Event::ClientError(error) => Some(error.to_string()),
                Event::Connected | Event::Disconnected | Event::Closed => Some(String::new()),
                _ => None,
            };
            if let Some(text) = text {
                // So the errors of the client begin, and those of the server.
                let text = text.strip_prefix("nats: ").unwrap_or(&text).to_owned();
                *note.lock() = text;
            }
            std::future::ready(())
        });
        let client = options.connect(nats.addresses()).await;
        let client = client.map_err(|error| explained(nats, &error))?;
        let jetstream = ContextBuilder::new()
            .timeout(PATIENCE)
            .ack_timeout(PATIENCE)
            .max_ack_inflight(IN_FLIGHT)
            .backpressure_on_inflight(true)
            .build(client.clone());
        Ok(Self {
            client,
            jetstream,
            servers: nats.shown(),
            trouble,
            losses,
        })
    }

    pub(crate) fn jetstream(&self) -> &Context {
        &self.jetstream
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// The servers, for messages.
    pub(crate) fn servers(&self) -> &str {
        &self.servers
    }

    /// The error of a request that JetStream refuses, or answers as it should not.
    pub(crate) fn failed(&self, problem: String) -> FleetError {
        FleetError::JetStream {
            servers: self.servers.clone(),
            problem,
        }
    }

    /// The error of a request that may be answered at the next try.
    pub(crate) fn passing(&self, problem: String) -> FleetError {
        FleetError::Unanswered {
            servers: self.servers.clone(),
            problem,
        }
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Ends when the connection of now is lost.
    pub(crate) fn lost(&self) -> impl Future<Output = ()> + use<> {
        let mut losses = self.losses.clone();
        losses.mark_unchanged();
        async move {
            // Without a sender the client has ended.
            let _ = losses.changed().await;
        }
    }

    /// A request was answered, so what was wrong before is not the reason for what may be wrong later.
    pub(crate) fn all_is_well(&self) {
        let mut trouble = self.trouble.lock();
        trouble.clear();
    }

    /// What a server has last denied to this user, and what to allow.
    pub(crate) fn denied(&self) -> Option<String> {
        let trouble = self.trouble.lock();
        let is_denied = self.is_connected() && trouble.starts_with("Permissions Violation");
        is_denied.then(|| match permission::of(&trouble) {
            Some(allow) => format!("{trouble}: allow this user to {allow}"),
            None => trouble.clone(),
        })
    }

    /// The same, or else this error.
    #[cfg(feature = "agent")]
    pub(crate) fn denied_or(&self, error: &dyn fmt::Display) -> String {
        self.denied().unwrap_or_else(|| error.to_string())
    }

    /// Why a request was not answered in time, and what to do about it: what the server has said, or else `otherwise`.
    pub(crate) fn trouble(&self, otherwise: &str) -> String {
        if let Some(denied) = self.denied() {
            return denied;
        }
        let trouble = self.trouble.lock();
        match (trouble.as_str(), self.is_connected()) {
            (_, true) => format!("no answer in time: {otherwise}"),
            (trouble, false) => {
                let why = match trouble {
                    "" => String::new(),
                    why => format!(": {why}"),
                };
                format!("the connection is lost{why}: see that nats-server runs there")
            }
        }
    }
}

/// Reads files on another thread: they may be on a network.
async fn apart<T: Send + 'static>(
    nats: &Nats,
    read: impl FnOnce(&Nats) -> Result<T, ConfigError> + Send + 'static,
) -> Result<T, ConfigError> {
    let nats = nats.clone();
    let read = tokio::task::spawn_blocking(move || read(&nats)).await;
    read.unwrap_or_else(|panic| Err(ConfigError::value("files", "", panic.to_string())))
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("servers", &self.servers)
            .field("is_connected", &self.is_connected())
            .finish_non_exhaustive()
    }
}

fn explained(nats: &Nats, error: &async_nats::ConnectError) -> FleetError {
    let servers = nats.shown();
    let cause = error.source();
    let is_tls = error.kind() == ConnectErrorKind::Tls || cause.is_some_and(is_of_tls);
    let cause = match cause {
        Some(cause) => cause.to_string(),
        None => error.to_string(),
    };
    let denied = |problem| FleetError::Denied {
        servers: nats.shown(),
        problem,
    };
    match error.kind() {
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
            denied(format!("{cause}: {}", nats.remedy()))
        }
        _ if is_tls => denied(format!(
            "TLS: {cause}: name the authority of its certificate by `root_certificates`, and a certificate of your own by \
             `client_certificate` if it asks for one"
        )),
        ConnectErrorKind::TimedOut => FleetError::Connect {
            servers,
            problem: format!(
                "no answer within {} s: see that a NATS server runs there",
                PATIENCE.as_secs()
            ),
        },
        _ => FleetError::Connect {
            servers,
            problem: format!("{cause}: see that nats-server runs there and listens at this port"),
        },
    }
}

/// Whether TLS is the reason for an error of a connection.
fn is_of_tls(cause: &(dyn Error + 'static)) -> bool {
    let inner = cause
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref);
    cause.is::<rustls::Error>() || inner.is_some_and(|inner| inner.is::<rustls::Error>())
}
