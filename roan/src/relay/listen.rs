//! PostgreSQL's `NOTIFY`: wakes the relay after another program has committed a write, and says what other instances have
//! marked.

use std::convert::Infallible;
use std::sync::{Arc, Weak};
use std::time::Duration;

use sqlx::postgres::{PgListener, PgPool};

use crate::base::log::emit;
use crate::dispatcher::Engine;
use crate::outbox::link::Link;
use crate::outbox::store::MARKED;

/// The time between attempts to listen. Meanwhile the relay finds rows by polling.
const PAUSE: Duration = Duration::from_secs(1);

/// Listens for as long as the runtime lives.
pub(crate) async fn listen(pool: PgPool, channel: String, link: Arc<Link>, engine: Weak<Engine>) {
    loop {
        let Err(error) = listen_once(&pool, &channel, &link, &engine).await;
        emit(
            || tracing::warn!(target: "roan", %error, "cannot listen for writes of other programs; polling continues"),
        );
        tokio::time::sleep(PAUSE).await;
    }
}

async fn listen_once(
    pool: &PgPool,
    channel: &str,
    link: &Link,
    engine: &Weak<Engine>,
) -> Result<Infallible, sqlx::Error> {
    let mut listener = PgListener::connect_with(pool).await?;
    listener.listen(channel).await?;
    // Finds the rows that were committed before listening began.
    link.poke();
    loop {
        let notification = listener.recv().await?;
        let number = notification.payload().strip_prefix(MARKED);
        match number.and_then(|number| number.parse().ok()) {
            Some(number) => {
                if let Some(engine) = engine.upgrade() {
                    engine.known.marked(number);
                }
            }
            None => link.poke(),
        }
    }
}
