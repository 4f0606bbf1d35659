//! Races of writes with renders: with the web layer and a rebound of 50 ms no page stays stale.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::routing::get;
use roan::web::{self, CachePolicy, Web};
use roan::{Roan, purge_on};
use roan_examples::episodes::{Mode, Race, Site};
use roan_examples::settling::settle;
use roan_tests::lock;
use tokio::time::sleep;

use crate::site::Apps;
use crate::stand::{Setup, Start};

/// 1 % of the renders are so slow.
const SLOW: Duration = Duration::from_millis(500);

#[purge_on(save, url = "/race/{0}")]
struct ByUrl(u64);

#[purge_on(save, tag = "race-{0}")]
struct ByTag(u64);

/// The number of each page's last write.
type Rows = Arc<Mutex<HashMap<u64, u64>>>;

struct Raced {
    url: String,
    rows: Rows,
    roan: Roan,
}

impl Site for Raced {
    fn url(&self, page: u64) -> String {
        format!("{}/race/{page}", self.url)
    }

    async fn write(&self, page: u64) -> Result<u64, String> {
        let number = {
            let mut rows = lock(&self.rows);
            let number = rows.entry(page).or_default();
            *number += 1;
            *number
        };
        if page.is_multiple_of(2) {
            self.roan.saved(&ByUrl(page));
        } else {
            self.roan.saved(&ByTag(page));
        }
        Ok(number)
    }

    async fn settle(&self) -> Result<(), String> {
        settle(&self.roan).await
    }
}

/// Reads the row at once, and then takes its time: the worst order.
async fn page(State(rows): State<Rows>, Path(page): Path<u64>) -> String {
    let number = {
        let rows = lock(&rows);
        rows.get(&page).copied().unwrap_or_default()
    };
    web::show(&ByTag(page));
    let is_slow = fastrand::u8(0..100) == 0;
    let usual = Duration::from_millis(fastrand::u64(5..50));
    sleep(if is_slow { SLOW } else { usual }).await;
    format!("race-{number}")
}

pub(crate) fn race(start: &Start) {
    let apps = Apps::listen(1);
    let stand = start(&apps.addresses, Setup::Right).unwrap();
    let url = format!("http://{}", stand.nodes()[0]);
    let builder = Roan::builder()
        .site(&url)
        .rebound(Duration::from_millis(50))
        .web(Web::new().policy(CachePolicy::until_purged()));
    let caches = stand.caches();
    // After a soft purge one reader more gets the old page: some must come after the second purge, which some caches need
    // after 2 s only.
    let after = match caches[0].capabilities().mode() {
        roan::purger::Mode::Soft => Duration::from_secs(2),
        _ => Duration::ZERO,
    };
    let roan = caches
        .into_iter()
        .fold(builder, |builder, cache| builder.cache(cache));
    let roan = roan.build().unwrap();
    let rows = Rows::default();
    let app = Router::new()
        .route("/race/{page}", get(page))
        .with_state(Arc::clone(&rows))
        .layer(roan.web().unwrap());
    let _servers = apps.serve(&app, &*stand);

    let raced = Arc::new(Raced { url, rows, roan });
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.unwrap().block_on(async {
        let mut first = 0;
        for mode in Mode::ALL {
            let race = Race {
                mode,
                readers: 4,
                episodes: 6,
                at_a_time: 6,
                window: SLOW + Duration::from_millis(100) + after,
            };
            let tally = race.run(Arc::clone(&raced), first).await.unwrap();
            first += race.episodes;
            assert!(tally.reads > 0);
            assert_eq!(tally.stale_for_good, 0, "{}: {tally:?}", mode.name());
        }
    });
}
