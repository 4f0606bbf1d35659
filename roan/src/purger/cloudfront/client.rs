//! One purge at one distribution.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method};
use reqwest::{Request, Url};

use super::credentials::AwsCredentials;
use super::invalidation::{body, item, text};
use crate::base::outcome::Failure;
use crate::error::ConfigError;
use crate::purger::cdn::{Api, Reply};
use crate::purger::{Answer, Answering, AnyPurger, PurgeRequest};

/// CloudFront is one service for the world, which signs for this region:
/// <https://docs.aws.amazon.com/general/latest/gr/cf_region.html>
const REGION: &str = "us-east-1";
const SERVICE: &str = "cloudfront";

/// Errors about the credentials: <https://docs.aws.amazon.com/cloudfront/latest/APIReference/CommonErrors.html>
const DENIED: [&str; 8] = [
    "AccessDenied",
    "AccessDeniedException",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];

/// Errors about the number of requests, or of paths in progress.
const TOO_MANY: [&str; 5] = [
    "PriorRequestNotComplete",
    "RequestLimitExceeded",
    "Throttling",
    "ThrottlingException",
    "TooManyInvalidationsInProgress",
];

/// Most invalidations have ended after 25 s, and so many after this that others can begin.
const PAUSE: Duration = Duration::from_secs(5);

/// The client of one distribution.
pub(super) struct Distribution {
    api: Api,
    url: Url,
    /// Makes the references of this program differ from those of others.
    nonce: u64,
    /// What to do if the credentials are refused.
    cure: String,
}

impl Distribution {
    pub(super) fn new(
        api: Api,
        distribution: &str,
        credentials: &AwsCredentials,
    ) -> Result<Self, ConfigError> {
        let path = format!("/2020-05-31/distribution/{distribution}/invalidation");
        let url = api.endpoint.url(&path).ok_or_else(|| {
            let problem = "is not the address of an API: write it as a browser shows it";
            ConfigError::value("CloudFront::endpoint", api.endpoint.to_string(), problem)
        })?;
        let cure = format!(
            "write those of a user with the permission cloudfront:CreateInvalidation for the distribution {distribution} \
             into {credentials}"
        );
        let nonce = fastrand::u64(..);
        Ok(Self {
            api,
            url,
            nonce,
            cure,
        })
    }

    async fn purge(&self, request: PurgeRequest<'_>) -> Answer {
        let items: Result<_, String> = request.targets().iter().map(item).collect();
        let items = match items {
            Ok(items) => items,
            Err(why) => return Answer::refused(why),
        };
        let reference = format!("roan-{:016x}-{:016x}", self.nonce, request.id());
        let body = body(items, &reference);
        let make = |secret: &[String]| self.signed(&body, secret, SystemTime::now());
        match self.api.exchange(make, denies).await {
            Ok(reply) => self.answer(&reply),
            Err(answer) => answer,
        }
    }

    /// The request, signed: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html>
    fn signed(&self, body: &str, secret: &[String], now: SystemTime) -> Result<Request, Answer> {
        const XML: &str = "application/xml";
        let failed = |_| Answer::denied("the request cannot be signed: check the credentials");
        let [id, key, session] = secret else {
            return Err(failed(()));
        };
        let session = (!session.is_empty()).then(|| session.clone());
        let identity = Credentials::new(id, key, session, None, "roan").into();
        let settings = SigningSettings::default();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(REGION)
            .name(SERVICE)
            .time(now)
            .settings(settings)
            .build()
            .map_err(|_| failed(()))?
            .into();
        let headers = [(CONTENT_TYPE.as_str(), XML)].into_iter();
        let body_to_sign = SignableBody::Bytes(body.as_bytes());
        let to_sign = SignableRequest::new("POST", self.url.as_str(), headers, body_to_sign);
        let signed = to_sign.and_then(|to_sign| sign(to_sign, &params));
        let (instructions, _) = signed.map_err(|_| failed(()))?.into_parts();

        let mut request = Request::new(Method::POST, self.url.clone());
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(XML));
        for (name, value) in instructions.headers() {
            let name = HeaderName::try_from(name).map_err(|_| failed(()))?;
            let mut value = HeaderValue::try_from(value).map_err(|_| failed(()))?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        *request.body_mut() = Some(body.to_owned().into());
        Ok(request)
    }

    fn answer(&self, reply: &Reply) -> Answer {
        let xml = String::from_utf8_lossy(&reply.body);
        let code = text(&xml, "Code").unwrap_or_default();
        let said = match text(&xml, "Message") {
            _ if code.is_empty() => format!(" (status {})", reply.status.as_u16()),
            Some(message) => format!(" ({})", reply.quoted(&format!("{code}: {message}"))),
            None => format!(" ({})", reply.quoted(code)),
        };
        if reply.status.as_u16() == 201 {
            return reply.with(Answer::purged());
        }
        if denies(reply) {
            let why = format!("AWS refuses the credentials{said}: {}", self.cure);
            return reply.with(Answer::denied(why));
        }
        if TOO_MANY.contains(&code) {
            let why = format!("CloudFront takes fewer invalidations{said}");
            let answer = Answer::failed(Failure::TooMany(why)).retry_after(PAUSE);
            return reply.with(answer);
        }
        if let Some(answer) = reply.general("CloudFront") {
            return answer;
        }
        let why = format!("CloudFront did not take the invalidation{said}");
        // A wrong clock is set right sooner or later. Other statuses than 201 and errors are not those of the API.
        if matches!(code, "RequestExpired" | "RequestTimeTooSkewed") || reply.status.is_success() {
            return reply.with(Answer::failed(Failure::Reported(why)));
        }
        reply.with(Answer::refused(format!(
            "{why}: compare the distribution and the paths with those in the console"
        )))
    }
}

fn denies(reply: &Reply) -> bool {
    let xml = String::from_utf8_lossy(&reply.body);
    let code = text(&xml, "Code").unwrap_or_default();
    let is_clock = matches!(code, "RequestExpired" | "RequestTimeTooSkewed");
    DENIED.contains(&code) || matches!(reply.status.as_u16(), 401 | 403) && !is_clock
}

impl AnyPurger for Distribution {
    fn purge<'a>(&'a self, request: PurgeRequest<'a>) -> Answering<'a> {
        Box::pin(self.purge(request))
    }
}
