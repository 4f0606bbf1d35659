//! One suite of cases for every library, on each kind of database: which purges leave, and that no
//! other does.
#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests"
)]

mod case;
mod cases;
mod libraries;
mod special;
mod suite;
