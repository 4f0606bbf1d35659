//! One purge at one zone.

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method};
use reqwest::{Request, Url};
use serde_json::{Value, json};

use crate::base::outcome::Failure;
use crate::base::site::Site;
use crate::base::target::{Target, TargetKind};
use crate::error::ConfigError;
use crate::purger::cdn::{Api, Reply, Token};
use crate::purger::{Answer, Answering, AnyPurger, PurgeRequest};

/// Codes of errors about the token: *Authentication error*, *Invalid access token* and the like.
/// <https://developers.cloudflare.com/fundamentals/api/troubleshooting/>
const DENIED: [i64; 7] = [1000, 6003, 9103, 9106, 9107, 9109, 10000];

/// Codes of errors about the number of requests: *consider throttling*, and *Unable to purge, rate limit reached*.
const TOO_MANY: [i64; 2] = [971, 1134];

/// The client of one zone.
pub(super) struct Zone {
    api: Api,
    url: Url,
    /// What to do if the token is refused.
    cure: String,
}

impl Zone {
    pub(super) fn new(api: Api, zone: &str, token: &Token) -> Result<Self, ConfigError> {
        let path = format!("/zones/{zone}/purge_cache");
        let url = api.endpoint.url(&path).ok_or_else(|| {
            let problem = "is not the address of an API: write it as a browser shows it";
            ConfigError::value("Cloudflare::endpoint", api.endpoint.to_string(), problem)
        })?;
        let cure = format!(
            "write an API token with the permission Zone / Cache Purge for the zone {zone} into {token}"
        );
        Ok(Self { api, url, cure })
    }

    async fn purge(&self, request: PurgeRequest<'_>) -> Answer {
        let body = match body(request) {
            Ok(body) => body,
            Err(answer) => return answer,
        };
        let make = |secret: &[String]| {
            let token = secret.first().map(String::as_str).unwrap_or_default();
            let mut post = Request::new(Method::POST, self.url.clone());
            let headers = post.headers_mut();
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            if let Ok(mut bearer) = HeaderValue::try_from(format!("Bearer {token}")) {
                bearer.set_sensitive(true);
                headers.insert(AUTHORIZATION, bearer);
            }
            *post.body_mut() = Some(body.clone().into());
            Ok(post)
        };
        match self
            .api
            .exchange(make, |reply| Verdict::of(reply).denied)
            .await
        {
            Ok(reply) => self.answer(&reply),
            Err(answer) => answer,
        }
    }

    fn answer(&self, reply: &Reply) -> Answer {
        let verdict = Verdict::of(reply);
        if verdict.success {
            return reply.with(Answer::purged());
        }
        let said = reply.quoted(&verdict.said);
        if verdict.denied {
            let why = format!("Cloudflare refuses the token{said}: {}", self.cure);
            return reply.with(Answer::denied(why));
        }
        if let Some(answer) = reply.general("Cloudflare") {
            return answer;
        }
        if verdict.too_many {
            let why = format!("Cloudflare takes fewer requests{said}");
            return reply.with(Answer::failed(Failure::TooMany(why)));
        }
        if reply.status.is_success() {
            // A kind of error that is not known: another attempt may succeed.
            let why = format!("Cloudflare did not purge{said}");
            return reply.with(Answer::failed(Failure::Reported(why)));
        }
        let why = format!(
            "Cloudflare refuses the request{said}: compare the zone and the site with those in its dashboard"
        );
        reply.with(Answer::refused(why))
    }
}

/// What an answer says, whatever its status.
struct Verdict {
    success: bool,
    denied: bool,
    too_many: bool,
    /// ` (error 1234: text)`, or ` (status 400)`.
    said: String,
}

impl Verdict {
    fn of(reply: &Reply) -> Self {
        let json: Option<Value> = serde_json::from_slice(&reply.body).ok();
        let success = json.as_ref().is_some_and(|json| json["success"] == true);
        let errors = json.as_ref().and_then(|json| json["errors"].as_array());
        // The cause of an error is in its chain: 6003 with 6111, for example.
        let chained = |error: &Value| error["error_chain"].as_array().cloned().unwrap_or_default();
        let errors: Vec<_> = errors
            .into_iter()
            .flatten()
            .flat_map(|error| [vec![error.clone()], chained(error)].concat())
            .collect();
        let has = |codes: &[i64]| {
            let mut found = errors.iter().filter_map(|error| error["code"].as_i64());
            found.any(|code| codes.contains(&code))
        };
        let status = reply.status.as_u16();
        let said = match errors.first() {
            Some(error) => {
                let text = error["message"].as_str().unwrap_or("no message");
                format!(" (error {}: {text})", error["code"])
            }
            None if json.is_none() && reply.status.is_success() => {
                " (the answer is not of its API)".to_owned()
            }
            None => format!(" (status {status})"),
        };
        Self {
            success: success && reply.status.is_success(),
            denied: !success && (matches!(status, 401 | 403) || has(&DENIED)),
            too_many: has(&TOO_MANY),
            said,
        }
    }
}

