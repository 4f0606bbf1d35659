//! One exchange with an API.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use reqwest::{Client, Request, Response, StatusCode};

use super::endpoint::Endpoint;
use super::secret::{Secret, Texts};
use super::token::Token;
use crate::base::outcome::Failure;
use crate::base::redact::HIDDEN;
use crate::error::ConfigError;
use crate::purger::Answer;
use crate::purger::http::{Connecting, client, execute, failure, retry_after};

/// The longest body that is read. The connection of a longer answer is closed.
const BODY_LIMIT: usize = 64 * 1024;

/// The longest text of an API that a message repeats, in characters.
const QUOTED: usize = 200;

/// An API, with the secret that opens it.
pub(in crate::purger) struct Api {
    http: Client,
    pub(in crate::purger) endpoint: Endpoint,
    secret: Secret,
}

/// What an API answered.
pub(in crate::purger) struct Reply {
    pub(in crate::purger) status: StatusCode,
    pub(in crate::purger) headers: HeaderMap,
    pub(in crate::purger) body: Vec<u8>,
    pub(in crate::purger) pause: Option<Duration>,
    /// What the request was sent with, so that no message repeats it.
    pub(in crate::purger) secret: Texts,
}

impl Api {
    pub(in crate::purger) fn new(
        connecting: &Connecting,
        endpoint: Endpoint,
        secret: Secret,
    ) -> Result<Self, ConfigError> {
        let http = client(connecting, false)?;
        Ok(Self {
            http,
            endpoint,
            secret,
        })
    }

    /// An API that is opened by a token.
    pub(in crate::purger) fn with_token(
        connecting: &Connecting,
        endpoint: &Endpoint,
        token: &Token,
    ) -> Result<Self, ConfigError> {
        let token = token.clone();
        let secret = Secret::new(move || token.read())?;
        Self::new(connecting, endpoint.clone(), secret)
    }

    /// Sends the request that `make` makes with the secret; once more, if it is denied and there is a newer secret.
    ///
    /// `make` returns an answer if it cannot make the request.
    pub(in crate::purger) async fn exchange(
        &self,
        make: impl Fn(&[String]) -> Result<Request, Answer>,
        denies: impl Fn(&Reply) -> bool,
    ) -> Result<Reply, Answer> {
        let secret = self.secret.current();
        let request = make(&secret)?;
        let reply = self.send(request, secret).await?;
        if denies(&reply)
            && let Some(newer) = self.secret.newer_than(&reply.secret).await
        {
            let request = make(&newer)?;
            return self.send(request, newer).await;
        }
        Ok(reply)
    }

    async fn send(&self, request: Request, secret: Texts) -> Result<Reply, Answer> {
        let response = execute(&self.http, request).await;
        let mut response = response.map_err(|error| Answer::failed(failure(error)))?;
        let status = response.status();
        let pause = retry_after(response.headers(), SystemTime::now());
        // An answer that breaks off does not count.
        let body = read(&mut response)
            .await
            .map_err(|error| Answer::failed(failure(error)).status(status.as_u16()))?;
        Ok(Reply {
            status,
            headers: std::mem::take(response.headers_mut()),
            body,
            pause,
            secret,
        })
    }
}

async fn read(response: &mut Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while body.len() <= BODY_LIMIT {
        match response.chunk().await? {
            Some(chunk) => body.extend_from_slice(&chunk),
            None => break,
        }
    }
    Ok(body)
}

impl Reply {
    /// The answer, with the status and the pause.
    pub(in crate::purger) fn with(&self, answer: Answer) -> Answer {
        let answer = answer.status(self.status.as_u16());
        match self.pause {
            Some(pause) => answer.retry_after(pause),
            None => answer,
        }
    }

    /// The answer for a status that is not about the content of the request. `None` for all others.
    pub(in crate::purger) fn general(&self, api: &str) -> Option<Answer> {
        let status = self.status.as_u16();
        match status {
            408 | 425 | 429 | 500..=599 => Some(self.with(Answer::failed(Failure::Status(status)))),
            300..=399 => {
                let why = format!(
                    "the answer is a redirect, which is not followed with a token: correct the address of the API of {api} \
                     (`endpoint`)"
                );
                Some(self.with(Answer::denied(why)))
            }
            _ => None,
        }
    }

    /// A text of the API for a message: without control characters and secrets, and cut after 200 characters.
    pub(in crate::purger) fn quoted(&self, text: &str) -> String {
        quoted(text, &self.secret)
    }
}

/// See [`Reply::quoted`].
fn quoted(text: &str, secrets: &[String]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(&**secret, HIDDEN);
    }
    let is_control =
        |letter: char| letter.is_control() || ('\u{202a}'..='\u{202e}').contains(&letter);
    let letters = text
        .chars()
        .map(|letter| if is_control(letter) { ' ' } else { letter });
    letters.take(QUOTED).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_never_repeats_a_secret() {
        let secrets = ["s3cr3t".to_owned(), String::new()];
        assert_eq!(
            quoted("bad token s3cr3t\r\n!", &secrets),
            "bad token ***  !"
        );
        let long = format!("{}s3cr3t", "x".repeat(197));
        assert!(
            !quoted(&long, &secrets).contains("s3"),
            "cut after it was hidden"
        );
    }
}
