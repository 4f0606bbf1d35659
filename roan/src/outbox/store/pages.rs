//! The learned index: which pages carry which keys, and under which URLs they were asked for.

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

use super::{Result, Store, list};
use crate::base::area::Area;
use crate::base::canonical;
use crate::base::history::Fired;
use crate::base::log::loudly;
use crate::base::target::{Target, TargetKind};
use crate::base::target_json;
use crate::outbox::connection::Value;
use crate::outbox::dialect::Dialect;
use crate::outbox::index::Key;
use crate::outbox::payload;

/// The number of URLs of one page whose tags are looked for.
const MOST_SPELLINGS: usize = 100;

/// The numbers of pages and of keys in one statement: SQLite allows 999 values.
const PAGES: usize = 64;
const KEYS: usize = 250;

/// The number of keys whose pages are looked for together.
const RESOLVED: usize = 256;

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

/// The number of areas whose pages the database looks for by their URLs. It returns all pages for more.
const AREAS: usize = 16;

/// Keys and areas whose pages are still to be had from [`Store::resolve`].
#[derive(Debug, Clone, Default)]
pub struct Resolving {
    keys: VecDeque<i64>,
    /// Keys with many pages, and the last page that was found.
    many: VecDeque<(i64, Option<i64>)>,
    passes: VecDeque<Pass>,
}

/// One pass over all pages, in the order of their ids, for those in some areas.
#[derive(Debug, Clone, Default)]
struct Pass {
    /// Each with the key under which its pages are found.
    areas: Vec<(i64, Area)>,
    /// The last page that was looked at.
    after: Option<i64>,
}

