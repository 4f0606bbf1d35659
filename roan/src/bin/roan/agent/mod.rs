//! `roan agent`.

mod args;
#[cfg(feature = "agent")]
mod run;
#[cfg(feature = "agent")]
mod settings;

pub(crate) use args::AgentArgs;

#[cfg(feature = "agent")]
pub(crate) use run::run;

/// Without the feature.
#[cfg(not(feature = "agent"))]
pub(crate) fn run(
    _: &AgentArgs,
    _: &crate::output::Output,
) -> Result<crate::exit::Exit, crate::exit::Failure> {
    Err(crate::exit::Failure::bad_input(
        "`roan agent` needs the feature `agent` of the crate `roan`: build the command by `cargo install --path roan --features \
         cli,agent`",
    ))
}
