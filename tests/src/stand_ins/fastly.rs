//! Fastly's API of one service: <https://www.fastly.com/documentation/reference/api/purging/>.

use serde_json::{Map, Value, json};

use super::api::{Call, Reply, Rules};
use super::{Purged, StandIn};

/// The rules of one service.
#[derive(Debug)]
pub struct FastlyApi {
    service: String,
    /// The token that it accepts.
    pub token: String,
    /// The hosts of the service.
    pub hosts: Vec<String>,
}

impl FastlyApi {
    /// Starts the API of a service with one host.
    #[must_use]
    pub fn start(service: &str, token: &str, host: &str) -> StandIn<Self> {
        StandIn::start(Self {
            service: service.to_owned(),
            token: token.to_owned(),
            hosts: vec![host.to_owned()],
        })
    }

    fn check(&self, call: &Call) -> Result<(Vec<Purged>, Value), Reply> {
        if call.method != "POST" {
            return Err(error(405, "Method not allowed", "Use POST"));
        }
        // URLs may be purged without a token, unless the service asks for one, as this one does.
        if call.header("Fastly-Key") != Some(&self.token) {
            return Err(error(
                401,
                "Provided credentials are missing or invalid",
                "",
            ));
        }
        if call.header("Accept") != Some("application/json") {
            return Err(error(406, "Not acceptable", "Ask for application/json"));
        }
        let soft = match call.header("Fastly-Soft-Purge") {
            None => false,
            Some("1") => true,
            Some(_) => return Err(error(400, "Bad request", "Fastly-Soft-Purge must be 1")),
        };
        let purge = |one: Purged| {
            if soft {
                Purged::Soft(Box::new(one))
            } else {
                one
            }
        };
        if let Some(url) = call.target.strip_prefix("/purge/") {
            let (host, url) = url.split_at(url.find('/').unwrap_or(url.len()));
            if !self.hosts.iter().any(|known| known == host) || url.is_empty() {
                return Err(error(404, "Record not found", "No service has this host"));
            }
            no_body(call)?;
            let id = json!({"status": "ok", "id": "108-1391560174-974124"});
            return Ok((vec![purge(Purged::url(host, url))], id));
        }
        match call
            .target
            .strip_prefix(&format!("/service/{}", self.service))
        {
            Some("/purge") => {
                let keys = keys(call)?;
                let ids = keys
                    .iter()
                    .map(|key| (key.clone(), json!("108-1391560174-974124")));
                let ids = Value::Object(ids.collect::<Map<_, _>>());
                Ok((
                    keys.into_iter()
                        .map(|key| purge(Purged::Tag(key)))
                        .collect(),
                    ids,
                ))
            }
            Some("/purge_all") if soft => Err(error(
                400,
                "Bad request",
                "Purge-all requests cannot be done in soft mode",
            )),
            Some("/purge_all") => {
                no_body(call)?;
                Ok((vec![Purged::Everything], json!({"status": "ok"})))
            }
            _ => Err(error(404, "Record not found", "Cannot load service")),
        }
    }
}

fn no_body(call: &Call) -> Result<(), Reply> {
    if call.body.is_empty() && call.header("Content-Type").is_none() {
        Ok(())
    } else {
        Err(error(400, "Bad request", "A body is not expected"))
    }
}

fn keys(call: &Call) -> Result<Vec<String>, Reply> {
    let bad = |detail: &str| error(400, "Bad request", detail);
    if call.header("Content-Type") != Some("application/json") {
        return Err(bad("Content-Type must be application/json"));
    }
    let body: Value = serde_json::from_str(&call.body).map_err(|_| bad("Not JSON"))?;
    let body = body.as_object().filter(|body| body.len() == 1);
    let keys = body
        .and_then(|body| body.get("surrogate_keys"))
        .and_then(Value::as_array);
    let keys = keys.ok_or_else(|| bad("surrogate_keys is missing"))?;
    if !(1..=256).contains(&keys.len()) {
        return Err(bad("Up to 256 keys can be purged in one request"));
    }
    let is_fit = |key: &str| {
        (1..=1024).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic())
    };
    let key = |key: &Value| {
        let key = key.as_str().filter(|key| is_fit(key));
        key.map(str::to_owned).ok_or_else(|| bad("Not a key"))
    };
    keys.iter().map(key).collect()
}

fn error(status: u16, msg: &str, detail: &str) -> Reply {
    let body = json!({"msg": msg, "detail": detail});
    Reply::new(status, body.to_string()).header("Content-Type", "application/json")
}

impl Rules for FastlyApi {
    fn answer(&mut self, call: &Call) -> Result<(Vec<Purged>, Reply), Reply> {
        let (purged, body) = self.check(call)?;
        let reply = Reply::new(200, body.to_string()).header("Content-Type", "application/json");
        Ok((purged, reply))
    }
}
