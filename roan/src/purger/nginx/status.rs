//! What the status of an answer to a purge means.

use http::StatusCode;

use crate::base::outcome::{Failure, Outcome, Refusal};

/// The outcome that `status` stands for, as the answer of nginx's cache-purge module and its forks
/// to a purge by `method` (200, and 404 or 412 for a key that is not cached), or of whatever
/// answered in their place.
pub(crate) fn classify(status: StatusCode, method: &str) -> Outcome {
    let code = status.as_u16();
    match code {
        200 => Outcome::Purged,
        404 | 412 => Outcome::NotCached,
        401 | 407 => Outcome::Refused(Refusal::Unauthorized(code)),
        403 => Outcome::Refused(Refusal::Forbidden),
        405 => Outcome::Refused(Refusal::MethodNotAllowed(method.to_owned())),
        300..=399 => Outcome::Refused(Refusal::Redirect(code)),
        408 | 425 | 429 | 500..=599 => Outcome::Failed(Failure::Status(code)),
        _ => Outcome::Refused(Refusal::Status(code)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_failures_are_to_be_retried() {
        for code in 100..=599 {
            let outcome = classify(StatusCode::from_u16(code).unwrap(), "GET");
            let expected = match code {
                200 => Outcome::Purged,
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
