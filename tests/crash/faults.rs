//! What goes wrong: each is done to a site under load, and undone; the judgement comes after it.

use std::time::Duration;

use roan::outbox::Dialect;
use roan_tests::{outbox, wait};

use crate::instance::Instance;
use crate::site::Site;

/// See the methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    NodeKilled,
    NodeStopped,
    NodeRefuses,
    DatabaseKilled,
    DatabaseForgets,
    RelayKilled,
    RelayStopped,
    RelayFrozen,
    ClockSetBack,
    DiskFull,
}

impl Fault {
    pub(crate) const ALL: [Self; 10] = [
        Self::NodeKilled,
        Self::NodeStopped,
        Self::NodeRefuses,
        Self::DatabaseKilled,
        Self::DatabaseForgets,
        Self::RelayKilled,
        Self::RelayStopped,
        Self::RelayFrozen,
        Self::ClockSetBack,
        Self::DiskFull,
    ];
}

impl Site {
    /// The writer is killed again and again, at any moment of its work or its start; now and then
    /// there are two of them, or a node is down all the while.
    pub(crate) fn crashes(&mut self, most: u64) {
        let kills = self.rng.u64(1..=most.clamp(1, 8));
        let node = self.rng.usize(0..12);
        match node {
            0..2 => self.nodes[node].kill(),
            2 => self.front.refuse(true),
            _ => {}
        }
        let mut other = None;
        for _ in 0..kills {
            let writer = self.writer();
            if self.rng.u8(0..5) > 0 {
                writer.wait_until_ready();
            }
            self.load(20..250);
            self.crash(writer);
            other = match other {
                None if self.rng.u8(0..3) == 0 => Some(self.writer()),
                Some(other) if self.rng.bool() => {
                    self.crash(other);
                    None
                }
                other => other,
            };
        }
        if let Some(other) = other {
            self.crash(other);
        }
        match node {
            0..2 => self.nodes[node].restart(),
            _ => self.front.refuse(false),
        }
        self.settle();
    }

    /// Does it, undoes it, and judges what came of it.
    pub(crate) fn suffer(&mut self, fault: Fault) {
        if fault == Fault::DiskFull && self.database.disk().is_none() {
            return;
        }
        self.tally.faults += 1;
        // A relay that was there all the while has to cope with what it holds; a new one, with what
        // it finds. What a database forgets as it crashes is a matter for the first.
        let is_there = match fault {
            Fault::DatabaseForgets => true,
            Fault::ClockSetBack => false,
            _ => self.rng.bool(),
        };
        let witness = is_there.then(|| self.instance("relay"));
        let frozen = (fault == Fault::RelayFrozen).then(|| self.instance("relay"));
        let writer = self.working();
        self.load(20..200);
        match fault {
            Fault::NodeKilled => self.kill_node(),
            Fault::NodeStopped => self.stop_node(),
            Fault::NodeRefuses => self.refuse(),
            Fault::DatabaseKilled => self.kill_database(&writer),
            Fault::RelayKilled => self.kill_other(&writer),
            Fault::RelayStopped => self.stop_other(&writer),
            Fault::ClockSetBack => self.set_clock_back(),
            Fault::DiskFull => self.fill_disk(&writer),
            Fault::RelayFrozen => frozen.iter().for_each(Instance::suspend),
            Fault::DatabaseForgets => {}
        }
        self.load(20..200);
        self.crash(writer);
        self.front.refuse(false);
        if fault == Fault::DatabaseForgets {
            self.make_database_forget();
        }
        match witness {
            Some(witness) => {
                self.judge();
                self.count(&witness.kill());
            }
            None => self.settle(),
        }
        self.clock.set(0);
        // Until now it had what it had taken, and any lock of the database.
        if let Some(frozen) = frozen {
            self.count(&frozen.kill());
        }
    }

    /// A random time under load: which moment of it is hit is chance.
    fn load(&mut self, milliseconds: std::ops::Range<u64>) {
        let time = Duration::from_millis(self.rng.u64(milliseconds));
        std::thread::sleep(time);
    }

    /// A writer that has written.
    fn working(&mut self) -> Instance {
        let writer = self.writer();
        writer.wait_until_ready();
        writer.wait_for_writes(1);
        writer
    }

    /// It comes back with the pages that it had.
    fn kill_node(&mut self) {
        let node = self.rng.usize(0..2);
        self.nodes[node].kill();
        self.load(50..600);
        self.nodes[node].restart();
    }

    /// The kernel goes on to take its connections.
    fn stop_node(&mut self) {
        let node = self.rng.usize(0..2);
        self.nodes[node].suspend();
        self.load(50..1_200);
        self.nodes[node].resume();
    }

    fn refuse(&mut self) {
        self.front.refuse(true);
        self.load(50..600);
        self.front.refuse(false);
    }

    /// The writer is there when it comes back, and goes on.
    fn kill_database(&mut self, writer: &Instance) {
        self.database.kill();
        self.load(0..200);
        self.database.restart();
        writer.wait_for_writes(1);
    }

    /// What the relay writes may be forgotten, as long as no write is behind it that may not: so this
    /// is for when nobody else writes.
    fn make_database_forget(&mut self) {
        self.load(0..400);
        self.database.kill();
        self.database.restart();
    }

    /// Two relays share the work, and one dies with rows in its hands.
    fn kill_other(&mut self, writer: &Instance) {
        let other = self.working();
        self.load(20..300);
        self.crash(other);
        writer.wait_for_writes(1);
    }

    /// One gives no sign of life for longer than its lease, and then goes on as if nothing were.
    fn stop_other(&mut self, writer: &Instance) {
        // In the middle of a transaction it keeps what it has locked: with SQLite that is all, so
        // there it writes nothing.
        let other = match self.dialect() {
            Dialect::Sqlite => self.instance("relay"),
            _ => self.working(),
        };
        other.wait_until_ready();
        self.load(20..300);
        other.suspend();
        let lease = u64::try_from(outbox::LEASE.as_millis()).expect("a short lease");
        self.load(lease * 2..lease * 4);
        other.resume();
        writer.wait_for_writes(1);
        self.load(50..300);
        self.crash(other);
    }

    /// By an hour, while purges wait that have failed: what was written until now comes from the
    /// future, and is left to a relay that has not seen the failures. After the judgement the clock
    /// is right again.
    fn set_clock_back(&mut self) {
        self.front.refuse(true);
        self.load(50..300);
        self.clock.set(-60 * 60);
        self.load(50..300);
    }

    /// Writes fail, as a whole and with a clear error, until there is room again.
    fn fill_disk(&mut self, writer: &Instance) {
        const CLEAR: &str = "database or disk is full";
        let Some(disk) = self.database.disk() else {
            return;
        };
        wait::until(wait::LONG, "a write that does not fit", || {
            // Room that SQLite has for itself, after a checkpoint, would be enough for a while.
            let _busy = self.sql("PRAGMA wal_checkpoint(TRUNCATE)");
            disk.fill();
            writer.said().failures.iter().any(|why| why.contains(CLEAR))
        });
        self.load(50..600);
        disk.empty();
        writer.wait_for_writes(1);
    }
}
