//! What hooks yield: a row of the outbox, or targets for the connection to hold.

use std::sync::atomic::AtomicBool;

use diesel::QueryResult;
use diesel::result::Error;

use super::backend::Kind;
#[cfg(feature = "_sql")]
use super::payload::InsertPayloads;
use super::watch::Watch;
use crate::app::Roan;
#[cfg(feature = "_sql")]
use crate::app::given_or_global;
use crate::base::target::Target;
use crate::hooks;
use crate::orm::unseen;

pub(in crate::orm) enum Purges {
    /// To be run in the transaction of the write.
    #[cfg(feature = "_sql")]
    Row(InsertPayloads),
    Held(Vec<Target>),
}

impl Purges {
    pub(in crate::orm) fn of(
        roan: &Roan,
        connection: Kind,
        hooks: impl FnOnce(),
    ) -> QueryResult<Self> {
        #[cfg(feature = "_sql")]
        if roan.engine().is_durable() {
            let outbox = roan.outbox();
            if let Some(connection) = connection.dialect() {
                let checked = outbox.check(connection);
                checked.map_err(|error| Error::QueryBuilderError(Box::new(error)))?;
            }
            let row = outbox.statement(hooks).map(InsertPayloads);
            return Ok(row.map_or(Self::Held(Vec::new()), Self::Row));
        }
        #[cfg(not(feature = "_sql"))]
        let _ = connection;
        Ok(Self::Held(hooks::recorded(roan, hooks)))
    }
}

/// Leaves targets with the watch of a connection, until its transaction has committed. Without a watch
/// the commit of an open transaction is unseen.
pub(in crate::orm) fn hold(
    watch: Option<&mut Watch>,
    is_unseen: bool,
    roan: &Roan,
    targets: Vec<Target>,
) {
    static TOLD: AtomicBool = AtomicBool::new(false);
    match watch {
        Some(watch) => watch.hold(roan, targets),
        None if is_unseen => {
            let text = "a connection of Diesel purges inside of a transaction whose commit Roan cannot see (call `roan::orm::diesel::install()` before it is opened, or use a durable outbox or a `roan::scope`)";
            unseen::purge(roan, &targets, &TOLD, text);
        }
        None => unseen::purge_now(roan, &targets),
    }
}

/// The row of the outbox is written: the relay looks when the transaction has committed.
#[cfg(feature = "_sql")]
pub(in crate::orm) fn expect(watch: Option<&mut Watch>, roan: &Roan) {
    if let Some(watch) = watch {
        watch.expect(roan);
    }
}

/// See `Purging::claimed`.
pub(in crate::orm) fn claimed(watch: Option<&mut Watch>) -> QueryResult<()> {
    let told = match watch {
        Some(watch) => watch.unclaimed(),
        None => Some(
            "Roan cannot see what this connection writes: call `roan::orm::diesel::install()` before it is opened"
                .to_owned(),
        ),
    };
    told.map_or(Ok(()), |told| Err(Error::QueryBuilderError(told.into())))
}

#[cfg(not(feature = "_sql"))]
pub(in crate::orm) fn needs_transaction(_: Option<&mut Watch>) -> bool {
    false
}

/// Whether a write needs a transaction, for its row of the outbox to belong to it. In memory, nothing
/// can fail behind a statement.
#[cfg(feature = "_sql")]
pub(in crate::orm) fn needs_transaction(watch: Option<&mut Watch>) -> bool {
    let of_watch = watch.and_then(|watch| watch.of().cloned());
    let roan = given_or_global(of_watch.as_ref());
    roan.is_some_and(|roan| roan.engine().is_durable())
}
