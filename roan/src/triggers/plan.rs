//! The triggers that a table needs, by the rules of this binary.

use std::collections::BTreeMap;

use super::script::hash;
use super::{TriggerError, Triggers};
use crate::base::event::{Event, Events};
use crate::model::{Column, ColumnKind, RowRule};
use crate::outbox::store::FoundColumn;
use crate::registry::run_time;
use crate::registry::{TableEntry, Way};

/// A table and the columns that its triggers write.
#[derive(Debug, Clone, Default)]
pub(super) struct Plan {
    pub(super) table: &'static str,
    /// See [`fingerprint`].
    pub(super) rules: String,
    /// The columns of the primary key; empty if they are not known.
    pub(super) key: Vec<&'static str>,
    pub(super) create: Option<Columns>,
    pub(super) update: Option<Update>,
    pub(super) delete: Option<Columns>,
    /// The columns for `update` and for `delete`.
    pub(super) replace: Option<Columns>,
    /// Whether there is a rule for `delete` without columns.
    pub(super) truncate: bool,
}

/// Columns, and how to store them.
pub(super) type Columns = BTreeMap<&'static str, Stored>;

/// How to store a column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stored {
    pub(super) kind: ColumnKind,
    /// Whether a template is filled from it. Else the relay makes a value of the model from it.
    pub(super) fills: bool,
    pub(super) text: TextOf,
}

/// How MySQL makes a text of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextOf {
    Value,
    /// A `TIMESTAMP`, whose own text depends on the session's time zone.
    Timestamp,
    /// A `FLOAT`, whose own text has six digits.
    Float,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Update {
    pub(super) columns: Columns,
    pub(super) watched: Vec<&'static str>,
    /// Whether the trigger writes only if a watched column changes.
    pub(super) only_watched: bool,
}

impl Plan {
    /// The tables of this binary, sorted by name.
    pub(super) fn all(triggers: &Triggers) -> Result<Vec<Self>, TriggerError> {
        let mut plans: BTreeMap<&'static str, Self> = BTreeMap::new();
        let mut refused = Vec::new();
        for entry in TableEntry::all() {
            let name = entry.table.name;
            if triggers.without.iter().any(|without| without == name) {
                continue;
            }
            check_name(name)?;
            let plan = plans.entry(name).or_insert_with(|| Self {
                table: name,
                rules: fingerprint(name),
                key: entry.table.key.to_vec(),
                ..Self::default()
            });
            plan.add(&entry, &mut refused)?;
        }
        if !refused.is_empty() && !triggers.leave_to_hooks {
            return Err(TriggerError::Rules(refused));
        }
        let mut plans: Vec<_> = plans.into_values().collect();
        plans.retain(|plan| plan.events() != Events::NONE);
        if plans.is_empty() {
            return Err(TriggerError::NoTables);
        }
        Ok(plans)
    }

    fn events(&self) -> Events {
        let of = |is_there: bool, event: Events| if is_there { event } else { Events::NONE };
        of(self.create.is_some(), Events::CREATE)
            .union(of(self.update.is_some(), Events::UPDATE))
            .union(of(self.delete.is_some(), Events::DELETE))
    }

    fn add(&mut self, entry: &TableEntry, refused: &mut Vec<String>) -> Result<(), TriggerError> {
        let of_value = entry
            .table
            .from_row
            .map_or(&[][..], |from_row| from_row.columns);
        for column in entry.table.columns.iter().chain(of_value) {
            check_name(column.name)?;
        }
        for (number, rule) in entry.rules.iter().enumerate() {
            let stored = |column: &Column, fills| {
                let kind = column.kind;
                let text = TextOf::Value;
                (column.name, Stored { kind, fills, text })
            };
            let columns: Columns = match entry.way(number) {
                None => {
                    refused.push(refusal(entry, number));
                    continue;
                }
                Some(Way::Pieces(pieces)) => pieces
                    .iter()
                    .filter_map(|piece| piece.column())
                    .map(|column| stored(&entry.table.columns[column], true))
                    .collect(),
                Some(Way::Value(from_row)) => {
                    let columns = from_row.columns.iter();
                    columns.map(|column| stored(column, false)).collect()
                }
            };
            let watched = entry.watched(number).map(|column| column.name).collect();
            self.add_rule(rule.events(), &columns, watched);
        }
        let at_run_time = run_time::events_of((entry.model)());
        self.add_rule(at_run_time, &Columns::new(), Vec::new());
        Ok(())
    }

    fn add_rule(&mut self, events: Events, columns: &Columns, watched: Vec<&'static str>) {
        let add = |to: &mut Option<Columns>| merge(to.get_or_insert_default(), columns);
        if events.contains(Event::Create) {
            add(&mut self.create);
        }
        if events.contains(Event::Delete) {
            add(&mut self.delete);
            self.truncate |= columns.is_empty();
        }
        if events.intersects(Events::UPDATE.union(Event::Delete.into())) {
            add(&mut self.replace);
        }
        if events.contains(Event::Update) {
            let update = self.update.get_or_insert_with(|| Update {
                only_watched: true,
                ..Update::default()
            });
            merge(&mut update.columns, columns);
            update.only_watched &= !watched.is_empty();
            update.watched.extend(watched);
            update.watched.sort_unstable();
            update.watched.dedup();
        }
    }

