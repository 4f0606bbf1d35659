//! Which fleet, and how its errors end the command.

use roan::fleet::{FleetAdmin, FleetError, Nats, Stream};

use super::args::{Action, FleetArgs, ServerArgs};
use super::{drop, status, wait};
use crate::exit::{Exit, Failure};
use crate::output::Output;

pub(crate) fn run(args: &FleetArgs, output: &Output) -> Result<Exit, Failure> {
    let (nats, stream) = args.servers.place()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot start: {error}")))?;
    runtime.block_on(async {
        let admin = FleetAdmin::connect(&nats, &stream).await.map_err(failure)?;
        match &args.action {
            Action::Status(args) => status::print(&admin, args, output).await,
            Action::Wait(args) => wait::wait(&admin, args, output).await,
            Action::Drop(args) => drop::drop_node(&admin, args, output).await,
        }
    })
}

/// How the command ends after an error of the servers.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(super) fn failure(error: FleetError) -> Failure {
    let exit = match &error {
        FleetError::Connect { .. } | FleetError::Denied { .. } => Exit::Unreachable,
        FleetError::JetStream { .. } => Exit::Failed,
        _ => Exit::BadInput,
    };
    Failure::new(exit, error.to_string())
}

/// The variables of the app.
const URL: &str = "ROAN_FLEET";

impl ServerArgs {
    fn place(&self) -> Result<(Nats, String), Failure> {
        let variable = |name: &str| {
            std::env::var(name)
                .ok()
                .filter(|value| !value.trim().is_empty())
        };
        let url = self.nats.clone().or_else(|| variable(URL));
        let Some(url) = url else {
            return Err(Failure::bad_input(format!(
                "no fleet is named: set {URL} to its NATS servers, as in `{URL}=nats://10.0.0.5:4222 roan fleet status`, \
                 or give --nats or --config"
            )));
        };
        Ok((Nats::at(url)?, Stream::NAME.to_owned()))
    }
}
