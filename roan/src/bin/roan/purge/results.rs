//! What became of each purge: counted and printed.

use std::cell::Cell;
use std::fmt::Write;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use clap::builder::styling::AnsiColor;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use roan::history::AnswerKind;
use roan::{Failure as PurgeFailure, Outcome, Report, Reports, Roan, Target, TargetKind};
use serde_json::{Value, json};

use super::feed::Stopped;
use super::pages::{Refused, Why};
use crate::args::Format;
use crate::exit::{Exit, Failure};
use crate::output::{Output, counted, note};

/// So many URLs that were left out are named; the others are counted.
const NAMED: u64 = 10;

/// So many results are printed at once.
const AT_ONCE: usize = 1024;

/// Between two looks at the results: not longer than what can be kept of them, [`REPORTS`](super::feed::REPORTS), lasts by far.
const REST: Duration = Duration::from_millis(5);

/// A thread reads the results from the dispatcher, so that none is missed while another prints them.
pub(super) struct Results {
    output: Output,
    bar: ProgressBar,
    counts: Arc<Counts>,
    unprinted: Arc<AtomicUsize>,
    /// Why the first part of the input could not be read.
    unread: Cell<Option<Exit>>,
    reader: JoinHandle<u64>,
    printer: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Counts {
    sent: AtomicU64,
    purged: AtomicU64,
    not_cached: AtomicU64,
    /// Of those that are not cached.
    unproven: AtomicU64,
    refused: AtomicU64,
    dead: AtomicU64,
    /// Of those: no connection.
    unreachable: AtomicU64,
    dropped: AtomicU64,
    abandoned: AtomicU64,
    rebounds: AtomicU64,
    failed_rebounds: AtomicU64,
    other_hosts: AtomicU64,
    not_urls: AtomicU64,
    problems: AtomicU64,
}

fn add(count: &AtomicU64) -> u64 {
    count.fetch_add(1, Ordering::Relaxed)
}

fn get(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

impl Counts {
    /// Counts a result, and says whether it is one to print.
    fn count(&self, report: &Report) -> bool {
        if report.rebound {
            return match report.outcome {
                Outcome::Purged | Outcome::NotCached => {
                    add(&self.rebounds);
                    false
                }
                Outcome::Failed(_) => false,
                _ => {
                    add(&self.failed_rebounds);
                    true
                }
            };
        }
        let count = match &report.outcome {
            Outcome::Purged => &self.purged,
            Outcome::NotCached => {
                if !report.verified {
                    add(&self.unproven);
                }
                &self.not_cached
            }
            Outcome::Refused(_) => &self.refused,
            Outcome::Dead(failure) => {
                if matches!(failure, PurgeFailure::Connect(_)) {
                    add(&self.unreachable);
                }
                &self.dead
            }
            Outcome::Dropped => &self.dropped,
            Outcome::Abandoned => &self.abandoned,
            // It is tried again.
            _ => return false,
        };
        add(count);
        true
    }

    fn bad(&self) -> u64 {
        let counts = [
            &self.refused,
            &self.dead,
            &self.dropped,
            &self.abandoned,
            &self.failed_rebounds,
        ];
        counts.into_iter().map(get).sum()
    }
}

impl Results {
    /// Begins to print: on a terminal only what a person must look at, elsewhere each result. `length` is the number of targets, if it is known.
    pub(super) fn print(
        roan: &Roan,
        output: Output,
        length: Option<usize>,
    ) -> Result<Self, Failure> {
        let has_bar = output.is_terminal && output.format == Format::Text;
        let bar = if has_bar {
            progress(length)
        } else {
            ProgressBar::hidden()
        };
        let counts = Arc::<Counts>::default();
        let unprinted = Arc::<AtomicUsize>::default();
        let (lines, to_print) = mpsc::channel::<Vec<Report>>();
        let reader = {
            let (reports, counts) = (roan.subscribe(), Arc::clone(&counts));
            let unprinted = Arc::clone(&unprinted);
            spawn(move || read(reports, &counts, &lines, &unprinted))?
        };
        let printer = {
            let (output, bar) = (output.clone(), bar.clone());
            let unprinted = Arc::clone(&unprinted);
            spawn(move || {
                let mut lines = String::new();
                while let Ok(reports) = to_print.recv() {
                    bar.inc(reports.len() as u64);
                    for report in &reports {
                        if !(has_bar && report.outcome.is_done()) {
                            show(&output, report, &mut lines);
                        }
                    }
                    bar.suspend(|| output.bytes(lines.as_bytes()));
                    lines.clear();
                    unprinted.fetch_sub(reports.len(), Ordering::Relaxed);
                }
            })?
        };
        Ok(Self {
            output,
            bar,
            counts,
            unprinted,
            unread: Cell::new(None),
            reader,
            printer,
        })
    }

    /// The number of results that were read and not printed yet.
    pub(super) fn unprinted(&self) -> usize {
        self.unprinted.load(Ordering::Relaxed)
    }

    pub(super) fn sent(&self) {
        add(&self.counts.sent);
    }

    /// Leaves out a URL of the input.
    pub(super) fn refuse(&self, refused: &Refused) {
        let (count, what) = match refused.why {
            Why::OtherHost => (&self.counts.other_hosts, "other host"),
            Why::NotAUrl => (&self.counts.not_urls, "not a URL"),
        };
        let before = add(count);
        if self.output.format == Format::Json {
            let line = json!({"result": "left out", "why": what, "message": refused.message});
            self.output.line(line);
        } else if before < NAMED {
            self.note(&format!("left out: {}", refused.message));
        } else if before == NAMED {
            self.note(&format!(
                "left out: more with this reason ({what}), which are counted only"
            ));
        }
    }

    /// A part of the input that cannot be read.
    pub(super) fn unread(&self, why: &Failure) {
        add(&self.counts.problems);
        self.unread.set(self.unread.get().or(Some(why.exit)));
        self.note(&why.message);
    }

    fn note(&self, message: &str) {
        self.bar.suspend(|| note(format_args!("roan: {message}")));
    }

    /// Waits until all is printed, and prints the summary.
    pub(super) fn end(self, stopped: Option<Stopped>, read: u64) -> Result<Exit, Failure> {
        // The dispatcher has ended, so the reader does, and then the printer.
        let missed = self.reader.join().unwrap_or_default();
        let _ = self.printer.join();
        self.bar.finish_and_clear();
        let counts = &self.counts;
        let left_out = get(&counts.other_hosts) + get(&counts.not_urls);
        let incomplete = left_out + get(&counts.problems) > 0;
        let done = get(&counts.purged) + get(&counts.not_cached);
        let exit = match stopped {
            Some(Stopped::Interrupted) => Exit::Interrupted,
            Some(Stopped::Unreachable) => Exit::Unreachable,
            None if counts.bad() > 0 && done == 0 && get(&counts.unreachable) == counts.bad() => {
                Exit::Unreachable
            }
            None if counts.bad() > 0 => Exit::Failed,
            None if get(&counts.sent) == 0 && self.unread.get().is_some() => {
                self.unread.get().unwrap_or(Exit::Incomplete)
            }
            None if incomplete => Exit::Incomplete,
            None => Exit::Done,
        };
        match self.output.format {
            Format::Json => self
                .output
                .line(json!({"summary": summary(counts, missed, exit)})),
            Format::Text => self.output.line(text(counts, missed)),
        }
        let end = match stopped {
            Some(Stopped::Interrupted) => "ended by a signal",
            Some(Stopped::Unreachable) => "no cache answers",
            None => return Ok(exit),
        };
        note(format_args!(
            "roan: {end}: {} sent and not answered; the input was read up to its entry {read}, and what \
             follows was not sent",
            counted(get(&counts.abandoned), "purge")
        ));
        Ok(exit)
    }
}

fn spawn<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, Failure> {
    let thread = thread::Builder::new().spawn(work);
    thread.map_err(|error| Failure::new(Exit::Failed, format!("cannot start a thread: {error}")))
}

/// Reads the results until the dispatcher has ended, and returns the number of those that it missed.
fn read(
    mut reports: Reports,
    counts: &Counts,
    lines: &mpsc::Sender<Vec<Report>>,
    unprinted: &AtomicUsize,
) -> u64 {
    while let Some(first) = reports.next_blocking() {
        let mut to_print = Vec::new();
        let mut next = Some(first);
        while let Some(report) = next {
            if counts.count(&report) {
                to_print.push(report);
            }
            let has_room = to_print.len() < AT_ONCE;
            next = has_room.then(|| at_hand(&mut reports)).flatten();
        }
        if !to_print.is_empty() {
            unprinted.fetch_add(to_print.len(), Ordering::Relaxed);
            // The printer ends last.
            let _ = lines.send(to_print);
        }
        // To be woken for each result would cost the dispatcher as much as the purge itself.
        thread::sleep(REST);
    }
    reports.missed()
}

/// The next result, if it is there already.
fn at_hand(reports: &mut Reports) -> Option<Report> {
    let next = pin!(reports.next());
    match next.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(report) => report,
        Poll::Pending => None,
    }
}

fn progress(length: Option<usize>) -> ProgressBar {
    let length = length.and_then(|length| u64::try_from(length).ok());
    let bar = ProgressBar::with_draw_target(length, ProgressDrawTarget::stderr());
    let template = match length {
        Some(_) => "{bar:30} {pos} of {len} answers, {per_sec}, {eta} left",
        None => "{spinner} {pos} answers, {per_sec}, {elapsed}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// Adds the line of a result.
fn show(output: &Output, report: &Report, lines: &mut String) {
    // Writing to a `String` does not fail.
    if output.format == Format::Json {
        let _ = writeln!(lines, "{}", json(report));
        return;
    }
    let colour = match report.outcome {
        Outcome::Purged => AnsiColor::Green,
        Outcome::NotCached => AnsiColor::Yellow,
        _ => AnsiColor::Red,
    };
    let result = AnswerKind::from(&report.outcome);
    let word = output.painted(colour, format_args!("{result:<11}"));
    let _ = write!(lines, "{word} {}", report.target);
    if !report.node.is_empty() {
        let _ = write!(lines, " at {} {}", report.cache, report.node);
    }
    if let Some(words) = error(report).or_else(|| hint(report)) {
        let _ = write!(lines, ": {words}");
    }
    lines.push('\n');
}

/// What a tag that no page carries may be meant for: a template encodes in a value what separates values here.
fn doubtful_tag(target: &Target) -> Option<String> {
    let separators = [(':', "%3A"), ('/', "%2F"), ('=', "%3D")];
    let mut has = separators
        .iter()
        .filter(|(separator, _)| target.as_str().contains(*separator));
    let (separator, encoded) = has.next()?;
    (target.kind() == TargetKind::Tag).then(|| {
        format!(
            "if the `{separator}` is in a value of a row, write it as a template does, `{encoded}`"
        )
    })
}

/// Why the page may still be there.
fn error(report: &Report) -> Option<String> {
    match report.outcome {
        Outcome::Abandoned => Some("not answered before the end".to_owned()),
        ref outcome => outcome.error(),
    }
}

/// What there is to say about a page that was not cached.
fn hint(report: &Report) -> Option<String> {
    let is_doubtful = report.outcome == Outcome::NotCached;
    is_doubtful.then(|| doubtful_tag(&report.target)).flatten()
}

fn json(report: &Report) -> Value {
    json!({
        "target": report.target,
        "cache": name(&report.cache),
        "node": name(&report.node),
        "result": AnswerKind::from(&report.outcome),
        "error": error(report),
        "status": report.status,
        "verified": report.verified,
        "rebound": report.rebound,
        "attempts": report.attempts,
        "hint": hint(report),
    })
}

/// A purge that was not sent to any node has no name of it.
fn name(name: &str) -> Option<&str> {
    Some(name).filter(|name| !name.is_empty())
}

fn summary(counts: &Counts, missed: u64, exit: Exit) -> Value {
    json!({
        "targets": get(&counts.sent),
        "purged": get(&counts.purged),
        "not_cached": get(&counts.not_cached),
        "not_cached_unproven": get(&counts.unproven),
        "refused": get(&counts.refused),
        "dead": get(&counts.dead),
        "dropped": get(&counts.dropped),
        "abandoned": get(&counts.abandoned),
        "rebounds": get(&counts.rebounds),
        "failed_rebounds": get(&counts.failed_rebounds),
        "other_hosts": get(&counts.other_hosts),
        "not_urls": get(&counts.not_urls),
        "unreadable_inputs": get(&counts.problems),
        "missed_results": missed,
        "exit_code": exit as u8,
    })
}

fn text(counts: &Counts, missed: u64) -> String {
    let mut parts = Vec::new();
    for (count, what) in [
        (&counts.purged, "purged"),
        (&counts.not_cached, "not cached"),
        (&counts.refused, "refused"),
        (&counts.dead, "dead"),
        (&counts.dropped, "dropped"),
        (&counts.abandoned, "abandoned"),
    ] {
        if get(count) > 0 {
            parts.push(format!("{} {what}", get(count)));
        }
    }
    for (count, one, rest) in [
        (get(&counts.rebounds), "rebound", ""),
        (get(&counts.failed_rebounds), "failed rebound", ""),
        (get(&counts.other_hosts), "URL", " of other hosts left out"),
        (get(&counts.not_urls), "line", " without a URL left out"),
        (get(&counts.problems), "input", " not read to the end"),
        (missed, "result", " not seen"),
    ] {
        if count > 0 {
            parts.push(format!("{}{rest}", counted(count, one)));
        }
    }
    if parts.is_empty() {
        parts.push("nothing to do".to_owned());
    }
    let sent = counted(get(&counts.sent), "target");
    let mut text = format!("{sent}: {}", parts.join(", "));
    if get(&counts.unproven) > 0 {
        let _ = write!(
            text,
            "\n{} of those that are not cached are without proof: nothing shows that the cache would have found them. \
             `roan doctor URL` finds out",
            get(&counts.unproven)
        );
    }
    text
}
