//! The statements that Roan adds: rows as they were, and as they are now.

use std::any::type_name;
use std::collections::{HashMap, HashSet};

use diesel::associations::Identifiable;
use diesel::backend::Backend;
use diesel::expression::Expression;
use diesel::query_builder::{
    AstPass, IntoUpdateTarget, Query, QueryFragment, QueryId, UpdateTarget,
};
use diesel::result::Error;
use diesel::sql_types::Integer;
use diesel::{QueryResult, QuerySource, RunQueryDsl};

use super::backend::Kind;
use crate::hooks;
use crate::model::Model;
use crate::orm::unread::unread;

/// `SELECT selection FROM table WHERE ...`, and `UNION ALL` of such.
pub(in crate::orm) struct Rows<'a, DB: Backend, F, S> {
    from: F,
    // Boxed: the compiler does not follow their types through the lifetime of a key.
    wheres: Vec<Box<dyn QueryFragment<DB> + Send + 'a>>,
    selection: S,
    /// Whether they stay as they are until the transaction ends.
    locked: bool,
}

impl<'a, DB: Backend, F, S> Rows<'a, DB, F, S> {
    /// The rows that a statement is about to write.
    pub(in crate::orm) fn to_write<T, W>(target: UpdateTarget<T, W>, selection: S) -> Self
    where
        T: QuerySource<FromClause = F>,
        W: QueryFragment<DB> + Send + 'a,
    {
        Self {
            from: target.table.from_clause(),
            wheres: vec![Box::new(target.where_clause)],
            selection,
            locked: true,
        }
    }

    /// The rows as they are, which others may change meanwhile.
    pub(in crate::orm) fn to_read<T, W>(target: UpdateTarget<T, W>, selection: S) -> Self
    where
        T: QuerySource<FromClause = F>,
        W: QueryFragment<DB> + Send + 'a,
    {
        Self {
            locked: false,
            ..Self::to_write(target, selection)
        }
    }

    /// Locks them, too: for a single target.
    pub(in crate::orm) fn locked(self) -> Self {
        Self {
            locked: true,
            ..self
        }
    }

    /// Several rows, each with a target of its own; `None` when there is none.
    pub(in crate::orm) fn each<T, W>(
        targets: impl IntoIterator<Item = UpdateTarget<T, W>>,
        selection: S,
    ) -> Option<Self>
    where
        T: QuerySource<FromClause = F>,
        W: QueryFragment<DB> + Send + 'a,
    {
        let mut targets = targets.into_iter();
        let mut rows = Self::to_read(targets.next()?, selection);
        for target in targets {
            rows.wheres.push(Box::new(target.where_clause));
        }
        Some(rows)
    }
}

impl<DB, F, S> QueryFragment<DB> for Rows<'_, DB, F, S>
where
    DB: Backend,
    F: QueryFragment<DB>,
    S: QueryFragment<DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        if self.wheres.len() > 1 {
            // As many texts as there are numbers of rows.
            out.unsafe_to_cache_prepared();
        }
        for (number, one) in self.wheres.iter().enumerate() {
            if number > 0 {
                out.push_sql(" UNION ALL ");
            }
            out.push_sql("SELECT ");
            self.selection.walk_ast(out.reborrow())?;
            out.push_sql(" FROM ");
            self.from.walk_ast(out.reborrow())?;
            one.walk_ast(out.reborrow())?;
        }
        if self.locked {
            out.push_sql(Kind::of::<DB>().lock());
        }
        Ok(())
    }
}

impl<DB: Backend, F, S> QueryId for Rows<'_, DB, F, S> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<DB: Backend, F, S: Expression> Query for Rows<'_, DB, F, S> {
    type SqlType = S::SqlType;
}

impl<DB: Backend, F, S, C> RunQueryDsl<C> for Rows<'_, DB, F, S> {}

/// The rows of these keys, a chunk for each statement.
pub(in crate::orm) fn again<'a, DB, T, M, S>(
    old: &'a [M],
    selection: impl Fn() -> S,
) -> Vec<Rows<'a, DB, T::FromClause, S>>
where
    DB: Backend,
    T: QuerySource,
    &'a M: IntoUpdateTarget<Table = T>,
    <&'a M as IntoUpdateTarget>::WhereClause: QueryFragment<DB> + Send + 'a,
{
    const CHUNK: usize = 100;
    old.chunks(CHUNK)
        .filter_map(|some| {
            let keys = some.iter().map(IntoUpdateTarget::into_update_target);
            Rows::each(keys, selection())
        })
        .collect()
}

