//! The pages of a sitemap, and of those that an index names.

use std::fs::File;
use std::io::{BufRead, BufReader};

use super::fetch::Chunks;
use super::pages::Pages;
use super::xml::{Entries, Entry};
use crate::args::SitemapLimits;
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::output::counted;

/// Reads one sitemap after the other, depth first. It holds one entry of each that is open.
pub(super) struct Sitemaps {
    limits: SitemapLimits,
    interrupt: Interrupt,
    /// The sites whose sitemaps may be fetched.
    hosts: Option<Pages>,
    first: Option<Place>,
    open: Vec<(String, Entries)>,
    /// How many were opened.
    opened: u64,
}

/// Where a sitemap is.
pub(super) enum Place {
    Url(String),
    File(String, File),
}

impl Place {
    /// A URL, or the name of a file, which is opened.
    pub(super) fn of(text: &str) -> Result<Self, Failure> {
        if text.starts_with("http://") || text.starts_with("https://") {
            return Ok(Self::Url(text.to_owned()));
        }
        let file = File::open(text)
            .map_err(|error| Failure::bad_input(format!("--sitemap {text}: {error}")))?;
        Ok(Self::File(text.to_owned(), file))
    }
}

impl Sitemaps {
    pub(super) fn new(first: Place, limits: SitemapLimits, interrupt: Interrupt) -> Self {
        Self {
            limits,
            interrupt,
            hosts: None,
            first: Some(first),
            open: Vec::new(),
            opened: 0,
        }
    }

    pub(super) fn of_hosts(&mut self, hosts: &Pages) {
        self.hosts = Some(hosts.clone());
    }

    fn open(&mut self, place: Place) -> Result<(), Failure> {
        self.opened += 1;
        let (name, bytes): (_, Box<dyn BufRead>) = match place {
            Place::Url(url) => {
                let chunks = Chunks::of_url(&url, self.interrupt.clone())?;
                (url, Box::new(chunks))
            }
            Place::File(name, file) => (name, Box::new(BufReader::new(file))),
        };
        let size = self.limits.max_sitemap_size * 1024 * 1024;
        let entries =
            Entries::new(bytes, size).map_err(|error| incomplete(format!("{name}: {error}")))?;
        self.open.push((name, entries));
        Ok(())
    }

    /// Opens a sitemap that an index names.
    fn descend(&mut self, url: String) -> Result<(), Failure> {
        let hosts = self.hosts.get_or_insert_with(|| Pages::of_url(&url));
        if !hosts.has(&url) {
            return Err(incomplete(format!("the sitemap {url} is at another host")));
        }
        let limits = &self.limits;
        if self.open.len() as u64 > u64::from(limits.max_sitemap_depth) {
            return Err(incomplete(format!(
                "the sitemap {url} is deeper than {} levels of indexes: raise --max-sitemap-depth",
                limits.max_sitemap_depth
            )));
        }
        if self.opened >= limits.max_sitemaps {
            let message = format!(
                "more than {}: raise --max-sitemaps",
                counted(limits.max_sitemaps, "sitemap")
            );
            // The others would say the same.
            self.open.clear();
            return Err(incomplete(message));
        }
        self.open(Place::Url(url))
    }
}

fn incomplete(message: String) -> Failure {
    Failure::new(Exit::Incomplete, message)
}

impl Iterator for Sitemaps {
    type Item = Result<String, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(first) = self.first.take()
            && let Err(failure) = self.open(first)
        {
            return Some(Err(failure));
        }
        loop {
            let (name, entries) = self.open.last_mut()?;
            match entries.next() {
                Some(Ok(Entry::Page(url))) => return Some(Ok(url)),
                Some(Ok(Entry::Sitemap(url))) => {
                    if let Err(failure) = self.descend(url) {
                        return Some(Err(failure));
                    }
                }
                Some(Err(problem)) => {
                    let failure = incomplete(format!("{name}: {problem}"));
                    self.open.pop();
                    return Some(Err(failure));
                }
                None => {
                    self.open.pop();
                }
            }
        }
    }
}
