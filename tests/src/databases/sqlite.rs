//! A database in a file: no server at all.

use std::path::Path;

use tempfile::TempDir;

use crate::server::place;

/// A place for an SQLite database, removed when dropped.
#[derive(Debug)]
pub struct SqliteFile {
    folder: TempDir,
}

impl SqliteFile {
    /// Makes the folder; the first client that comes makes the file.
    #[must_use]
    pub fn new() -> Self {
        Self {
            folder: place::in_memory("roan-sqlite-"),
        }
    }

    /// The database, as a URL for clients.
    #[must_use]
    pub fn url(&self) -> String {
        let file = self.folder().join("roan.db");
        format!("sqlite://{}?mode=rwc", file.display())
    }

    /// The folder with the database and what SQLite puts beside it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }
}

impl Default for SqliteFile {
    fn default() -> Self {
        Self::new()
    }
}
