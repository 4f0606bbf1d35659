//! The times at which the relay looks for work.

use std::time::{Duration, Instant};

use crate::outbox::Outbox;

/// The delay of the first look after a write of this program, whose commit the relay does not see; also the least time
/// between two looks.
const QUICK: Duration = Duration::from_millis(2);

/// The time between two looks under steady writes: a look costs the database more than a further row.
const THICK: Duration = Duration::from_millis(20);

/// The delay after which finished rows are recorded together.
pub(super) const GATHER: Duration = Duration::from_millis(50);

/// How often the relay looks for old rows and counts the backlog.
const CLEANING: Duration = Duration::from_secs(10);
const COUNTING: Duration = Duration::from_secs(5);

/// The time after which a change of the triggers is looked at again.
const CONFIRMING: Duration = Duration::from_secs(5);

/// The schedule of the relay.
#[derive(Debug)]
pub(super) struct Schedule {
    interval: Duration,
    lease: Duration,
    /// The number of quick looks that found nothing since the last write of this program.
    in_vain: u32,
    purges: Instant,
    /// Writes of this program do not make it look earlier than this.
    purges_from: Instant,
    deliveries: Instant,
    beat: Instant,
    others: Instant,
    cleaning: Instant,
    counting: Instant,
    write: Instant,
    /// `None` if the program does not look at its triggers.
    triggers: Option<Instant>,
    between_triggers: Option<Duration>,
}

/// The kinds of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Purges,
    Deliveries,
    Beat,
    Others,
    Cleaning,
    Counting,
    Write,
    Triggers,
}

impl Schedule {
    pub(super) fn new(outbox: &Outbox, now: Instant) -> Self {
        let triggers = outbox.triggers.as_ref();
        let between_triggers = triggers.and_then(|triggers| triggers.check_every);
        Self {
            // The start has just looked.
            triggers: between_triggers.map(|pause| now + jittered(pause)),
            between_triggers,
            interval: outbox.poll,
            lease: outbox.lease,
            in_vain: u32::MAX,
            purges: now,
            purges_from: now,
            deliveries: now,
            beat: now,
            others: now,
            cleaning: now,
            counting: now,
            write: now,
        }
    }

    pub(super) fn is_due(&self, look: Look, now: Instant) -> bool {
        self.of(look).is_some_and(|due| due <= now)
    }

    fn of(&self, look: Look) -> Option<Instant> {
        Some(match look {
            Look::Purges => self.purges,
            Look::Deliveries => self.deliveries,
            Look::Beat => self.beat,
            Look::Others => self.others,
            Look::Cleaning => self.cleaning,
            Look::Counting => self.counting,
            Look::Write => self.write,
            Look::Triggers => return self.triggers,
        })
    }

    /// Records a look, and whether there is more work at once.
    pub(super) fn looked(&mut self, look: Look, more: bool, now: Instant) {
        let (due, usual) = match look {
            Look::Purges => {
                let pause = self.pause();
                self.in_vain = self.in_vain.saturating_add(1);
                (&mut self.purges, pause)
            }
            Look::Deliveries => (&mut self.deliveries, self.interval),
            Look::Beat => (&mut self.beat, self.lease / 3),
            Look::Others => (&mut self.others, self.lease / 5),
            Look::Cleaning => (&mut self.cleaning, CLEANING),
            Look::Counting => (&mut self.counting, COUNTING),
            Look::Write => (&mut self.write, GATHER),
            Look::Triggers => {
                let pause = self.between_triggers.map(jittered);
                let pause = pause.map(|pause| if more { pause.min(CONFIRMING) } else { pause });
                self.triggers = pause.map(|pause| now + pause);
                return;
            }
        };
        *due = if more { now } else { now + usual };
    }

    /// Twice each of 2, 4, 8 ... ms, up to the interval.
    fn pause(&self) -> Duration {
        let doublings = (self.in_vain / 2).min(20);
        (QUICK * (1 << doublings)).min(self.interval)
    }

    /// A write of this program will soon commit or roll back.
    pub(super) fn expect(&mut self, now: Instant) {
        self.in_vain = 0;
        let soon = (now + QUICK).max(self.purges_from);
        // A look that is due already was just deferred, or begins soon.
        self.purges = if self.purges <= now {
            soon
        } else {
            self.purges.min(soon)
        };
    }

