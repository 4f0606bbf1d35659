//! Hooks for the database libraries, each with its feature.

pub mod sqlx;
