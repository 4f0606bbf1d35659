//! The HTTP client that purgers share.

use std::error::Error;
use std::time::{Duration, SystemTime};

use http::header::RETRY_AFTER;
use http::{HeaderMap, StatusCode};
use reqwest::{Client, Request, Response, redirect};

use crate::base::cause::Cause;
use crate::base::outcome::Failure;
use crate::base::spans::tracked;
use crate::error::ConfigError;

/// Idle connections are closed after this, before a server would close them under a request: Varnish does so after 5 s
/// (`timeout_idle`), nginx after 75 s (`keepalive_timeout`).
const IDLE: Duration = Duration::from_secs(4);

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

/// Sends a request, in a span of its own. Its URL is not in it: that of a purge may contain a secret.
pub(crate) async fn execute(http: &Client, request: Request) -> Result<Response, reqwest::Error> {
    let (url, method) = (request.url(), request.method());
    let span = tracked!(
        tracing::Level::DEBUG,
        "http",
        otel.name = %method,
        otel.kind = "client",
        http.request.method = %method,
        server.address = url.host_str().unwrap_or_default(),
        server.port = url.port_or_known_default(),
        http.response.status_code = tracing::field::Empty,
        error.type = tracing::field::Empty,
        otel.status_code = tracing::field::Empty,
        otel.status_description = tracing::field::Empty,
    );
    let response = span.around(http.execute(request)).await;
    match &response {
        Ok(response) => {
            let status = response.status();
            span.with(|span| {
                span.record("http.response.status_code", status.as_u16());
            });
            // "Not cached" is an answer like others.
            if status.as_u16() >= 400 && !matches!(status.as_u16(), 404 | 412) {
                span.failed(status.as_str(), &status);
            }
        }
        Err(error) => {
            let kind = match error {
                error if error.is_connect() => "connect",
                error if error.is_timeout() => "timeout",
                _ => "connection",
            };
            span.failed(kind, &chain(error));
        }
    }
    response
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

/// The pause that an answer asks for: `Retry-After` (RFC 9110, section 10.2.3), in seconds or as a date. A date
/// in the past asks for none; what cannot be read is left out.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number has is as long as can be.
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

/// Whether a later attempt may succeed.
pub(crate) fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 408 | 425 | 429 | 500..=599)
}

/// What a request that got no whole answer failed of.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_seconds_and_as_a_date() {
        // Sun, 06 Nov 1994 08:49:37 GMT, the date of RFC 9110.
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        let seconds = |seconds| Some(Duration::from_secs(seconds));
        for (text, pause) in [
            ("0", seconds(0)),
            ("120", seconds(120)),
            (" 7 ", seconds(7)),
            ("99999999999999999999999", seconds(u64::MAX)),
            ("Sun, 06 Nov 1994 08:50:07 GMT", seconds(30)),
            ("Sunday, 06-Nov-94 08:50:07 GMT", seconds(30)),
            ("Sun Nov  6 08:50:07 1994", seconds(30)),
            ("Sun, 06 Nov 1994 08:49:07 GMT", seconds(0)),
            ("", None),
            ("-1", None),
            ("+1", None),
            ("1.5", None),
            ("soon", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            assert_eq!(retry_after(&headers, now), pause, "{text:?}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
