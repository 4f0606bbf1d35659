//! Races writes with renders, and prints which pages stay stale.
//!
//! ```text
//! cargo run --release --example race                                   what each remedy is worth, behind nginx
//! cargo run --release --example race -- --url PAGE --write COMMAND     the same for a page of your own site
//! ```

mod app;
mod options;
mod own;
mod remedy;
mod table;

use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use options::Options;
use own::OwnPage;
use remedy::Remedy;
use roan_examples::episodes::{Mode, Race, Tally};
use roan_examples::nginx::Program;

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("race: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn Error>> {
    let options = Options::from_args(std::env::args().skip(1))?;
    if options.help {
        print!("{}", options::HELP);
        return Ok(());
    }
    table::head();
    let mut stale = 0;
    match &options.own {
        Some((url, command)) => {
            let page = Arc::new(OwnPage::new(url, command));
            for mode in [Mode::Pair, Mode::Steady] {
                let race = race(&options, mode);
                let one = Race {
                    episodes: 1,
                    ..race
                };
                let mut sum = Tally::default();
                // One page, so one episode after the other.
                for _ in 0..race.episodes {
                    sum += one.run(Arc::clone(&page), 0).await?;
                }
                table::line("your site", mode, false, &sum, None);
            }
        }
        None => {
            let program = Program::find()?;
            let is_asked_for = |remedy: &Remedy| remedy.name.contains(&options.only);
            for remedy in Remedy::ALL.into_iter().filter(is_asked_for) {
                for slow in [false, true] {
                    for mode in Mode::ALL {
                        let site = Arc::new(remedy.start(&program, slow).await?);
                        let tally = race(&options, mode).run(Arc::clone(&site), 0).await?;
                        if remedy.is_sure() {
                            stale += tally.stale_for_good;
                        }
                        table::line(remedy.name, mode, slow, &tally, Some(site.renders()));
                    }
                }
            }
        }
    }
    match stale {
        0 => Ok(()),
        _ => Err(format!("{stale} pages stay stale that must not").into()),
    }
}

fn race(options: &Options, mode: Mode) -> Race {
    Race {
        mode,
        readers: options.readers,
        // As many pages as make the asked number of writes.
        episodes: options.writes.div_ceil(mode.writes()).max(1),
        at_a_time: options.pages,
        window: Duration::from_secs(1),
    }
}
