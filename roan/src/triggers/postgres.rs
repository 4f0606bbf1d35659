//! PostgreSQL: triggers for each statement, which see all of its rows at once.

use super::plan::{Columns, Plan, Stored, Update};
use super::script::{
    Script, Trigger, bytes_key, guard, head, key, pairs, quoted, quoted_name, split, stamped,
    trigger_name,
};
use crate::model::ColumnKind;
use crate::outbox::Dialect;
use crate::outbox::payload::LONGEST;

pub(super) fn script(plan: &Plan, prefix: &str) -> Script {
    let mut triggers = Vec::new();
    let mut add = |event: &str, when: &str, insert: String| {
        triggers.push(trigger(plan, prefix, (event, when), &insert));
    };
    let each_statement = |tables: &str| format!("{tables} FOR EACH STATEMENT");
    if let Some(columns) = &plan.create {
        let insert = many(
            plan,
            "create",
            "",
            &format!("SELECT {} AS r FROM n", row("n", columns)),
        );
        add(
            "insert",
            &each_statement("REFERENCING NEW TABLE AS n"),
            insert,
        );
    }
    if let Some(update) = &plan.update {
        let both = each_statement("REFERENCING OLD TABLE AS o NEW TABLE AS n");
        let (o, n) = (row("o", &update.columns), row("n", &update.columns));
        if update.watched.is_empty() {
            let select = format!("SELECT {o} AS r FROM o UNION ALL SELECT {n} FROM n");
            add("update", &both, many(plan, "update", "", &select));
        } else if plan.key.is_empty() {
            // PostgreSQL does not say which old row belongs to a new row.
            let row_of = |of| row(of, &update.columns);
            let condition = condition(update, "OLD", "NEW", " WHERE ");
            let changed = changed(update, "OLD", "NEW");
            let head = head(plan, "update");
            let insert = format!(
                "SELECT '{head}\"changed\":' || {changed} || ',\"rows\":[' || {} || ',' || {} || ']}}'{condition}",
                row_of("OLD"),
                row_of("NEW")
            );
            add("update", "FOR EACH ROW", insert);
        } else {
            let select = paired(plan, update);
            add("update", &both, many(plan, "update", "changed", &select));
        }
    }
    if let Some(columns) = &plan.delete {
        let insert = many(
            plan,
            "delete",
            "",
            &format!("SELECT {} AS r FROM o", row("o", columns)),
        );
        add(
            "delete",
            &each_statement("REFERENCING OLD TABLE AS o"),
            insert,
        );
    }
    if plan.truncate {
        let payload = format!("{}\"rows\":[]}}", head(plan, "truncate"));
        add(
            "truncate",
            "FOR EACH STATEMENT",
            format!("VALUES ('{payload}')"),
        );
    }
    let mut columns = plan.columns();
    columns.extend(&plan.key);
    Script {
        guard: guard(Dialect::Postgres, plan.table, &columns),
        triggers,
    }
}

fn trigger(plan: &Plan, prefix: &str, (event, when): (&str, &str), insert: &str) -> Trigger {
    let (schema, bare_prefix) = split(prefix);
    let name = trigger_name(bare_prefix, plan.table, event);
    let schema = schema.map(|schema| quoted(Dialect::Postgres, schema) + ".");
    let function = format!("{}\"{name}\"", schema.unwrap_or_default());
    let outbox = quoted_name(Dialect::Postgres, &format!("{prefix}outbox"));
    let bare_outbox = quoted(Dialect::Postgres, &format!("{bare_prefix}outbox"));
    let table = quoted_name(Dialect::Postgres, plan.table);
    let body = stamped(&format!(
        "\nBEGIN /* {{stamp}} */\n    INSERT INTO {bare_outbox} (payload)\n    {insert};\n    RETURN NULL;\nEND "
    ));
    let on = event.to_ascii_uppercase();
    Trigger {
        table: plan.table.to_owned(),
        fires: format!("AFTER {on} {when}"),
        install: vec![
            // Users that may write to the table need not have privileges on the outbox. The texts of values must not depend
            // on the writer's settings.
            format!(
                "CREATE OR REPLACE FUNCTION {function}() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER\n    SET bytea_output = hex SET extra_float_digits = 1\n    AS $roan${body}$roan$"
            ),
            // A writer's own `search_path` must not change the meaning of names.
            format!(
                "DO $roan$ BEGIN EXECUTE (\n    SELECT format('ALTER FUNCTION {function}() SET search_path = pg_catalog, %I, pg_temp', n.nspname)\n    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace\n    WHERE c.oid = '{outbox}'::regclass\n); END $roan$"
            ),
            format!("REVOKE ALL ON FUNCTION {function}() FROM PUBLIC"),
            format!(
                "CREATE OR REPLACE TRIGGER \"{name}\" AFTER {on} ON {table}\n    {when} EXECUTE FUNCTION {function}()"
            ),
        ],
        drop: vec![
            format!("DROP TRIGGER IF EXISTS \"{name}\" ON {table}"),
            format!("DROP FUNCTION IF EXISTS {function}()"),
        ],
        name,
        body,
    }
}

