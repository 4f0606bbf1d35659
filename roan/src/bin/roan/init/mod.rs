//! `roan init`: what a crate needs to purge its pages.

mod code;
mod libraries;
mod manifest;
mod setup;

use std::path::Path;

use serde_json::json;

use crate::args::{Format, InitArgs};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use code::Code;
use libraries::Advice;
use manifest::{Manifest, package_in};
pub(crate) use setup::CacheKind;
use setup::Setup;

/// Where a clone of Roan's repository may be, beside the crate.
const CLONE: &str = "../roan/roan";

pub(crate) fn run(args: &InitArgs, output: &Output) -> Result<Exit, Failure> {
    let mut manifest = Manifest::read(&args.folder)?;
    let advice = Advice::of(&manifest);
    let is_new = !manifest.has_roan();
    if is_new && args.write {
        check_clone(args)?;
    }
    let clone = args.roan_path.as_deref().unwrap_or(Path::new(CLONE));
    let line = manifest.add_roan(&advice.features, clone);
    let setup = Setup::of(args)?;
    let code = Code::with(&advice.features);
    let mut written = Vec::new();
    if args.write {
        if line.is_some() {
            manifest.write()?;
            written.push(manifest.path().display().to_string());
        }
        let file = args.folder.join(setup.file);
        // What is there may have been changed by hand.
        if !file.exists() {
            write(&file, &setup.configuration)?;
            written.push(file.display().to_string());
        }
    }
    if output.format == Format::Json {
        output.line(json!({
            "crate": manifest.name(),
            "features": advice.features,
            "notes": advice.notes,
            "dependency": line,
            "model": code.model,
            "main": code.main,
            "environment": setup.environment,
            "configuration": setup.configuration,
            "install": setup.install,
            "written": written,
        }));
        return Ok(Exit::Done);
    }
    output.line(format_args!(
        "The crate {} at {}",
        manifest.name(),
        manifest.path().display()
    ));
    for note in &advice.notes {
        output.line(format_args!("  {note}"));
    }
    match &line {
        Some(line) if args.write => {
            output.line(format_args!(
                "\n1. Its Cargo.toml has this line now:\n\n    {line}"
            ));
        }
        Some(line) => {
            let clone = match (is_new, &args.roan_path) {
                (true, None) => {
                    " (the crate is not on crates.io: clone its repository, and name the clone by --roan-path)"
                }
                _ => "",
            };
            output.line(format_args!(
                "\n1. In its Cargo.toml, below [dependencies]{clone}:\n\n    {line}"
            ));
        }
        None => output.line("\n1. Its Cargo.toml has roan with these features already."),
    }
    let steps = steps(args, &setup, &code);
    for (number, (what, lines)) in steps.iter().enumerate() {
        let lines = lines.iter().map(|line| match &**line {
            "" => "\n".to_owned(),
            line => format!("\n    {line}"),
        });
        let lines: Vec<_> = lines.collect();
        output.line(format_args!(
            "\n{}. {what}:\n{}",
            number + 2,
            lines.concat()
        ));
    }
    if !args.write {
        let path = match (is_new, &args.roan_path) {
            (true, None) => " --roan-path FOLDER",
            _ => "",
        };
        output.line(format_args!(
            "\nNothing was changed. With{path} --write, the line in Cargo.toml and the file {} are written.",
            setup.file
        ));
    }
    for file in written {
        output.line(format_args!("\nWritten: {file}"));
    }
    Ok(Exit::Done)
}

/// Whether cargo would find roan: a name on crates.io could be anybody's.
fn check_clone(args: &InitArgs) -> Result<(), Failure> {
    let Some(path) = &args.roan_path else {
        return Err(Failure::bad_input(format!(
            "--write: the crate roan is not on crates.io, so Cargo.toml must name the folder of a clone: add it, as in \
             `--roan-path {CLONE}`. Nothing was written"
        )));
    };
    // As cargo reads it: from the folder of the crate.
    let wrong = |problem: &str| {
        Failure::bad_input(format!(
            "--roan-path: {} {problem}: write the path from the crate to the folder `roan` of a clone of Roan's \
             repository, as in `--roan-path {CLONE}`. Nothing was written",
            path.display()
        ))
    };
    match package_in(&args.folder.join(path)) {
        Ok(name) if name == "roan" => Ok(()),
        Ok(name) if name.is_empty() => Err(wrong("does not have a crate")),
        Ok(name) => Err(wrong(&format!("has the crate {name:?}, and not roan"))),
        Err(_) => Err(wrong("does not have a Cargo.toml that can be read")),
    }
}

/// What comes after the line in Cargo.toml: what it is for, and the lines to type.
fn steps(args: &InitArgs, setup: &Setup, code: &Code) -> Vec<(String, Vec<String>)> {
    let owned = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect();
    let environment = setup.before_a_command();
    let [packages, place, reload] = setup.install;
    let mut install: Vec<String> = owned(&[packages]);
    if !args.write {
        install.push(setup.print.clone());
    }
    install.extend(owned(&[place, reload]));
    vec![
        (
            "On a model, a rule for each page that shows it, and a hook after each write (more: roan::guide::rules)"
                .to_owned(),
            owned(&code.model),
        ),
        (
            "In `main`, before the app serves. For `?` it returns `Result<(), Box<dyn std::error::Error>>`".to_owned(),
            owned(&code.main),
        ),
        (format!("Install {}, and its configuration", setup.name), install),
        (
            "Start the app with these variables".to_owned(),
            vec![format!("{environment} cargo run")],
        ),
        (
            "In another terminal, prove that purges reach a page: this one, or another that all visitors share".to_owned(),
            vec![format!("{environment} roan doctor {}/", args.site)],
        ),
    ]
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(file, text)
        .map_err(|error| Failure::new(Exit::Failed, format!("{}: {error}", file.display())))
}
