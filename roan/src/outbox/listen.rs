//! PostgreSQL's `NOTIFY` on the channel of an outbox.

use std::convert::Infallible;
use std::time::Duration;

use sqlx::postgres::{PgListener, PgPool};

use super::store::{ENDED, MARKED};
use crate::base::log::emit;

/// The time between attempts to listen. Meanwhile whoever listens finds rows by polling.
const PAUSE: Duration = Duration::from_secs(1);

/// What a program with [`Outbox::notify`](super::Outbox::notify) has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Nothing yet: listening begins. What was committed before is to be looked for.
    Began,
    /// It has written purges.
    Wrote,
    /// It has marked purges, up to this number.
    Marked(i64),
    /// Its relay has written down how nodes have answered.
    Ended,
}

/// Listens for as long as the runtime lives.
pub(crate) async fn listen(pool: PgPool, channel: String, mut hear: impl FnMut(Heard)) {
    loop {
        let Err(error) = listen_once(&pool, &channel, &mut hear).await;
        emit(
            || tracing::warn!(target: "roan", %error, "cannot listen for what other programs do with the outbox; polling continues"),
        );
        tokio::time::sleep(PAUSE).await;
    }
}

async fn listen_once(
    pool: &PgPool,
    channel: &str,
    hear: &mut impl FnMut(Heard),
) -> Result<Infallible, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(channel).await?;
    hear(Heard::Began);
    loop {
        let notification = listener.recv().await?;
        hear(Heard::read(notification.payload()));
    }
}

impl Heard {
    /// Other programs than Roan may notify of their rows with any text.
    fn read(payload: &str) -> Self {
        let number = payload.strip_prefix(MARKED);
        match number.and_then(|number| number.parse().ok()) {
            Some(number) => Self::Marked(number),
            None if payload == ENDED => Self::Ended,
            None => Self::Wrote,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_other_text_is_that_of_a_write() {
        let heard = ["", "marked 7", "marked ", "marked x", "ended", "ended 1"].map(Heard::read);
        let expected = [
            Heard::Wrote,
            Heard::Marked(7),
            Heard::Wrote,
            Heard::Wrote,
            Heard::Ended,
            Heard::Wrote,
        ];
        assert_eq!(heard, expected);
    }
}
