//! What only one library has.

mod related;
mod sea_orm;
mod site;
