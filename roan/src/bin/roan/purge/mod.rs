//! `roan purge`.

mod feed;
mod fetch;
mod input;
mod lines;
mod pace;
mod pages;
mod results;
mod sitemap;
mod xml;

use roan::purger::Mode;
use roan::{Roan, RoanBuilder, Spellings, Target, TargetKind};

use crate::args::PurgeArgs;
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::log::show_warnings;
use crate::output::Output;
use feed::Feed;
use input::{Input, Item};
use pages::Pages;
use results::Results;

pub(crate) fn run(args: &PurgeArgs, output: &Output) -> Result<Exit, Failure> {
    let mut builder = args.caches.builder()?;
    if args.everything && !args.yes {
        return Err(Failure::bad_input(format!(
            "--everything purges all pages of all sites in {}: add --yes",
            names(&builder)
        )));
    }
    check_mode(&builder, args)?;
    let targets = targets(args)?;
    for kind in targets.iter().map(Target::kind) {
        check_kind(&builder, kind)?;
    }
    let interrupt = Interrupt::listen()?;
    let mut input = Input::new(args, &interrupt)?;
    if builder.sites().all(|(name, _)| name.is_some())
        && let Some(site) = input.first_site()
    {
        builder = builder.site(site);
    }
    if args.no_rebound {
        builder = builder.rebound(None);
    }
    if args.exact {
        builder = builder.spellings(Spellings::Exact);
    }
    let pages = Pages::new(&builder);
    input.of_hosts(&pages);

    // What is wrong on the command line itself is found before anything is sent.
    let mut items: Vec<Item> = targets.into_iter().map(Item::Target).collect();
    for url in &args.urls {
        if url != "-" {
            let target = pages
                .target(url)
                .map_err(|why| Failure::bad_input(why.message))?;
            items.push(Item::Target(target));
        }
    }
    show_warnings(true);
    let roan = builder
        .max_age(args.max_age)
        .max_reports(feed::REPORTS)
        .build()?;
    let length = input.is_empty().then_some(items.len());
    let results = Results::print(&roan, output.clone(), length)?;
    let feed = Feed::new(&roan, &results, &interrupt, args.max_age);
    for item in items.into_iter().map(Ok).chain(&mut input) {
        if !feed.go_on() {
            break;
        }
        match item {
            Ok(Item::Target(target)) => feed.send(&target),
            Ok(Item::Page(text)) => match pages.target(&text) {
                Ok(target) => feed.send(&target),
                Err(why) => results.refuse(&why),
            },
            Err(why) => results.unread(&why),
        }
    }
    let stopped = feed.end();
    results.end(stopped, input.taken())
}

/// What the flags name.
fn targets(args: &PurgeArgs) -> Result<Vec<Target>, Failure> {
    let mut targets = Vec::new();
    let bad = |flag: &'static str| {
        move |error: roan::TargetError| Failure::bad_input(format!("{flag}: {error}"))
    };
    for tag in &args.tags {
        targets.push(Target::tag(tag).map_err(bad("--tag"))?);
    }
    for prefix in &args.prefixes {
        targets.push(Target::prefix(prefix).map_err(bad("--prefix"))?);
    }
    if args.host {
        targets.push(Target::host());
    }
    if args.everything {
        targets.push(Target::everything());
    }
    Ok(targets)
}

/// The names of the caches, for messages.
fn names(builder: &RoanBuilder) -> String {
    let names: Vec<_> = builder.caches().iter().map(roan::Cache::name).collect();
    if names.is_empty() {
        "nginx".to_owned()
    } else {
        names.join(", ")
    }
}

fn check_kind(builder: &RoanBuilder, kind: TargetKind) -> Result<(), Failure> {
    let mut caches = builder.caches().iter();
    if caches.any(|cache| cache.capabilities().can_purge(kind)) {
        return Ok(());
    }
    let what = match kind {
        TargetKind::Tag => "--tag",
        TargetKind::Prefix => "--prefix",
        TargetKind::Host => "--host",
        _ => "--everything",
    };
    Err(Failure::bad_input(format!(
        "{what}: {} cannot purge by {kind}: name the pages, or use --sitemap",
        names(builder)
    )))
}

/// With `--soft` or `--refresh`, each cache must do that.
fn check_mode(builder: &RoanBuilder, args: &PurgeArgs) -> Result<(), Failure> {
    let (wanted, flag, cure) = match (args.soft, args.refresh) {
        (true, _) => (
            Mode::Soft,
            "--soft",
            "configure a cache that can, or purge without it",
        ),
        (_, true) => (
            Mode::Refresh,
            "--refresh",
            "for nginx, set ROAN_REFRESH_SECRET (`refresh` in a file), or purge without it",
        ),
        _ => return Ok(()),
    };
    let mode = |cache: &roan::Cache| cache.capabilities().mode();
    let mut caches = builder.caches().iter();
    let other = match caches.find(|cache| mode(cache) != wanted) {
        Some(cache) => cache.name(),
        None if builder.caches().is_empty() => "nginx",
        None => return Ok(()),
    };
    Err(Failure::bad_input(format!(
        "{flag}: the cache {other} is not set up to do so: {cure}"
    )))
}

/// Purges that neither have an answer nor were given up, rebounds included.
fn unanswered(roan: &Roan) -> usize {
    let stats = roan.stats();
    let nodes = stats.nodes.iter().map(|node| node.pending + node.rebounds);
    stats.waiting + nodes.sum::<usize>()
}
