//! What only one library has.

mod sea_orm;
