//! Reading the history: rows of the outbox, the newest first, a page at a time. An index for targets would cost each write;
//! a scan of what may match costs who asks.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{DEAD, DELIVERED_LATER, DONE, LEFT, Result, Store, TAKEN, WAITING, list};
use crate::base::created::unix_ms;
use crate::base::history::{
    AnswerKind, Filter, Finder, NodeAnswer, PurgeCause, PurgeRecord, PurgeState,
};
use crate::base::target::{Target, TargetKind};
use crate::base::target_json;
use crate::base::{canonical, folder};
use crate::outbox::connection::{Row, Value};
use crate::outbox::dialect::Dialect;
use crate::outbox::history;
use crate::outbox::payload::{self, Content, Payload};
use crate::outbox::status::answer_of;
use crate::outbox::stored_target;

/// The number of rows that one statement looks at. Purges of the program wait meanwhile.
const PIECE: i64 = 10_000;

/// The number of rows that are read at a time.
const ROWS: usize = 250;

/// By so much the clocks of two writers may differ.
const CLOCKS: i64 = 60 * 60 * 1000;

/// Purges that were found, and the id below which there may be more.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) records: Vec<PurgeRecord>,
    pub(crate) next: Option<i64>,
}

/// A delivery, as stored.
struct Delivery {
    target: String,
    answer: NodeAnswer,
}

impl Store {
    /// Looks at some of the rows below this id.
    pub(crate) async fn history(&mut self, filter: &Filter, below: i64) -> Result<Page> {
        let sql = self.sql(&format!(
            "SELECT id, created_ms FROM roan_outbox WHERE id < ? ORDER BY id DESC LIMIT 1 OFFSET {PIECE}"
        ));
        let low = self.connection.rows(&sql, &[Value::Int(below)]).await?;
        let low = low
            .first()
            .map(|row| -> Result<_> { Ok((row.int(0)?, row.int(1)?)) })
            .transpose()?;
        let after = filter.after.unwrap_or(i64::MIN);
        let least = low.map_or(after, |(id, _)| id.max(after));
        let rows = self.purges(filter, below, least).await?;
        let last = rows.last().map(|row| row.int(0)).transpose()?;
        let since = filter.since.map(unix_ms);
        let is_over = |(id, created): (i64, i64)| {
            id <= after || since.is_some_and(|since| created < since.saturating_sub(CLOCKS))
        };
        let next = match last {
            Some(last) if rows.len() >= ROWS => Some(last),
            _ => low
                .filter(|low| !is_over(*low))
                .map(|(id, _)| id.saturating_add(1)),
        };
        let records = self.records(&rows, &Finder::new(filter)).await?;
        Ok(Page { records, next })
    }

