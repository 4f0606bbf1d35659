//! The pages: each shows how often its row was written.

use roan::purge_on;
use roan_tests::page_app;

/// Few enough that all of them are in the caches and are written again and again; enough that most of the last writes
/// before a fault have a page that no other write purges.
pub(crate) const PAGES: i64 = 40;

/// A row, and the page that shows it.
#[purge_on(save, url = "/pages/{id}")]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Page {
    pub(crate) id: i64,
}

pub(crate) fn url(id: i64) -> String {
    format!("/pages/{id}")
}

impl page_app::Page for Page {
    /// Well below [`FILL`](crate::node::FILL).
    const SLOWEST: u64 = 60;

    fn at(path: &str) -> Option<Self> {
        let id = path.strip_prefix("/pages/")?.parse().ok()?;
        Some(Self { id })
    }

    fn rows(self) -> String {
        format!("SELECT version FROM pages WHERE id = {}", self.id)
    }

    fn text(self, rows: &[Vec<i64>]) -> Option<String> {
        Some(rows.first()?.first()?.to_string())
    }
}

/// Makes the table and its rows.
pub(crate) const CREATE: &str =
    "CREATE TABLE pages (id bigint PRIMARY KEY, version bigint NOT NULL)";

pub(crate) fn fill() -> String {
    let rows: Vec<String> = (0..PAGES).map(|id| format!("({id}, 0)")).collect();
    format!("INSERT INTO pages (id, version) VALUES {}", rows.join(", "))
}
