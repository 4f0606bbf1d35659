//! PostgreSQL's `NOTIFY`: wakes the relay after another program has committed a write.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::{PgListener, PgPool};

use crate::base::log::emit;
use crate::outbox::link::Link;

/// The time between attempts to listen. Meanwhile the relay finds rows by polling.
const PAUSE: Duration = Duration::from_secs(1);

/// Listens for as long as the runtime lives.
pub(crate) async fn listen(pool: PgPool, channel: String, link: Arc<Link>) {
    loop {
        let Err(error) = listen_once(&pool, &channel, &link).await;
        emit(
            || tracing::warn!(target: "roan", %error, "cannot listen for writes of other programs; polling continues"),
        );
        tokio::time::sleep(PAUSE).await;
    }
}

async fn listen_once(pool: &PgPool, channel: &str, link: &Link) -> Result<Infallible, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(channel).await?;
    loop {
        // Finds the rows that were committed before listening began.
        link.poke();
        listener.recv().await?;
    }
}
