//! The dispatcher's thread: wakes for work, and does it.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::batch::Batch;
use super::command::{Command, Flush, Later};
use super::engine::Engine;
use super::exit;
#[cfg(feature = "metrics")]
use super::measure::Measuring;
use super::tiers::Wanted;
use crate::base::cause::Cause;
use crate::base::history::Asking;
use crate::base::log::loudly;
use crate::base::outcome::Outcome;
use crate::error::ConfigError;

/// After this many wakings within [`PACE`], the thread sleeps for that time: waking it is the most expensive part of a
/// hook.
const WAKINGS: u32 = 16;
const PACE: Duration = Duration::from_millis(1);

/// Without a timer, the thread wakes this often.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

/// While a flush waits for an empty durable outbox, the thread requests a look this often.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// After this many targets from the inbox, requests get their turn.
const BATCH: usize = 512;

thread_local! {
    static STARTING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this is the thread of a dispatcher whose start another thread awaits.
pub(crate) fn is_starting() -> bool {
    STARTING.get()
}

/// Starts the thread. It ends on [`Command::End`], or after [`Command::Close`] as soon as nothing waits.
///
/// # Errors
///
/// If it cannot be started, or the durable outbox cannot be used.
pub(crate) fn start(engine: Arc<Engine>) -> Result<(), ConfigError> {
    exit::watch(&engine);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| ConfigError::Start(Cause::new(error)))?;
    let (report, started) = std::sync::mpsc::channel();
    std::thread::Builder::new()
        .name("roan".to_owned())
        .spawn(move || {
            let engine = CloseOnDrop(engine);
            runtime.block_on(async {
                STARTING.set(true);
                let result = match &engine.0.source {
                    Some(source) => source.start(&engine.0).await,
                    None => Ok(()),
                };
                STARTING.set(false);
                let is_started = result.is_ok();
                // The starting thread waits for this.
                let _ = report.send(result);
                if is_started {
                    run(Arc::clone(&engine.0)).await;
                }
            });
        })
        .map_err(|error| ConfigError::Start(Cause::new(error)))?;
    let ended = || ConfigError::Start(Cause::new("the thread has ended"));
    started.recv().map_err(|_| ended())?
}

async fn run(engine: Arc<Engine>) {
    engine.introduce();
    for node in &engine.nodes {
        engine.check(node);
    }
    let mut flushes: Vec<Flush> = Vec::new();
    let mut later: Vec<Later> = Vec::new();
    let mut closing = false;
    let mut spare = Batch::default();
    let mut wakings = 0;
    let mut window = Instant::now();
    #[cfg(feature = "metrics")]
    let mut measuring = Measuring::default();
    loop {
        take_in(&engine, &mut spare).await;
        let mut commands = engine.commands.take().into_iter();
        while let Some(command) = commands.next() {
            match command {
                Command::Flush(flush) => flushes.push(flush),
                Command::Close => {
                    closing = true;
                    engine.stop_source().await;
                }
                Command::Later(work) => later.push(work),
                #[cfg(any(feature = "_sql", feature = "dashboard", feature = "doctor"))]
                Command::Run(work) => drop(tokio::spawn(work)),
                Command::End { timeout, .. } => {
                    for one in later {
                        if one.needed.strong_count() > 0 {
                            (one.work)();
                        }
                    }
                    let waiting = flushes.into_iter().map(Command::Flush);
                    let all = waiting.chain([command]).chain(commands).collect();
                    return end(&engine, Some(timeout), all, &mut spare).await;
                }
            }
        }
        let mut due = tend(&engine);
        do_what_is_due(&mut later, &mut due);
        answer_flushes(&engine, &mut flushes, !later.is_empty(), &mut due);
        #[cfg(feature = "metrics")]
        measuring.tend(&engine, &mut due);
        engine
            .watched
            .store(closing || !flushes.is_empty(), Ordering::Relaxed);
        if closing && flushes.is_empty() && later.is_empty() && engine.inbox.is_empty() {
            if engine.left(true).nodes.is_empty() {
                return;
            }
            if engine.waits_for_paused_nodes_only() {
                // No handle is left by which they could be resumed.
                return end(&engine, None, Vec::new(), &mut spare).await;
            }
        }
        wakings += 1;
        if window.elapsed() > PACE {
            wakings = 0;
            window = Instant::now();
        } else if wakings > WAKINGS {
            tokio::time::sleep(PACE).await;
            continue;
        }
        engine.inbox.doze();
        if !engine.commands.is_empty() || !engine.inbox.is_empty() {
            continue;
        }
        *engine.sleeps_until.lock() = due;
        // In both cases it is time to look.
        let _ = tokio::time::timeout_at(due.into(), engine.inbox.woken()).await;
        engine.inbox.rouse();
    }
}

/// Moves targets from the inbox to the queues of the nodes.
async fn take_in(engine: &Arc<Engine>, spare: &mut Batch) {
    for slot in 0..engine.inbox.slots() {
        engine.inbox.take(slot, spare);
        let now = Instant::now();
        for (number, waiting) in spare.drain().enumerate() {
            engine.accept_direct(waiting, now);
            engine.inbox.passed_on();
            if number % BATCH == BATCH - 1 {
                engine.pump_all();
                tokio::task::yield_now().await;
            }
        }
    }
    engine.pump_all();
}

