//! What only one library has.

mod cascades;
mod dropped;
mod links;
mod related;
mod sea_orm;
mod site;
mod sqlx;
mod waits;
mod ways;
