//! `roan nginx-conf`: the configuration that the guide quotes and the tests run, with other names.

use roan::Site;
use serde_json::json;

use crate::addresses::{address, app, network, wrong};
use crate::args::{Format, NginxConfArgs};
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// The one text of it.
const TEMPLATE: &str = include_str!("../../guide/site.conf");

pub(crate) fn run(args: &NginxConfArgs, output: &Output) -> Result<Exit, Failure> {
    let text = configuration(args)?;
    match output.format {
        Format::Text => output.bytes(text.as_bytes()),
        Format::Json => output.line(json!({ "configuration": text })),
    }
    Ok(Exit::Done)
}

/// The template with these names.
pub(crate) fn configuration(args: &NginxConfArgs) -> Result<String, Failure> {
    let mut conf = TEMPLATE.to_owned();
    let mut set = |text: &str, with: &str| {
        debug_assert!(conf.contains(text), "{text}");
        conf = conf.replace(text, with);
    };
    let path = purge_path(&args.purge_path)?;
    let pattern = escaped(path);
    set("(?: /purge (?=/) )?", &format!("(?: {pattern} (?=/) )?"));
    set(
        "~^/purge/\\S* (?!/purge/)",
        &format!("~^{pattern}/\\S* (?!{pattern}/)"),
    );
    set("location ^~ /purge/ {", &format!("location ^~ {path}/ {{"));

    let zone = checked("--zone", &args.zone, "pages", |letter| {
        letter.is_ascii_alphanumeric() || letter == '_'
    })?;
    let size = zone_size(&args.zone_size)?;
    set("keys_zone=pages:64m", &format!("keys_zone={zone}:{size}"));
    set("proxy_cache pages;", &format!("proxy_cache {zone};"));
    set(
        "proxy_cache_purge pages ",
        &format!("proxy_cache_purge {zone} "),
    );
    let folder = checked(
        "--cache-folder",
        &args.cache_folder,
        "/var/cache/nginx-pages",
        is_of_a_path,
    )?;
    if !folder.starts_with('/') {
        return Err(wrong(
            "--cache-folder",
            folder,
            "is not an absolute path: write one such as `/var/cache/nginx-pages`",
        ));
    }
    set("/var/cache/nginx-pages", folder);

    set(
        "server 127.0.0.1:3000;",
        &format!("server {};", app(&args.app)?),
    );
    set(
        "server_name www.example.org;",
        &format!("server_name {};", hosts(&args.sites)?),
    );
    if !args.listen.is_empty() {
        let mut lines = String::new();
        for listen in &args.listen {
            lines += &format!("    listen {};\n", address(listen)?);
        }
        let (begin, end) = ("    listen 80;\n", "# `localhost` may mean this address\n");
        let from = conf.find(begin).unwrap_or_default();
        let to = conf.find(end).map_or(from, |at| at + end.len());
        conf.replace_range(from..to, &lines);
    }
    if !args.allow.is_empty() {
        let mut lines = String::new();
        for allow in &args.allow {
            lines += &format!("        allow {};\n", network(allow)?);
        }
        let (begin, end) = ("        allow 127.0.0.1;", "        allow ::1;\n");
        let from = conf.find(begin).unwrap_or_default();
        let to = conf.find(end).map_or(from, |at| at + end.len());
        conf.replace_range(from..to, &lines);
    }
    Ok(conf)
}

/// Nothing may end a word, a directive or a block of nginx.
fn checked<'a>(
    option: &str,
    value: &'a str,
    such_as: &str,
    is_allowed: fn(char) -> bool,
) -> Result<&'a str, Failure> {
    match value.chars().find(|letter| !is_allowed(*letter)) {
        None if !value.is_empty() => Ok(value),
        _ => {
            let problem =
                format!("has characters that it may not have: write one such as `{such_as}`");
            Err(wrong(option, value, &problem))
        }
    }
}

fn is_of_a_path(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "/._-".contains(letter)
}

fn purge_path(path: &str) -> Result<&str, Failure> {
    let path = checked("--purge-path", path, "/purge", is_of_a_path)?;
    let segments = path.strip_prefix('/').map(|rest| rest.split('/'));
    let is_plain = segments
        .is_some_and(|mut segments| segments.all(|segment| !matches!(segment, "" | "." | "..")));
    if is_plain {
        Ok(path)
    } else {
        Err(wrong(
            "--purge-path",
            path,
            "is not a path: begin it with `/`, and do not end it so, as in `/purge`",
        ))
    }
}

/// For a regular expression with `(?x)`.
fn escaped(path: &str) -> String {
    path.replace('.', "\\.")
}

fn zone_size(size: &str) -> Result<&str, Failure> {
    let number = size.strip_suffix(['k', 'K', 'm', 'M']);
    match number.and_then(|number| number.parse::<u32>().ok()) {
        Some(1..) => Ok(size),
        _ => Err(wrong(
            "--zone-size",
            size,
            "is not a size: write one such as `64m`; a megabyte holds about 8,000 pages",
        )),
    }
}

fn hosts(sites: &[String]) -> Result<String, Failure> {
    let mut hosts = Vec::new();
    for site in sites {
        let parsed: Site = site
            .parse()
            .map_err(|error: roan::SiteError| Failure::bad_input(format!("--site: {error}")))?;
        if !hosts.iter().any(|host| host == parsed.host()) {
            hosts.push(parsed.host().to_owned());
        }
    }
    Ok(hosts.join(" "))
}
