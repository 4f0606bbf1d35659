//! `roan nginx-conf`: the configuration that the guide quotes and the tests run, with other names.

use std::net::SocketAddr;

use serde_json::json;

use crate::addresses::{
    Listen, Network, app, is_of_a_path, listens, networks, number, site, wrong,
};
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
    set("/var/cache/nginx-pages", cache_folder(&args.cache_folder)?);

    set(
        "server 127.0.0.1:3000;",
        &format!("server {};", app(&args.app)?),
    );
    let hosts = hosts(&args.sites)?;
    set(
        "server_name www.example.org;",
        &format!("server_name {};", hosts.join(" ")),
    );
    if let Some(size) = bucket_of(&hosts) {
        let server = "\nserver {\n";
        set(
            server,
            &format!(
                "\nserver_names_hash_bucket_size {size};             # for the length of a name\n{server}"
            ),
        );
    }
    if !args.listen.is_empty() {
        let mut lines = String::new();
        for listen in listens(&args.listen)? {
            lines += &format!("    listen {};\n", listened(&listen)?);
        }
        let (begin, end) = ("    listen 80;\n", "# `localhost` may mean this address\n");
        let from = conf.find(begin).unwrap_or_default();
        let to = conf.find(end).map_or(from, |at| at + end.len());
        conf.replace_range(from..to, &lines);
    }
    if !args.allow.is_empty() {
        let mut lines = String::new();
        for Network { address, bits } in networks(&args.allow)? {
            let bits = bits.map_or_else(String::new, |bits| format!("/{bits}"));
            lines += &format!("        allow {address}{bits};\n");
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

/// Folders of the system. nginx deletes what it finds in a cache's folder and does not know.
const OF_THE_SYSTEM: [&str; 18] = [
    "bin", "boot", "dev", "etc", "home", "lib", "lib64", "media", "mnt", "opt", "proc", "root",
    "run", "sbin", "srv", "sys", "usr", "var",
];

fn cache_folder(folder: &str) -> Result<&str, Failure> {
    const SUCH_AS: &str = "/var/cache/nginx-pages";
    let folder = checked("--cache-folder", folder, SUCH_AS, is_of_a_path)?;
    let refused = |problem: &str| {
        wrong(
            "--cache-folder",
            folder,
            &format!("{problem} such as `{SUCH_AS}`"),
        )
    };
    let Some(rest) = folder.strip_prefix('/') else {
        return Err(refused("is not an absolute path: write one"));
    };
    let names: Vec<_> = rest.split('/').filter(|name| !name.is_empty()).collect();
    if names.iter().any(|name| matches!(*name, "." | "..")) {
        return Err(refused("has `.` or `..` in it: write a path without them,"));
    }
    if names.is_empty() || names.len() == 1 && OF_THE_SYSTEM.contains(&names[0]) {
        return Err(refused(
            "is a folder of the system, and nginx deletes what is not its own in the folder of a cache: write a folder \
             for the cache alone,",
        ));
    }
    Ok(folder)
}

fn listened(listen: &Listen) -> Result<String, Failure> {
    let Listen {
        address,
        port,
        has_colon,
    } = listen;
    match address {
        None if *has_colon => Err(wrong(
            "--listen",
            &format!(":{port}"),
            &format!("has no address, which nginx does not take: write `{port}`, or `*:{port}`"),
        )),
        None => Ok(port.to_string()),
        Some(address) => Ok(SocketAddr::new(*address, *port).to_string()),
    }
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

/// In KiB, what nginx takes: eight pages of memory, of up to 64 KiB on some machines.
const LEAST_ZONE: u64 = 512;
/// And what fits into a machine: for about 500 million pages.
const LARGEST_ZONE: u64 = 64 * 1024 * 1024;

fn zone_size(size: &str) -> Result<&str, Failure> {
    let about = |problem: &str| {
        let pages = "write one such as `64m`; a megabyte holds about 8,000 pages";
        wrong("--zone-size", size, &format!("{problem}: {pages}"))
    };
    let kibibytes = match size.strip_suffix(['k', 'K']) {
        Some(kibibytes) => number::<u64>(kibibytes),
        None => size
            .strip_suffix(['m', 'M'])
            .and_then(number::<u32>)
            .map(|mebibytes| u64::from(mebibytes) * 1024),
    };
    match kibibytes {
        None => Err(about("is not a size")),
        Some(..LEAST_ZONE) => Err(about("is too small for nginx")),
        Some(size) if size > LARGEST_ZONE => Err(about("is more than 64 GiB")),
        Some(_) => Ok(size),
    }
}

fn hosts(sites: &[String]) -> Result<Vec<String>, Failure> {
    let mut hosts = Vec::new();
    for text in sites {
        let site = site(text)?;
        if !hosts.iter().any(|host| host == site.host()) {
            hosts.push(site.host().to_owned());
        }
    }
    Ok(hosts)
}

/// The size of a bucket of nginx's table of names that holds the longest one, if that is not nginx's own. Beside the name it
/// has about 20 bytes; nginx's own size is that of a line of the processor's cache, 32, 64 or 128 bytes.
fn bucket_of(hosts: &[String]) -> Option<usize> {
    let longest = hosts.iter().map(String::len).max()?;
    (longest > 40).then(|| (longest + 24).next_power_of_two())
}