/// Handles timers and ages, and returns the time at which to do so again.
fn tend(engine: &Arc<Engine>) -> Instant {
    let now = Instant::now();
    let straggler = engine.purge_due_stragglers(now);
    for node in &engine.nodes {
        let (dead, turn, held_back, paused, _handover) = {
            let mut queue = node.queue();
            queue.fire_timers(now);
            let dead = queue.expire(now);
            let handover = (!dead.is_empty()).then(|| engine.handovers.begin());
            (
                dead,
                queue.tell(now),
                queue.tell_held_back(now),
                queue.remind(now),
                handover,
            )
        };
        if let Some(paused) = paused {
            node.tell_paused(paused);
        }
        if let Some(held_back) = held_back {
            node.tell_held_back(&held_back);
        }
        if let Some(turn) = turn {
            node.tell(turn);
        }
        for job in dead {
            // The next cache need not do without it.
            if !job.passed_on {
                let asking = Asking::of(now, job.records.as_slice()).written(job.written);
                let wanted = Wanted {
                    onward: &job.onward,
                    ..Wanted::new(&job.target, asking, &[])
                };
                engine.ask_tier(node.tier + 1, &wanted, now);
            }
            let outcome = Outcome::Dead(node.too_old(job.attempts));
            engine.end_unsent(node, &job, outcome, now);
        }
    }
    engine.pump_all();
    let due = engine
        .nodes
        .iter()
        .filter_map(|node| node.queue().next_due())
        .chain(straggler)
        .min();
    due.map_or(now + LONGEST_SLEEP, |due| due.min(now + LONGEST_SLEEP))
}

fn do_what_is_due(later: &mut Vec<Later>, due: &mut Instant) {
    let now = Instant::now();
    let mut waiting = Vec::new();
    for one in std::mem::take(later) {
        if one.needed.strong_count() == 0 {
            continue;
        }
        if one.due <= now {
            (one.work)();
            *due = now;
        } else {
            *due = one.due.min(*due);
            waiting.push(one);
        }
    }
    *later = waiting;
}

fn answer_flushes(
    engine: &Engine,
    flushes: &mut Vec<Flush>,
    more_will_come: bool,
    due: &mut Instant,
) {
    let now = Instant::now();
    let mut waiting = Vec::new();
    for mut flush in std::mem::take(flushes) {
        let mut left = engine.left(flush.rebounds);
        let rows = engine.waiting_at(flush.look);
        left.outbox = rows.unwrap_or_default();
        left.outbox_unread = rows.is_none();
        let is_idle = !more_will_come
            && left.nodes.is_empty()
            && engine.inbox.is_empty()
            && !engine.tickets.has_news();
        let (looked, was_idle) = flush.looked;
        // An answer that came after the look may have left a row in the database.
        let is_empty = is_idle && rows == Some(0) && (was_idle || flush.look.is_none());
        if is_empty || now >= flush.deadline {
            // The caller may have gone.
            let _ = flush.reply.send(left);
            continue;
        }
        *due = flush.deadline.min(*due);
        if flush.look.is_some() {
            if rows.is_some() && (now >= looked + LOOK_AGAIN || is_idle && !was_idle) {
                flush.look = engine.want_look();
                flush.looked = (now, is_idle);
            }
            // The answer to a look wakes the thread; a database that does not answer must not keep it busy.
            let since = if rows.is_some() { flush.looked.0 } else { now };
            *due = (since + LOOK_AGAIN).min(*due);
        }
        waiting.push(flush);
    }
    *flushes = waiting;
}

/// Closes the inbox, reports what remains, and answers these commands and those not received yet. `timeout` is that of a
/// shutdown.
async fn end(
    engine: &Arc<Engine>,
    timeout: Option<Duration>,
    commands: Vec<Command>,
    spare: &mut Batch,
) {
    engine.inbox.close();
    take_in(engine, spare).await;
    engine.stop_source().await;
    let now = Instant::now();
    for node in &engine.nodes {
        node.queue().give_back(now);
    }
    engine.purge_all_stragglers(now);
    let left = engine.left(true);
    for node in &engine.nodes {
        let jobs = node.queue().drain(now);
        for job in jobs {
            engine.end_unsent(node, &job, Outcome::Abandoned, now);
        }
    }
    if !left.nodes.is_empty() {
        // Here, and not by the caller, who may drop the answer.
        match timeout {
            Some(timeout) => loudly(format_args!(
                "the dispatcher was shut down, but could not send everything within {timeout:?}: {left}"
            )),
            None => loudly(format_args!(
                "the dispatcher ends with its last handle, by which nodes could be resumed: {left}"
            )),
        }
    }
    for command in commands {
        command.answer(&left);
    }
    engine.close(left);
}

/// Answers all commands, however the thread ends.
struct CloseOnDrop(Arc<Engine>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        if std::thread::panicking() {
            loudly(format_args!(
                "the dispatcher has panicked: Roan does not purge anything any more"
            ));
        }
        self.0.close(self.0.left(true));
    }
}