    /// Adopts what the catalog says of columns.
    pub(super) fn learn(&mut self, found: &[FoundColumn]) {
        let update = self.update.iter_mut().map(|update| &mut update.columns);
        let events = [&mut self.create, &mut self.delete, &mut self.replace];
        for columns in events.into_iter().flatten().chain(update) {
            for found in found.iter().filter(|found| found.table == self.table) {
                if let Some(stored) = columns.get_mut(&*found.name) {
                    stored.text = match found.is_timestamp {
                        true => TextOf::Timestamp,
                        false => TextOf::Float,
                    };
                }
            }
        }
    }

    /// Whether the triggers store rows for values of a model.
    pub(super) fn stores_values(&self) -> bool {
        let update = self.update.iter().map(|update| &update.columns);
        let all = self.create.iter().chain(&self.delete).chain(update);
        all.flat_map(BTreeMap::values).any(|stored| !stored.fills)
    }

    /// All columns that the triggers name.
    pub(super) fn columns(&self) -> Vec<&'static str> {
        let update = self.update.iter();
        let mut names: Vec<_> = [&self.create, &self.delete]
            .into_iter()
            .flatten()
            .chain(update.clone().map(|update| &update.columns))
            .flat_map(|columns| columns.keys().copied())
            .chain(update.flat_map(|update| update.watched.iter().copied()))
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

/// A hash of the rules of this binary that rows of a table fill. It is the same in each binary that has the same
/// rules, wherever they are in its source.
pub(crate) fn fingerprint(table: &str) -> String {
    let mut rules = Vec::new();
    for entry in TableEntry::of_table(table) {
        for (number, rule) in entry.rules.iter().enumerate() {
            let Some(way) = entry.way(number) else {
                continue;
            };
            let mut text = format!(
                "{} {} {:?} {:?}",
                rule.events(),
                rule.target(),
                rule.site(),
                rule.watched()
            );
            if let Way::Value(from_row) = way {
                let columns = from_row.columns.iter();
                let columns: Vec<_> = columns.map(|column| (column.name, column.kind)).collect();
                text.push_str(&format!(" {:?} {columns:?}", rule.condition()));
            }
            rules.push(text);
        }
    }
    rules.sort_unstable();
    format!("{:08x}", hash(&rules.join("\n")))
}

/// The [`fingerprint`] of each table of this binary.
pub(crate) fn fingerprints() -> Vec<String> {
    let mut names: Vec<_> = TableEntry::all()
        .iter()
        .map(|entry| entry.table.name)
        .collect();
    names.dedup();
    let of_table = |name| format!("{name} {}", fingerprint(name));
    names.into_iter().map(of_table).collect()
}

fn merge(to: &mut Columns, columns: &Columns) {
    for (name, stored) in columns {
        let known = to.entry(name).or_insert(*stored);
        known.kind = known.kind.max(stored.kind);
        known.fills |= stored.fills;
    }
}

/// Refuses names that would end a statement.
fn check_name(name: &str) -> Result<(), TriggerError> {
    let problem = if name.is_empty() {
        "it is empty"
    } else if name.contains(['\\', '"', '`', '\'', '$', '\0']) || name.contains(char::is_control) {
        "it contains quotes, `$`, a backslash or control characters"
    } else {
        return Ok(());
    };
    Err(TriggerError::Name {
        name: name.to_owned(),
        problem,
    })
}

/// The rule, its place, and what to write.
fn refusal(entry: &TableEntry, number: usize) -> String {
    let rule = &entry.rules[number];
    let model = rule.model();
    let read_row = format!(
        "write `from_row` in a `#[purge_on(...)]` of `{model}`, so that the relay makes a `{model}` from the stored row"
    );
    match entry.table.rows[number] {
        RowRule::Related => format!(
            "{rule}: only the hooks of SeaORM read the related row: give the model of that row a rule of its own, or put the page's URL in a column"
        ),
        RowRule::Value(what) => {
            let instead = if what.starts_with('{') {
                "name a column of the table"
            } else {
                "write a template of columns, `url = \"/posts/{slug}\"`, without it"
            };
            format!("{rule}: `{what}` needs a value of the type: {read_row}; or {instead}")
        }
        RowRule::Pieces(pieces) => {
            let columns = pieces.iter().filter_map(|piece| piece.column());
            let mut columns = columns.map(|column| &entry.table.columns[column]);
            let other = columns.find(|column| column.kind == ColumnKind::Other);
            let field = other.map_or("", |column| column.field);
            format!(
                "{rule}: the database's text of `{field}` may differ from that of its `Display`: {read_row}; or name a column of texts, integers or (with roan's feature `uuid`) UUIDs"
            )
        }
    }
}
