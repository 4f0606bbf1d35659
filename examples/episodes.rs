//! Races of writes with renders: readers ask for a page all the while, it is written, and what they see is counted.
//!
//! A page shows the number of the last write that its render knew, as `race-17`.

use std::error::Error;
use std::ops::AddAssign;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use reqwest::Client;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// When the writes come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// One write, up to 50 ms after the first reader asked for a page that is not cached: it is being rendered.
    Cold,
    /// The page is cached. Two writes, up to 50 ms apart: it is being rendered anew when the second comes.
    Pair,
    /// The page is cached. Ten writes, one every 100 ms.
    Steady,
}

impl Mode {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 3] = [Self::Cold, Self::Pair, Self::Steady];

    /// Its name in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Pair => "pair",
            Self::Steady => "steady",
        }
    }

    /// How many writes an episode has.
    #[must_use]
    pub fn writes(self) -> u64 {
        match self {
            Self::Cold => 1,
            Self::Pair => 2,
            Self::Steady => 10,
        }
    }

    fn pause(self) -> Duration {
        match self {
            Self::Cold | Self::Pair => Duration::from_millis(fastrand::u64(0..50)),
            Self::Steady => Duration::from_millis(100),
        }
    }
}

/// A site whose pages are written and read.
pub trait Site: Send + Sync + 'static {
    /// The URL of a page, through the cache.
    fn url(&self, page: u64) -> String;

    /// Writes the row of the page, and returns the number of this write once it has committed.
    fn write(&self, page: u64) -> impl Future<Output = Result<u64, String>> + Send;

    /// Waits until no purge waits, no second one either.
    fn settle(&self) -> impl Future<Output = Result<(), String>> + Send;
}

/// How to race.
#[derive(Debug, Clone, Copy)]
pub struct Race {
    /// When the writes come.
    pub mode: Mode,
    /// How many readers a page has.
    pub readers: u64,
    /// How many pages are raced on.
    pub episodes: u64,
    /// How many of them at a time.
    pub at_a_time: u64,
    /// How long readers go on after the last write.
    pub window: Duration,
}

/// What was seen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tally {
    /// Pages that were raced on.
    pub pages: u64,
    /// Pages that stay stale after everything has ended.
    pub stale_for_good: u64,
    /// Answers to readers.
    pub reads: u64,
    /// Those that were older than a write that had committed before the request.
    pub stale_reads: u64,
}

/// Counts while the readers read.
#[derive(Debug, Default)]
struct Counts {
    reads: AtomicU64,
    stale_reads: AtomicU64,
}

impl Race {
    /// Races on pages `first..first + episodes`.
    ///
    /// # Errors
    ///
    /// If the site does not answer, or a page does not show the number of its write.
    pub async fn run(self, site: Arc<impl Site>, first: u64) -> Result<Tally, Box<dyn Error>> {
        let client = Client::builder().no_proxy();
        let client = client.timeout(Duration::from_secs(30)).build()?;
        let counts = Arc::new(Counts::default());
        let mut at_work: JoinSet<Result<(u64, u64), String>> = JoinSet::new();
        let mut written = Vec::new();
        for page in first..first + self.episodes {
            if at_work.len() as u64 >= self.at_a_time
                && let Some(ended) = at_work.join_next().await
            {
                written.push(ended??);
            }
            let (client, site, counts) = (client.clone(), Arc::clone(&site), Arc::clone(&counts));
            at_work.spawn(async move {
                let last = self.episode(&client, &*site, page, &counts).await;
                last.map(|last| (page, last))
            });
        }
        while let Some(ended) = at_work.join_next().await {
            written.push(ended??);
        }
        site.settle().await?;
        let mut tally = Tally {
            pages: self.episodes,
            reads: counts.reads.load(Ordering::Relaxed),
            stale_reads: counts.stale_reads.load(Ordering::Relaxed),
            ..Tally::default()
        };
        for (page, last) in written {
            let seen = shown(&client, &site.url(page)).await?;
            tally.stale_for_good += u64::from(seen < last);
        }
        Ok(tally)
    }

    /// Returns the number of the last write.
    async fn episode(
        self,
        client: &Client,
        site: &impl Site,
        page: u64,
        counts: &Arc<Counts>,
    ) -> Result<u64, String> {
        let url = site.url(page);
        if self.mode != Mode::Cold {
            // The second may come from the cache.
            for _ in 0..2 {
                shown(client, &url).await?;
            }
        }
        let committed = Arc::new(AtomicU64::new(0));
        let ends = Arc::new(AtomicBool::new(false));
        let mut readers = JoinSet::new();
        for _ in 0..self.readers {
            let (client, url, counts) = (client.clone(), url.clone(), Arc::clone(counts));
            let (committed, ends) = (Arc::clone(&committed), Arc::clone(&ends));
            readers.spawn(async move {
                while !ends.load(Ordering::Relaxed) {
                    let floor = committed.load(Ordering::SeqCst);
                    let seen = shown(&client, &url).await?;
                    counts.reads.fetch_add(1, Ordering::Relaxed);
                    let is_stale = seen < floor;
                    counts
                        .stale_reads
                        .fetch_add(is_stale.into(), Ordering::Relaxed);
                    sleep(Duration::from_millis(fastrand::u64(1..10))).await;
                }
                Ok::<(), String>(())
            });
        }
        for _ in 0..self.mode.writes() {
            sleep(self.mode.pause()).await;
            committed.store(site.write(page).await?, Ordering::SeqCst);
        }
        sleep(self.window).await;
        ends.store(true, Ordering::Relaxed);
        while let Some(ended) = readers.join_next().await {
            ended.map_err(|error| error.to_string())??;
        }
        Ok(committed.load(Ordering::SeqCst))
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.pages += other.pages;
        self.stale_for_good += other.stale_for_good;
        self.reads += other.reads;
        self.stale_reads += other.stale_reads;
    }
}

/// The number that a page shows.
async fn shown(client: &Client, url: &str) -> Result<u64, String> {
    let page = async {
        let response = client.get(url).send().await?;
        response.error_for_status()?.text().await
    };
    let page = page.await.map_err(|error| format!("GET {url}: {error}"))?;
    number_on(&page).ok_or_else(|| format!("GET {url}: the page does not contain `race-NUMBER`"))
}

/// The largest `NUMBER` of a `race-NUMBER` on the page.
fn number_on(page: &str) -> Option<u64> {
    let numbers = page.split("race-").skip(1).filter_map(|rest| {
        let end = rest.find(|char: char| !char.is_ascii_digit());
        rest[..end.unwrap_or(rest.len())].parse().ok()
    });
    numbers.max()
}

#[cfg(test)]
mod tests {
    use super::number_on;

    #[test]
    fn a_page_shows_its_last_write() {
        assert_eq!(number_on("<h1>race-17</h1> race-3"), Some(17));
        assert_eq!(number_on("race-"), None);
        assert_eq!(number_on("no number"), None);
    }
}
