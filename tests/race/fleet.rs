//! One or two instances of an app, on one database, behind one nginx.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use roan::orm::sqlx::PurgeConnection;
use roan::outbox::{Dialect, Outbox};
use roan::web::Web;
use roan::{Nginx, Roan, purge_on};
use roan_examples::episodes::Site;
use roan_examples::settling::settle;
use roan_tests::{Database, Options};
use sqlx::{MySqlPool, PgPool};
use tokio::net::TcpListener;
use tokio::time::sleep;

/// 1 % of the renders are so slow.
const SLOW: Duration = Duration::from_millis(500);

#[purge_on(save, url = "/race/{0}")]
struct Page(u64);

/// The rows of the app.
#[derive(Clone)]
enum Rows {
    Postgres(PgPool),
    MySql(MySqlPool),
}

impl Rows {
    async fn open(database: &Database) -> Self {
        match database.dialect() {
            Dialect::Postgres => Self::Postgres(PgPool::connect(database.url()).await.unwrap()),
            Dialect::MySql => Self::MySql(MySqlPool::connect(database.url()).await.unwrap()),
            other => panic!("no rows on {other}"),
        }
    }

    async fn read(&self, id: i64) -> Result<u64, sqlx::Error> {
        let sql = "SELECT number FROM pages WHERE id = ";
        let found: Option<i64> = match self {
            Self::Postgres(pool) => {
                let sql = sqlx::AssertSqlSafe(format!("{sql}$1"));
                sqlx::query_scalar(sql)
                    .bind(id)
                    .fetch_optional(pool)
                    .await?
            }
            Self::MySql(pool) => {
                let sql = sqlx::AssertSqlSafe(format!("{sql}?"));
                sqlx::query_scalar(sql)
                    .bind(id)
                    .fetch_optional(pool)
                    .await?
            }
        };
        Ok(found.unwrap_or_default().unsigned_abs())
    }

    /// Writes the row and its purge in one transaction, and returns the number of the write.
    async fn write(&self, roan: &Roan, page: u64) -> Result<u64, sqlx::Error> {
        let id = page.cast_signed();
        let hook = || roan::saved(&Page(page));
        let number: i64 = match self {
            Self::Postgres(pool) => {
                let mut tx = pool.begin().await?;
                let sql = "INSERT INTO pages (id, number) VALUES ($1, 1) \
                           ON CONFLICT (id) DO UPDATE SET number = pages.number + 1 RETURNING number";
                let number = sqlx::query_scalar(sql).bind(id).fetch_one(&mut *tx).await?;
                tx.run_hooks(Some(roan), hook).await?;
                tx.commit().await?;
                number
            }
            Self::MySql(pool) => {
                let mut tx = pool.begin().await?;
                let sql = "INSERT INTO pages (id, number) VALUES (?, 1) \
                           ON DUPLICATE KEY UPDATE number = number + 1";
                sqlx::query(sql).bind(id).execute(&mut *tx).await?;
                let sql = "SELECT number FROM pages WHERE id = ?";
                let number = sqlx::query_scalar(sql).bind(id).fetch_one(&mut *tx).await?;
                tx.run_hooks(Some(roan), hook).await?;
                tx.commit().await?;
                number
            }
        };
        Ok(number.unsigned_abs())
    }
}

/// The instances take turns at writing, and nginx takes turns at asking them.
pub(crate) struct Fleet {
    nginx: roan_tests::Nginx,
    instances: Vec<Roan>,
    rows: Rows,
    turn: AtomicUsize,
}

impl Fleet {
    pub(crate) async fn start(database: &Database, instances: usize) -> Self {
        let rows = Rows::open(database).await;
        let mut client = database.connect().await;
        for sql in [
            "DROP TABLE IF EXISTS pages",
            "CREATE TABLE pages (id bigint PRIMARY KEY, number bigint NOT NULL)",
        ] {
            client.run(sql).await.unwrap();
        }
        let mut listeners = Vec::new();
        for _ in 0..instances {
            listeners.push(TcpListener::bind("127.0.0.1:0").await.unwrap());
        }
        let addresses: Vec<_> = listeners
            .iter()
            .map(|listener| listener.local_addr().unwrap())
            .collect();
        let nginx = nginx(&addresses);
        let mut roans = Vec::new();
        for listener in listeners {
            let outbox = Outbox::at(database.url()).unwrap();
            outbox.migrate().await.unwrap();
            let roan = Roan::builder()
                .cache(Nginx::at(&nginx.purge_url()).unwrap())
                .site(nginx.url())
                .rebound(Duration::from_millis(50))
                .web(Web::new())
                .outbox(outbox)
                .build()
                .unwrap();
            let app = Router::new()
                .route("/race/{id}", get(page))
                .with_state(rows.clone())
                .layer(roan.web().unwrap());
            tokio::spawn(axum::serve(listener, app).into_future());
            roans.push(roan);
        }
        Self {
            nginx,
            instances: roans,
            rows,
            turn: AtomicUsize::new(0),
        }
    }
}

fn nginx(apps: &[SocketAddr]) -> roan_tests::Nginx {
    let others = apps[1..].iter().map(|app| format!(" server {app};"));
    let all = format!("server 127.0.0.1:3000;{}", others.collect::<String>());
    let options = Options::default().edit("server 127.0.0.1:3000;", &all);
    roan_tests::Nginx::start_before(apps[0], &options)
}

/// Reads the row at once, and then takes its time: the worst order.
async fn page(State(rows): State<Rows>, Path(id): Path<i64>) -> Result<String, StatusCode> {
    let number = rows.read(id).await;
    let number = number.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    let is_slow = fastrand::u8(0..100) == 0;
    let usual = Duration::from_millis(fastrand::u64(5..50));
    sleep(if is_slow { SLOW } else { usual }).await;
    Ok(format!("race-{number}"))
}

impl Site for Fleet {
    fn url(&self, page: u64) -> String {
        format!("{}/race/{page}", self.nginx.url())
    }

    async fn write(&self, page: u64) -> Result<u64, String> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let roan = &self.instances[turn % self.instances.len()];
        let written = self.rows.write(roan, page).await;
        written.map_err(|error| error.to_string())
    }

    async fn settle(&self) -> Result<(), String> {
        for roan in &self.instances {
            settle(roan).await?;
        }
        Ok(())
    }
}
