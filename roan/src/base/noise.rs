//! Parameters that change no page.

/// Those that the nginx configuration of the guide cuts, beside `utm_...`.
const NOISE: [&str; 3] = ["fbclid", "gclid", "msclkid"];

/// Whether a parameter of a query changes no page.
pub(crate) fn is_noise(parameter: &str) -> bool {
    let name = parameter.split('=').next().unwrap_or_default();
    let is_utm = name
        .get(..4)
        .is_some_and(|start| start.eq_ignore_ascii_case("utm_"));
    is_utm || NOISE.iter().any(|noise| name.eq_ignore_ascii_case(noise))
}

/// The URL as that configuration has it in a key: without these parameters, and without empty ones. `None` if nothing is to
/// be cut.
#[cfg(all(unix, feature = "nginx-files"))]
pub(crate) fn cut(url: &str) -> Option<String> {
    let (path, query) = url.split_once('?')?;
    let parameters = query.split('&');
    let kept: Vec<_> = parameters
        .filter(|parameter| !parameter.is_empty() && !is_noise(parameter))
        .collect();
    let kept = kept.join("&");
    match &*kept {
        "" => Some(path.to_owned()),
        _ if kept == query => None,
        _ => Some(format!("{path}?{kept}")),
    }
}

#[cfg(all(test, unix, feature = "nginx-files"))]
mod tests {
    use super::*;

    #[test]
    fn what_changes_no_page_is_cut_and_nothing_else() {
        for (url, page) in [
            ("/a", None),
            ("/a?b=%26&c", None),
            ("/a?", Some("/a")),
            ("/a?&", Some("/a")),
            ("/a?utm_source=x", Some("/a")),
            ("/a?b=1&&GCLID&c=+", Some("/a?b=1&c=+")),
        ] {
            assert_eq!(cut(url).as_deref(), page, "{url}");
        }
    }
}
