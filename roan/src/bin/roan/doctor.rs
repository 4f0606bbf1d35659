//! `roan doctor`.

use clap::builder::styling::AnsiColor;
use roan::doctor::{Doctor, Fault};

use crate::args::{DoctorArgs, Format};
use crate::exit::{Exit, Failure};
use crate::interrupt::Interrupt;
use crate::log::show_warnings;
use crate::output::{Output, note};

pub(crate) fn run(args: &DoctorArgs, output: &Output) -> Result<Exit, Failure> {
    let bad = |error: roan::doctor::DoctorError| Failure::bad_input(error.to_string());
    let mut doctor = Doctor::of(&args.page_url).map_err(bad)?;
    if let Some(app) = &args.app {
        doctor = doctor.app(app).map_err(bad)?;
    }
    if let Some(from) = args.from {
        doctor = doctor.from(from);
    }
    let mut builder = args.caches.builder()?;
    // Whoever names the caches here has no configuration whose site could be missing.
    if !args.caches.purge_url.is_empty()
        && builder.sites().next().is_none()
        && let Ok((site, _)) = roan::Site::split(&args.page_url)
    {
        builder = builder.site(site.to_string());
    }
    show_warnings(false);
    let roan = builder.build()?;
    let nodes = roan.stats().nodes;
    let nodes: Vec<_> = nodes
        .iter()
        .map(|node| format!("{} {}", node.cache, node.node))
        .collect();
    note(format_args!(
        "roan doctor reads only, but for purges: it asks for {} and URLs beside it about 60 times at {}, and purges \
         them there.",
        args.page_url,
        nodes.join(", ")
    ));
    // The second signal ends it at once; nothing that it does needs to be ended cleanly.
    let interrupt = Interrupt::listen()?;
    let (sender, receiver) = std::sync::mpsc::channel();
    let examination = {
        let roan = roan.clone();
        std::thread::spawn(move || {
            // Whoever waits may have been interrupted.
            let _ = sender.send(doctor.examine_blocking(&roan));
        })
    };
    let report = loop {
        match receiver.recv_timeout(std::time::Duration::from_millis(50)) {
            Ok(report) => break report.map_err(bad)?,
            Err(_) if interrupt.is_asked() => {
                return Err(Failure::new(
                    Exit::Interrupted,
                    "ended by a signal: nothing was found out",
                ));
            }
            Err(_) if examination.is_finished() => {
                return Err(Failure::new(Exit::Failed, "the examination did not end"));
            }
            Err(_) => {}
        }
    };
    match output.format {
        Format::Json => output.line(report.to_json()),
        Format::Text => print(&report.to_string(), output),
    }
    let mut faults = report.findings.iter().map(|finding| finding.fault);
    Ok(if report.is_healthy() {
        Exit::Done
    } else if report.passed.is_empty() && faults.all(|fault| fault == Fault::Unreachable) {
        Exit::Unreachable
    } else {
        Exit::Failed
    })
}

/// The report, with its first words in colours.
fn print(text: &str, output: &Output) {
    for line in text.lines() {
        let colour = match line.split(' ').next() {
            Some("ok") => AnsiColor::Green,
            Some("FAULT") => AnsiColor::Red,
            Some("warning" | "unknown") => AnsiColor::Yellow,
            _ => {
                output.line(line);
                continue;
            }
        };
        let end = line.find(' ').unwrap_or(line.len());
        let word = output.painted(colour, &line[..end]);
        output.line(format_args!("{word}{}", &line[end..]));
    }
}
