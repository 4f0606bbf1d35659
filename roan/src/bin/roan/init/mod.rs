//! `roan init`: what a crate needs to purge its pages.

mod libraries;
mod manifest;

use std::path::Path;

use serde_json::json;

use crate::args::{Format, InitArgs, NginxConfArgs};
use crate::exit::{Exit, Failure};
use crate::nginx_conf;
use crate::output::Output;
use libraries::Advice;
use manifest::Manifest;

/// The file with the configuration of nginx.
const CONF: &str = "roan.nginx.conf";

pub(crate) fn run(args: &InitArgs, output: &Output) -> Result<Exit, Failure> {
    let mut manifest = Manifest::read(&args.folder)?;
    let advice = Advice::of(&manifest);
    let line = manifest.add_roan(&advice.features, args.roan_path.as_deref());
    let nginx = NginxConfArgs::of(&args.site, &args.app);
    let conf = nginx_conf::configuration(&nginx)?;
    let conf_file = args.folder.join(CONF);
    let mut written = Vec::new();
    if args.write {
        if line.is_some() {
            manifest.write()?;
            written.push(manifest.path().display().to_string());
        }
        // What is there may have been changed by hand.
        if !conf_file.exists() {
            write(&conf_file, &conf)?;
            written.push(conf_file.display().to_string());
        }
    }
    if output.format == Format::Json {
        output.line(json!({
            "crate": manifest.name(),
            "features": advice.features,
            "notes": advice.notes,
            "dependency": line,
            "environment": environment(args),
            "nginx": conf,
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
        Some(line) => output.line(format_args!(
            "\nIn its Cargo.toml, below [dependencies]:\n\n    {line}"
        )),
        None => output.line("\nIts Cargo.toml has roan with these features already."),
    }
    output.line(format_args!(
        "\nOn a model, for each page that shows it (more: roan::purge_on):\n\n    \
         #[roan::purge_on(save, delete, url = \"/posts/{{slug}}\")]\n\n\
         In the environment of the app:\n\n    {}\n    {}\n\n\
         The configuration of nginx, which needs `apt install nginx libnginx-mod-http-cache-purge`:\n\n    \
         roan nginx-conf --site {} --app {} > {CONF}\n    \
         sudo cp {CONF} /etc/nginx/sites-enabled/roan.conf && sudo nginx -t && sudo nginx -s reload\n\n\
         When both run, prove that purges reach a page:\n\n    \
         {} roan doctor {}/",
        environment(args)[0],
        environment(args)[1],
        args.site,
        args.app,
        environment(args)[1],
        args.site,
    ));
    if !args.write {
        output.line(format_args!(
            "\nNothing was changed. With --write, the line in Cargo.toml and the file {CONF} are written."
        ));
    }
    for file in written {
        output.line(format_args!("\nWritten: {file}"));
    }
    Ok(Exit::Done)
}

fn environment(args: &InitArgs) -> [String; 2] {
    [
        format!("ROAN_SITE={}", args.site),
        "ROAN_PURGE_URL=http://127.0.0.1/purge".to_owned(),
    ]
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(file, text)
        .map_err(|error| Failure::new(Exit::Failed, format!("{}: {error}", file.display())))
}
