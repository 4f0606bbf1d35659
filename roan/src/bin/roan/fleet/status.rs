//! `roan fleet status`.

use std::time::Duration;

use clap::builder::styling::AnsiColor;
use roan::fleet::{FleetAdmin, FleetNode, FleetNodeState, FleetStatus};
use tokio::time::Instant;

use super::args::StatusArgs;
use super::open;
use crate::args::Format;
use crate::exit::{Exit, Failure};
use crate::output::{Output, counted};
use crate::words::{duration, shown};

/// Longer than an election, which takes up to 15 s where all processors are busy.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn print(
    admin: &FleetAdmin,
    args: &StatusArgs,
    output: &Output,
) -> Result<Exit, Failure> {
    let status = open::status(admin, Instant::now() + PATIENCE, || false).await?;
    match output.format {
        Format::Json => output.line(status.to_json(args.max_lag)),
        Format::Text => {
            as_text(&status, args.max_lag, output);
            if let Some(problem) = &status.problem {
                output.line(output.painted(AnsiColor::Red, shown(problem)));
            }
            for warning in &status.warnings {
                output.line(shown(warning));
            }
        }
    }
    let has_problem = status
        .nodes
        .iter()
        .any(|node| node.problem(args.max_lag).is_some());
    Ok(if has_problem || status.problem.is_some() {
        Exit::Failed
    } else {
        Exit::Done
    })
}

/// The names of the columns.
const HEAD: [&str; 7] = [
    "node",
    "state",
    "lag",
    "oldest",
    "acknowledged",
    "last answer",
    "heard",
];

fn as_text(status: &FleetStatus, max_lag: Duration, output: &Output) {
    let kept = match status.messages {
        0 => "no message".to_owned(),
        messages => format!(
            "{}, {} to {}, {} kB",
            counted(messages, "message"),
            status.first,
            status.last,
            status.bytes.div_ceil(1000)
        ),
    };
    output.line(format_args!("stream  {}: {kept}", shown(&status.stream)));
    if status.nodes.is_empty() {
        output.line("nodes   none: no agent has used this stream, or all of them have been away for longer than it keeps their consumers");
        return;
    }
    let rows: Vec<_> = status.nodes.iter().map(cells).collect();
    let widths: Vec<usize> = (0..HEAD.len())
        .map(|column| {
            let cells = rows.iter().map(|row| row[column].chars().count());
            cells.chain([HEAD[column].len()]).max().unwrap_or_default()
        })
        .collect();
    output.line(aligned(&HEAD.map(str::to_owned), &widths, |_, cell| cell));
    for (node, row) in status.nodes.iter().zip(&rows) {
        let is_well = node.problem(max_lag).is_none();
        let row = aligned(row, &widths, |column, cell| match (column, is_well) {
            (1, true) => output.painted(AnsiColor::Green, cell),
            (1, false) => output.painted(AnsiColor::Red, cell),
            _ => cell,
        });
        output.line(row);
    }
    for node in &status.nodes {
        if let Some(problem) = node.problem(max_lag) {
            output.line(format_args!("{}: {}", shown(&node.node), shown(&problem)));
        }
        for warning in &node.warnings {
            output.line(format_args!("{}: {}", shown(&node.node), shown(warning)));
        }
    }
}

/// A line of the table: numbers at the right, words at the left.
fn aligned(
    cells: &[String; 7],
    widths: &[usize],
    paint: impl Fn(usize, String) -> String,
) -> String {
    let cells = cells.iter().zip(widths).enumerate();
    let cells = cells.map(|(column, (cell, width))| {
        let room = " ".repeat(width.saturating_sub(cell.chars().count()));
        let is_number = [2, 4].contains(&column);
        let cell = paint(column, cell.clone());
        match is_number {
            true => format!("{room}{cell}"),
            false => format!("{cell}{room}"),
        }
    });
    let cells: Vec<_> = cells.collect();
    cells.join("  ").trim_end().to_owned()
}

fn cells(node: &FleetNode) -> [String; 7] {
    let ago = |time: Duration| format!("{} ago", duration(time));
    let none = || "-".to_owned();
    [
        shown(&node.node),
        node.state.to_string(),
        match node.acknowledged {
            Some(_) => node.lag.to_string(),
            None => none(),
        },
        match node.oldest {
            Some((sequence, age)) => format!("{sequence}, {}", ago(age)),
            None => none(),
        },
        node.acknowledged
            .map_or_else(none, |sequence| sequence.to_string()),
        match &node.last_answer {
            Some((since, outcome, _)) => format!("{}, {}", shown(outcome), ago(*since)),
            None => none(),
        },
        match (node.heard, node.state) {
            (Some(heard), _) => ago(heard),
            (None, FleetNodeState::Gone) => "never".to_owned(),
            (None, _) => none(),
        },
    ]
}
