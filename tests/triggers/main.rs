//! Triggers of the database, made from the rules: they reach writers that never heard of Roan.

mod installing;
mod mariadb;
mod models;
mod postgres;
mod same;
mod sqlite;
mod support;
mod writes;
