//! A database, a dispatcher and a recorder, for SeaORM.

use std::time::Duration;

use roan::Roan;
use roan::outbox::{Dialect, Outbox};
use roan::testing::Recorder;
use roan_tests::{Database, wait};
use sea_orm::DatabaseConnection;

pub(super) const LONG: Duration = Duration::from_secs(30);

pub(super) struct Site {
    pub(super) db: DatabaseConnection,
    pub(super) roan: Roan,
    pub(super) recorder: Recorder,
    pub(super) database: Database,
}

impl Site {
    /// With these tables; `{id}` becomes a column `id` with generated values.
    pub(super) async fn new(dialect: Dialect, tables: &[&str], is_durable: bool) -> Self {
        let database = Database::create(dialect);
        let id = match dialect {
            Dialect::Postgres => "id serial PRIMARY KEY",
            Dialect::MySql => "id int AUTO_INCREMENT PRIMARY KEY",
            _ => "id integer PRIMARY KEY",
        };
        let mut connection = database.connect().await;
        for table in tables {
            connection.run(&table.replace("{id}", id)).await.unwrap();
        }
        let recorder = Recorder::new();
        let mut builder = Roan::builder().cache(recorder.clone()).rebound(None);
        if is_durable {
            let outbox = Outbox::at(database.url()).unwrap();
            outbox.migrate().await.unwrap();
            builder = builder.outbox(outbox);
        }
        let mut options = sea_orm::ConnectOptions::new(database.url());
        options.sqlx_logging(false);
        Self {
            db: sea_orm::Database::connect(options).await.unwrap(),
            roan: builder.build().unwrap(),
            recorder,
            database,
        }
    }

    /// The targets that have left since the last time.
    pub(super) async fn purged(&self) -> Vec<String> {
        wait::for_purges(&self.roan).await;
        let purges = self.recorder.purges();
        self.recorder.clear();
        purges.targets().iter().map(ToString::to_string).collect()
    }
}
