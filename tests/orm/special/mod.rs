//! What only one library has.

mod any;
mod related;
mod sea_orm;
mod site;
