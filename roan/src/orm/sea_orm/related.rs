//! `related(author_id -> author::Model)`, `related(tag::Model)`: rows that show the one that is written, or go with it.

use std::pin::Pin;

use sea_orm::{ConnectionTrait, DbBackend, DbErr, EntityTrait, ModelTrait, Related, Value};

use super::rows::{Lock, by_keys, key_of, locked, owners, select_by_keys};
use crate::app::Roan;
use crate::base::event::Events;
use crate::base::history::Fired;
use crate::hooks;
use crate::model::Model;

/// What generated code tells of the rows that a model's rules follow.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no purge rules",
    label = "its hooks would purge nothing",
    note = "put `#[purge_on(save, delete, url = \"/...\")]` on the entity's model, or take `#[roan::hooks]` off"
)]
pub trait Relations: Model + ModelTrait + Sync {
    /// Whether a rule follows a relation of SeaORM.
    const FOLLOWS_RELATIONS: bool = false;

    /// Whether the condition of this rule, which follows a relation, holds.
    fn relates(&self, _rule: usize) -> bool {
        true
    }

    /// The key of the row that this rule follows.
    fn related_key(&self, _rule: usize) -> Option<Value> {
        None
    }

    /// Follows every rule that does.
    #[must_use]
    fn related<C: ConnectionTrait>(
        found: Found<'_, Self, C>,
    ) -> impl Future<Output = Result<Vec<Fired>, DbErr>> + Send {
        async { Ok(found.targets()) }
    }
}

/// A row before and after it was written.
#[derive(Debug)]
pub(super) enum Change<'a, M> {
    Created(&'a M),
    /// By an upsert: which of the two, nobody knows.
    Saved(&'a M),
    Updated(&'a M, &'a M),
    Deleted(&'a M),
}

impl<'a, M: Model> Change<'a, M> {
    /// The rows that a rule is asked for.
    fn rows(&self, rule: usize) -> Vec<&'a M> {
        let fires_on = |events| M::RULES[rule].events().intersects(events);
        match *self {
            Self::Created(new) if fires_on(Events::CREATE) => vec![new],
            Self::Saved(new) if fires_on(Events::SAVE) => vec![new],
            Self::Deleted(old) if fires_on(Events::DELETE) => vec![old],
            Self::Updated(old, new)
                if fires_on(Events::UPDATE) && M::watched_changed(old, new, rule) =>
            {
                vec![old, new]
            }
            _ => Vec::new(),
        }
    }
}

/// What related rows yield.
#[doc(hidden)]
#[expect(missing_debug_implementations, reason = "for generated code")]
pub struct Found<'a, M, C> {
    roan: &'a Roan,
    changes: &'a [Change<'a, M>],
    db: &'a C,
    targets: Vec<Fired>,
    /// How many relations led here.
    depth: u32,
}

/// A database does not delete through more foreign keys either.
const DEEPEST: u32 = 15;

impl<M: Relations, C: ConnectionTrait> Found<'_, M, C> {
    /// Reads the rows that rule number `rule` names, each once, in one query.
    ///
    /// # Errors
    ///
    /// When the database refuses it.
    pub async fn follow<R>(&mut self, rule: usize) -> Result<(), DbErr>
    where
        R: Model + ModelTrait,
        R::Entity: EntityTrait<Model = R>,
    {
        let mut keys: Vec<Vec<Value>> = Vec::new();
        for row in self.changes.iter().flat_map(|change| change.rows(rule)) {
            let key = row.related_key(rule).map(|key| vec![key]);
            keys.extend(key.filter(|key| !keys.contains(key)));
        }
        if keys.is_empty() {
            return Ok(());
        }
        let rows = by_keys::<R::Entity, C>(self.db, keys).await?;
        let hooks = || rows.iter().for_each(hooks::saved);
        self.targets.extend(hooks::recorded(self.roan, hooks));
        Ok(())
    }

    /// Reads the rows of another model that SeaORM relates to these rows, in one query. The database may delete them
    /// together with these, and then what they relate to.
    ///
    /// # Errors
    ///
    /// When the database refuses it.
    pub async fn follow_relation<R>(&mut self, rule: usize) -> Result<(), DbErr>
    where
        R: Relations,
        R::Entity: EntityTrait<Model = R>,
        M::Entity: EntityTrait + Related<R::Entity>,
    {
        let rows = self.changes.iter().flat_map(|change| change.rows(rule));
        let changed: Vec<_> = rows.filter(|row| row.relates(rule)).collect();
        let relation = <M::Entity as Related<R::Entity>>::to();
        let is_direct = <M::Entity as Related<R::Entity>>::via().is_none();
        let is_deleted = |change: &Change<'_, M>| matches!(change, Change::Deleted(_));
        let go_along = self.changes.iter().any(is_deleted) && is_direct && relation.is_owner;
        let rows = if is_direct && !relation.is_owner {
            owners::<M, R::Entity, C>(self.db, &changed, &relation).await?
        } else {
            let mut keys: Vec<_> = changed.into_iter().map(key_of).collect();
            keys.dedup();
            // Rows that refer to these, and go along in turn, may just be inserted.
            let is_parent = go_along && R::FOLLOWS_RELATIONS;
            let lock = Lock::Delete.within::<C>().filter(|_| is_parent);
            let found = select_by_keys::<M::Entity, R::Entity, C>(self.db, keys, || {
                let select = <M::Entity as Related<R::Entity>>::find_related();
                match (lock, self.db.get_database_backend()) {
                    (Some(lock), DbBackend::Postgres) => locked(select, self.db, lock),
                    _ => select,
                }
            });
            found.await?
        };
        let hooks = || {
            for row in &rows {
                hooks::saved(row);
                if go_along {
                    hooks::deleted(row);
                }
            }
        };
        self.targets.extend(hooks::recorded(self.roan, hooks));
        if go_along && !rows.is_empty() && self.depth < DEEPEST {
            let changes: Vec<_> = rows.iter().map(Change::Deleted).collect();
            let deeper: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(R::related(Found {
                roan: self.roan,
                changes: &changes,
                db: self.db,
                targets: Vec::new(),
                depth: self.depth + 1,
            }));
            self.targets.extend(deeper.await?);
        }
        Ok(())
    }

    /// What was found.
    #[must_use]
    pub fn targets(self) -> Vec<Fired> {
        self.targets
    }
}

/// The targets of the rows that are related to these.
pub(super) async fn related<M: Relations, C: ConnectionTrait>(
    roan: &Roan,
    changes: &[Change<'_, M>],
    db: &C,
) -> Result<Vec<Fired>, DbErr> {
    let found = Found {
        roan,
        changes,
        db,
        targets: Vec::new(),
        depth: 0,
    };
    M::related(found).await
}