/// About so many bytes of rows go into one payload, beside [`LONGEST`].
const LARGEST: u32 = 4_000_000;

/// The rows of `select`, named `r`, each once, with one payload for each [`LONGEST`] of them.
fn many(plan: &Plan, event: &str, changed: &str, select: &str) -> String {
    let head = head(plan, event);
    let (told, part, list) = match changed {
        "" => (String::new(), String::new(), String::new()),
        changed => (
            format!("\"changed\":' || {changed} || ',"),
            format!("PARTITION BY {changed}"),
            format!("{changed}, "),
        ),
    };
    // Rows of all columns may be long.
    let (size, by_size) = match plan.stores_values() {
        true => {
            let before = format!("sum(octet_length(r)) OVER ({part} ROWS UNBOUNDED PRECEDING)");
            (format!(", {before} / {LARGEST} AS size"), ", size")
        }
        false => (String::new(), ""),
    };
    format!(
        "SELECT '{head}{told}\"rows\":[' || string_agg(r, ',') || ']}}'
    FROM (
        SELECT *, (row_number() OVER ({part}) - 1) / {LONGEST} AS part{size}
        FROM (SELECT DISTINCT * FROM ({select}) AS a) AS b
    ) AS c
    GROUP BY {list}part{by_size}"
    )
}

/// The old rows and the new rows, and the watched columns that differ.
fn paired(plan: &Plan, update: &Update) -> String {
    let key = plan.key.iter().map(|name| {
        let name = quoted(Dialect::Postgres, name);
        format!("o.{name} = n.{name}")
    });
    let key = key.collect::<Vec<_>>().join(" AND ");
    // If the key itself has changed, everything counts as changed.
    let has = |of: &str| {
        let first = quoted(Dialect::Postgres, plan.key[0]);
        format!("{of}.{first} IS NOT NULL")
    };
    let moved = plan.key.iter().flat_map(|name| {
        let name = quoted(Dialect::Postgres, name);
        ["o", "n"].map(|of| format!("{of}.{name} IS NULL OR "))
    });
    let moved: String = moved.collect();
    let pairs = update.watched.iter().map(|name| {
        let differs = differs(name, "o", "n");
        format!("'{name}', ({moved}{differs})")
    });
    let pairs = pairs.collect::<Vec<_>>().join(", ");
    let before = format!("\n            WHERE {moved}");
    let condition = condition(update, "o", "n", &before);
    format!(
        "
            SELECT json_build_object({pairs})::text COLLATE \"C\" AS changed, x.r
            FROM o FULL JOIN n ON {key}
            CROSS JOIN LATERAL (
                SELECT {} AS r WHERE {} UNION ALL SELECT {} WHERE {}
            ) AS x{condition}
        ",
        row("o", &update.columns),
        has("o"),
        row("n", &update.columns),
        has("n"),
    )
}

/// The row as a text with a collation that compares bytes.
fn row(of: &str, columns: &Columns) -> String {
    let pairs = pairs(columns, |name, Stored { kind, .. }| {
        let column = format!("{of}.{}", quoted(Dialect::Postgres, name));
        let (name, bytes) = (key(name), bytes_key(name));
        match kind {
            // As clients receive it: a cast would remove the blanks at the end of a `char(n)`.
            ColumnKind::Text => (name, column),
            // Times as JSON does, whatever the session's settings; numbers with all digits, and JSON in a text.
            ColumnKind::Other => (
                format!(
                    "CASE pg_typeof({column}) WHEN 'bytea'::regtype THEN {bytes} ELSE {name} END"
                ),
                format!(
                    "CASE WHEN pg_typeof({column}) IN ('bytea'::regtype, 'json'::regtype, 'jsonb'::regtype) OR json_typeof(to_json({column})) = 'number' THEN to_json({column}::text) ELSE to_json({column}) END"
                ),
            ),
            _ => (name, format!("{column}::text")),
        }
    });
    format!("json_build_object({pairs})::text COLLATE \"C\"")
}

fn differs(name: &str, old: &str, new: &str) -> String {
    let name = quoted(Dialect::Postgres, name);
    format!("{old}.{name}::text COLLATE \"C\" IS DISTINCT FROM {new}.{name}::text COLLATE \"C\"")
}

/// `{"title":true}` as a text.
fn changed(update: &Update, old: &str, new: &str) -> String {
    let pairs = update
        .watched
        .iter()
        .map(|name| format!("'{name}', {}", differs(name, old, new)));
    let pairs = pairs.collect::<Vec<_>>().join(", ");
    format!("json_build_object({pairs})::text COLLATE \"C\"")
}

fn condition(update: &Update, old: &str, new: &str, before: &str) -> String {
    if !update.only_watched {
        return String::new();
    }
    let differ = update.watched.iter().map(|name| differs(name, old, new));
    format!("{before}{}", differ.collect::<Vec<_>>().join(" OR "))
}
