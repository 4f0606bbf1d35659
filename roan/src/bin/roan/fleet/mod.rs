//! `roan fleet`.

mod args;
#[cfg(feature = "nats")]
mod drop;
#[cfg(feature = "nats")]
mod open;
#[cfg(feature = "nats")]
mod status;
#[cfg(feature = "nats")]
mod wait;

pub(crate) use args::FleetArgs;
#[cfg(feature = "nats")]
pub(crate) use open::run;

/// Without the client of NATS.
#[cfg(not(feature = "nats"))]
pub(crate) fn run(
    _: &FleetArgs,
    _: &crate::output::Output,
) -> Result<crate::exit::Exit, crate::exit::Failure> {
    Err(crate::exit::Failure::bad_input(
        "`roan fleet` needs the feature `agent` of the crate `roan`: build the command by \
         `cargo install --path roan --features cli,agent`",
    ))
}
