//! Purges of the past for people.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use clap::builder::styling::AnsiColor;
use roan::history::{AnswerKind, NodeAnswer, PurgeCause, PurgeRecord, PurgeState};

use crate::outbox::words::line;
use crate::output::Output;

/// More targets and causes of one purge are counted only.
const MOST: usize = 5;

/// A purge in several lines.
pub(super) fn purge(purge: &PurgeRecord, output: &Output) -> String {
    let mut text = format!(
        "{}  row {}  {}",
        humantime::format_rfc3339_seconds(purge.asked),
        purge.id,
        state(purge, output)
    );
    text.push_str(&replayed(purge));
    if let Some(error) = &purge.error {
        let _ = write!(text, ": {}", line(error));
    }
    let found = match &*purge.found {
        [] => (0..purge.targets.len()).collect(),
        some => some.to_vec(),
    };
    let _ = write!(text, "\n    purges   {}", targets(purge, &found));
    let others = purge.targets.len() - found.len();
    if others > 0 {
        let _ = write!(text, " (and {others} other targets of the write)");
    }
    let mut causes = causes_of(purge, &found).peekable();
    if causes.peek().is_none() {
        text.push_str("\n    because  the row does not say");
    }
    let mut traces = Vec::new();
    for cause in causes {
        let _ = write!(text, "\n    because  {}", line(&cause.to_string()));
        traces.extend(cause.trace());
    }
    traces.dedup();
    for trace in traces {
        let _ = write!(text, "\n    trace    {trace}");
    }
    let answers = answers(purge, &found, output);
    if answers.is_empty() && purge.state == PurgeState::Waiting {
        text.push_str(
            "\n    answers  none is written down yet: that is done when all nodes have answered and the rebound is over",
        );
    }
    for answer in answers {
        let _ = write!(text, "\n    {answer}");
    }
    text
}

/// A purge in one line.
pub(super) fn short(purge: &PurgeRecord, output: &Output) -> String {
    let time = purge.ended.unwrap_or_else(SystemTime::now);
    let all: Vec<_> = (0..purge.targets.len()).collect();
    let answers = answers(purge, &all, output);
    let mut text = format!(
        "{}  row {}  {}  {}",
        humantime::format_rfc3339_seconds(time),
        purge.id,
        state(purge, output),
        targets(purge, &all)
    );
    text.push_str(&replayed(purge));
    if !answers.is_empty() {
        let _ = write!(text, "  [{}]", answers.join("; "));
    }
    for cause in purge.causes.iter().take(MOST) {
        let _ = write!(text, "  {}", line(&cause.to_string()));
    }
    if purge.causes.len() > MOST {
        let _ = write!(text, "  and {} other causes", purge.causes.len() - MOST);
    }
    if let Some(error) = &purge.error {
        let _ = write!(text, "  {}", line(error));
    }
    text
}

fn state(purge: &PurgeRecord, output: &Output) -> String {
    let colour = match purge.state {
        PurgeState::Done => AnsiColor::Green,
        PurgeState::Dead => AnsiColor::Red,
        _ => AnsiColor::Yellow,
    };
    let state = output.painted(colour, purge.state);
    let took = purge
        .ended
        .and_then(|ended| ended.duration_since(purge.asked).ok());
    match took {
        Some(took) => format!("{state} after {}", after(took)),
        None => state,
    }
}

fn replayed(purge: &PurgeRecord) -> String {
    purge
        .replay_of
        .map_or_else(String::new, |id| format!(", a replay of row {id}"))
}

