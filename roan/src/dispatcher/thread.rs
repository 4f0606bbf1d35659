//! The dispatcher's thread: wakes when there is something to do, and does it.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::engine::Engine;
use super::orders::{Flush, Order};
use crate::announce::loudly;
use crate::error::ConfigError;
use crate::outbox::Batch;
use crate::outcome::Outcome;

/// After so many wakings within [`PACE`] the thread lets the hooks work for that long in peace:
/// waking it costs them more than all the rest.
const WAKINGS: u32 = 16;
const PACE: Duration = Duration::from_millis(1);

/// Without a timer the thread looks after itself this often.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

/// Between so many targets from the inbox, requests get their turn.
const BATCH: usize = 512;

/// Starts the thread. It ends by [`Order::End`], or after [`Order::Close`] when nothing waits.
pub(super) fn start(engine: Arc<Engine>) -> Result<(), ConfigError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| ConfigError::Start(error.to_string()))?;
    std::thread::Builder::new()
        .name("roan".to_owned())
        .spawn(move || {
            let ending = Ending(engine);
            runtime.block_on(run(Arc::clone(&ending.0)));
        })
        .map_err(|error| ConfigError::Start(error.to_string()))?;
    Ok(())
}

async fn run(engine: Arc<Engine>) {
    let mut flushes: Vec<Flush> = Vec::new();
    let mut closing = false;
    let mut spare = Batch::new();
    let mut wakings = 0;
    let mut window = Instant::now();
    loop {
        take_in(&engine, &mut spare).await;
        let mut orders = engine.orders.take().into_iter();
        while let Some(order) = orders.next() {
            match order {
                Order::Flush(flush) => flushes.push(flush),
                Order::Close => closing = true,
                Order::End { .. } => {
                    let waiting = flushes.into_iter().map(Order::Flush);
                    let all = waiting.chain([order]).chain(orders).collect();
                    return end(&engine, all, &mut spare).await;
                }
            }
        }
        let mut due = tend(&engine);
        answer_flushes(&engine, &mut flushes, &mut due);
        engine
            .watched
            .store(closing || !flushes.is_empty(), Ordering::Relaxed);
        if closing
            && flushes.is_empty()
            && engine.inbox.is_empty()
            && engine.left(true).nodes.is_empty()
        {
            return;
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
        if !engine.orders.is_empty() || !engine.inbox.is_empty() {
            continue;
        }
        *engine
            .sleeps_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = due;
        // Either way it is time to look.
        let _ = tokio::time::timeout_at(due.into(), engine.inbox.woken()).await;
        engine.inbox.rouse();
    }
}

/// Takes what the hooks have left to the queues of the nodes.
async fn take_in(engine: &Arc<Engine>, spare: &mut Batch) {
    for slot in 0..engine.inbox.slots() {
        engine.inbox.take(slot, spare);
        let now = Instant::now();
        for (number, (target, asked)) in spare.drain().enumerate() {
            engine.accept(&target, asked, now);
            if number % BATCH == BATCH - 1 {
                pump_all(engine);
                tokio::task::yield_now().await;
            }
        }
    }
    pump_all(engine);
}

fn pump_all(engine: &Arc<Engine>) {
    for node in &engine.nodes {
        engine.pump(node);
    }
}

/// Sees to timers and ages, and says when to do so again.
fn tend(engine: &Arc<Engine>) -> Instant {
    let now = Instant::now();
    for node in &engine.nodes {
        let dead = {
            let mut queue = node.queue();
            queue.fire_timers(now);
            queue.expire(now)
        };
        for job in dead {
            let outcome = Outcome::Dead(node.last_failure());
            engine.end_unsent(node, &job, outcome, now);
        }
    }
    pump_all(engine);
    let due = engine
        .nodes
        .iter()
        .filter_map(|node| node.queue().next_due())
        .min();
    due.map_or(now + LONGEST_SLEEP, |due| due.min(now + LONGEST_SLEEP))
}

fn answer_flushes(engine: &Engine, flushes: &mut Vec<Flush>, due: &mut Instant) {
    let now = Instant::now();
    let mut waiting = Vec::new();
    for flush in std::mem::take(flushes) {
        let left = engine.left(flush.rebounds);
        if left.nodes.is_empty() && engine.inbox.is_empty() || now >= flush.deadline {
            // Whoever asked may have gone.
            let _ = flush.reply.send(left);
        } else {
            *due = flush.deadline.min(*due);
            waiting.push(flush);
        }
    }
    *flushes = waiting;
}

/// Lets nothing more in, reports what is left, and answers these orders and those not seen yet.
async fn end(engine: &Arc<Engine>, orders: Vec<Order>, spare: &mut Batch) {
    engine.inbox.close();
    take_in(engine, spare).await;
    let left = engine.left(true);
    let now = Instant::now();
    for node in &engine.nodes {
        let jobs = node.queue().drain(now);
        for job in jobs {
            engine.end_unsent(node, &job, Outcome::Abandoned, now);
        }
    }
    for order in orders {
        order.answer(&left);
    }
    engine.close(left);
}

/// However the thread ends, nobody waits for it in vain.
struct Ending(Arc<Engine>);

impl Drop for Ending {
    fn drop(&mut self) {
        if std::thread::panicking() {
            loudly(format_args!(
                "the dispatcher has ended by a panic: nothing is purged any more"
            ));
        }
        self.0.close(self.0.left(true));
    }
}
