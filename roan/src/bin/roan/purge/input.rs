//! What to purge: the pages of standard input, files and sitemaps, one after the other.

use std::fs::File;
use std::io::BufReader;

use roan::Target;

use super::fetch::Chunks;
use super::lines::Lines;
use super::pages::{Pages, site_of};
use super::sitemap::{Place, Sitemaps};
use crate::args::PurgeArgs;
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::output::counted;

/// One thing to purge.
#[derive(Debug)]
pub(super) enum Item {
    Target(Target),
    /// The text of a URL.
    Page(String),
}

enum Source {
    Lines(Lines),
    Sitemaps(Sitemaps),
}

/// The input that is not on the command line itself. It is read as it is purged.
pub(super) struct Input {
    sources: Vec<Source>,
    /// Those on the command line.
    named: Vec<String>,
    /// Read ahead.
    first: Option<Result<Item, Failure>>,
    taken: u64,
    most: u64,
}

impl Input {
    /// Opens the files.
    pub(super) fn new(args: &PurgeArgs, interrupt: &Interrupt) -> Result<Self, Failure> {
        let mut sources = Vec::new();
        let mut named = Vec::new();
        for url in &args.urls {
            if url != "-" {
                named.push(url.clone());
            }
        }
        if named.len() < args.urls.len() {
            let stdin = Chunks::of_stdin(interrupt.clone())?;
            let lines = Lines::new("standard input".to_owned(), Box::new(stdin));
            sources.push(Source::Lines(lines));
        }
        for path in &args.files {
            let name = path.display().to_string();
            let file = File::open(path)
                .map_err(|error| Failure::bad_input(format!("--file {name}: {error}")))?;
            sources.push(Source::Lines(Lines::new(
                name,
                Box::new(BufReader::new(file)),
            )));
        }
        for sitemap in &args.sitemaps {
            let place = Place::of(sitemap)?;
            if let Place::Url(url) = &place {
                named.push(url.clone());
            }
            let sitemaps = Sitemaps::new(place, args.limits.clone(), interrupt.clone());
            sources.push(Source::Sitemaps(sitemaps));
        }
        // The last is read first.
        sources.reverse();
        Ok(Self {
            sources,
            named,
            first: None,
            taken: 0,
            most: args.limits.max_urls,
        })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// The number of entries read.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// The site of the first whole URL.
    pub(super) fn first_site(&mut self) -> Option<String> {
        if let Some(site) = self.named.iter().find_map(|url| site_of(url)) {
            return Some(site);
        }
        if self.first.is_none() {
            self.first = self.read();
        }
        match &self.first {
            Some(Ok(Item::Page(url))) => site_of(url),
            _ => None,
        }
    }

    /// Sitemaps are fetched from these sites only.
    pub(super) fn of_hosts(&mut self, hosts: &Pages) {
        for source in &mut self.sources {
            if let Source::Sitemaps(sitemaps) = source {
                sitemaps.of_hosts(hosts);
            }
        }
    }

    fn read(&mut self) -> Option<Result<Item, Failure>> {
        loop {
            let next = match self.sources.last_mut()? {
                Source::Lines(lines) => lines.next(),
                Source::Sitemaps(sitemaps) => sitemaps.next(),
            };
            match next {
                Some(text) => return Some(text.map(Item::Page)),
                None => {
                    self.sources.pop();
                }
            }
        }
    }
}

impl Iterator for &mut Input {
    type Item = Result<Item, Failure>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = match self.first.take() {
            Some(first) => Some(first),
            None => self.read(),
        };
        if !matches!(next, Some(Ok(_))) {
            return next;
        }
        if self.taken == self.most {
            self.sources.clear();
            let message = format!("more than {}: raise --max-urls", counted(self.most, "page"));
            return Some(Err(Failure::new(Exit::Incomplete, message)));
        }
        self.taken += 1;
        next
    }
}
