//! Purges go through what the row goes through.

use std::any::TypeId;
use std::sync::atomic::AtomicBool;

use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbErr};

use crate::app::Roan;
use crate::base::history::Fired;
use crate::orm::unseen;
#[cfg(feature = "_sql")]
use crate::orm::unstored::{self, Unstored};

/// What is known of the transaction of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Each statement is committed by itself.
    Autocommit,
    /// A COMMIT or a ROLLBACK will come.
    Transaction,
    /// A connection of another crate.
    Unknown,
}

impl State {
    /// SeaORM has no question for it, but types of its own.
    pub(super) fn of<C>() -> Self {
        let connection = typeid::of::<C>();
        if connection == TypeId::of::<DatabaseTransaction>() {
            Self::Transaction
        } else if connection == TypeId::of::<DatabaseConnection>() {
            Self::Autocommit
        } else {
            Self::Unknown
        }
    }
}

/// Whether purges become rows, written through the same connection.
pub(super) fn is_durable(roan: &Roan) -> bool {
    roan.engine().is_durable()
}

/// Purges after a statement.
pub(super) async fn write<C: ConnectionTrait>(
    roan: &Roan,
    db: &C,
    targets: &[Fired],
) -> Result<(), DbErr> {
    if targets.is_empty() {
        return Ok(());
    }
    #[cfg(feature = "_sql")]
    if is_durable(roan) {
        // In a transaction the error is for its owner, who decides over the write as well.
        let unstored =
            (State::of::<C>() != State::Transaction).then(|| Unstored::new(roan, targets.to_vec()));
        return match (write_row(roan, db, targets).await, unstored) {
            (Ok(()), Some(unstored)) => {
                unstored.stored();
                Ok(())
            }
            (Err(error), Some(unstored)) => {
                unstored.refused(&error);
                // The connection of another crate may be in a transaction.
                match State::of::<C>() {
                    State::Unknown => Err(error),
                    _ => Ok(()),
                }
            }
            (done, None) => done,
        };
    }
    #[cfg(not(feature = "_sql"))]
    let _ = db;
    send::<C>(roan, targets);
    Ok(())
}

/// Purges without a durable outbox.
pub(super) fn send<C>(roan: &Roan, targets: &[Fired]) {
    static TOLD: AtomicBool = AtomicBool::new(false);
    if targets.is_empty() || State::of::<C>() == State::Autocommit {
        return unseen::purge_now(roan, targets);
    }
    let text = "a transaction of SeaORM has no durable outbox and no `roan::scope` around it, so its commit is not seen";
    unseen::purge(roan, targets, &TOLD, text);
}

/// Purges in a transaction of Roan's own, whose write an outbox must not undo. What the outbox does not take is returned,
/// and leaves when it is dropped.
#[cfg(feature = "_sql")]
pub(super) async fn write_own<C: ConnectionTrait>(
    roan: &Roan,
    tx: &C,
    targets: &[Fired],
) -> Result<Option<Unstored>, DbErr> {
    if targets.is_empty() {
        return Ok(None);
    }
    tx.execute_unprepared(unstored::SAVEPOINT).await?;
    let Err(error) = write_row(roan, tx, targets).await else {
        return Ok(None);
    };
    let rolled_back = tx.execute_unprepared(unstored::ROLLBACK);
    // The error may have ended the whole transaction, and the write with it.
    if rolled_back.await.is_err() {
        return Err(error);
    }
    let unstored = Unstored::new(roan, targets.to_vec());
    unstored.refused(&error);
    Ok(Some(unstored))
}

#[cfg(feature = "_sql")]
async fn write_row<C: ConnectionTrait>(
    roan: &Roan,
    db: &C,
    targets: &[Fired],
) -> Result<(), DbErr> {
    use crate::outbox::Dialect;
    use sea_orm::{DbBackend, Statement};

    let backend = db.get_database_backend();
    let connection = match backend {
        DbBackend::Postgres => Dialect::Postgres,
        DbBackend::MySql => Dialect::MySql,
        DbBackend::Sqlite => Dialect::Sqlite,
        other => {
            let told = format!("Roan has no outbox for {other:?}");
            return Err(DbErr::Custom(told));
        }
    };
    let outbox = roan.outbox();
    let checked = outbox.check(connection);
    checked.map_err(|error| DbErr::Custom(error.to_string()))?;
    // What several rules and related rows yield may be the same.
    let Some(statement) = outbox.insert(&crate::hooks::in_order(targets.to_vec())) else {
        return Ok(());
    };
    let values = statement.params.into_iter().map(sea_orm::Value::from);
    let insert = Statement::from_sql_and_values(backend, &*statement.sql, values);
    let done = db.execute_raw(insert).await;
    done.inspect_err(crate::orm::sqlite::notice)?;
    if State::of::<C>() == State::Autocommit {
        outbox.committed();
    }
    Ok(())
}
