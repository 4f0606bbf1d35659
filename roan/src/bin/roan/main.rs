//! The command `roan`: purges by hand, proves that purges reach the pages, looks after the outbox, and writes configurations.

mod addresses;
mod agent;
mod args;
mod config_file;
mod doctor;
mod exit;
mod fleet;
mod history;
mod init;
mod interrupt;
mod log;
mod nginx_conf;
mod outbox;
mod output;
mod purge;
mod settings;
mod vcl;
#[cfg(any(
    feature = "nats",
    feature = "mysql",
    feature = "postgres",
    feature = "sqlite"
))]
mod words;

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

use args::{Args, Command};
use exit::{Exit, Failure};
use output::Output;

fn main() -> ExitCode {
    let args = Args::parse();
    let output = Output::new(args.format);
    let result = match args.command {
        Command::Purge(purge) => purge::run(&purge, &output),
        Command::Doctor(doctor) => doctor::run(&doctor, &output),
        Command::NginxConf(nginx) => nginx_conf::run(&nginx, &output),
        Command::Vcl(vcl) => vcl::run(&vcl, &output),
        Command::Outbox(outbox) => outbox::run(&outbox, &output),
        Command::Fleet(fleet) => fleet::run(&fleet, &output),
        Command::Agent(agent) => agent::run(&agent, &output),
        Command::Why(why) => history::why(&why, &output),
        Command::Watch(watch) => history::watch(&watch, &output),
        Command::Init(init) => init::run(&init, &output),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            clap_complete::generate(shell, &mut Args::command(), "roan", &mut text);
            output.bytes(&text);
            Ok(Exit::Done)
        }
        Command::Man => manual().map(|text| {
            output.bytes(&text);
            Exit::Done
        }),
    };
    output.end(result).into()
}

/// The manual page, in roff.
fn manual() -> Result<Vec<u8>, Failure> {
    let mut text = Vec::new();
    clap_mangen::Man::new(Args::command().flatten_help(true))
        .render(&mut text)
        .map_err(|error| Failure::new(Exit::Failed, format!("the manual page: {error}")))?;
    Ok(text)
}
