//! Looks for messages that a stream has, at its leader.

use std::time::SystemTime;

use async_nats::jetstream::ErrorCode;
use async_nats::jetstream::message::StreamMessage;
use async_nats::jetstream::stream::{RawMessageError, RawMessageErrorKind, Stream};

/// The first message of these subjects after a sequence, and when the stream got it.
pub(crate) async fn first_after(
    stream: &Stream,
    subjects: &str,
    sequence: u64,
) -> Result<Option<(u64, SystemTime)>, RawMessageError> {
    let found = stream.get_first_raw_message_by_subject(subjects, sequence + 1);
    let found = unless_missing(found.await)?;
    Ok(found.map(|message| (message.sequence, message.time.into())))
}

/// The last message of a subject.
pub(super) async fn last_of(
    stream: &Stream,
    subject: &str,
) -> Result<Option<StreamMessage>, RawMessageError> {
    unless_missing(stream.get_last_raw_message_by_subject(subject).await)
}

fn unless_missing(
    found: Result<StreamMessage, RawMessageError>,
) -> Result<Option<StreamMessage>, RawMessageError> {
    match found {
        Ok(message) => Ok(Some(message)),
        Err(error) => match error.kind() {
            RawMessageErrorKind::NoMessageFound => Ok(None),
            RawMessageErrorKind::JetStream(error)
                if error.error_code() == ErrorCode::NO_MESSAGE_FOUND =>
            {
                Ok(None)
            }
            _ => Err(error),
        },
    }
}