impl Resolving {
    /// Of keys by their hashes.
    #[must_use]
    pub fn new(keys: impl IntoIterator<Item = i64>) -> Self {
        let keys: BTreeSet<i64> = keys.into_iter().collect();
        Self {
            keys: keys.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Adds keys. Their pages may be found a second time.
    pub(crate) fn add(&mut self, keys: impl IntoIterator<Item = i64>) {
        self.keys.extend(keys);
    }

    /// Adds the area that a target is, if it is one. Its pages are found under the key.
    pub fn add_area(&mut self, key: i64, target: &Target) {
        let Some(area) = Area::of(target) else {
            return;
        };
        let last = self.passes.back_mut();
        match last.filter(|pass| pass.after.is_none()) {
            Some(pass) if pass.areas.iter().any(|(known, _)| *known == key) => {}
            Some(pass) => pass.areas.push((key, area)),
            None => self.passes.push_back(Pass {
                areas: vec![(key, area)],
                after: None,
            }),
        }
    }

    /// Whether all pages were found.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.keys.is_empty() && self.many.is_empty() && self.passes.is_empty()
    }
}

/// A page that carries a key, or is in an area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The key, by its hash.
    pub key: i64,
    /// The URL under which the page was asked for.
    pub page: Target,
}

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

    /// The next pages that carry one of the keys, about `limit` of them; the last time there may be none. A page that carries
    /// several of the keys is found several times.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn resolve(&mut self, resolving: &mut Resolving, limit: usize) -> Result<Vec<Found>> {
        let limit = limit.max(1);
        let mut found = Vec::new();
        while found.len() < limit && !resolving.is_done() {
            if let Some(&(key, after)) = resolving.many.front() {
                let room = limit - found.len();
                let (pages, last) = self.pages_after(key, after, room).await?;
                match last {
                    Some(last) => resolving.many[0].1 = Some(last),
                    None => drop(resolving.many.pop_front()),
                }
                found.extend(pages);
                continue;
            }
            if resolving.keys.is_empty() {
                let room = limit - found.len();
                if let Some(pass) = resolving.passes.front_mut() {
                    let (pages, is_over) = self.pages_in_areas(pass, room).await?;
                    found.extend(pages);
                    if is_over {
                        resolving.passes.pop_front();
                    }
                }
                continue;
            }
            let count = resolving.keys.len().min(RESOLVED);
            let keys: Vec<i64> = resolving.keys.iter().take(count).copied().collect();
            match self.few_pages(&keys, limit - found.len()).await? {
                Some(pages) => found.extend(pages),
                None => resolving.many.extend(keys.iter().map(|key| (*key, None))),
            }
            resolving.keys.drain(..count);
        }
        Ok(found)
    }

    /// All pages of some keys, or `None` if they are more than `most`.
    async fn few_pages(&mut self, keys: &[i64], most: usize) -> Result<Option<Vec<Found>>> {
        let target = self.dialect.bytes("p.target");
        let sql = self.sql(&format!(
            "SELECT k.page_key, k.page_id, {target} \
             FROM roan_page_key AS k JOIN roan_page AS p ON p.id = k.page_id \
             WHERE k.page_key IN {} LIMIT {}",
            list(keys.iter().copied()),
            most + 1
        ));
        // Not prepared: the text is another one each time.
        let rows = self.connection.rows_once(&sql).await?;
        if rows.len() > most {
            return Ok(None);
        }
        let mut found = Vec::with_capacity(rows.len());
        for row in &rows {
            found.extend(read_page(row.int(0)?, row.int(1)?, &row.shown(2)?));
        }
        Ok(Some(found))
    }

    /// Some pages of one key in the order of their ids, and the id of the last one if there may be more.
    async fn pages_after(
        &mut self,
        key: i64,
        after: Option<i64>,
        limit: usize,
    ) -> Result<(Vec<Found>, Option<i64>)> {
        let target = self.dialect.bytes("p.target");
        let sql = self.sql(&format!(
            "SELECT k.page_id, {target} FROM roan_page_key AS k JOIN roan_page AS p ON p.id = k.page_id \
             WHERE k.page_key = ? AND k.page_id >= ? ORDER BY k.page_id LIMIT ?"
        ));
        let from = match after.map(|after| after.checked_add(1)) {
            None => i64::MIN,
            Some(Some(next)) => next,
            // The last of all possible ids.
            Some(None) => return Ok((Vec::new(), None)),
        };
        let most = i64::try_from(limit).unwrap_or(i64::MAX);
        let values = [Value::Int(key), Value::Int(from), Value::Int(most)];
        let rows = self.connection.rows(&sql, &values).await?;
        let mut found = Vec::with_capacity(rows.len());
        let mut last = None;
        for row in &rows {
            let id = row.int(0)?;
            last = Some(id);
            found.extend(read_page(key, id, &row.shown(1)?));
        }
        Ok((found, last.filter(|_| rows.len() == limit)))
    }

    /// The next pages of a pass, from about `limit` that may be in its areas, and whether the pass is over.
    ///
    /// The database compares the beginning of a URL as it was asked for. A URL that has other spellings is compared here.
    async fn pages_in_areas(
        &mut self,
        pass: &mut Pass,
        limit: usize,
    ) -> Result<(Vec<Found>, bool)> {
        let from = match pass.after.map(|after| after.checked_add(1)) {
            None => i64::MIN,
            Some(Some(next)) => next,
            // The last of all possible ids.
            Some(None) => return Ok((Vec::new(), true)),
        };
        let beginnings: Option<Vec<String>> =
            pass.areas.iter().map(|(_, area)| beginning(area)).collect();
        let beginnings = beginnings.filter(|some| some.len() <= AREAS);
        let may_be_inside = match &beginnings {
            None => String::new(),
            Some(beginnings) => format!(
                " AND ({} OR p.target LIKE '%!%%' ESCAPE '!' OR p.target LIKE '%//%')",
                vec!["p.target LIKE ? ESCAPE '!'"; beginnings.len()].join(" OR ")
            ),
        };
        let target = self.dialect.bytes("p.target");
        let sql = self.sql(&format!(
            "SELECT p.id, {target} FROM roan_page AS p WHERE p.id >= ?{may_be_inside} ORDER BY p.id LIMIT ?"
        ));
        let most = i64::try_from(limit).unwrap_or(i64::MAX);
        let beginnings = beginnings.iter().flatten();
        let values: Vec<_> = std::iter::once(Value::Int(from))
            .chain(beginnings.map(|text| Value::Text(text)))
            .chain([Value::Int(most)])
            .collect();
        let rows = self.connection.rows(&sql, &values).await?;
        let mut found = Vec::new();
        for row in &rows {
            let id = row.int(0)?;
            pass.after = Some(id);
            let Some(Found { page, .. }) = read_page(0, id, &row.shown(1)?) else {
                continue;
            };
            let areas = pass.areas.iter().filter(|(_, area)| area.covers(&page));
            found.extend(areas.map(|(key, _)| Found {
                key: *key,
                page: page.clone(),
            }));
        }
        Ok((found, rows.len() < limit))
    }

    /// The first `limit` pages that carry a key, in an order that stays.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn pages_of(&mut self, key: &Key, limit: usize) -> Result<Vec<Target>> {
        let (found, _) = self.pages_after(key.hash(), None, limit).await?;
        Ok(found.into_iter().map(|found| found.page).collect())
    }

    /// The tags of a page, under whatever spelling of its URL, each once.
    pub(crate) async fn tags_of_url(&mut self, url: &Target) -> Result<Vec<Target>> {
        let place = url.with_text(&canonical::path(url.as_str()));
        let mut pages = self.pages_of(&Key::of(&place), MOST_SPELLINGS).await?;
        pages.extend([place, url.clone()]);
        let mut tags = Vec::new();
        for page in &pages {
            tags.extend(self.tags_of(page).await?.unwrap_or_default());
        }
        tags.sort_unstable_by(|one: &Target, other| one.as_str().cmp(other.as_str()));
        tags.dedup();
        Ok(tags)
    }

    /// The tags of a page, under a URL as it was asked for. `None` if the index does not have that.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn tags_of(&mut self, page: &Target) -> Result<Option<Vec<Target>>> {
        let id = Key::of(page).hash();
        let tag = self.dialect.bytes("k.tag");
        let sql = self.sql(&format!(
            "SELECT {tag} FROM roan_page AS p LEFT JOIN roan_page_key AS k ON k.page_id = p.id AND k.tag IS NOT NULL \
             WHERE p.id = ? AND p.target = ?"
        ));
        let text = target_json::encode_target(page);
        let values = [Value::Int(id), Value::Text(&text)];
        let rows = self.connection.rows(&sql, &values).await?;
        if rows.is_empty() {
            return Ok(None);
        }
        let mut tags = Vec::new();
        for row in &rows {
            tags.extend(target_json::read_target(&row.shown(0)?).ok());
        }
        tags.sort_unstable_by(|one: &Target, other| one.as_str().cmp(other.as_str()));
        Ok(Some(tags))
    }

    /// Puts purges of pages into the outbox.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub(crate) async fn put_purges(&mut self, pages: &[Target]) -> Result<()> {
        for pages in pages.chunks(payload::LONGEST) {
            let pages: Vec<_> = pages.iter().map(Fired::unsaid).collect();
            let payload = payload::encode(&pages, false);
            let sql = self.sql("INSERT INTO roan_outbox (payload) VALUES (?)");
            let values = [Value::Text(&payload)];
            self.connection.execute(&sql, &values).await?;
        }
        Ok(())
    }

    /// Takes pages out of the index that are beyond the `keep` that were learned last, up to `limit` of them, and puts a
    /// purge of each into the outbox. Returns the number of pages.
    ///
    /// Both are one transaction: a page that is cached is always either in the index or in the outbox.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn forget(&mut self, keep: usize, limit: usize) -> Result<usize> {
        let sql = self.sql(&format!(
            "SELECT id, seen_ms FROM roan_page ORDER BY seen_ms DESC, id DESC LIMIT {limit} OFFSET {keep}"
        ));
        let rows = self.connection.rows(&sql, &[]).await?;
        let Some(newest) = rows.first().map(|row| row.int(1)).transpose()? else {
            return Ok(0);
        };
        let old = rows.iter().map(|row| row.int(0));
        let old = old.collect::<Result<Vec<_>>>()?;
        self.connection.batch(self.begin().to_owned()).await?;
        // A page that a program learns at this moment is skipped: it would have to be waited for, and is not old.
        let target = self.dialect.bytes("target");
        let sql = self.sql(&format!(
            "SELECT id, {target} FROM roan_page WHERE id IN {} AND seen_ms <= {newest} ORDER BY id {{skip locked}}",
            list(old)
        ));
        let rows = self.connection.rows_once(&sql).await?;
        let mut ids = Vec::new();
        let mut pages = Vec::new();
        for row in &rows {
            ids.push(row.int(0)?);
            match target_json::read_target(&row.shown(1)?) {
                Ok(page) => pages.push(page),
                Err(error) => unreadable(row.int(0)?, &error),
            }
        }
        self.put_purges(&pages).await?;
        let greatest = self.dialect.greatest();
        let gone = list(ids.iter().copied());
        let statements = [
            format!("DELETE FROM roan_page_key WHERE page_id IN {gone}"),
            format!("DELETE FROM roan_page WHERE id IN {gone}"),
            // Last, because marks wait for this row.
            format!(
                "UPDATE roan_epoch SET forgets = {greatest}(forgets + 1, {{now}}) WHERE id = 1"
            ),
            "COMMIT".to_owned(),
        ];
        let sql = self.sql(&statements.join(";\n"));
        self.connection.batch(sql).await?;
        Ok(ids.len())
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

