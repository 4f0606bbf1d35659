//! What only one library has.

mod dropped;
mod related;
mod sea_orm;
mod site;
mod sqlx;
