//! `roan outbox replay`.

use std::time::SystemTime;

use roan::outbox::Admin;
use serde_json::json;

use super::args::ReplayArgs;
use super::open::{failure, until_interrupted};
use super::words::milliseconds;
use crate::args::Format;
use crate::exit::{Exit, Failure};
use crate::output::{Output, counted, note};
use crate::words::duration;

pub(super) async fn replay(
    admin: &Admin,
    args: &ReplayArgs,
    output: &Output,
) -> Result<Exit, Failure> {
    let wanted = SystemTime::now()
        .duration_since(args.since)
        .unwrap_or_default();
    let kept = admin.status().await.map_err(failure)?.kept;
    let count = match args.dry_run {
        true => admin.count_since(args.since).await.map_err(failure)?,
        false => until_interrupted(admin.purge_since(args.since)).await?,
    };
    // If there was nothing to purge then, the two look alike.
    let reaches = kept.is_some_and(|kept| kept >= wanted);
    if !reaches {
        note(match kept {
            Some(kept) => format!(
                "roan: the oldest purge that is kept ended {} ago: if there were older ones, the retention has \
                 deleted them, and they are not sent again (`Outbox::retention`)",
                duration(kept)
            ),
            None => "roan: the outbox keeps no purge that is done: if there were any, the retention has deleted \
                     them (`Outbox::retention`)"
                .to_owned(),
        });
    }
    match (output.format, args.dry_run) {
        (Format::Json, dry_run) => output.line(json!({
            "replayed": count,
            "dry_run": dry_run,
            "kept_ms": kept.map(milliseconds),
            "all_kept": reaches,
        })),
        (Format::Text, true) => output.line(format_args!(
            "would send the purges of {} again",
            counted(count, "write")
        )),
        (Format::Text, false) => output.line(format_args!(
            "the purges of {} are sent again, to every node",
            counted(count, "write")
        )),
    }
    Ok(Exit::Done)
}
