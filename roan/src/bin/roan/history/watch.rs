//! `roan watch`.

use std::time::Duration;

use roan::history::Filter;
use roan::outbox::OutboxError;

use super::args::WatchArgs;
use super::lines;
use crate::args::Format;
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::outbox::{failure, with_admin};
use crate::output::{Output, note};

/// Between two looks at whether it is to end.
const STEP: Duration = Duration::from_millis(50);

pub(crate) fn run(args: &WatchArgs, output: &Output) -> Result<Exit, Failure> {
    with_admin(&args.database, async |admin, _| {
        let interrupt = Interrupt::listen()?;
        let mut filter = Filter::new();
        if let Some(node) = &args.of.node {
            filter = filter.node(node);
        }
        if let Some(result) = args.of.result {
            filter = filter.result(result);
        }
        if let Some(text) = &args.text {
            filter = filter.text(text);
        }
        let mut watch = admin.watch(filter).await.map_err(failure)?;
        if output.is_terminal {
            note("roan: watching; Ctrl-C ends");
        }
        let mut is_lost = false;
        while !interrupt.is_asked() && output.is_open() {
            match watch.poll().await {
                Ok(purges) => {
                    if is_lost {
                        note(
                            "roan: the database can be reached again: what ended meanwhile follows",
                        );
                        is_lost = false;
                    }
                    for purge in purges {
                        match output.format {
                            Format::Json => output.object(&purge),
                            Format::Text => output.line(lines::short(&purge, output)),
                        }
                    }
                }
                // It opens another connection when it looks next.
                Err(error @ OutboxError::Connect(_)) => {
                    if !is_lost {
                        note(format_args!(
                            "roan: {error}; the command goes on when the database can be reached again"
                        ));
                        is_lost = true;
                    }
                }
                Err(error) => return Err(failure(error)),
            }
            while !interrupt.is_asked() {
                let changed = watch.changed(args.every);
                if tokio::time::timeout(STEP, changed).await.is_ok() {
                    break;
                }
            }
        }
        Ok(Exit::Done)
    })
}
