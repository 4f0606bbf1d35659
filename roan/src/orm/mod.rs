//! Hooks for the database libraries, each with its feature.

#[cfg(feature = "diesel")]
pub mod diesel;
#[cfg(feature = "diesel-async")]
pub mod diesel_async;
#[cfg(feature = "sea-orm")]
pub mod sea_orm;
mod sqlite;
#[cfg(feature = "_sql")]
pub mod sqlx;
#[cfg(any(feature = "diesel", feature = "sea-orm"))]
mod unread;
mod unseen;
#[cfg(feature = "_sql")]
mod unstored;
