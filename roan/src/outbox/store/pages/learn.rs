//! Learning: which keys a page carries.

use std::collections::{BTreeMap, HashSet};

use crate::base::target::Target;
use crate::base::target_json;
use crate::outbox::connection::Value;
use crate::outbox::dialect::Dialect;
use crate::outbox::index::Key;
use crate::outbox::store::{Result, Store};

/// The numbers of pages and of keys in one statement: SQLite allows 999 values.
const PAGES: usize = 64;
const KEYS: usize = 250;

/// One URL of a page, as it was asked for.
#[derive(Debug)]
struct Entry<'a> {
    id: i64,
    target: String,
    /// By hash, with the name of a tag.
    keys: Vec<(i64, Option<&'a str>)>,
}

/// A page with some of its keys.
type Piece<'e, 'a> = (&'e Entry<'a>, &'e [(i64, Option<&'a str>)]);

impl Store {
    /// Records that each page carries these keys. Keys that it carried before stay: an older copy may be cached. The answer
    /// says of each page whether the index has it: it does not, if another URL with the same hash is there.
    ///
    /// Programs that learn at the same time do not block each other in a circle, because all lock pages in the order of
    /// their ids, and keys only below a locked page.
    ///
    /// # Errors
    ///
    /// Those of the database. Then a transaction may be open: see [`Store::learn_again`].
    pub async fn learn(&mut self, pages: &[(&Target, &[Key])]) -> Result<Vec<bool>> {
        let pages: Vec<_> = pages
            .iter()
            .map(|(page, keys)| (Key::of(page).hash(), *page, *keys))
            .collect();
        self.learn_as(&pages).await
    }

    /// The same, with chosen hashes of the pages, for tests of collisions.
    ///
    /// # Errors
    ///
    /// As [`learn`](Self::learn).
    pub async fn learn_as(&mut self, pages: &[(i64, &Target, &[Key])]) -> Result<Vec<bool>> {
        let (entries, mut refused) = entries(pages);
        let groups = groups(&entries);
        if self.dialect == Dialect::Postgres {
            for group in &groups {
                refused.extend(self.learn_in_one_statement(group).await?);
            }
        } else {
            self.connection.batch(self.begin().to_owned()).await?;
            for group in &groups {
                refused.extend(self.learn_group(group).await?);
            }
            self.connection.batch("COMMIT".to_owned()).await?;
        }
        let is_there = |(id, page, _): &(i64, &Target, _)| {
            let text = target_json::encode_target(page);
            !refused.contains(&(*id, text))
        };
        Ok(pages.iter().map(is_there).collect())
    }