    async fn purges(&mut self, filter: &Filter, below: i64, above: i64) -> Result<Vec<Row>> {
        let (mut which, mut values) = (String::new(), vec![Value::Int(below), Value::Int(above)]);
        let contains = |column: &str| match self.dialect {
            Dialect::Postgres => format!("strpos({column}, ?) > 0"),
            // Of bytes: a collation costs ten times as much.
            Dialect::MySql => format!("locate(CAST(? AS BINARY), {column}) > 0"),
            Dialect::Sqlite => format!("instr({column}, ?) > 0"),
        };
        let needles = needles(filter);
        if !needles.is_empty() {
            let any = |column: &str| vec![contains(column); needles.len()].join(" OR ");
            // Few rows have targets in both.
            let (asked, yielded) = (any("payload"), any("history"));
            let has_yielded = contains("history");
            which.push_str(&format!(" AND ({asked} OR {has_yielded} AND ({yielded}))"));
            let needles = || needles.iter().map(|needle| Value::Text(needle));
            values.extend(needles());
            values.push(Value::Text(r#""purge""#));
            values.extend(needles());
        }
        if let Some(since) = filter.since {
            which.push_str(" AND created_ms >= ?");
            values.push(Value::Int(unix_ms(since)));
        }
        let node = filter.node.as_deref().map(|node| {
            let mut text = String::new();
            target_json::write_text(&mut text, node);
            text
        });
        if let (Some(node), Some(text)) = (&filter.node, &node) {
            let answered = contains("history");
            which.push_str(&format!(
                " AND ({answered} OR EXISTS (SELECT 1 FROM roan_delivery \
                 WHERE purge_id = roan_outbox.id AND (node = ? OR cache = ?)))"
            ));
            values.extend([Value::Text(text), Value::Text(node), Value::Text(node)]);
        }
        let result = filter
            .result
            .map(|result| format!("\"{}\"", result.as_str()));
        if let (Some(kind), Some(text)) = (filter.result, &result) {
            let states = match kind {
                AnswerKind::Waiting | AnswerKind::Failed => format!("{WAITING}, {TAKEN}"),
                _ => format!("{DEAD}"),
            };
            let answered = contains("history");
            which.push_str(&format!(
                " AND ({answered} OR EXISTS (SELECT 1 FROM roan_delivery \
                 WHERE purge_id = roan_outbox.id AND roan_delivery.state IN ({states})))"
            ));
            values.push(Value::Text(text));
        }
        let columns = self.columns_of_history();
        let sql = self.sql(&format!(
            "SELECT {columns} FROM roan_outbox WHERE id < ? AND id > ?{which} ORDER BY id DESC LIMIT {ROWS}"
        ));
        self.connection.rows(&sql, &values).await
    }

    /// What [`record`] reads.
    fn columns_of_history(&self) -> String {
        let [payload, error, history] =
            ["payload", "error", "history"].map(|column| self.dialect.bytes(column));
        let integer = self.dialect.bigint();
        format!("id, created_ms, CAST(state AS {integer}), ended_ms, {payload}, {error}, {history}")
    }

    async fn records(&mut self, rows: &[Row], finder: &Finder<'_>) -> Result<Vec<PurgeRecord>> {
        let (mut ids, mut late) = (Vec::new(), Vec::new());
        for row in rows {
            ids.push(row.int(0)?);
            if row.int(2)? == DELIVERED_LATER {
                late.push(row.int(0)?);
            }
        }
        let mut deliveries = self.deliveries_of(&ids).await?;
        // A delivery that ends leaves its answer in its row. Between the two looks it would be in neither.
        let mut again = HashMap::new();
        for row in self.rows_of(&late).await? {
            again.insert(row.int(0)?, row);
        }
        let mut records = Vec::new();
        for row in rows {
            let id = row.int(0)?;
            let deliveries = deliveries.remove(&id).unwrap_or_default();
            let mut record = record(again.get(&id).unwrap_or(row), deliveries)?;
            if finder.finds(&mut record) {
                records.push(record);
            }
        }
        Ok(records)
    }

    /// The purges that ended, or of which a node has answered or was given up, at that time and above that id, or later:
    /// ids with the times, the oldest first. Reads an index alone.
    pub(crate) async fn ended_since(
        &mut self,
        (above, unix_ms): (i64, i64),
        limit: usize,
    ) -> Result<Vec<(i64, i64)>> {
        let sql = self.sql(&format!(
            "SELECT id, ended_ms FROM roan_outbox \
             WHERE state IN ({DONE}, {DEAD}, {DELIVERED_LATER}) AND ended_ms >= ? AND (ended_ms > ? OR id > ?) \
             ORDER BY ended_ms, id LIMIT {limit}"
        ));
        let values = [unix_ms, unix_ms, above].map(Value::Int);
        let rows = self.connection.rows(&sql, &values).await?;
        rows.iter()
            .map(|row| Ok((row.int(0)?, row.int(1)?)))
            .collect()
    }

    /// The time of the database.
    pub(crate) async fn now(&mut self) -> Result<i64> {
        let sql = self.sql("SELECT {now}");
        let rows = self.connection.rows(&sql, &[]).await?;
        rows.first().ok_or(sqlx::Error::RowNotFound)?.int(0)
    }

    /// These purges, as far as the filter finds them, the lowest ids first.
    pub(crate) async fn history_of(
        &mut self,
        filter: &Filter,
        ids: &[i64],
    ) -> Result<Vec<PurgeRecord>> {
        let mut records = Vec::new();
        let finder = Finder::new(filter);
        for ids in ids.chunks(ROWS) {
            let rows = self.rows_of(ids).await?;
            records.extend(self.records(&rows, &finder).await?);
        }
        Ok(records)
    }

    async fn rows_of(&mut self, ids: &[i64]) -> Result<Vec<Row>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let columns = self.columns_of_history();
        let sql = self.sql(&format!(
            "SELECT {columns} FROM roan_outbox WHERE id IN {} ORDER BY id",
            list(ids.iter().copied())
        ));
        self.connection.rows(&sql, &[]).await
    }

    async fn deliveries_of(&mut self, purges: &[i64]) -> Result<HashMap<i64, Vec<Delivery>>> {
        let mut of_purges: HashMap<i64, Vec<Delivery>> = HashMap::new();
        if purges.is_empty() {
            return Ok(of_purges);
        }
        let bytes = |column| self.dialect.bytes(column);
        let (cache, node, target, error) = (
            bytes("cache"),
            bytes("node"),
            bytes("target"),
            bytes("error"),
        );
        let integer = self.dialect.bigint();
        let sql = self.sql(&format!(
            "SELECT purge_id, {cache}, {node}, {target}, CAST(state AS {integer}), attempts, {error}, relay \
             FROM roan_delivery WHERE purge_id IN {} ORDER BY id",
            list(purges.iter().copied())
        ));
        for row in &self.connection.rows(&sql, &[]).await? {
            let error = Some(row.shown(6)?).filter(|error| !error.is_empty());
            let attempts = u32::try_from(row.int(5)?).unwrap_or(0);
            let state = row.int(4)?;
            // For another version of the program.
            let is_left = state == WAITING && row.int(7)? != 0;
            let tried = if is_left { 0 } else { attempts };
            let (result, error) = answer_of(state == DEAD, tried, error.as_deref());
            let answer = NodeAnswer {
                error: error.map(str::to_owned),
                attempts,
                ..NodeAnswer::of(&row.shown(1)?.into(), &row.shown(2)?.into(), result)
            };
            of_purges.entry(row.int(0)?).or_default().push(Delivery {
                target: row.shown(3)?,
                answer,
            });
        }
        Ok(of_purges)
    }
}

/// Texts of which a row contains one if it is looked for. Empty if any row may be.
fn needles(filter: &Filter) -> Vec<String> {
    let quoted = |text: &str| {
        let mut quoted = String::new();
        target_json::write_text(&mut quoted, text);
        quoted
    };
    // Another program may escape what need not be escaped.
    let escaped = "\\".to_owned();
    let Some(target) = &filter.target else {
        let is_plain =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
        let text = filter.text.iter();
        let plain = text.filter(|text| text.bytes().all(|byte| is_plain(byte) || byte == b'/'));
        return plain
            .flat_map(|text| [text.clone(), escaped.clone()])
            .collect();
    };
    let everything = "\"everything\"".to_owned();
    let host = "\"host\"".to_owned();
    let prefix = "\"prefix\"".to_owned();
    let mut needles = match target.kind() {
        TargetKind::Everything => vec![everything],
        TargetKind::Host => vec![everything, host],
        TargetKind::Prefix => {
            let folder = folder::location(target.as_str());
            let plain = folder.split('%').next().unwrap_or_default();
            // Any letter of a page below it may be encoded, and a slash be there twice.
            let mut needles = vec![everything, host, prefix, escaped];
            needles.extend(["%", "//"].map(str::to_owned));
            needles.push(format!("\"{plain}"));
            needles
        }
        TargetKind::Tag => vec![everything, escaped, quoted(target.as_str())],
        TargetKind::Url => {
            let path = canonical::path(target.as_str());
            // Any letter may be encoded, and a slash be there twice.
            let respelt = ["%", "//"].map(str::to_owned);
            let mut needles = vec![everything, host, prefix, escaped];
            needles.extend(respelt);
            match path.split_once('%') {
                Some((plain, _)) => needles.push(format!("\"{plain}")),
                None => needles.extend(["\"", "/", "?"].map(|end| format!("\"{path}{end}"))),
            }
            needles
        }
    };
    needles.extend(filter.tags.iter().map(|tag| quoted(tag.as_str())));
    needles
}

fn record(row: &Row, deliveries: Vec<Delivery>) -> Result<PurgeRecord> {
    let state = row.int(2)?;
    let text = row.shown(4)?;
    let mut problem = Some(row.shown(5)?).filter(|error| !error.is_empty());
    let (content, places) = match payload::decode(&text) {
        Ok(Payload::Readable(content)) => {
            let places = (0..content.targets.len()).map(Some).collect();
            (content, places)
        }
        Ok(Payload::Newer(version)) => {
            problem.get_or_insert_with(|| payload::newer(version));
            payload::known_part(&text)
        }
        Err(_) => (Content::default(), Vec::new()),
    };
    let kept = history::read_lines(&row.shown(6)?, &content.targets, &places);
    let mut causes = content.causes;
    let is_known = !kept.causes.is_empty();
    causes.extend(kept.causes);
    if let Some(rows) = content.rows.filter(|_| !is_known) {
        let cause = PurgeCause::unknown().with_event(None, Some(rows.events));
        causes.push(cause.with_table(Some(rows.table)));
    }
    let mut targets = content.targets;
    targets.extend(kept.targets);
    let mut answers = kept.answers;
    let is_open = |kind| matches!(kind, AnswerKind::Waiting | AnswerKind::Failed);
    let is_dropped = answers
        .iter()
        .any(|answer| answer.result == AnswerKind::Dropped);
    let waits = deliveries
        .iter()
        .any(|delivery| is_open(delivery.answer.result));
    let has_deliveries = !deliveries.is_empty();
    for Delivery { target, answer } in deliveries {
        let target = stored_target::read_delivery(&target).ok();
        let target = target.map(|(target, _)| target);
        let place = |target: &Target| targets.iter().position(|known| known == target);
        let place = target.as_ref().and_then(place);
        answers.push(NodeAnswer {
            other_urls: place.is_none(),
            targets: match place {
                Some(place) if targets.len() > 1 => vec![place],
                _ => Vec::new(),
            },
            ..answer
        });
    }
    let state = match state {
        DELIVERED_LATER if waits => PurgeState::Waiting,
        DELIVERED_LATER if has_deliveries || is_dropped => PurgeState::Dead,
        DONE | DELIVERED_LATER => PurgeState::Done,
        DEAD => PurgeState::Dead,
        LEFT => PurgeState::Left,
        _ => PurgeState::Waiting,
    };
    let ended = row.int(3)?;
    let is_over = ended > 0 && !matches!(state, PurgeState::Waiting | PurgeState::Left);
    Ok(PurgeRecord {
        id: row.int(0)?,
        asked: time(row.int(1)?),
        ended: is_over.then(|| time(ended)),
        targets,
        found: Vec::new(),
        causes,
        asks: 1,
        state,
        answers,
        replay_of: kept.replay_of,
        error: problem,
    })
}

fn time(unix_ms: i64) -> SystemTime {
    let since = Duration::from_millis(u64::try_from(unix_ms).unwrap_or(0));
    UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH)
}
