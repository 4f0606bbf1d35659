//! Statements that go past the hooks: on a table with rules, and nothing purges what they change.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sea_orm::metric::Info;
use sea_orm::{ActiveModelTrait, ActiveValue, DatabaseConnection, DbErr, EntityName, Iterable};
use sea_orm::{EntityTrait, PrimaryKeyToColumn};

use super::notes::Writer;
use super::rows::EntityOf;
use crate::base::log::loudly;
use crate::orm::statement::{Write, places};

/// Spares the hooks the lock while nobody watches.
static WATCHED: AtomicBool = AtomicBool::new(false);

/// How many statements of a writer, on a table, the hooks have seen coming.
static EXPECTED: Mutex<Option<HashMap<(Writer, String), usize>>> = Mutex::new(None);

/// What is left by writers that were cancelled is dropped at so many.
const MANY: usize = 10_000;

tokio::task_local! {
    static PURGING: ();
}

/// Watches a connection, and all its transactions, for statements on tables with purge rules that
/// went past Roan: `Entity::insert_many`, `update_many` and `delete_many` that were run with `exec`,
/// and SQL of the program's own. Each kind of statement on a table is told once, as an error in the
/// log, with the place where `RUST_BACKTRACE` is set. [`Watch::check`] makes it an error of the
/// program.
///
/// It sees what SeaORM shows to a metric callback: not `execute_unprepared`, and not what goes
/// through another connection. Of a text with several statements it sees the first, and of one that
/// begins with `WITH` nothing. Statements that triggers or foreign keys cause are not seen either.
///
/// Watch every connection of the program that writes, or none: a write through another one may hide
/// one that went past. It takes the place of a metric callback: [`watch_with`] keeps yours.
///
/// ```no_run
/// # async fn example() -> Result<(), sea_orm::DbErr> {
/// let mut db = sea_orm::Database::connect("postgres://localhost/blog").await?;
/// let watch = roan::orm::sea_orm::watch(&mut db);
/// // ... and at the end of a test:
/// watch.check()?;
/// # Ok(())
/// # }
/// ```
pub fn watch(db: &mut DatabaseConnection) -> Watch {
    watch_with(db, |_| {})
}

/// As [`watch`], and calls a metric callback of the program too.
pub fn watch_with<F>(db: &mut DatabaseConnection, yours: F) -> Watch
where
    F: Fn(&Info<'_>) + Send + Sync + 'static,
{
    let watch = Watch(Arc::default());
    let seen = watch.clone();
    db.set_metric_callback(move |info| {
        seen.ran(&info.statement.sql, info.failed);
        yours(info);
    });
    WATCHED.store(true, Ordering::Relaxed);
    watch
}

/// What has gone past Roan on a connection, from [`watch`].
#[derive(Debug, Clone)]
pub struct Watch(Arc<Mutex<Seen>>);

#[derive(Debug, Default)]
struct Seen {
    /// By verb and table: what was told, and whether it has come since the last check.
    told: HashMap<(&'static str, String), (String, bool)>,
}

impl Watch {
    /// Fails when a statement has gone past Roan since the last call, and says which: for the end of
    /// a test, or before a commit. It counts the statements of all tasks that use the connection.
    ///
    /// # Errors
    ///
    /// [`DbErr::Custom`] with the statements.
    pub fn check(&self) -> Result<(), DbErr> {
        let mut seen = self.lock();
        let mut new: Vec<&str> = Vec::new();
        for (text, is_new) in seen.told.values_mut() {
            if std::mem::take(is_new) {
                new.push(text);
            }
        }
        if new.is_empty() {
            return Ok(());
        }
        new.sort_unstable();
        Err(DbErr::Custom(new.join("\n")))
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ran(&self, sql: &str, failed: bool) {
        if !Write::can_matter() {
            return;
        }
        let Some(write) = Write::of(sql) else {
            return;
        };
        let Some(model) = write.models().first() else {
            return;
        };
        // One that has failed was expected too.
        if PURGING.try_with(|()| ()).is_ok() || was_expected(&write.table) || failed {
            return;
        }
        let rules = write.rules();
        if rules.is_empty() {
            return;
        }
        let mut seen = self.lock();
        let key = (write.verb, write.table);
        if let Some((_, is_new)) = seen.told.get_mut(&key) {
            *is_new = true;
            return;
        }
        let told = format!(
            "a statement on `{}` went past its purge rules ({}), so its pages may be stale: \
             {sql}. Run it with `exec_purging` of `roan::orm::sea_orm::ExecPurging`",
            model.table.name,
            places(&rules),
        );
        seen.told.insert(key, (told.clone(), true));
        drop(seen);
        let place = Backtrace::capture();
        if place.status() == BacktraceStatus::Captured {
            loudly(format_args!("{told}\n{place}"));
        } else {
            loudly(format_args!("{told}"));
        }
    }
}

/// Runs statements whose rows are purged.
pub(super) async fn purging<F: Future>(work: F) -> F::Output {
    PURGING.scope((), work).await
}

/// A hook before the statement of a row: that statement is about to come.
pub(super) fn expect_save<A: ActiveModelTrait>(row: &A, insert: bool) {
    // An update without a value is no statement.
    let is_key = |column: <EntityOf<A> as EntityTrait>::Column| {
        <<EntityOf<A> as EntityTrait>::PrimaryKey as PrimaryKeyToColumn>::from_column(column)
            .is_some()
    };
    let sets = |column| matches!(row.get(column), ActiveValue::Set(_)) && !is_key(column);
    if insert || <EntityOf<A> as EntityTrait>::Column::iter().any(sets) {
        expect::<A>();
    }
}

/// A hook before the statement of a row: that statement is about to come.
pub(super) fn expect<A: ActiveModelTrait>() {
    if !WATCHED.load(Ordering::Relaxed) {
        return;
    }
    let table = EntityOf::<A>::default().table_name().to_ascii_lowercase();
    let mut expected = EXPECTED.lock().unwrap_or_else(PoisonError::into_inner);
    let expected = expected.get_or_insert_default();
    if expected.len() >= MANY {
        expected.clear();
    }
    *expected.entry((Writer::current(), table)).or_default() += 1;
}

fn was_expected(table: &str) -> bool {
    let mut expected = EXPECTED.lock().unwrap_or_else(PoisonError::into_inner);
    let expected = expected.get_or_insert_default();
    let key = (Writer::current(), table.to_owned());
    let Some(count) = expected.get_mut(&key) else {
        return false;
    };
    *count -= 1;
    if *count == 0 {
        expected.remove(&key);
    }
    true
}
