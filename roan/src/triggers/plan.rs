//! The triggers that a table needs, by the rules of this binary.

use std::collections::BTreeMap;

use super::script::hash;
use super::{TriggerError, Triggers};
use crate::base::event::{Event, Events};
use crate::model::{ColumnKind, RowRule};
use crate::registry::TableEntry;
use crate::registry::run_time;

/// A table and the columns that its triggers write.
#[derive(Debug, Default)]
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

/// Columns, and how to turn them into texts.
pub(super) type Columns = BTreeMap<&'static str, ColumnKind>;

#[derive(Debug, Default)]
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
        for column in entry.table.columns {
            check_name(column.name)?;
        }
        for (number, rule) in entry.rules.iter().enumerate() {
            let Some(pieces) = entry.pieces(number) else {
                refused.push(refusal(entry, number));
                continue;
            };
            let columns = pieces.iter().filter_map(|piece| piece.column());
            let columns: Columns = columns
                .map(|column| &entry.table.columns[column])
                .map(|column| (column.name, column.kind))
                .collect();
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
            if entry.pieces(number).is_some() {
                rules.push(format!(
                    "{} {} {:?} {:?}",
                    rule.events(),
                    rule.target(),
                    rule.site(),
                    rule.watched()
                ));
            }
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
    for (name, kind) in columns {
        let known = to.entry(name).or_insert(*kind);
        *known = (*known).max(*kind);
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
    match entry.table.rows[number] {
        RowRule::Value(what) => {
            let instead = if what.starts_with('{') {
                "name a column of the table"
            } else {
                "write a template of columns, `url = \"/posts/{slug}\"`, without it"
            };
            format!("{rule}: `{what}` needs a value of the type: {instead}")
        }
        RowRule::Pieces(pieces) => {
            let columns = pieces.iter().filter_map(|piece| piece.column());
            let mut columns = columns.map(|column| &entry.table.columns[column]);
            let other = columns.find(|column| column.kind == ColumnKind::Other);
            let field = other.map_or("", |column| column.field);
            format!(
                "{rule}: the database's text of `{field}` may differ from that of its `Display`: name a column of texts, integers or (with roan's feature `uuid`) UUIDs"
            )
        }
    }
}
