//! One purge at one node.

use std::sync::Arc;

use http::StatusCode;
use reqwest::Request;

use super::Forms;
use super::request::RequestTemplate;
use crate::base::outcome::Failure;
use crate::base::site::Site;
use crate::base::target::Target;
use crate::purger::http::{Endpoint, Reply, is_passing};
use crate::purger::{Answer, Answering, AnyPurger, PurgeRequest};

/// The client of one node.
pub(super) struct HttpNode {
    pub(super) endpoint: Endpoint,
    pub(super) forms: Arc<Forms>,
}

impl HttpNode {
    fn request(
        &self,
        form: &RequestTemplate,
        targets: &[Target],
        site: &Site,
    ) -> Result<Request, String> {
        let rendered = form.render(targets, site)?;
        let path = match &*rendered.path {
            "" if self.endpoint.url.path().is_empty() => "/",
            path => path,
        };
        let own = self.endpoint.url.own_site();
        let request = self.endpoint.request_to(form.method.clone(), path, own);
        let mut request = request.ok_or_else(|| {
            "the HTTP client would send another URL than the one of the template".to_owned()
        })?;
        let headers = request.headers_mut();
        headers.remove("x-forwarded-proto");
        for (name, value) in rendered.headers {
            headers.insert(name, value);
        }
        *request.body_mut() = rendered.body.map(Into::into);
        Ok(request)
    }

    async fn purge(&self, targets: &[Target], site: &Site) -> Answer {
        let kind = targets.first().map(Target::kind);
        let Some(form) = kind.and_then(|kind| self.forms.of(kind)) else {
            return Answer::denied("the cache has no request for targets of this kind");
        };
        let request = match self.request(form, targets, site) {
            Ok(request) => request,
            Err(why) => return Answer::refused(why),
        };
        match self.endpoint.send(request).await {
            Ok(reply) => answer(form, &reply),
            Err(answer) => answer,
        }
    }
}

fn answer(form: &RequestTemplate, reply: &Reply) -> Answer {
    let status = reply.status.as_u16();
    let answer = if form.purged.contains(&status) {
        Answer::purged()
    } else if form.not_cached.contains(&status) {
        Answer::not_cached()
    } else if !form.refused.contains(&status) && is_passing(reply.status) {
        Answer::failed(Failure::Status(status))
    } else {
        let why = format!("status {status}: {}", cure(reply.status, form));
        match status {
            // Credentials and redirects are not about a target. Others may be, also 403, of a firewall on the way.
            401 | 407 | 300..=399 => Answer::denied(why),
            _ => Answer::refused(why),
        }
    };
    let answer = answer.status(status);
    match reply.pause {
        Some(pause) => answer.retry_after(pause),
        None => answer,
    }
}

fn cure(status: StatusCode, form: &RequestTemplate) -> String {
    match status.as_u16() {
        401 | 403 | 407 => {
            "set the header with the credentials, or allow this machine's address".to_owned()
        }
        404 | 410 => "check the URL of the node, and the path of the template".to_owned(),
        405 | 501 => format!(
            "the cache does not support {} for targets of this kind",
            form.method
        ),
        400 | 413 | 414 | 415 | 422 | 431 => {
            "the cache did not take the request: compare the templates with its documents"
                .to_owned()
        }
        300..=399 => "a redirect: write the URL that it leads to".to_owned(),
        _ => "if it means that the page is gone, add it to `RequestTemplate::purged`".to_owned(),
    }
}

impl AnyPurger for HttpNode {
    fn purge<'a>(&'a self, request: PurgeRequest<'a>) -> Answering<'a> {
        let site = self.endpoint.site_or_own(request.site());
        Box::pin(self.purge(request.targets(), site))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::HeaderMap;

    use super::*;
    use crate::base::outcome::Outcome;

    #[test]
    fn a_status_means_what_the_template_says() {
        let usual = RequestTemplate::new("PURGE", "{path}").unwrap();
        let own = usual.clone().purged([201]).not_cached([410]).refused([501]);
        let outcome = |form: &RequestTemplate, status: u16| {
            let reply = Reply {
                status: StatusCode::from_u16(status).unwrap(),
                headers: HeaderMap::new(),
                from: None,
                pause: Some(Duration::from_secs(7)),
            };
            let answer = answer(form, &reply);
            assert_eq!(answer.status, Some(status));
            assert_eq!(answer.retry_after, Some(Duration::from_secs(7)));
            assert!(!answer.verified);
            answer.outcome
        };
        for status in [200, 202, 204] {
            assert_eq!(outcome(&usual, status), Outcome::Purged);
        }
        assert_eq!(outcome(&usual, 404), Outcome::NotCached);
        assert_eq!(outcome(&own, 201), Outcome::Purged);
        assert_eq!(outcome(&own, 410), Outcome::NotCached);
        for status in [408, 425, 429, 500, 503, 599] {
            let failed = Outcome::Failed(Failure::Status(status));
            assert_eq!(outcome(&usual, status), failed);
            assert_eq!(outcome(&own, status), failed);
        }
        assert_eq!(outcome(&usual, 501), Outcome::Failed(Failure::Status(501)));
        for status in [200, 204, 206, 301, 400, 401, 403, 404, 405, 422, 501] {
            let refused = matches!(outcome(&own, status), Outcome::Refused(_));
            assert!(refused, "{status}");
        }
    }
}
