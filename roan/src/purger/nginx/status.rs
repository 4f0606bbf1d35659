//! The meaning of the status of an answer to a purge.

use http::StatusCode;

use crate::base::outcome::{Failure, Outcome, Refusal};
use crate::purger::http::is_passing;

/// The outcome of `status`, as the answer of nginx's cache-purge module and its forks to a purge by `method` (200, and 404
/// or 412 for a key that is not cached), or of another server in their place.
pub(super) fn classify(status: StatusCode, method: &str) -> Outcome {
    let code = status.as_u16();
    let cure = match code {
        // A fork with `cache_purge_background_queue` answers 202: it purges soon.
        200 | 202 => return Outcome::Purged,
        404 | 412 => return Outcome::NotCached,
        _ if is_passing(status) => return Outcome::Failed(Failure::Status(code)),
        401 | 407 => "set the credentials of the purge location".to_owned(),
        403 => "`allow` this machine's address in the purge location".to_owned(),
        405 => format!("the purge location requires another method than {method}"),
        400 => "nginx does not take this URL in a purge (a NUL in it, or `..` once it is decoded)"
            .to_owned(),
        414 => "the request line is longer than nginx reads: write \
                `large_client_header_buffers 4 32k;` into its `server` block"
            .to_owned(),
        300..=399 => "a redirect: write the URL of the purge location itself".to_owned(),
        _ => "which a purge location does not answer: check the purge URL".to_owned(),
    };
    let separator = match code {
        400 | 401 | 403 | 405 | 407 | 414 => ":",
        _ => ",",
    };
    Outcome::Refused(Refusal::Node(format!("status {code}{separator} {cure}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failures_are_to_be_retried() {
        for code in 100..=599 {
            let outcome = classify(StatusCode::from_u16(code).unwrap(), "GET");
            let expected = match code {
                200 | 202 => Outcome::Purged,
                404 | 412 => Outcome::NotCached,
                408 | 425 | 429 | 500.. => Outcome::Failed(Failure::Status(code)),
                _ => {
                    assert!(matches!(outcome, Outcome::Refused(_)), "{code}: {outcome}");
                    continue;
                }
            };
            assert_eq!(outcome, expected);
        }
    }
}
