//! Triggers of the database, made from the rules: they reach writers that never heard of Roan.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]

mod article;
mod from_row;
mod history;
mod installing;
mod life;
mod mariadb;
mod models;
mod postgres;
mod rights;
mod same;
mod sqlite;
mod support;
mod writes;
