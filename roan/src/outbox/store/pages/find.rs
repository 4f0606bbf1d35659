//! Finding the pages that carry a key or are in an area, and the tags of a page.

use std::collections::{BTreeSet, VecDeque};

use crate::base::area::Area;
use crate::base::canonical;
use crate::base::log::loudly;
use crate::base::target::{Target, TargetKind};
use crate::base::target_json;
use crate::outbox::connection::{Row, Value};
use crate::outbox::index::Key;
use crate::outbox::store::{Result, Store, list};
use crate::outbox::stored_target::{self, Unreadable};

/// The number of URLs of one page whose tags are looked for.
const MOST_SPELLINGS: usize = 100;

/// The number of keys whose pages are looked for together.
const RESOLVED: usize = 256;

/// The number of areas whose pages the database looks for by their URLs. It returns all pages for more.
const AREAS: usize = 16;

/// Keys and areas whose pages are still to be had from [`Store::resolve`].
#[derive(Debug, Clone, Default)]
pub struct Resolving {
    keys: VecDeque<i64>,
    /// Keys with many pages, and the last page that was found.
    many: VecDeque<(i64, Option<i64>)>,
    passes: VecDeque<Pass>,
    /// Keys of pages that a newer program has learned and this one cannot read, and why.
    newer: Vec<(i64, String)>,
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

    /// Takes the keys under which pages were found that only a newer program can read, and why.
    pub(crate) fn take_newer(&mut self) -> Vec<(i64, String)> {
        std::mem::take(&mut self.newer)
    }

    fn found(&mut self, stored: &Stored) -> Option<Found> {
        let page = self.read(&[stored.key], stored)?;
        Some(Found {
            key: stored.key,
            page,
        })
    }

    /// For each area of the pass that the page is in.
    fn found_in(&mut self, pass: &Pass, stored: &Stored) -> Vec<Found> {
        let keys: Vec<i64> = pass.areas.iter().map(|(key, _)| *key).collect();
        let Some(page) = self.read(&keys, stored) else {
            return Vec::new();
        };
        let areas = pass.areas.iter().filter(|(_, area)| area.covers(&page));
        let found = areas.map(|(key, _)| Found {
            key: *key,
            page: page.clone(),
        });
        found.collect()
    }

    /// A page that was found under these keys, if it can be read.
    fn read(&mut self, keys: &[i64], stored: &Stored) -> Option<Target> {
        match stored.read() {
            Ok(page) => Some(page),
            Err(Unreadable::Newer(why)) => {
                self.newer
                    .extend(keys.iter().map(|key| (*key, why.clone())));
                None
            }
            Err(Unreadable::Invalid(why)) => {
                loudly(format_args!("{why}"));
                None
            }
        }
    }

    /// Whether all pages were found.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.keys.is_empty() && self.many.is_empty() && self.passes.is_empty()
    }
}

/// A page as it is stored, and the key under which it was found.
struct Stored {
    key: i64,
    id: i64,
    text: String,
}

impl Stored {
    /// The pages of rows with their ids and texts, found under the key.
    fn of(key: i64, rows: &[Row]) -> Result<Vec<Self>> {
        let stored = rows.iter().map(|row| {
            Ok(Self {
                key,
                id: row.int(0)?,
                text: row.shown(1)?,
            })
        });
        stored.collect()
    }

    fn read(&self) -> std::result::Result<Target, Unreadable> {
        super::read(self.id, &self.text)
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
                found.extend(pages.iter().filter_map(|page| resolving.found(page)));
                continue;
            }
            if resolving.keys.is_empty() {
                let room = limit - found.len();
                if let Some(mut pass) = resolving.passes.front().cloned() {
                    let (pages, is_over) = self.pages_in_areas(&mut pass, room).await?;
                    for stored in &pages {
                        found.extend(resolving.found_in(&pass, stored));
                    }
                    match is_over {
                        true => drop(resolving.passes.pop_front()),
                        false => resolving.passes[0] = pass,
                    }
                }
                continue;
            }
            let count = resolving.keys.len().min(RESOLVED);
            let keys: Vec<i64> = resolving.keys.iter().take(count).copied().collect();
            match self.few_pages(&keys, limit - found.len()).await? {
                Some(pages) => {
                    found.extend(pages.iter().filter_map(|page| resolving.found(page)));
                }
                None => resolving.many.extend(keys.iter().map(|key| (*key, None))),
            }
            resolving.keys.drain(..count);
        }
        Ok(found)
    }

    /// All pages of some keys, or `None` if they are more than `most`.
    async fn few_pages(&mut self, keys: &[i64], most: usize) -> Result<Option<Vec<Stored>>> {
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
        let stored = rows.iter().map(|row| {
            Ok(Stored {
                key: row.int(0)?,
                id: row.int(1)?,
                text: row.shown(2)?,
            })
        });
        stored.collect::<Result<Vec<_>>>().map(Some)
    }

    /// Some pages of one key in the order of their ids, and the id of the last one if there may be more.
    async fn pages_after(
        &mut self,
        key: i64,
        after: Option<i64>,
        limit: usize,
    ) -> Result<(Vec<Stored>, Option<i64>)> {
        let target = self.dialect.bytes("p.target");
        let sql = self.sql(&format!(
            "SELECT k.page_id, {target} FROM roan_page_key AS k JOIN roan_page AS p ON p.id = k.page_id \
             WHERE k.page_key = ? AND k.page_id >= ? ORDER BY k.page_id LIMIT ?"
        ));
        let Some(from) = first_after(after) else {
            return Ok((Vec::new(), None));
        };
        let most = i64::try_from(limit).unwrap_or(i64::MAX);
        let values = [Value::Int(key), Value::Int(from), Value::Int(most)];
        let rows = self.connection.rows(&sql, &values).await?;
        let stored = Stored::of(key, &rows)?;
        let last = stored.last().filter(|_| rows.len() == limit);
        let last = last.map(|last| last.id);
        Ok((stored, last))
    }

    /// The next pages of a pass, from about `limit` that may be in its areas, and whether the pass is over.
    ///
    /// The database compares the beginning of a URL as it was asked for. A URL that has other spellings is compared here.
    async fn pages_in_areas(
        &mut self,
        pass: &mut Pass,
        limit: usize,
    ) -> Result<(Vec<Stored>, bool)> {
        let Some(from) = first_after(pass.after) else {
            return Ok((Vec::new(), true));
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
        let stored = Stored::of(0, &rows)?;
        pass.after = stored.last().map(|last| last.id).or(pass.after);
        Ok((stored, rows.len() < limit))
    }

    /// The first `limit` pages that carry a key, in an order that stays.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn pages_of(&mut self, key: &Key, limit: usize) -> Result<Vec<Target>> {
        let (stored, _) = self.pages_after(key.hash(), None, limit).await?;
        Ok(stored.iter().filter_map(|page| page.read().ok()).collect())
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
            tags.extend(stored_target::read_target(&row.shown(0)?).ok());
        }
        tags.sort_unstable_by(|one: &Target, other| one.as_str().cmp(other.as_str()));
        Ok(Some(tags))
    }
}

/// The first id that can come after this one. `None` after the last of all possible ids.
fn first_after(after: Option<i64>) -> Option<i64> {
    match after {
        None => Some(i64::MIN),
        Some(after) => after.checked_add(1),
    }
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
