//! The body of `CreateInvalidation`.

use std::fmt::Write;

use crate::base::target::{Target, TargetKind};

/// The longest path that CloudFront takes, in bytes:
/// <https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/invalidation-specifying-objects.html>
const LONGEST: usize = 4000;

/// The characters of a URL that CloudFront wants to be encoded in a path: the unsafe ones of RFC 1738, section 2.2. (It takes
/// `%` for the beginning of an escape.)
const UNSAFE: &[u8] = b"\\^~[]`{}|";

/// The path or tag that names a target in an invalidation. `Err` says why CloudFront cannot take it.
pub(super) fn item(target: &Target) -> Result<String, String> {
    let text = target.as_str();
    let item = match target.kind() {
        TargetKind::Tag => format!("#{text}"),
        // A distribution has one set of pages, whatever host they were asked for under.
        TargetKind::Host | TargetKind::Everything => "/*".to_owned(),
        TargetKind::Prefix => format!("{}*", path(text)),
        _ => path(text),
    };
    if item.len() > LONGEST {
        return Err(format!(
            "CloudFront takes paths of up to {LONGEST} bytes, and this one has {}: purge it by a tag or a prefix",
            item.len()
        ));
    }
    Ok(item)
}

/// A `*` at the end would be a wildcard.
fn path(url: &str) -> String {
    let mut path = String::with_capacity(url.len());
    for byte in url.bytes() {
        if byte == b'*' || UNSAFE.contains(&byte) {
            // Writing to a text does not fail.
            let _ = write!(path, "%{byte:02X}");
        } else {
            // A URL is ASCII.
            path.push(char::from(byte));
        }
    }
    path
}

/// The body, with each path or tag once.
pub(super) fn body(mut items: Vec<String>, reference: &str) -> String {
    items.sort_unstable();
    items.dedup();
    let mut body = format!(
        r#"<?xml version="1.0" encoding="UTF-8"?><InvalidationBatch xmlns="http://cloudfront.amazonaws.com/doc/2020-05-31/"><Paths><Quantity>{}</Quantity><Items>"#,
        items.len()
    );
    for item in &items {
        body.push_str("<Path>");
        for letter in item.chars() {
            match letter {
                '&' => body.push_str("&amp;"),
                '<' => body.push_str("&lt;"),
                '>' => body.push_str("&gt;"),
                other => body.push(other),
            }
        }
        body.push_str("</Path>");
    }
    let _ = write!(
        body,
        "</Items></Paths><CallerReference>{reference}</CallerReference></InvalidationBatch>"
    );
    body
}

/// The text of an element without children, in an answer of AWS.
pub(super) fn text<'x>(xml: &'x str, element: &str) -> Option<&'x str> {
    let (_, rest) = xml.split_once(&format!("<{element}>"))?;
    let (text, _) = rest.split_once(&format!("</{element}>"))?;
    Some(text.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_never_a_wildcard() {
        let shown = |target: Target| item(&target).unwrap();
        assert_eq!(shown(Target::url("/a*").unwrap()), "/a%2A");
        assert_eq!(shown(Target::url("/*").unwrap()), "/%2A");
        assert_eq!(
            shown(Target::url("/a~[b]|?c={d}^*").unwrap()),
            "/a%7E%5Bb%5D%7C?c=%7Bd%7D%5E%2A"
        );
        assert_eq!(
            shown(Target::url("/caf%C3%A9?a=b&c=%2B").unwrap()),
            "/caf%C3%A9?a=b&c=%2B"
        );
        assert_eq!(shown(Target::prefix("/v~1/").unwrap()), "/v%7E1/*");
        assert_eq!(shown(Target::host().at_site("shop")), "/*");
        assert_eq!(shown(Target::everything()), "/*");
        assert_eq!(shown(Target::tag("a%2A").unwrap()), "#a%2A");
    }

    #[test]
    fn a_path_that_is_too_long_is_named() {
        let url = |length: usize| Target::url(format!("/{}", "a".repeat(length - 1))).unwrap();
        assert!(item(&url(LONGEST)).is_ok());
        assert!(item(&url(LONGEST + 1)).unwrap_err().contains("has 4001"));
    }

    #[test]
    fn the_body_names_each_path_once() {
        let items = ["/b&c", "/a", "/b&c"].map(str::to_owned).to_vec();
        let body = body(items, "r-1");
        assert!(body.ends_with(
            "<Paths><Quantity>2</Quantity><Items><Path>/a</Path><Path>/b&amp;c</Path></Items></Paths>\
             <CallerReference>r-1</CallerReference></InvalidationBatch>"
        ));
        assert_eq!(text(&body, "CallerReference"), Some("r-1"));
        assert_eq!(text(&body, "Code"), None);
    }
}
