//! `roan nginx-conf`: the configuration that the guide quotes and the tests run, with other names.

use std::net::IpAddr;

use roan::Site;
use serde_json::json;

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

fn wrong(option: &str, value: &str, problem: &str) -> Failure {
    Failure::bad_input(format!("{option}: {value:?} {problem}"))
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

fn app(app: &str) -> Result<&str, Failure> {
    let problem =
        "is not an address: write `127.0.0.1:3000`, `app.internal:3000` or `unix:/run/app.sock`";
    let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || "/._-:[]".contains(letter);
    let is_one = !app.is_empty() && app.chars().all(is_allowed);
    let is_socket = app
        .strip_prefix("unix:")
        .is_some_and(|path| path.starts_with('/'));
    let is_host = !app.contains('/') && app.parse::<Site>().is_ok();
    if is_one && (is_socket || is_host) {
        Ok(app)
    } else {
        Err(wrong("--app", app, problem))
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

fn address(listen: &str) -> Result<&str, Failure> {
    let port = listen.rsplit(':').next().unwrap_or(listen);
    let before = listen[..listen.len() - port.len()].trim_end_matches(':');
    let is_host = before.is_empty()
        || before == "*"
        || before.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    if is_host && port.parse::<u16>().is_ok_and(|port| port > 0) {
        Ok(listen)
    } else {
        Err(wrong(
            "--listen",
            listen,
            "is not an address: write `80`, `10.0.0.11:80` or `[::]:80`",
        ))
    }
}

fn network(allow: &str) -> Result<&str, Failure> {
    let (address, bits) = match allow.split_once('/') {
        Some((address, bits)) => (address, bits.parse::<u8>().ok()),
        None => (allow, Some(0)),
    };
    let most = match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => 0,
    };
    if most > 0 && bits.is_some_and(|bits| bits <= most) {
        Ok(allow)
    } else {
        Err(wrong(
            "--allow",
            allow,
            "is not an address or network: write `10.0.0.5` or `10.0.0.0/24`",
        ))
    }
}
