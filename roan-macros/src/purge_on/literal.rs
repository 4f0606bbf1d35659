//! Messages about the text of a template that is not a URL, a prefix or a tag.

use crate::legality::{Flaw, MAX_LEN};

/// The message for a `flaw` in the template `shown`.
pub(crate) fn told(kind: &str, flaw: Flaw, shown: &str) -> String {
    match flaw {
        Flaw::NoLeadingSlash => match shown.split_once("://") {
            Some((_, rest)) => {
                let path = rest.find('/').map_or("/", |slash| &rest[slash..]);
                format!("write the path alone, `{path}`: the host is chosen by `site = \"...\"`")
            }
            None => format!("it must begin with `/`: write `/{shown}`"),
        },
        Flaw::Character { found: '#', .. } if kind != "tag" => {
            "a fragment never reaches a server: end it before `#`, or write `%23` for the character"
                .to_owned()
        }
        Flaw::Character { found, .. } => {
            let mut bytes = [0; 4];
            let bytes = found.encode_utf8(&mut bytes).bytes();
            let instead: String = bytes.map(|byte| format!("%{byte:02X}")).collect();
            format!("{found:?} must be written `{instead}`")
        }
        Flaw::Escape { .. } => {
            "a `%` needs two hexadecimal digits after it; a plain `%` is written `%25`".to_owned()
        }
        Flaw::DotSegment => {
            "browsers resolve `.` and `..` before they send a request: write the resolved path".to_owned()
        }
        Flaw::Climbs => {
            "a server that decodes it resolves its `..` to a path above the root: write the resolved path"
                .to_owned()
        }
        Flaw::EmptyTag => "a tag must not be empty: write a name, `tag = \"posts\"`".to_owned(),
        Flaw::Root => "it is every page of the site: write the flag `host`".to_owned(),
        Flaw::Query => {
            let path = shown.split('?').next().unwrap_or_default();
            format!("a prefix does not have a query: write `{path}`")
        }
        Flaw::NoTrailingSlash => format!(
            "it must end with `/`, so that it does not mean pages whose names only begin alike: write `{shown}/`"
        ),
        Flaw::NoFolder => {
            "each of its segments must name a folder: a server may read an empty one, or one with `.` or `..` in it, as another prefix"
                .to_owned()
        }
        Flaw::TooLong => format!("it is longer than {MAX_LEN} bytes: shorten it"),
    }
}
