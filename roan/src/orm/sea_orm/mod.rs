//! Hooks that fire by themselves in SeaORM 2.
//!
//! Two attributes: `#[purge_on]` on the entity's model says which pages show it, and `#[roan::hooks]`
//! on its `ActiveModelBehavior` makes every `insert`, `update`, `save` and `delete` purge them.
//!
//! ```
//! use roan::purge_on;
//! use sea_orm::entity::prelude::*;
//!
//! #[purge_on(save, delete, url = "/posts")]
//! #[purge_on(save, delete, url = "/posts/{slug}")]
//! #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
//! #[sea_orm(table_name = "posts")]
//! pub struct Model {
//!     #[sea_orm(primary_key)]
//!     pub id: i64,
//!     pub slug: String,
//!     pub title: String,
//! }
//!
//! #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
//! pub enum Relation {}
//!
//! #[roan::hooks]
//! impl ActiveModelBehavior for ActiveModel {}
//! ```
//!
//! With a durable outbox the purges are a row, written through the same connection or transaction as
//! the model, so COMMIT and ROLLBACK decide. A write outside of a transaction is committed before
//! its purges are: use a transaction where a crash in between matters.
//!
//! The old row of an update or a delete is read from the database, by its key, and in a transaction locked: the model in
//! memory may be out of date. Outside of a transaction another write of the row can come between that and the update.
//!
//! Rules with [`related`](crate::purge_on) follow keys and the relations of SeaORM, for pages of other rows (many-to-many
//! included), and for rows that the database deletes along. The links that `ModelEx::delete` removes are purged, too, if
//! the model that is deleted has `#[purge_on]`. [The guide](crate::guide::libraries) lists every way to write, and which
//! of them purge.
//!
//! A statement of an entity (`Entity::insert(..)`, `update_many()`, `delete_by_id(..)`) fires no hooks:
//! run it by `exec_and_purge` of [`PurgeExt`] in place of `exec`. SQL of your own purges nothing;
//! [triggers](crate::triggers) see that, too. Clippy can refuse what fires nothing, in `clippy.toml`:
//!
//! ```toml
//! disallowed-methods = [
//!     { path = "sea_orm::Insert::exec", reason = "purges nothing: use exec_and_purge" },
//!     { path = "sea_orm::Insert::exec_without_returning", reason = "purges nothing: use exec_and_purge" },
//!     { path = "sea_orm::Insert::exec_with_returning", reason = "purges nothing: use exec_and_purge" },
//!     { path = "sea_orm::Insert::exec_with_returning_keys", reason = "purges nothing: use exec_and_purge" },
//!     { path = "sea_orm::Insert::exec_with_returning_many", reason = "purges nothing: use exec_and_purge" },
//!     { path = "sea_orm::InsertMany::exec", reason = "purges nothing: use exec_and_purge" },
//!     { path = "sea_orm::InsertMany::exec_without_returning", reason = "purges nothing: use exec_and_purge" },
//!     { path = "sea_orm::InsertMany::exec_with_returning", reason = "purges nothing: use exec_and_purge" },
//!     { path = "sea_orm::InsertMany::exec_with_returning_keys", reason = "purges nothing: use exec_and_purge" },
//!     { path = "sea_orm::InsertMany::exec_with_returning_many", reason = "purges nothing: use exec_and_purge" },
//!     { path = "sea_orm::TryInsert::exec", reason = "purges nothing: use exec_and_purge" },
//!     { path = "sea_orm::TryInsert::exec_without_returning", reason = "purges nothing: use exec_and_purge" },
//!     { path = "sea_orm::TryInsert::exec_with_returning", reason = "purges nothing: use exec_and_purge" },
//!     { path = "sea_orm::TryInsert::exec_with_returning_keys", reason = "purges nothing: use exec_and_purge" },
//!     { path = "sea_orm::TryInsert::exec_with_returning_many", reason = "purges nothing: use exec_and_purge" },
//!     { path = "sea_orm::Inserter::exec", reason = "purges nothing: use exec_and_purge" },
//!     { path = "sea_orm::Inserter::exec_without_returning", reason = "purges nothing: use exec_and_purge" },
//!     { path = "sea_orm::Inserter::exec_with_returning", reason = "purges nothing: use exec_and_purge" },
//!     { path = "sea_orm::Inserter::exec_with_returning_keys", reason = "purges nothing: use exec_and_purge" },
//!     { path = "sea_orm::Inserter::exec_with_returning_many", reason = "purges nothing: use exec_and_purge" },
//!     { path = "sea_orm::UpdateOne::exec", reason = "purges nothing: use exec_and_purge" },
//!     { path = "sea_orm::UpdateOne::exec_without_returning", reason = "purges nothing: use exec_and_purge" },
//!     { path = "sea_orm::ValidatedUpdateOne::exec", reason = "purges nothing: use exec_and_purge" },
//!     { path = "sea_orm::ValidatedUpdateOne::exec_without_returning", reason = "purges nothing: use exec_and_purge" },
//!     { path = "sea_orm::UpdateMany::exec", reason = "purges nothing: use exec_and_purge" },
//!     { path = "sea_orm::UpdateMany::exec_with_returning", reason = "purges nothing: use exec_and_purge" },
//!     { path = "sea_orm::Updater::exec", reason = "purges nothing: use exec_and_purge" },
//!     { path = "sea_orm::DeleteOne::exec", reason = "purges nothing: use exec_and_purge" },
//!     { path = "sea_orm::DeleteOne::exec_with_returning", reason = "purges nothing: use exec_and_purge" },
//!     { path = "sea_orm::ValidatedDeleteOne::exec", reason = "purges nothing: use exec_and_purge" },
//!     { path = "sea_orm::ValidatedDeleteOne::exec_with_returning", reason = "purges nothing: use exec_and_purge" },
//!     { path = "sea_orm::DeleteMany::exec", reason = "purges nothing: use exec_and_purge" },
//!     { path = "sea_orm::DeleteMany::exec_with_returning", reason = "purges nothing: use exec_and_purge" },
//!     { path = "sea_orm::Deleter::exec", reason = "purges nothing: use exec_and_purge" },
//!     { path = "sea_orm::Deleter::exec_with_returning", reason = "purges nothing: use exec_and_purge" },
//! ]
//! ```
//!
//! # SQLite
//!
//! SQLite has one writer at a time, and the relay of an outbox is one. Roan's own transactions are
//! `IMMEDIATE`. Begin one of yours that reads before it writes with `begin_with_options` and
//! `SqliteTransactionMode::Immediate`.

mod bulk;
mod current;
mod hooks;
mod links;
mod notes;
mod related;
mod rows;
mod write;

pub use bulk::PurgeExt;
pub use current::with_dispatcher;
#[doc(hidden)]
pub use hooks::{after_delete, after_save, before_delete, before_save};

#[doc(hidden)]
pub use links::{Links, NoRules, WithRules, before_links, is_same};
#[doc(hidden)]
pub use related::{Found, Relations};

/// An active model whose hooks fire. `#[roan::hooks]` implements it.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "nothing fires the hooks of `{Self}`",
    label = "its model has purge rules, which would never be asked",
    note = "write `#[roan::hooks]` above `impl ActiveModelBehavior for ActiveModel`"
)]
pub trait Hooked {}
