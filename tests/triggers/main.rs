//! Triggers of the database, made from the rules: they reach writers that never heard of Roan.

mod installing;
mod models;
mod support;
mod writes;
