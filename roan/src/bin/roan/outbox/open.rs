//! Which outbox, and how the errors of its database end the command.

use std::path::Path;

use roan::config::OutboxConfig;
use roan::outbox::{Admin, Dialect, Outbox, OutboxError};

use super::args::{Action, DatabaseArgs, OutboxArgs};
use super::{dead, node, replay, status};
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::output::Output;

/// The variables of the app's outbox.
const URL: &str = "ROAN_OUTBOX";
const PREFIX: &str = "ROAN_OUTBOX_PREFIX";

/// Where an outbox is.
pub(super) struct Place {
    outbox: Outbox,
}

/// Does work with the outbox of the command line.
pub(crate) fn with_admin(
    database: &DatabaseArgs,
    work: impl AsyncFnOnce(&Admin, Dialect) -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    let place = database.place()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot start: {error}")))?;
    runtime.block_on(async {
        let admin = place.outbox.admin().await.map_err(failure)?;
        let exit = work(&admin, place.outbox.dialect()).await;
        admin.close().await;
        exit
    })
}

pub(crate) fn run(args: &OutboxArgs, output: &Output) -> Result<Exit, Failure> {
    with_admin(&args.database, async |admin, kind| match &args.action {
        Action::Status => status::print(admin, kind, output).await,
        Action::List(list) => dead::list_waiting(admin, list, output).await,
        Action::Dead(list) => dead::list(admin, list, output).await,
        Action::Retry(pick) => dead::retry(admin, pick, output).await,
        Action::Drop(pick) => dead::delete(admin, pick, output).await,
        Action::Replay(args) => replay::replay(admin, args, output).await,
        Action::Pause(args) => node::pause(admin, args, output).await,
        Action::Resume(args) => node::resume(admin, args, output).await,
    })
}

impl DatabaseArgs {
    fn place(&self) -> Result<Place, Failure> {
        let variable = |name: &str| match std::env::var(name) {
            Ok(value) => Ok(Some(value.trim().to_owned()).filter(|value| !value.is_empty())),
            Err(std::env::VarError::NotPresent) => Ok(None),
            Err(std::env::VarError::NotUnicode(_)) => Err(Failure::bad_input(format!(
                "{name} (value not shown) is not Unicode text: write it in UTF-8"
            ))),
        };
        let (source, url, prefix) = match (&self.database, &self.config) {
            (Some(_), Some(_)) => {
                return Err(Failure::bad_input(
                    "--database and --config both name an outbox: give one of them",
                ));
            }
            (Some(url), None) => ("--database".to_owned(), url.clone(), None),
            (None, Some(file)) => {
                let config = read(file)?;
                (file.display().to_string(), config.url, config.prefix)
            }
            (None, None) => {
                let Some(url) = variable(URL)? else {
                    return Err(Failure::bad_input(format!(
                        "no outbox is named: set {URL} to the URL of the app's database, as in \
                         `{URL}=postgres://app@localhost/blog roan outbox status`, or give --database or --config"
                    )));
                };
                (URL.to_owned(), url, variable(PREFIX)?)
            }
        };
        let mut outbox =
            Outbox::at(&url).map_err(|error| Failure::bad_input(described(&source, &error)))?;
        if let Some(prefix) = self.prefix.as_ref().or(prefix.as_ref()) {
            outbox = outbox.prefix(prefix);
        }
        Ok(Place { outbox })
    }
}

/// What is wrong with the URL, and what to type if the command lacks its database.
fn described(source: &str, error: &OutboxError) -> String {
    let mut message = format!("{source}: {error}");
    for feature in ["sqlite", "postgres", "mysql"] {
        if message.contains(&format!("needs the feature `{feature}`")) {
            message += &format!(
                ": install the command with it, as in `cargo install --path roan --features cli,{feature}`"
            );
        }
    }
    message
}

/// The table `outbox` of a configuration file.
fn read(file: &Path) -> Result<OutboxConfig, Failure> {
    let about = |problem: String| Failure::bad_input(format!("{}: {problem}", file.display()));
    let text = std::fs::read_to_string(file).map_err(|error| about(error.to_string()))?;
    // Not with the line, which may have a password.
    let mut table: toml::Table =
        toml::from_str(&text).map_err(|error| about(error.message().to_owned()))?;
    if let Some(toml::Value::Table(own)) = table.remove("roan") {
        table = own;
    }
    let Some(outbox) = table.remove("outbox") else {
        return Err(about(
            "has no table `[outbox]`: add one with the `url` of the app's database, or give --database".to_owned(),
        ));
    };
    let config: OutboxConfig = outbox
        .try_into()
        .map_err(|error: toml::de::Error| about(format!("[outbox]: {}", error.message())))?;
    if config.url.is_empty() {
        return Err(about("[outbox]: `url` is missing".to_owned()));
    }
    Ok(config)
}

/// How the command ends after an error of the outbox.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(crate) fn failure(error: OutboxError) -> Failure {
    let exit = match &error {
        OutboxError::Connect(_) => Exit::Unreachable,
        OutboxError::Database(_) => Exit::Failed,
        _ => Exit::BadInput,
    };
    let cure = match &error {
        OutboxError::Missing(_) => {
            ". If the app's tables have another prefix, give --prefix or set ROAN_OUTBOX_PREFIX"
        }
        OutboxError::Version { found, known } if found > known => {
            ". Install the `roan` of the app's version"
        }
        _ => "",
    };
    Failure::new(exit, format!("{error}{cure}"))
}

/// Does work that ends early when a signal comes.
pub(super) async fn until_interrupted<T>(
    work: impl Future<Output = Result<T, OutboxError>>,
) -> Result<T, Failure> {
    let interrupt = Interrupt::listen()?;
    let asked = async {
        while !interrupt.is_asked() {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
    };
    tokio::select! {
        done = work => done.map_err(failure),
        () = asked => Err(Failure::new(
            Exit::Interrupted,
            "ended by a signal: a part is done, in whole batches; type the same again for the rest",
        )),
    }
}
