//! `roan why`.

use std::fmt::Write as _;

use roan::history::Filter;
use roan::outbox::Admin;
use roan::{Site, Target};
use serde_json::json;

use super::args::WhyArgs;
use super::lines;
use crate::args::Format;
use crate::exit::{Exit, Failure};
use crate::outbox::words::line;
use crate::outbox::{failure, said_to_wait, with_admin};
use crate::output::{Output, note};
use crate::words::duration;

pub(crate) fn run(args: &WhyArgs, output: &Output) -> Result<Exit, Failure> {
    let target = args.target()?;
    with_admin(&args.database, async |admin, _| {
        let filter = args.filter(admin, &target).await?;
        let looking = said_to_wait(admin.history(&filter));
        let found = looking.await.map_err(failure)?;
        for purge in &found {
            match output.format {
                Format::Json => output.object(purge),
                Format::Text => output.line(lines::purge(purge, output)),
            }
        }
        let last = found.last().filter(|_| found.len() >= args.limit as usize);
        if output.format == Format::Json {
            let next = last.map(|purge| purge.id);
            output.line(json!({ "summary": { "listed": found.len(), "next": next } }));
        }
        if found.is_empty() {
            note(args.nothing(admin, &target).await?);
        } else if let Some(last) = last {
            note(format_args!(
                "roan: there may be more: add --before {} for the next {}",
                last.id, args.limit
            ));
        }
        Ok(Exit::Done)
    })
}

impl WhyArgs {
    fn target(&self) -> Result<Target, Failure> {
        let target = match (&self.url, &self.tag, &self.below) {
            (Some(url), ..) => {
                let url = path_of(url)?;
                Target::url(url)
            }
            (_, Some(tag), _) => Target::tag(tag),
            (.., Some(below)) => Target::prefix(below),
            (None, None, None) => {
                return Err(Failure::bad_input("give a URL, --tag or --below"));
            }
        };
        let target = target.map_err(|error| Failure::bad_input(error.to_string()))?;
        Ok(match &self.site {
            Some(site) => target.at_site(site),
            None => target,
        })
    }

    async fn filter(&self, admin: &Admin, target: &Target) -> Result<Filter, Failure> {
        let mut filter = Filter::new()
            .target(target.clone())
            .limit(self.limit as usize);
        if self.url.is_some() {
            filter = filter.tags(admin.tags_of(target).await.map_err(failure)?);
        }
        if self.site.is_none() {
            filter = filter.any_site();
        }
        if let Some(node) = &self.of.node {
            filter = filter.node(node);
        }
        if let Some(result) = self.of.result {
            filter = filter.result(result);
        }
        if let Some(since) = self.since {
            filter = filter.since(since);
        }
        if let Some(before) = self.before {
            filter = filter.before(before);
        }
        Ok(filter)
    }

    /// What it may mean that nothing was found, and what to type next.
    async fn nothing(&self, admin: &Admin, target: &Target) -> Result<String, Failure> {
        let shown = line(&target.to_string());
        let mut text = format!("roan: no purge of {shown} was found. This may mean:");
        let has_conditions = self.of.node.is_some()
            || self.of.result.is_some()
            || self.since.is_some()
            || self.before.is_some();
        if has_conditions {
            text.push_str(
                "\n- There are others: leave --node, --result, --since and --before out.",
            );
        }
        let status = admin.status().await.map_err(failure)?;
        match status.kept {
            Some(kept) => {
                let kept = duration(kept);
                let _ = write!(
                    text,
                    "\n- It was done longer ago than {kept}: of then, the outbox keeps nothing (`Outbox::retention`)."
                );
            }
            None if status.waiting + status.taken + status.left + status.deliveries() + status.all_dead() > 0 => {}
            None => text.push_str(
                "\n- This is not the outbox of the app, or it has never purged anything: see `roan outbox status`.",
            ),
        }
        text.push_str(
            "\n- No rule yields it: `roan::rules()` lists the rules of the app. The write may have been made without a \
             hook, or a hook without a connection to the outbox.",
        );
        if let Some(site) = &self.site {
            let site = line(site);
            let _ = write!(
                text,
                "\n- It is at another site than {site}: leave --site out."
            );
        }
        if let Some(part) = similar(target) {
            let filter = Filter::new().text(part).limit(3);
            let found = admin.history(&filter).await.map_err(failure)?;
            let targets = found.iter().flat_map(|purge| &purge.targets);
            let mut alike: Vec<_> = targets
                .filter(|target| target.as_str().contains(part))
                .map(|target| line(&target.to_string()))
                .collect();
            alike.sort();
            alike.dedup();
            alike.truncate(3);
            if alike.is_empty() {
                let part = line(part);
                let _ = write!(
                    text,
                    "\n- The page has another URL than the rules say: no purge contains {part:?}."
                );
            } else {
                let _ = write!(
                    text,
                    "\n- The page has another URL than the rules say. Purged were: {}.",
                    alike.join(", ")
                );
            }
        }
        if self.url.is_some() {
            text.push_str(
                "\n- It is purged by a tag, and no app with the web layer has recorded the tags of the page: type \
                 `roan why --tag TAG`.",
            );
        }
        Ok(text)
    }
}

/// The path and the query of a page.
fn path_of(text: &str) -> Result<String, Failure> {
    if text.starts_with('/') {
        return Ok(text.to_owned());
    }
    if !text.contains("://") {
        return Err(Failure::bad_input(format!(
            "{text:?} is neither a URL nor a path: write a URL such as `https://www.example.org/posts`, or a path such as \
             `/posts`"
        )));
    }
    let (_, url) = Site::split(text).map_err(|error| Failure::bad_input(error.to_string()))?;
    Ok(url)
}

/// A part of a target by which others like it are found.
fn similar(target: &Target) -> Option<&str> {
    let path = target.as_str().split('?').next()?;
    path.split('/').rfind(|segment| segment.len() > 2)
}
