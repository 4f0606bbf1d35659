//! After the faults: everything in the outbox is delivered, and then no page is stale.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::model::{Page, Post, posts};
use crate::site::Site;
use roan_tests::{Connection, outbox};

/// Longer than anything that is waited for: leases, pauses of a relay whose database was away.
const DRAIN: Duration = Duration::from_secs(40);

/// A page in a cache that is not as its row is.
struct Stale {
    node: usize,
    page: Page,
    text: String,
    row: String,
}

impl Site {
    /// Lets a program with a dispatcher deliver what is left, compares all pages, and kills it.
    ///
    /// # Panics
    ///
    /// When a purge is lost, stuck or dead, a page is stale, or a write that was rolled back was
    /// purged.
    pub(crate) fn settle(&mut self) {
        let relay = self.instance("relay");
        relay.wait_until_ready();
        self.judge();
        let said = relay.kill();
        self.count(&said);
    }

    /// The same where a dispatcher runs.
    pub(crate) fn judge(&mut self) {
        let url = self.database.url();
        let runtime = self.runtime.handle().clone();
        runtime.block_on(async {
            let mut db = open(&url).await;
            let start = Instant::now();
            loop {
                drain(&mut db, start).await;
                let (before, stale) = self.compare(&mut db).await;
                // A server may still carry out the COMMIT that a killed client had sent.
                if outbox::is_drained(&mut db).await && rows(&mut db).await == before {
                    self.condemn(&mut db, stale).await;
                    break;
                }
            }
        });
        self.readers.forget();
        self.tally.purges = self.front.asked();
        self.tally.fills = self.readers.fills();
        let mut untrue = self.front.untrue();
        untrue.retain(|url| {
            let number = url
                .rsplit('/')
                .next()
                .and_then(|number| number.parse().ok());
            number.is_none_or(|number: u64| !self.unstored.contains(&number))
        });
        assert!(
            untrue.is_empty(),
            "purged, though it was rolled back: {untrue:?}"
        );
    }

    /// The rows, and what a cache has otherwise.
    async fn compare(&mut self, db: &mut Connection) -> (Vec<Post>, Vec<Stale>) {
        let readers = self.readers.clone();
        let _nobody_reads = readers.quiet().await;
        let rows = rows(db).await;
        let mut stale = Vec::new();
        for (node, addr) in self.addrs().into_iter().enumerate() {
            for page in Page::all() {
                let answer = get(&readers, addr, page).await;
                let row = page.text(&rows);
                self.tally.comparisons += u64::from(answer.is_hit);
                if answer.text == row {
                    continue;
                }
                if readers.was_slow(addr, page) {
                    self.tally.slow += 1;
                    self.nodes[node].browser().purge(&page.url());
                    continue;
                }
                stale.push(Stale {
                    node,
                    page,
                    text: answer.text,
                    row,
                });
            }
        }
        (rows, stale)
    }

    async fn condemn(&self, db: &mut Connection, stale: Vec<Stale>) {
        let mut message = String::new();
        for Stale {
            node,
            page,
            text,
            row,
        } in &stale
        {
            let url = page.url();
            message += &format!("{url} is stale at node {node}: {text:?}, and its row {row:?}\n");
            let sql = format!(
                "SELECT concat_ws(' ', 'outbox: row', id, 'state', state, 'created', created_ms, \
                 'ended', ended_ms, payload, error) FROM roan_outbox \
                 WHERE payload LIKE '%\"{url}\"%' ORDER BY id DESC LIMIT 5"
            );
            for line in db.texts(&sql).await.unwrap_or_default() {
                message += &format!("    {line}\n");
            }
        }
        assert!(stale.is_empty(), "{message}");
        outbox::assert_none_dead(db).await;
    }
}

async fn open(url: &str) -> Connection {
    Connection::open(url)
        .await
        .unwrap_or_else(|error| panic!("no connection to the database: {error}"))
}

async fn drain(db: &mut Connection, start: Instant) {
    while !outbox::is_drained(db).await {
        if start.elapsed() > DRAIN {
            panic!(
                "purges are stuck for {DRAIN:?}:\n{}",
                outbox::dump(db).await
            );
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn rows(db: &mut Connection) -> Vec<Post> {
    let rows = db.numbers("SELECT id, grp, version FROM posts ORDER BY id");
    posts(&rows.await.expect("the rows of all posts"))
}

async fn get(
    readers: &crate::readers::Readers,
    node: SocketAddr,
    page: Page,
) -> crate::readers::Answer {
    let answer = readers.get(node, page).await;
    answer.unwrap_or_else(|error| panic!("{} at {node}: {error}", page.url()))
}
