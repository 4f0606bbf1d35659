//! A whole site: database, app, two nginx nodes, readers, and the writers that are killed.

use std::net::{Ipv4Addr, SocketAddr};

use fastrand::Rng;
use roan::outbox::Dialect;
use roan_tests::{Clock, Connection, Nginx, Options, outbox, page_app};
use tokio::runtime::Runtime;

use crate::database::Database;
use crate::front::Front;
use crate::instance::{Instance, Said};
use crate::model::{self, Page};
use crate::readers::Readers;
use crate::tally::Tally;
use crate::writer::{MODE, Orders};

/// The site under test. The first node is purged through the front, the second one directly.
pub(crate) struct Site {
    pub(crate) rng: Rng,
    pub(crate) tally: Tally,
    pub(crate) nodes: [Nginx; 2],
    pub(crate) front: Front,
    pub(crate) readers: Readers,
    pub(crate) database: Database,
    /// That of the database and of the writers.
    pub(crate) clock: Clock,
    /// The numbers of what has left from memory, whatever became of its transaction.
    pub(crate) unstored: Vec<u64>,
    /// Writers started until now.
    started: u64,
    /// Serves the app, the front and the readers; last, so that they outlive who needs them.
    pub(crate) runtime: Runtime,
}

impl Site {
    pub(crate) fn start(name: &'static str, dialect: Dialect, mut rng: Rng) -> Self {
        let clock = Clock::new();
        let database = Database::start(dialect, &clock);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let url = database.url();
        runtime.block_on(async {
            let mut db = Connection::open(&url).await.expect("a database");
            for sql in model::create(db.dialect()) {
                db.run(&sql).await.expect("tables of posts");
            }
            outbox::at(&url)
                .migrate()
                .await
                .expect("tables of the outbox");
        });
        let app = runtime.block_on(page_app::serve::<Page>(
            Ipv4Addr::LOCALHOST,
            &url,
            rng.fork(),
        ));
        let nodes = [(); 2].map(|()| Nginx::start_before(app, &Options::default()));
        let front = runtime.block_on(Front::serve(nodes[0].addr()));
        let addrs = nodes.each_ref().map(|node| node.addr());
        let readers = runtime.block_on(async { Readers::start(&addrs, &mut rng) });
        Self {
            rng,
            unstored: Vec::new(),
            tally: Tally {
                database: name,
                ..Tally::default()
            },
            nodes,
            front,
            readers,
            database,
            clock,
            started: 0,
            runtime,
        }
    }

    pub(crate) fn addrs(&self) -> [SocketAddr; 2] {
        self.nodes.each_ref().map(|node| node.addr())
    }

    pub(crate) fn dialect(&self) -> Dialect {
        outbox::at(&self.database.url()).dialect()
    }

    /// Starts a program with a dispatcher; `mode` is that of [`MODE`].
    pub(crate) fn instance(&mut self, mode: &str) -> Instance {
        self.started += 1;
        let orders = Orders {
            url: self.database.url(),
            seed: self.rng.u64(..),
            number: self.started,
            purge_urls: vec![self.front.purge_url(), self.nodes[1].purge_url()],
        };
        Instance::start((MODE, mode), orders.to_args(), &self.clock)
    }

    /// Starts one that writes.
    pub(crate) fn writer(&mut self) -> Instance {
        self.instance("write")
    }

    /// Kills one, and counts what it has said.
    pub(crate) fn crash(&mut self, instance: Instance) -> Said {
        let said = instance.kill();
        self.tally.crashes += 1;
        self.count(&said);
        said
    }

    /// Counts what one has said that was not killed as a crash.
    pub(crate) fn count(&mut self, said: &Said) {
        self.tally.writes += said.committed;
        self.tally.rolled_back += said.rolled_back;
        self.tally.savepoints += said.savepoints;
        self.tally.failed += said.failed;
        self.unstored.extend(&said.unstored);
    }

    pub(crate) fn sql(&self, sql: &str) -> Result<(), sqlx::Error> {
        let url = self.database.url();
        self.runtime.block_on(async {
            let mut db = Connection::open(&url).await?;
            db.run(sql).await
        })
    }
}
