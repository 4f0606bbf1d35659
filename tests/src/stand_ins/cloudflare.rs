//! Cloudflare's API of one zone: <https://developers.cloudflare.com/api/resources/cache/methods/purge/>.

use axum::http::Uri;
use serde_json::{Value, json};

use super::api::{Call, Reply, Rules};
use super::{Purged, StandIn};

/// The rules of one zone.
#[derive(Debug)]
pub struct CloudflareApi {
    zone: String,
    /// The token that it accepts.
    pub token: String,
    /// The hosts of the zone.
    pub hosts: Vec<String>,
    /// URLs of one request: 500 for Enterprise.
    pub most_urls: usize,
    /// A tag that it refuses.
    pub refused_tag: Option<String>,
}

impl CloudflareApi {
    /// Starts the API of a zone with one host.
    #[must_use]
    pub fn start(zone: &str, token: &str, host: &str) -> StandIn<Self> {
        StandIn::start(Self {
            zone: zone.to_owned(),
            token: token.to_owned(),
            hosts: vec![host.to_owned()],
            most_urls: 100,
            refused_tag: None,
        })
    }

    fn check(&self, call: &Call) -> Result<Vec<Purged>, Reply> {
        if call.target != format!("/client/v4/zones/{}/purge_cache", self.zone) {
            let text = "Could not route to the path, perhaps your object identifier is invalid?";
            return Err(error(404, 7003, text));
        }
        if call.method != "POST" {
            return Err(error(405, 10405, "Method not allowed for this endpoint"));
        }
        match call
            .header("Authorization")
            .and_then(|text| text.strip_prefix("Bearer "))
        {
            None => {
                let chain =
                    json!([{"code": 6111, "message": "Invalid format for Authorization header"}]);
                let error = json!({"code": 6003, "message": "Invalid request headers", "error_chain": chain});
                return Err(reply(400, &json!([error])));
            }
            Some(token) if token != self.token => {
                return Err(error(401, 10000, "Authentication error"));
            }
            Some(_) => {}
        }
        if call.header("Content-Type") != Some("application/json") {
            return Err(error(400, 1012, "Request must contain application/json"));
        }
        let body: Value = serde_json::from_str(&call.body)
            .map_err(|_| error(400, 1012, "Request body is not valid JSON"))?;
        let body = body.as_object().filter(|body| body.len() == 1);
        let (key, value) = body.and_then(|body| body.iter().next()).ok_or_else(|| {
            let text =
                "Request must contain one of purge_everything, files, tags, hosts or prefixes";
            error(400, 1012, text)
        })?;
        if key == "purge_everything" {
            return match value {
                Value::Bool(true) => Ok(vec![Purged::Everything]),
                _ => Err(error(400, 1012, "purge_everything must be true")),
            };
        }
        let most = if key == "files" { self.most_urls } else { 100 };
        let listed = value
            .as_array()
            .filter(|list| (1..=most).contains(&list.len()));
        let listed = listed.ok_or_else(|| error(400, 1108, "Too many operations, or none"))?;
        let item = |value: &Value| {
            let text = value
                .as_str()
                .ok_or_else(|| error(400, 1012, "Not a text"))?;
            match key.as_str() {
                "files" => self.file(text),
                "tags" if self.refused_tag.as_deref() == Some(text) => {
                    Err(error(400, 1107, "Not this tag"))
                }
                "tags" => tag(text),
                "hosts" => Ok(Purged::Host(self.host(text)?)),
                "prefixes" => self.prefix(text),
                _ => Err(error(400, 1012, "Unknown key")),
            }
        };
        listed.iter().map(item).collect()
    }

    fn host(&self, host: &str) -> Result<String, Reply> {
        if self.hosts.iter().any(|known| known == host) {
            Ok(host.to_owned())
        } else {
            Err(error(400, 1101, "Hostname is not of the zone"))
        }
    }

    fn file(&self, text: &str) -> Result<Purged, Reply> {
        let uri: Option<Uri> = text.parse().ok();
        let uri = uri.filter(|uri| matches!(uri.scheme_str(), Some("http" | "https")));
        let uri = uri.ok_or_else(|| error(400, 1110, "Not a complete URL"))?;
        let authority = uri.authority().map_or("", |authority| authority.as_str());
        let host = self.host(authority)?;
        let after = uri.scheme_str().map_or(0, str::len) + "://".len() + authority.len();
        Ok(Purged::Url(host, text[after..].to_owned()))
    }

    fn prefix(&self, text: &str) -> Result<Purged, Reply> {
        let (host, path) = text.split_at(text.find('/').unwrap_or(text.len()));
        if text.contains(['?', '#']) || path.is_empty() {
            return Err(error(400, 1115, "Not a prefix"));
        }
        Ok(Purged::Prefix(self.host(host)?, path.to_owned()))
    }
}

fn tag(text: &str) -> Result<Purged, Reply> {
    let is_fit = |byte: u8| byte.is_ascii_graphic() && byte != b',';
    if (1..=1024).contains(&text.len()) && text.bytes().all(is_fit) {
        Ok(Purged::Tag(text.to_owned()))
    } else {
        Err(error(400, 1107, "Not a tag"))
    }
}

fn error(status: u16, code: u32, message: &str) -> Reply {
    reply(status, &json!([{"code": code, "message": message}]))
}

fn reply(status: u16, errors: &Value) -> Reply {
    let success = errors.as_array().is_some_and(Vec::is_empty);
    let result = success.then(|| json!({"id": "9a7806061c88ada191ed06f989cc3dac"}));
    let body = json!({"success": success, "errors": errors, "messages": [], "result": result});
    Reply::new(status, body.to_string()).header("Content-Type", "application/json")
}

impl Rules for CloudflareApi {
    fn answer(&mut self, call: &Call) -> Result<(Vec<Purged>, Reply), Reply> {
        Ok((self.check(call)?, reply(200, &json!([]))))
    }
}