fn after(took: Duration) -> String {
    let millis = Duration::from_millis(u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
    let rounded = match millis.as_secs() {
        0 => millis,
        seconds => Duration::from_secs(seconds),
    };
    humantime::format_duration(rounded).to_string()
}

fn targets(purge: &PurgeRecord, places: &[usize]) -> String {
    let mut shown: Vec<_> = places
        .iter()
        .filter_map(|place| purge.targets.get(*place))
        .take(MOST)
        .map(|target| line(&target.to_string()))
        .collect();
    if places.len() > MOST {
        shown.push(format!("{} more", places.len() - MOST));
    }
    if shown.is_empty() {
        // The rows of a trigger that no relay has read yet, or what nobody can read.
        let is_of_trigger = purge.causes.iter().any(|cause| cause.table().is_some());
        return match is_of_trigger {
            true => "what the rules yield".to_owned(),
            false => "not known: this version of `roan` cannot read the row".to_owned(),
        };
    }
    shown.join(", ")
}

fn is_of(of: &[usize], places: &[usize]) -> bool {
    of.is_empty() || of.iter().any(|place| places.contains(place))
}

fn causes_of<'p>(
    purge: &'p PurgeRecord,
    places: &'p [usize],
) -> impl Iterator<Item = &'p PurgeCause> {
    let causes = purge.causes.iter();
    causes.filter(|cause| is_of(cause.targets(), places))
}

/// The answers about these targets. Equal ones of several targets are one, with the targets that it is about unless it is
/// about all.
fn answers(purge: &PurgeRecord, places: &[usize], output: &Output) -> Vec<String> {
    let mut groups: Vec<(String, Vec<usize>)> = Vec::new();
    let answers = purge.answers.iter();
    for answer in answers.filter(|answer| is_of(&answer.targets, places)) {
        let text = words(answer, is_once_more(purge, answer), output);
        let about = places.iter().copied();
        let about = about.filter(|place| is_of(&answer.targets, &[*place]));
        match groups.iter_mut().find(|(known, _)| *known == text) {
            Some((_, all)) => all.extend(about),
            None => groups.push((text, about.collect())),
        }
    }
    let shown = groups.into_iter().map(|(text, mut about)| {
        about.sort_unstable();
        about.dedup();
        match about.len() < places.len() {
            true => format!("{text} (for {})", targets(purge, &about)),
            false => text,
        }
    });
    shown.collect()
}

/// Whether the node has answered before, and is asked again: by the rebound, or because an earlier cache was late.
fn is_once_more(purge: &PurgeRecord, answer: &NodeAnswer) -> bool {
    let is_open = |kind| matches!(kind, AnswerKind::Waiting | AnswerKind::Failed);
    is_open(answer.result)
        && !answer.other_urls
        && purge.answers.iter().any(|before| {
            let is_about = |place: &usize| is_of(&before.targets, &[*place]);
            before.cache == answer.cache
                && before.node == answer.node
                && !is_open(before.result)
                && !before.other_urls
                && (answer.targets.is_empty() || answer.targets.iter().any(is_about))
        })
}

fn words(answer: &NodeAnswer, is_once_more: bool, output: &Output) -> String {
    let colour = match answer.result {
        AnswerKind::Purged => AnsiColor::Green,
        AnswerKind::NotCached | AnswerKind::Waiting => AnsiColor::Yellow,
        _ => AnsiColor::Red,
    };
    let mut text = format!(
        "{} {}  {}",
        line(&answer.cache),
        line(&answer.node),
        output.painted(colour, answer.result)
    );
    let mut more = Vec::new();
    if answer.other_urls {
        more.push(match answer.count {
            1 => "another URL".to_owned(),
            count => format!("{count} other URLs"),
        });
    }
    if answer.rebound {
        more.push("by the rebound".to_owned());
    }
    if is_once_more {
        more.push("once more, after an answer".to_owned());
    }
    match (answer.result, answer.verified) {
        (AnswerKind::NotCached, false) => more.push("unproven".to_owned()),
        (AnswerKind::NotCached | AnswerKind::Purged, true) => more.push("key verified".to_owned()),
        _ => {}
    }
    if answer.attempts > 1 {
        more.push(format!("{} attempts", answer.attempts));
    }
    if !more.is_empty() {
        let _ = write!(text, " ({})", more.join(", "));
    }
    if let Some(error) = &answer.error {
        let _ = write!(text, ": {}", line(error));
    }
    text
}
