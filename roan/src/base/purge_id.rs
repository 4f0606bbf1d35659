//! Ids by which a stream recognizes a purge that it has had.
//!
//! An id must never drop a purge that is not a repeat. So it says for which rows of which database the purge is, or which ask
//! of which program. Two rows that are purged together have another id than each of them alone: perhaps only one of them was
//! committed when the other one was purged.

use std::sync::OnceLock;
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

use super::target::Target;

/// What a message of a fleet says of its purge.
#[derive(Debug)]
pub(crate) struct Mark {
    pub(crate) id: String,
    /// When it was asked for.
    pub(crate) asked: SystemTime,
}

/// What no other row of a durable outbox has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RowIdentity([u8; 16]);

impl RowIdentity {
    /// `database` is where the row is. `created_ms` is when it was written, by the clock of the database: where that is restored
    /// from a backup, or counts from 1 again, another row may get its number.
    #[cfg_attr(
        not(feature = "_sql"),
        allow(dead_code, reason = "a row is in a durable outbox")
    )]
    pub(crate) fn new(database: &str, row: i64, created_ms: i64) -> Self {
        let hash = Sha256::new()
            .chain_update(database.len().to_le_bytes())
            .chain_update(database)
            .chain_update(row.to_le_bytes())
            .chain_update(created_ms.to_le_bytes());
        Self(shortened(hash))
    }
}

/// The id of the purge of a target for exactly these rows: whoever sends it, and whenever, it is the same.
pub(crate) fn of_rows(mut rows: Vec<RowIdentity>, target: &Target) -> String {
    rows.sort_unstable();
    rows.dedup();
    let site = target.site().unwrap_or_default();
    let mut hash = Sha256::new()
        .chain_update(rows.len().to_le_bytes())
        .chain_update([target.kind() as u8])
        .chain_update(site.len().to_le_bytes())
        .chain_update(site)
        .chain_update(target.as_str().len().to_le_bytes())
        .chain_update(target.as_str());
    for RowIdentity(row) in rows {
        hash.update(row);
    }
    format!("r-{}", hex(shortened(hash)))
}

/// The id of a purge from memory: of an ask that has this number in this program.
pub(crate) fn of_ask(number: u64) -> String {
    static PROGRAM: OnceLock<String> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| {
        let mut program = [0; 16];
        fastrand::fill(&mut program);
        hex(program)
    });
    // A copy of a running program has its number, too, but not its process.
    format!("m-{program}-{:x}-{number:x}", std::process::id())
}

/// Half of a hash is enough: nobody can find two texts with the same one.
fn shortened(hash: Sha256) -> [u8; 16] {
    let mut half = [0; 16];
    half.copy_from_slice(&hash.finalize()[..16]);
    half
}

fn hex(bytes: [u8; 16]) -> String {
    format!("{:032x}", u128::from_be_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn an_id_is_of_its_rows_and_its_target_alone() {
        let row = |database, row, created| RowIdentity::new(database, row, created);
        let first = row("postgres://a/app", 1, 1000);
        let url = Target::url("/a").unwrap();
        let mut rows = vec![
            vec![first],
            vec![row("postgres://a/app", 2, 1000)],
            // Another database, and the same one after it was restored.
            vec![row("postgres://b/app", 1, 1000)],
            vec![row("postgres://a/app", 1, 2000)],
            vec![first, row("postgres://a/app", 2, 1000)],
        ];
        let of_url: Vec<_> = rows
            .iter()
            .map(|rows| of_rows(rows.clone(), &url))
            .collect();
        let tag = Target::tag("a").unwrap();
        let targets = [
            tag.clone(),
            tag.at_site("a"),
            url.at_site("a"),
            Target::host(),
        ];
        let of_others = targets.iter().map(|target| of_rows(vec![first], target));
        let asks = [of_ask(1), of_ask(2)];
        let all: HashSet<_> = of_url
            .iter()
            .cloned()
            .chain(of_others)
            .chain(asks)
            .collect();
        assert_eq!(all.len(), 5 + 4 + 2);
        for rows in &mut rows {
            rows.reverse();
            rows.push(rows[0]);
        }
        let again: Vec<_> = rows.into_iter().map(|rows| of_rows(rows, &url)).collect();
        assert_eq!(again, of_url);
        assert_eq!(of_ask(1), of_ask(1));
    }
}
