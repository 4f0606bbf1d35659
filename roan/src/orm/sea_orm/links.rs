//! The links of a row to others through a junction, which `ModelEx::delete` removes by a statement of the junction.
//!
//! SeaORM runs the junction's hooks for the links that a builder adds or replaces, but not for these.

use std::marker::PhantomData;

use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, RelationDef,
};

use super::current::dispatcher;
use super::related::{Change, Relations, related};
use super::rows::{self, EntityOf, Lock, ModelOf, begin_writing};
use super::write::write;
use crate::hooks;

/// Before the links of a row are deleted: for the rules of its own model that follow them.
///
/// # Errors
///
/// When the database refuses to read the rows, or to take the row of the outbox.
pub async fn before_links<A, C>(row: &A, db: &C) -> Result<(), DbErr>
where
    A: ActiveModelTrait,
    ModelOf<A>: Relations,
    C: ConnectionTrait,
{
    if !ModelOf::<A>::FOLLOWS_RELATIONS {
        return Ok(());
    }
    if let (Some(key), Some(roan)) = (rows::key(row), dispatcher())
        && let Some(old) = rows::stored::<EntityOf<A>, C>(db, &key, Some(Lock::Delete)).await?
    {
        let targets = related(&roan, &[Change::Deleted(&old)], db).await?;
        write(&roan, db, &targets).await?;
    }
    Ok(())
}

/// Whether two types are one.
#[must_use]
pub fn is_same<T, U>() -> bool {
    typeid::of::<T>() == typeid::of::<U>()
}

/// The links that are rows of the model `M`. Which of the two traits below has the method that generated code calls
/// depends on whether `M` has rules: the compiler looks at `Links<M>` before `&Links<M>`.
#[derive(Debug)]
pub struct Links<M>(PhantomData<fn() -> M>);

impl<M> Links<M> {
    /// Those of this type.
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }
}

impl<M> Default for Links<M> {
    fn default() -> Self {
        Self::new()
    }
}

/// Of a junction with rules.
pub trait WithRules {
    /// Before all links of the row by these relations are deleted.
    ///
    /// # Errors
    ///
    /// As [`before_links`].
    fn before_delete<A, C>(
        &self,
        row: &A,
        by: &[RelationDef],
        db: &C,
    ) -> impl Future<Output = Result<(), DbErr>> + Send
    where
        A: ActiveModelTrait + Sync,
        C: ConnectionTrait;
}

impl<M> WithRules for Links<M>
where
    M: Relations + FromQueryResult,
    M::Entity: EntityTrait<Model = M>,
{
    async fn before_delete<A, C>(&self, row: &A, by: &[RelationDef], db: &C) -> Result<(), DbErr>
    where
        A: ActiveModelTrait + Sync,
        C: ConnectionTrait,
    {
        type Active<E> = <E as EntityTrait>::ActiveModel;
        let Some(roan) = dispatcher() else {
            return Ok(());
        };
        begin_writing::<M::Entity, C>(db).await?;
        let mut links = Vec::new();
        for relation in by {
            let backend = db.get_database_backend();
            let select = Active::<M::Entity>::find_belongs_to_model(relation, row, backend)?;
            links.extend(select.all(db).await?);
        }
        let mut targets = hooks::recorded(&roan, || links.iter().for_each(hooks::deleted));
        let changes: Vec<_> = links.iter().map(Change::Deleted).collect();
        targets.extend(related(&roan, &changes, db).await?);
        write(&roan, db, &targets).await
    }
}

/// Of a junction without rules.
pub trait NoRules {
    /// Does nothing.
    ///
    /// # Errors
    ///
    /// Never.
    fn before_delete<A, C>(
        &self,
        _row: &A,
        _by: &[RelationDef],
        _db: &C,
    ) -> impl Future<Output = Result<(), DbErr>> + Send
    where
        A: ActiveModelTrait + Sync,
        C: ConnectionTrait,
    {
        async { Ok(()) }
    }
}

impl<M> NoRules for &Links<M> {}
