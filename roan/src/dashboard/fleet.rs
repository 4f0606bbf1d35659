//! The nodes of a fleet, if one of the caches is a fleet.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::sync::{Mutex, oneshot};

use super::service::{Problem, Shared, unavailable};
use crate::dispatcher::Command;
use crate::fleet::{FleetAdmin, FleetStatus, Nats, Stream};

/// So long an answer of the servers is good enough for further pages.
const FRESH: Duration = Duration::from_secs(1);

/// A connection to the servers that looks at the nodes. It opens when somebody looks for the first time.
#[derive(Default)]
pub(super) struct Looking(Mutex<State>);

#[derive(Default)]
struct State {
    admin: Option<FleetAdmin>,
    last: Option<(Instant, Result<Value, String>)>,
}

impl Looking {
    async fn look(&self, nats: &Nats, stream: &Stream) -> Result<Value, String> {
        let mut state = self.0.lock().await;
        if let Some((at, last)) = &state.last
            && at.elapsed() < FRESH
        {
            return last.clone();
        }
        let found = self.ask(&mut state, nats, stream).await;
        state.last = Some((Instant::now(), found.clone()));
        found
    }

    async fn ask(&self, state: &mut State, nats: &Nats, stream: &Stream) -> Result<Value, String> {
        let admin = match state.admin.take() {
            Some(admin) => admin,
            None => {
                let connected = FleetAdmin::connect(nats, stream).await;
                connected.map_err(|error| error.to_string())?
            }
        };
        let status = admin.status().await;
        // A connection that is lost comes back by itself.
        state.admin = Some(admin);
        let status = status.map_err(|error| error.to_string())?;
        Ok(status.to_value(FleetStatus::MAX_LAG))
    }
}

/// How the nodes are, in the words of `roan fleet status`.
pub(super) async fn of(shared: &Shared) -> Result<Value, Problem> {
    let Some((nats, stream)) = shared.roan.fleet() else {
        let text = "no cache of this program is a fleet";
        return Err(Problem::new(http::StatusCode::NOT_FOUND, text));
    };
    let (nats, stream) = (nats.clone(), stream.clone());
    let looking = Arc::clone(&shared.looking);
    let (reply, answer) = oneshot::channel();
    // The client of the servers is a task of the runtime on which it was made: the app may not have one.
    let look = async move {
        let _ = reply.send(looking.look(&nats, &stream).await);
    };
    shared.roan.engine().command(Command::Run(Box::pin(look)));
    match answer.await {
        Ok(found) => found.map_err(unavailable),
        Err(_) => Err(unavailable("the dispatcher has ended")),
    }
}
