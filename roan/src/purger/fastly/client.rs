//! One purge at one service.

use std::time::{Duration, SystemTime};

use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method};
use reqwest::{Request, Url};
use serde_json::{Value, json};

use crate::base::outcome::Failure;
use crate::base::target::{Target, TargetKind};
use crate::purger::cdn::{Api, Reply, Token};
use crate::purger::{Answer, Answering, AnyPurger, PurgeRequest};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const KEY: HeaderName = HeaderName::from_static("fastly-key");
const SOFT: HeaderName = HeaderName::from_static("fastly-soft-purge");
/// When the account may send requests again, in seconds since 1970.
const RESET: &str = "fastly-ratelimit-reset";

/// The client of one service.
pub(super) struct Service {
    api: Api,
    /// The path of the service.
    path: String,
    soft: bool,
    /// What to do if the token is refused.
    cure: String,
}

impl Service {
    pub(super) fn new(api: Api, service: &str, token: &Token, soft: bool) -> Self {
        let cure = format!(
            "write an API token with the scope purge_select (and purge_all, to purge everything) for the service {service} \
             into {token}"
        );
        Self {
            api,
            path: format!("/service/{service}"),
            soft,
            cure,
        }
    }

    async fn purge(&self, request: PurgeRequest<'_>) -> Answer {
        let kind = request.target().kind();
        let (url, body) = match self.call(request) {
            Ok(call) => call,
            Err(answer) => return answer,
        };
        let make = |secret: &[String]| {
            let mut post = Request::new(Method::POST, url.clone());
            let headers = post.headers_mut();
            headers.insert(ACCEPT, JSON);
            let token = secret.first().map(String::as_str).unwrap_or_default();
            if let Ok(mut key) = HeaderValue::try_from(token) {
                key.set_sensitive(true);
                headers.insert(KEY, key);
            }
            if self.soft && kind != TargetKind::Everything {
                headers.insert(SOFT, HeaderValue::from_static("1"));
            }
            if let Some(body) = &body {
                headers.insert(CONTENT_TYPE, JSON);
                *post.body_mut() = Some(body.clone().into());
            }
            Ok(post)
        };
        match self.api.exchange(make, denies).await {
            Ok(reply) => self.answer(&reply, request),
            Err(answer) => answer,
        }
    }

    /// The URL and the body of a request.
    fn call(&self, request: PurgeRequest<'_>) -> Result<(Url, Option<String>), Answer> {
        let path = &self.path;
        let (path, body) = match request.target().kind() {
            TargetKind::Tag => {
                let keys: Vec<_> = request.targets().iter().map(Target::as_str).collect();
                let body = json!({ "surrogate_keys": keys });
                (format!("{path}/purge"), Some(body.to_string()))
            }
            TargetKind::Everything => (format!("{path}/purge_all"), None),
            _ => {
                let site = request.site().ok_or_else(|| {
                    Answer::denied(
                        "Fastly purges URLs with their host: set the site of the target, such as `https://www.example.org`",
                    )
                })?;
                let (host, url) = (site.authority(), request.target().as_str());
                (format!("/purge/{host}{url}"), None)
            }
        };
        let url = self.api.endpoint.url(&path).ok_or_else(|| {
            Answer::refused("the HTTP client would send another URL than the page has")
        })?;
        Ok((url, body))
    }

    fn answer(&self, reply: &Reply, request: PurgeRequest<'_>) -> Answer {
        let json: Option<Value> = serde_json::from_slice(&reply.body).ok();
        let said = said(json.as_ref(), reply);
        if denies(reply) {
            let why = format!("Fastly refuses the token{said}: {}", self.cure);
            return reply.with(Answer::denied(why));
        }
        if let Some(answer) = reply.general("Fastly") {
            let pause = reply
                .pause
                .or_else(|| until_reset(reply, SystemTime::now()));
            return match pause {
                Some(pause) => answer.retry_after(pause),
                None => answer,
            };
        }
        if !reply.status.is_success() {
            let why = format!(
                "Fastly refuses the request{said}: compare the service and the site with those in its control panel"
            );
            return reply.with(Answer::refused(why));
        }
        // Keys have an ID each; a URL and everything have a status.
        let is_done = json
            .as_ref()
            .is_some_and(|json| match request.target().kind() {
                TargetKind::Tag => {
                    let mut keys = request.targets().iter().map(Target::as_str);
                    keys.all(|key| json.get(key).is_some_and(Value::is_string))
                }
                _ => json["status"] == "ok",
            });
        if is_done {
            reply.with(Answer::purged())
        } else {
            let why = format!("Fastly did not confirm the purge{said}");
            reply.with(Answer::failed(Failure::Reported(why)))
        }
    }
}

fn denies(reply: &Reply) -> bool {
    matches!(reply.status.as_u16(), 401 | 403)
}

/// ` (text of the API)`, or ` (status 400)`.
fn said(json: Option<&Value>, reply: &Reply) -> String {
    let text = |name: &str| json.and_then(|json| json[name].as_str());
    match (text("msg"), text("detail")) {
        (None, None) => format!(" (status {})", reply.status.as_u16()),
        (msg, detail) => {
            let texts: Vec<_> = [msg, detail].into_iter().flatten().collect();
            format!(" ({})", reply.quoted(&texts.join(": ")))
        }
    }
}

/// The pause until the limit of the account is lifted.
fn until_reset(reply: &Reply, now: SystemTime) -> Option<Duration> {
    let at = reply
        .headers
        .get(RESET)?
        .to_str()
        .ok()?
        .trim()
        .parse()
        .ok()?;
    let at = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(at))?;
    Some(at.duration_since(now).unwrap_or_default())
}

impl AnyPurger for Service {
    fn purge<'a>(&'a self, request: PurgeRequest<'a>) -> Answering<'a> {
        Box::pin(self.purge(request))
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn a_pause_lasts_until_the_limit_is_lifted() {
        let mut reply = Reply {
            status: StatusCode::TOO_MANY_REQUESTS,
            headers: http::HeaderMap::new(),
            body: Vec::new(),
            pause: None,
            secret: [String::new()].into(),
        };
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
        assert_eq!(until_reset(&reply, now), None);
        for (text, pause) in [
            ("1007", Some(Duration::from_secs(7))),
            ("999", Some(Duration::ZERO)),
            ("18446744073709551615", None),
            ("soon", None),
        ] {
            reply.headers.insert(RESET, text.parse().unwrap());
            assert_eq!(until_reset(&reply, now), pause, "{text}");
        }
    }
}