/// The body of a request, of which one key names what is purged.
fn body(request: PurgeRequest<'_>) -> Result<Vec<u8>, Answer> {
    let targets = request.targets();
    let kind = request.target().kind();
    let body = if kind == TargetKind::Everything {
        json!({ "purge_everything": true })
    } else if kind == TargetKind::Tag {
        json!({ "tags": targets.iter().map(Target::as_str).collect::<Vec<_>>() })
    } else {
        let site = request.site().ok_or_else(no_site)?;
        match kind {
            TargetKind::Url => json!({ "files": urls(targets, site)? }),
            // A prefix has no scheme.
            TargetKind::Prefix => {
                let prefix = |target: &Target| format!("{}{}", site.authority(), target.as_str());
                json!({ "prefixes": targets.iter().map(prefix).collect::<Vec<_>>() })
            }
            _ => json!({ "hosts": [site.host()] }),
        }
    };
    Ok(body.to_string().into_bytes())
}

fn urls(targets: &[Target], site: &Site) -> Result<Vec<String>, Answer> {
    let scheme = site.scheme().ok_or_else(no_site)?;
    let url = |target: &Target| format!("{scheme}://{}{}", site.authority(), target.as_str());
    Ok(targets.iter().map(url).collect())
}

fn no_site() -> Answer {
    Answer::denied(
        "Cloudflare purges whole URLs: set the site of the target with its scheme, such as `https://www.example.org`",
    )
}

impl AnyPurger for Zone {
    fn purge<'a>(&'a self, request: PurgeRequest<'a>) -> Answering<'a> {
        Box::pin(self.purge(request))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;

    use super::*;
    use crate::base::outcome::Outcome;

    fn request<'a>(targets: &'a [Target], site: &'a Site) -> PurgeRequest<'a> {
        PurgeRequest::new(targets, Some(site))
    }

    #[test]
    fn a_batch_is_one_list() {
        let site: Site = "https://www.example.org".parse().unwrap();
        let tags: Vec<_> = (0..100)
            .map(|number| Target::unchecked_tag(format!("\"{number}")))
            .collect();
        let body: Value = serde_json::from_slice(&body(request(&tags, &site)).unwrap()).unwrap();
        let names: Vec<_> = tags.iter().map(Target::as_str).collect();
        assert_eq!(body, json!({ "tags": names }));
        let urls = ["/a", "/b?c"].map(|url| Target::url(url).unwrap());
        let body = super::body(request(&urls, &site)).unwrap();
        let files = r#"{"files":["https://www.example.org/a","https://www.example.org/b?c"]}"#;
        assert_eq!(String::from_utf8(body).unwrap(), files);
    }

    #[test]
    fn a_url_without_a_scheme_is_not_sent() {
        let site: Site = "www.example.org".parse().unwrap();
        let url = [Target::url("/a").unwrap()];
        let refused = |request| matches!(body(request).unwrap_err().outcome, Outcome::Refused(_));
        assert!(refused(request(&url, &site)));
        assert!(refused(PurgeRequest::new(&url, None)));
        assert!(body(PurgeRequest::new(&[Target::tag("a").unwrap()], None)).is_ok());
    }

    #[test]
    fn a_pause_that_is_asked_for_is_kept() {
        let reply = Reply {
            status: StatusCode::TOO_MANY_REQUESTS,
            headers: http::HeaderMap::new(),
            body: Vec::new(),
            pause: Some(Duration::from_secs(7)),
            secret: [String::new()].into(),
        };
        let answer = reply.general("Cloudflare").unwrap();
        assert_eq!(answer.outcome, Outcome::Failed(Failure::Status(429)));
        assert_eq!(answer.retry_after, Some(Duration::from_secs(7)));
    }
}
