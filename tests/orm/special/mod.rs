//! What only one library has.

mod links;
mod related;
mod sea_orm;
mod site;