/// Refuses an update that has changed keys, where the database returns no rows: the new ones cannot be found.
pub(in crate::orm) fn all_found<M>(old: &[M], new: &[M]) -> QueryResult<()> {
    if new.len() == old.len() {
        return Ok(());
    }
    let told = "this update changes keys, and the database returns no rows, so the new rows cannot be purged: run it as Diesel's own statement, read the rows before and after it, and call `new.updated(&old, conn)` for each";
    Err(Error::QueryBuilderError(told.into()))
}

/// A statement with `RETURNING`. Asked for only where [`Kind::has_returning`].
pub(in crate::orm) struct Returning<Q, S> {
    pub(in crate::orm) statement: Q,
    pub(in crate::orm) selection: S,
}

impl<Q, S, DB> QueryFragment<DB> for Returning<Q, S>
where
    DB: Backend,
    Q: QueryFragment<DB>,
    S: QueryFragment<DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        self.statement.walk_ast(out.reborrow())?;
        out.push_sql(" RETURNING ");
        self.selection.walk_ast(out)
    }
}

impl<Q, S> QueryId for Returning<Q, S> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Q, S: Expression> Query for Returning<Q, S> {
    type SqlType = S::SqlType;
}

impl<Q, S, C> RunQueryDsl<C> for Returning<Q, S> {}

/// A statement that writes nothing, and so takes SQLite's write lock. A transaction that begins by
/// reading could not get it later, when another one has written in between.
pub(in crate::orm) struct TakeWriteLock<F>(pub(in crate::orm) F);

impl<F, DB> QueryFragment<DB> for TakeWriteLock<F>
where
    DB: Backend,
    F: QueryFragment<DB>,
{
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql("DELETE FROM ");
        self.0.walk_ast(out.reborrow())?;
        out.push_sql(" WHERE 0");
        Ok(())
    }
}

impl<F> QueryId for TakeWriteLock<F> {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<F, C> RunQueryDsl<C> for &TakeWriteLock<F> {}

/// The milliseconds that a connection to SQLite waits for other writers. (Not from `pragma_busy_timeout`:
/// that would begin to read in the transaction.)
pub(in crate::orm) struct BusyTimeout;

impl<DB: Backend> QueryFragment<DB> for BusyTimeout {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        out.push_sql("PRAGMA busy_timeout");
        Ok(())
    }
}

impl QueryId for BusyTimeout {
    type QueryId = ();
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl Query for BusyTimeout {
    type SqlType = Integer;
}

impl<C> RunQueryDsl<C> for BusyTimeout {}

/// Those of `found` whose keys are not among the known ones.
pub(in crate::orm) fn others<M>(known: &[M], found: Vec<M>) -> Vec<M>
where
    for<'a> &'a M: Identifiable,
{
    let keys: HashSet<_> = known.iter().map(Identifiable::id).collect();
    let is_other: Vec<bool> = found.iter().map(|row| !keys.contains(&row.id())).collect();
    drop(keys);
    let others = found.into_iter().zip(is_other);
    others
        .filter_map(|(row, is_other)| is_other.then_some(row))
        .collect()
}

/// Adds the rows that are not among these; returns whether there were any.
pub(in crate::orm) fn add_others<M>(rows: &mut Vec<M>, found: Vec<M>) -> bool
where
    for<'a> &'a M: Identifiable,
{
    let mut others = others(rows, found);
    let has_others = !others.is_empty();
    rows.append(&mut others);
    has_others
}

/// Reads rows and locks them.
pub(super) fn all_locked<M>(
    kind: Kind,
    mut read: impl FnMut() -> QueryResult<Vec<M>>,
) -> QueryResult<Vec<M>>
where
    for<'a> &'a M: Identifiable,
{
    let mut rows = read()?;
    // While it waited for another writer, rows may have come that it did not see.
    while kind.waits() && add_others(&mut rows, read()?) {}
    Ok(rows)
}

/// Says so the first time for a model that an update has written more rows than were read before it.
pub(in crate::orm) fn check_read<M>(read: &[M], written: usize) {
    if written > read.len() {
        unread(type_name::<M>());
    }
}

/// Fires the hooks of an update, row by row: each old row with the new row of its key. `gone` is for those whose keys are
/// not there any more.
pub(in crate::orm) fn fire_updated<M>(old: &[M], new: &[M], gone: fn(&M))
where
    M: Model,
    for<'a> &'a M: Identifiable,
{
    let mut of_key: HashMap<_, &M> = old.iter().map(|row| (row.id(), row)).collect();
    for row in new {
        match of_key.remove(&row.id()) {
            Some(old) => hooks::updated(old, row),
            // It came between the two statements, or its key is new.
            None => hooks::saved(row),
        }
    }
    of_key.into_values().for_each(gone);
}
