//! What `#[roan::hooks]` puts around the user's own hooks.
//!
//! In a transaction with a durable outbox the row of the purges is written before the statement:
//! both are committed together, and `update_without_returning` has no hook after it. Elsewhere it
//! must be written after the statement, or a purge could leave before the write is there.

use sea_orm::{ActiveModelTrait, ConnectionTrait, DbErr};

use super::current::dispatcher;
use super::notes::{Notes, Place};
use super::related::{Change, Relations, related};
use super::rows::{self, EntityOf, Lock, ModelOf};
use super::write::{State, is_durable, write};
use crate::app::Roan;
use crate::base::history::Fired;
use crate::hooks;
use crate::orm::unseen::LATER;

static NOTES: Notes = Notes::new();

/// Before an insert or an update.
///
/// # Errors
///
/// When the database refuses to read the old row, or to take the row of the outbox.
pub async fn before_save<A, C>(row: A, db: &C, insert: bool) -> Result<A, DbErr>
where
    A: ActiveModelTrait,
    ModelOf<A>: Relations,
    C: ConnectionTrait,
{
    let key = (!insert).then(|| rows::key(&row)).flatten();
    if let (Some(key), Some(roan)) = (key, dispatcher()) {
        // What is at hand may be old: another writer may have changed the row since it was read.
        let old = rows::stored::<EntityOf<A>, C>(db, &key, Lock::Update.within::<C>()).await?;
        if let Some(old) = old {
            let new = rows::changed(old.clone(), &row)?;
            let mut targets = hooks::recorded(&roan, || hooks::updated(&old, &new));
            targets.extend(related(&roan, &[Change::Updated(&old, &new)], db).await?);
            before(&roan, db, Place::of::<EntityOf<A>, C>(db, &key), targets).await?;
        }
    }
    Ok(row)
}

/// After an insert or an update that returns its row.
///
/// # Errors
///
/// When the database refuses the row of the outbox.
pub async fn after_save<A, C>(model: ModelOf<A>, db: &C, insert: bool) -> Result<ModelOf<A>, DbErr>
where
    A: ActiveModelTrait,
    ModelOf<A>: Relations,
    C: ConnectionTrait,
{
    let Some(roan) = dispatcher() else {
        return Ok(model);
    };
    if insert {
        let mut targets = hooks::recorded(&roan, || hooks::created(&model));
        targets.extend(related(&roan, &[Change::Created(&model)], db).await?);
        write(&roan, db, &targets).await?;
    } else {
        let place = Place::of::<EntityOf<A>, C>(db, &rows::key_of(&model));
        // The database may have stored other values than it was given.
        let targets = hooks::recorded(&roan, || hooks::updated(&model, &model));
        after(&roan, db, &place, targets).await?;
    }
    Ok(model)
}

/// Before a delete.
///
/// # Errors
///
/// When the database refuses to read the row, or to take the row of the outbox.
pub async fn before_delete<A, C>(row: A, db: &C) -> Result<A, DbErr>
where
    A: ActiveModelTrait,
    ModelOf<A>: Relations,
    C: ConnectionTrait,
{
    if let (Some(key), Some(roan)) = (rows::key(&row), dispatcher()) {
        // What is at hand may be the key alone, or old.
        let old = rows::stored::<EntityOf<A>, C>(db, &key, Lock::Delete.within::<C>()).await?;
        if let Some(old) = old {
            let mut targets = hooks::recorded(&roan, || hooks::deleted(&old));
            targets.extend(related(&roan, &[Change::Deleted(&old)], db).await?);
            before(&roan, db, Place::of::<EntityOf<A>, C>(db, &key), targets).await?;
        }
    }
    Ok(row)
}

/// After a delete.
///
/// # Errors
///
/// When the database refuses the row of the outbox.
pub async fn after_delete<A, C>(row: A, db: &C) -> Result<A, DbErr>
where
    A: ActiveModelTrait,
    ModelOf<A>: Relations,
    C: ConnectionTrait,
{
    if let (Some(key), Some(roan)) = (rows::key(&row), dispatcher()) {
        let place = Place::of::<EntityOf<A>, C>(db, &key);
        after(&roan, db, &place, Vec::new()).await?;
    }
    Ok(row)
}

async fn before<C: ConnectionTrait>(
    roan: &Roan,
    db: &C,
    place: Place,
    targets: Vec<Fired>,
) -> Result<(), DbErr> {
    let (is_durable, state) = (is_durable(roan), State::of::<C>());
    if is_durable && state != State::Autocommit {
        write(roan, db, &targets).await?;
    }
    let is_open = NOTES.open(place.clone(), targets);
    if !(is_durable && state == State::Transaction) {
        // The statement may have no hook after it. It may have failed, or take longer, too.
        let handle = roan.clone();
        roan.later(LATER, is_open.clone(), move || {
            for target in &NOTES.overdue(&place, &is_open) {
                hooks::send(Some(&handle), target);
            }
        });
    }
    Ok(())
}

async fn after<C: ConnectionTrait>(
    roan: &Roan,
    db: &C,
    place: &Place,
    mut targets: Vec<Fired>,
) -> Result<(), DbErr> {
    let noted = NOTES.close(place);
    if is_durable(roan) && State::of::<C>() == State::Transaction {
        targets.retain(|target| !noted.contains(target));
    } else {
        targets.extend(noted);
    }
    write(roan, db, &targets).await
}
