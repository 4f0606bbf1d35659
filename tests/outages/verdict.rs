//! After the faults: everything in the outbox is published, the fleet says that it is clean, and then no page of any node
//! is older than its row.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use roan_tests::{Connection, outbox};

use crate::model;
use crate::node::Node;
use crate::site::Site;
use crate::stream;

/// Longer than anything that is waited for: leases, elections of the servers, pauses of agents whose server was away, the minute after
/// which an agent makes its consumer anew.
const SETTLED: Duration = Duration::from_secs(150);

/// Until stale pages are looked at once more.
const LATER: Duration = Duration::from_secs(20);

const LINES_OF_A_LOG: usize = 25;

impl Site {
    /// Lets a program relay what is left, waits for the fleet, compares all pages, and kills it.
    ///
    /// # Panics
    ///
    /// When a purge is stuck or dead, the fleet does not become clean, or a page is stale.
    pub(crate) fn judge(&mut self) {
        let start = Instant::now();
        for index in 0..self.senders.len() {
            self.kill_sender(index);
        }
        let relay = self.sender("relay");
        self.wait_for_outbox(start);
        self.wait_for_fleet(start);
        let took = start.elapsed().as_millis();
        self.tally.settling += took;
        self.tally.longest = self.tally.longest.max(took);
        self.tally.rounds += 1;
        self.compare();
        self.count(&relay.kill());
    }

    fn wait_for_outbox(&self, start: Instant) {
        let url = self.postgres.url();
        self.runtime.block_on(async {
            let mut db = Connection::open(&url).await.expect("the database");
            while !outbox::is_drained(&mut db).await {
                assert!(
                    start.elapsed() < SETTLED,
                    "purges are stuck in the outbox for {SETTLED:?}:\n{}\n{}",
                    outbox::dump(&mut db).await,
                    self.cluster.log(LINES_OF_A_LOG)
                );
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            outbox::assert_none_dead(&mut db).await;
        });
    }

    fn wait_for_fleet(&self, start: Instant) {
        loop {
            let present: Vec<&Node> = self.present().map(|(_, node)| node).collect();
            let names: Vec<String> = present.iter().map(|node| node.name()).collect();
            let mut unclean = self
                .runtime
                .block_on(stream::unclean(&self.cluster, &names));
            for node in present {
                if let Err(error) = node.health() {
                    unclean.push(format!("{}: {error}", node.name()));
                }
            }
            if unclean.is_empty() {
                return;
            }
            assert!(
                start.elapsed() < SETTLED,
                "the fleet is not clean after {SETTLED:?}:\n{}\n{}\n{}",
                unclean.join("\n"),
                self.logs_of_nodes(),
                self.cluster.log(LINES_OF_A_LOG)
            );
            thread::sleep(Duration::from_millis(50));
        }
    }

    /// The pages of all nodes that are there, with their rows.
    fn compare(&mut self) {
        let readers = Arc::clone(&self.readers);
        let _nobody_reads = readers.write().unwrap_or_else(PoisonError::into_inner);
        let url = self.postgres.url();
        let rows: HashMap<i64, i64> = self.runtime.block_on(async {
            let mut db = Connection::open(&url).await.expect("the database");
            let rows = db.numbers("SELECT id, version FROM pages").await;
            let rows = rows.expect("the rows of all pages");
            rows.iter().map(|row| (row[0], row[1])).collect()
        });
        let (mut hits, mut misses) = (0, 0);
        let mut stale = self.stale(&rows, |is_hit| match is_hit {
            true => hits += 1,
            false => misses += 1,
        });
        if !stale.is_empty() {
            // Is a purge lost, or did the fleet call itself clean too early?
            thread::sleep(LATER);
            let later = self.stale(&rows, |_| {});
            stale = format!("{stale}After {LATER:?}, with nobody reading:\n{later}");
        }
        self.tally.comparisons += hits;
        self.tally.misses += misses;
        assert!(
            stale.is_empty(),
            "{stale}{}\n{}",
            self.logs_of_nodes(),
            self.cluster.log(LINES_OF_A_LOG)
        );
    }

    /// The pages that are not as their rows; `each` gets whether a page came from the cache.
    fn stale(&self, rows: &HashMap<i64, i64>, mut each: impl FnMut(bool)) -> String {
        let mut stale = String::new();
        for (_, node) in self.present() {
            for (id, text, is_hit) in node.pages() {
                each(is_hit);
                let row = rows[&id];
                if text != row.to_string() {
                    let (name, url) = (node.name(), model::url(id));
                    stale += &format!("{url} is stale at {name}: {text:?}, and its row {row}\n");
                }
            }
        }
        stale
    }

    fn present(&self) -> impl Iterator<Item = (usize, &Node)> {
        let nodes = self.nodes.iter().enumerate();
        nodes.filter(|(number, _)| !self.is_away(*number))
    }

    fn logs_of_nodes(&self) -> String {
        let logs = self.nodes.iter().map(|node| {
            let log = stream::last_lines(&node.agent().log(), LINES_OF_A_LOG);
            format!("--- {}:\n{log}", node.name())
        });
        logs.collect::<Vec<_>>().join("\n")
    }
}
