//! `roan vcl`: the VCL that the guide quotes and the tests run, with other names.

use std::fmt::Write;
use std::net::SocketAddr;

use serde_json::json;

use crate::addresses::{Network, app, listens, networks, site, wrong};
use crate::args::{Format, VclArgs};
use crate::exit::{Exit, Failure};
use crate::output::Output;

/// The one text of it.
const TEMPLATE: &str = include_str!("../../guide/varnish.vcl");

/// Where it goes on Debian.
pub(crate) const FILE: &str = "/etc/varnish/default.vcl";

pub(crate) fn run(args: &VclArgs, output: &Output) -> Result<Exit, Failure> {
    let text = configuration(args)?;
    match output.format {
        Format::Text => output.bytes(text.as_bytes()),
        Format::Json => output.line(json!({ "configuration": text })),
    }
    Ok(Exit::Done)
}

/// The template with these names.
pub(crate) fn configuration(args: &VclArgs) -> Result<String, Failure> {
    let mut vcl = TEMPLATE.to_owned();
    let mut set = |text: &str, with: &str| {
        debug_assert_eq!(vcl.matches(text).count(), 1, "{text}");
        vcl = vcl.replace(text, with);
    };
    set(
        ".host = \"127.0.0.1\"; .port = \"3000\";",
        &backend(app(&args.app)?),
    );
    if !args.allow.is_empty() {
        let mut lines = String::new();
        for Network { address, bits } in networks(&args.allow)? {
            let bits = bits.map_or_else(String::new, |bits| format!("/{bits}"));
            lines += &format!("    \"{address}\"{bits};\n");
        }
        set("    \"127.0.0.1\";\n    \"::1\";\n", &lines);
    }
    if let Some(sites) = Sites::of(&args.sites)? {
        set(
            HOST_MISSING,
            &format!("{HOST_MISSING}{}", sites.others_are_refused()),
        );
        if sites.are_https {
            set(
                "X-Forwarded-Proto = \"http\";     # \"https\" if visitors come over TLS that ends before Varnish",
                "X-Forwarded-Proto = \"https\";    # visitors come over TLS, which ends before Varnish",
            );
        }
    }
    if !args.listen.is_empty() {
        let service = service(&args.listen)?;
        set("vcl 4.1;\n", &format!("{service}vcl 4.1;\n"));
    }
    Ok(vcl)
}

/// The line of the template after which a host is known.
const HOST_MISSING: &str =
    "    if (req.http.Host == \"\") { return (synth(400, \"Host is missing\")); }\n";

fn backend(app: &str) -> String {
    if let Some(path) = app.strip_prefix("unix:") {
        return format!(".path = \"{path}\";");
    }
    // The colons of an IPv6 address are in brackets.
    let (host, port) = match app.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port),
        _ => (app, "80"),
    };
    let host = host.trim_matches(['[', ']']);
    format!(".host = \"{host}\"; .port = \"{port}\";")
}

/// The sites of one VCL.
struct Sites {
    hosts: Vec<String>,
    are_https: bool,
}

impl Sites {
    /// `None` if all hosts are served.
    fn of(texts: &[String]) -> Result<Option<Self>, Failure> {
        let mut sites: Option<Self> = None;
        for text in texts {
            let site = site(text)?;
            let is_https = site.scheme() == Some("https");
            let sites = sites.get_or_insert(Self {
                hosts: Vec::new(),
                are_https: is_https,
            });
            if sites.are_https != is_https {
                return Err(wrong(
                    "--site",
                    text,
                    "has another scheme than the sites before it, but the app gets one `X-Forwarded-Proto`: write the scheme \
                     that visitors use, `https://` or `http://`, before each site",
                ));
            }
            let host = site.host().to_owned();
            if !sites.hosts.contains(&host) {
                sites.hosts.push(host);
            }
        }
        Ok(sites)
    }

    fn others_are_refused(&self) -> String {
        let escaped = self.hosts.iter().map(|host| {
            host.replace('.', "\\.")
                .replace('[', "\\[")
                .replace(']', "\\]")
        });
        let hosts: Vec<_> = escaped.collect();
        format!(
            "    # Other hosts are not served here (RFC 9110, section 15.5.20).\n    \
             if (req.http.Host !~ \"^({})(:\\d+)?$\") {{ return (synth(421, \"Misdirected Request\")); }}\n",
            hosts.join("|")
        )
    }
}

/// The VCL cannot say where Varnish listens: the lines for Debian's service, as a comment.
fn service(listen: &[String]) -> Result<String, Failure> {
    let mut text = "#\n# Varnish's command line says where it listens. On Debian: `systemctl edit varnish`, with these lines, and\n\
         # `systemctl restart varnish`.\n#\n#     [Service]\n#     ExecStart=\n#     ExecStart=/usr/sbin/varnishd -j unix,user=vcache -F"
        .to_owned();
    for listen in listens(listen)? {
        // Without an address it is all of them.
        let address = match listen.address {
            Some(address) => SocketAddr::new(address, listen.port).to_string(),
            None => format!(":{}", listen.port),
        };
        // Writing to a text does not fail.
        let _ = write!(text, " -a {address}");
    }
    text += &format!(
        " \\\n#         -T localhost:6082 -f {FILE} -S /etc/varnish/secret -s malloc,256m\n"
    );
    Ok(text)
}
