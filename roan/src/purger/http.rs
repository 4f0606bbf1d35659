//! The HTTP client that purgers share.

use std::error::Error;
use std::time::Duration;

use reqwest::{Client, Response, redirect};

use crate::base::cause::Cause;
use crate::base::outcome::Failure;
use crate::error::ConfigError;

/// Idle connections are closed after this, before a server with nginx's default
/// `keepalive_timeout` of 75 s would close them under a request.
const IDLE: Duration = Duration::from_secs(30);

/// The longest body that is read. The connection of a longer answer is closed.
const BODY_LIMIT: usize = 64 * 1024;

/// The settings that a cache needs to connect to its nodes.
#[derive(Debug, Clone)]
pub(crate) struct Connecting {
    pub(crate) connect_timeout: Duration,
    pub(crate) timeout: Duration,
    /// The maximum number of requests in flight at one node.
    pub(crate) concurrency: usize,
}

/// A client that does not follow redirects, keeps its connections, and has a timeout for each request.
pub(crate) fn client(connecting: &Connecting, env_proxy: bool) -> Result<Client, ConfigError> {
    let mut builder = Client::builder()
        .redirect(redirect::Policy::none())
        .connect_timeout(connecting.connect_timeout)
        .timeout(connecting.timeout)
        .pool_max_idle_per_host(connecting.concurrency)
        .pool_idle_timeout(IDLE)
        .http1_only()
        .user_agent(concat!("roan/", env!("CARGO_PKG_VERSION")));
    if !env_proxy {
        builder = builder.no_proxy();
    }
    builder
        .build()
        .map_err(|error| ConfigError::Start(Cause::described(chain(&error), error)))
}

/// Reads and drops the body, so that the connection can be used again.
pub(crate) async fn read_to_end(response: &mut Response) -> Result<(), reqwest::Error> {
    let mut read = 0;
    while read <= BODY_LIMIT {
        match response.chunk().await? {
            Some(chunk) => read += chunk.len(),
            None => break,
        }
    }
    Ok(())
}

/// Classifies a transport error.
pub(crate) fn failure(error: reqwest::Error) -> Failure {
    let error = error.without_url();
    if error.is_connect() {
        Failure::Connect(chain(&error))
    } else if error.is_timeout() {
        Failure::Timeout
    } else {
        Failure::Connection(chain(&error))
    }
}

/// The innermost cause, which is the useful one: "Connection refused", not "error sending request".
fn chain(error: &dyn Error) -> String {
    let mut cause = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause.to_string()
}
