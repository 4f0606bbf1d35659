//! What only one library has.

mod cascades;
mod links;
mod related;
mod sea_orm;
mod site;
mod ways;