/// A pattern for the texts of the pages in an area whose URLs are spelt like its own. `None` for all pages.
fn beginning(area: &Area) -> Option<String> {
    let target = area.target();
    if target.kind() == TargetKind::Everything {
        return None;
    }
    // Up to a letter that URLs spell in several ways. What is left is spelt otherwise only with a `%` or `//`.
    let stem = target.as_str().split('%').next().unwrap_or_default();
    let url = Target::url(if stem.is_empty() { "/" } else { stem }).ok()?;
    let url = match target.site() {
        Some(site) => url.at_site(site),
        None => url,
    };
    let text = target_json::encode_target(&url);
    let text = text.trim_end_matches(['"', '}']);
    let mut pattern = String::with_capacity(text.len() + 8);
    for letter in text.chars() {
        if matches!(letter, '!' | '%' | '_') {
            pattern.push('!');
        }
        pattern.push(letter);
    }
    pattern.push('%');
    Some(pattern)
}

fn read_page(key: i64, id: i64, text: &str) -> Option<Found> {
    match target_json::read_target(text) {
        Ok(page) => Some(Found { key, page }),
        Err(error) => {
            unreadable(id, &error);
            None
        }
    }
}

fn unreadable(id: i64, error: &str) {
    loudly(format_args!(
        "page {id} of the index cannot be purged: {error}"
    ));
}