    /// Makes the connection ready to learn again after a conflict with another transaction.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn learn_again(&mut self) -> Result<()> {
        match self.dialect {
            // Each statement is its own transaction.
            Dialect::Postgres => Ok(()),
            Dialect::MySql | Dialect::Sqlite => self.roll_back().await,
        }
    }

    /// PostgreSQL runs all of it as one statement, in one round trip. The join makes sure that the row of a page is locked
    /// before its keys are inserted. So [`Store::forget`] is either before both or after both.
    async fn learn_in_one_statement(
        &mut self,
        group: &[Piece<'_, '_>],
    ) -> Result<Vec<(i64, String)>> {
        let mut values = Vec::new();
        let mut pages = Vec::new();
        let mut keys = Vec::new();
        for (entry, _) in group {
            pages.push("(?, ?, {now})");
            values.extend([Value::Int(entry.id), Value::Text(&entry.target)]);
        }
        for (entry, some) in group {
            for (key, tag) in *some {
                keys.push("(?::bigint, ?::bigint, ?::text)");
                values.extend([Value::Int(*key), Value::Int(entry.id), Value::Maybe(*tag)]);
            }
        }
        let learned_keys = if keys.is_empty() {
            String::new()
        } else {
            format!(
                ", learned_key AS (INSERT INTO roan_page_key (page_key, page_id, tag) \
                 SELECT carried.page_key, carried.page_id, carried.tag \
                 FROM (VALUES {}) AS carried (page_key, page_id, tag) \
                 JOIN learned ON learned.id = carried.page_id ON CONFLICT DO NOTHING)",
                keys.join(", ")
            )
        };
        let sql = self.sql(&format!(
            "WITH learned AS ({} RETURNING page.id){learned_keys} SELECT id FROM learned",
            upsert_pages(&pages)
        ));
        let rows = self.connection.rows(&sql, &values).await?;
        let there = rows.iter().map(|row| row.int(0));
        let there = there.collect::<Result<HashSet<_>>>()?;
        Ok(not_among(group, &there))
    }

    async fn learn_group(&mut self, group: &[Piece<'_, '_>]) -> Result<Vec<(i64, String)>> {
        let pages = vec!["(?, ?, {now})"; group.len()];
        let values: Vec<_> = group
            .iter()
            .flat_map(|(entry, _)| [Value::Int(entry.id), Value::Text(&entry.target)])
            .collect();
        let rows = if self.dialect == Dialect::MySql {
            let sql = self.sql(&format!(
                "INSERT INTO roan_page (id, target, seen_ms) VALUES {} ON DUPLICATE KEY UPDATE \
                 seen_ms = IF(target = VALUES(target), VALUES(seen_ms), seen_ms)",
                pages.join(", ")
            ));
            self.connection.execute(&sql, &values).await?;
            let are_equal = vec!["(id = ? AND target = ?)"; group.len()].join(" OR ");
            let sql = self.sql(&format!("SELECT id FROM roan_page WHERE {are_equal}"));
            self.connection.rows(&sql, &values).await?
        } else {
            let sql = self.sql(&format!("{} RETURNING id", upsert_pages(&pages)));
            self.connection.rows(&sql, &values).await?
        };
        let there = rows.iter().map(|row| row.int(0));
        let there = there.collect::<Result<HashSet<_>>>()?;
        let mut values = Vec::new();
        for (entry, some) in group {
            if there.contains(&entry.id) {
                for (key, tag) in *some {
                    values.extend([Value::Int(*key), Value::Int(entry.id), Value::Maybe(*tag)]);
                }
            }
        }
        if !values.is_empty() {
            let known = match self.dialect {
                Dialect::MySql => "DUPLICATE KEY UPDATE page_id = VALUES(page_id)",
                Dialect::Postgres | Dialect::Sqlite => "CONFLICT DO NOTHING",
            };
            let sql = self.sql(&format!(
                "INSERT INTO roan_page_key (page_key, page_id, tag) VALUES {} ON {known}",
                vec!["(?, ?, ?)"; values.len() / 3].join(", ")
            ));
            self.connection.execute(&sql, &values).await?;
        }
        Ok(not_among(group, &there))
    }
}

fn upsert_pages(pages: &[&str]) -> String {
    format!(
        "INSERT INTO roan_page AS page (id, target, seen_ms) VALUES {} ON CONFLICT (id) DO UPDATE \
         SET seen_ms = excluded.seen_ms WHERE page.target = excluded.target",
        pages.join(", ")
    )
}

/// The pages in the order of their ids, each once; and those whose id another one has.
fn entries<'a>(pages: &[(i64, &Target, &'a [Key])]) -> (Vec<Entry<'a>>, HashSet<(i64, String)>) {
    let mut entries: BTreeMap<i64, (String, BTreeMap<i64, Option<&str>>)> = BTreeMap::new();
    let mut refused = HashSet::new();
    for (id, page, keys) in pages {
        let text = target_json::encode_target(page);
        let (known, carried) = entries
            .entry(*id)
            .or_insert_with(|| (text.clone(), BTreeMap::new()));
        if *known == text {
            carried.extend(keys.iter().map(|key| (key.hash(), key.tag())));
        } else {
            refused.insert((*id, text));
        }
    }
    let entries = entries.into_iter().map(|(id, (target, keys))| Entry {
        id,
        target,
        keys: keys.into_iter().collect(),
    });
    (entries.collect(), refused)
}

/// Pages with their keys, as one statement takes them. A page with many keys is in several.
fn groups<'e, 'a>(entries: &'e [Entry<'a>]) -> Vec<Vec<Piece<'e, 'a>>> {
    let mut groups: Vec<Vec<Piece<'_, '_>>> = Vec::new();
    let mut free = 0;
    for entry in entries {
        let pieces = entry.keys.chunks(KEYS);
        let none: &[_] = &[];
        for piece in pieces.chain(entry.keys.is_empty().then_some(none)) {
            match groups.last_mut() {
                Some(group) if group.len() < PAGES && piece.len() <= free => {
                    group.push((entry, piece));
                    free -= piece.len();
                }
                _ => {
                    groups.push(vec![(entry, piece)]);
                    free = KEYS - piece.len();
                }
            }
        }
    }
    groups
}

fn not_among(group: &[Piece<'_, '_>], there: &HashSet<i64>) -> Vec<(i64, String)> {
    let missing = group.iter().filter(|(entry, _)| !there.contains(&entry.id));
    missing
        .map(|(entry, _)| (entry.id, entry.target.clone()))
        .collect()
}