    /// A write of this program has committed.
    pub(super) fn poke(&mut self, now: Instant) {
        self.purges = self.purges.min(now.max(self.purges_from));
    }

    /// Many rows were found, so more are likely to come.
    pub(super) fn gather(&mut self, now: Instant) {
        self.purges_from = now + THICK;
        self.purges = self.purges.max(self.purges_from);
    }

    /// There is work to look at.
    pub(super) fn hurry(&mut self, look: Look, now: Instant) {
        match look {
            Look::Purges => self.purges = now,
            Look::Deliveries => self.deliveries = now,
            _ => {}
        }
    }

    /// The time of the next look, if nothing happens before.
    pub(super) fn next(&self, holds_rows: bool, has_news: bool) -> Instant {
        let dues = [
            self.purges,
            self.deliveries,
            self.others,
            self.cleaning,
            self.counting,
        ];
        let beat = holds_rows.then_some(self.beat);
        let write = has_news.then_some(self.write);
        let dues = dues.into_iter().chain(beat).chain(write);
        let dues = dues.chain(self.triggers);
        dues.min().unwrap_or(self.purges)
    }
}

/// Give or take a quarter, so that instances that start together do not look together.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.75 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::triggers::Triggers;

    #[test]
    fn looks_are_quick_after_a_write_and_rare_later() {
        let Ok(outbox) = Outbox::at("sqlite://x.db") else {
            return; // built without SQLite
        };
        let start = Instant::now();
        let mut schedule = Schedule::new(&outbox, start);
        schedule.looked(Look::Purges, false, start);
        assert_eq!(schedule.purges - start, outbox.poll);
        schedule.expect(start);
        let mut now = start;
        let mut pauses = Vec::new();
        for _ in 0..30 {
            pauses.push((schedule.purges - now).as_millis());
            now = schedule.purges;
            schedule.looked(Look::Purges, false, now);
        }
        assert_eq!(pauses[..7], [2, 2, 2, 4, 4, 8, 8]);
        assert_eq!(pauses.last(), Some(&1000));
        schedule.looked(Look::Purges, true, now);
        assert!(schedule.is_due(Look::Purges, now));
    }

    #[test]
    fn a_program_without_triggers_does_not_look_at_them() {
        let Ok(outbox) = Outbox::at("sqlite://x.db") else {
            return; // built without SQLite
        };
        let start = Instant::now();
        let year = start + Duration::from_secs(365 * 24 * 60 * 60);
        assert!(!Schedule::new(&outbox, start).is_due(Look::Triggers, year));
        let never = Triggers::new().check_every(None);
        let schedule = Schedule::new(&outbox.clone().triggers(never), start);
        assert!(!schedule.is_due(Look::Triggers, year));

        let mut schedule = Schedule::new(&outbox.triggers(Triggers::new()), start);
        for _ in 0..100 {
            schedule.looked(Look::Triggers, false, start);
            let minutes = |minutes: u64| start + Duration::from_secs(minutes * 60);
            assert!(!schedule.is_due(Look::Triggers, minutes(3)));
            assert!(schedule.is_due(Look::Triggers, minutes(7)));
            schedule.looked(Look::Triggers, true, start);
            assert!(schedule.is_due(Look::Triggers, start + CONFIRMING));
        }
    }

    #[test]
    fn writes_that_come_thick_and_fast_are_gathered() {
        let Ok(outbox) = Outbox::at("sqlite://x.db") else {
            return; // built without SQLite
        };
        let start = Instant::now();
        let mut schedule = Schedule::new(&outbox, start);
        let after = |schedule: &Schedule| (schedule.purges - start).as_millis();
        schedule.looked(Look::Purges, false, start);
        schedule.poke(start);
        assert_eq!(after(&schedule), 0);
        schedule.expect(start);
        schedule.looked(Look::Purges, false, start);
        assert_eq!(after(&schedule), 2);
        schedule.gather(start);
        assert_eq!(after(&schedule), 20);
        schedule.expect(start);
        schedule.poke(start);
        assert_eq!(after(&schedule), 20);
        // Who waits for it does not wait for others.
        schedule.hurry(Look::Purges, start);
        assert_eq!(after(&schedule), 0);
    }
}
