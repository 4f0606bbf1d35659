//! Which outbox, and how the errors of its database end the command.

use std::path::Path;
use std::time::Duration;

use roan::config::OutboxConfig;
use roan::outbox::{Admin, Outbox, OutboxError};

use super::args::{Action, DatabaseArgs, OutboxArgs};
use super::{dead, node, replay, status};
use crate::config_file::ConfigFile;
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::output::{Output, note};

/// The variables of the app's outbox.
const URL: &str = "ROAN_OUTBOX";
const PREFIX: &str = "ROAN_OUTBOX_PREFIX";

/// The database may wait for a lock for so long before the command says so.
const PATIENCE: Duration = Duration::from_secs(3);

/// Does work with the outbox of the command line.
pub(crate) fn with_admin(
    database: &DatabaseArgs,
    work: impl AsyncFnOnce(&Admin, &Outbox) -> Result<Exit, Failure>,
) -> Result<Exit, Failure> {
    let outbox = database.outbox()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failed, format!("cannot start: {error}")))?;
    runtime.block_on(async {
        let admin = said_to_wait(outbox.admin()).await.map_err(failure)?;
        let exit = work(&admin, &outbox).await;
        admin.close().await;
        exit
    })
}

/// Does work at the database, and says so if it takes long: it may wait for a lock, which nothing else shows.
pub(crate) async fn said_to_wait<T>(work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    tokio::select! {
        done = &mut work => return done,
        () = tokio::time::sleep(PATIENCE) => note(
            "roan: still waiting for the database: there is much to do, or another session has locked the tables; Ctrl-C \
             ends the command",
        ),
    }
    work.await
}

pub(crate) fn run(args: &OutboxArgs, output: &Output) -> Result<Exit, Failure> {
    with_admin(&args.database, async |admin, outbox| {
        said_to_wait(act(&args.action, admin, outbox, output)).await
    })
}

async fn act(
    action: &Action,
    admin: &Admin,
    outbox: &Outbox,
    output: &Output,
) -> Result<Exit, Failure> {
    match action {
        Action::Status => status::print(admin, outbox, output).await,
        Action::List(list) => dead::list_waiting(admin, list, output).await,
        Action::Dead(list) => dead::list(admin, list, output).await,
        Action::Retry(pick) => dead::retry(admin, pick, output).await,
        Action::Drop(pick) => dead::delete(admin, pick, output).await,
        Action::Replay(args) => replay::replay(admin, args, output).await,
        Action::Pause(args) => node::pause(admin, args, output).await,
        Action::Resume(args) => node::resume(admin, args, output).await,
    }
}

impl DatabaseArgs {
    fn outbox(&self) -> Result<Outbox, Failure> {
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
            (Some(url), None) => {
                if self.prefix.is_none() {
                    warn_of_unread("--database", &[PREFIX], "; write --prefix");
                }
                ("--database".to_owned(), url.clone(), None)
            }
            (None, Some(file)) => {
                let config = read(file)?;
                let option = format!("--config {}", file.display());
                warn_of_unread(&option, &[URL, PREFIX], "");
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
            Outbox::at(&url).map_err(|error| Failure::bad_input(format!("{source}: {error}")))?;
        if let Some(prefix) = self.prefix.as_ref().or(prefix.as_ref()) {
            outbox = outbox.prefix(prefix);
        }
        Ok(outbox)
    }
}

/// The table `outbox` of a configuration file.
fn read(path: &Path) -> Result<OutboxConfig, Failure> {
    let mut file = ConfigFile::read(path)?;
    let table = match file.table.remove("outbox") {
        Some(toml::Value::Table(table)) => table,
        Some(_) => {
            return Err(file.wrong(
                "`outbox` is not a table: write `[outbox]`, and below it the `url` of the app's database (the value is \
                 not shown)",
            ));
        }
        None => {
            return Err(file.wrong(
                "has no table `[outbox]`: add one with the `url` of the app's database, or give --database",
            ));
        }
    };
    let config: OutboxConfig = file.parsed(table, "[outbox]: ")?;
    if config.url.is_empty() {
        return Err(file.wrong("[outbox]: `url` is missing: write the URL of the app's database"));
    }
    Ok(config)
}

/// The variables of the environment that a file or an option takes the place of.
fn warn_of_unread(option: &str, names: &[&str], cure: &str) {
    let is_set = |name: &&&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let unread: Vec<_> = names.iter().filter(is_set).copied().collect();
    if unread.is_empty() {
        return;
    }
    note(format_args!(
        "roan: {option} is read in place of the environment, so {} {} no effect{cure}",
        unread.join(" and "),
        if unread.len() == 1 { "has" } else { "have" }
    ));
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
        OutboxError::Missing(_) | OutboxError::NotOurs { .. } => {
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
            tokio::time::sleep(Duration::from_millis(50)).await;
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
