//! The page behind a spelling: `/posts/a/`, `//posts/a` and `/posts/a?utm_source=x` show what `/posts/a` shows.
//!
//! Spellings of one page must not be taken for two pages: a purge of one would leave the other. Two pages that are taken
//! for one cost only a purge too many.

use percent_encoding::{percent_decode_str, percent_encode};

use super::encode::VALUE;
use super::noise::is_noise;

/// The path in one spelling: without empty segments, with only the unreserved characters of RFC 3986 unencoded.
pub(crate) fn path(url: &str) -> String {
    let path = url.split('?').next().unwrap_or_default();
    let mut canonical = String::with_capacity(path.len());
    for segment in path.split('/').filter(|segment| !segment.is_empty()) {
        canonical.push('/');
        respell(segment, false, &mut canonical);
    }
    if canonical.is_empty() {
        canonical.push('/');
    }
    canonical
}

/// The parameters of the query in one spelling and order, without those that change no page.
pub(crate) fn parameters(url: &str) -> Vec<String> {
    let Some((_, query)) = url.split_once('?') else {
        return Vec::new();
    };
    let respelled = query.split('&').map(|parameter| {
        let (name, value) = match parameter.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (parameter, None),
        };
        let mut canonical = String::with_capacity(parameter.len());
        respell(name, true, &mut canonical);
        if let Some(value) = value {
            canonical.push('=');
            respell(value, true, &mut canonical);
        }
        canonical
    });
    let mut parameters: Vec<_> = respelled
        .filter(|parameter| !parameter.is_empty() && !is_noise(parameter))
        .collect();
    parameters.sort_unstable();
    parameters
}

fn respell(text: &str, in_query: bool, out: &mut String) {
    let mut bytes: Vec<u8> = percent_decode_str(text).collect();
    if in_query {
        // Some encoders write a plus for a space, others leave a plus as it is.
        bytes
            .iter_mut()
            .filter(|byte| **byte == b'+')
            .for_each(|byte| *byte = b' ');
    }
    out.extend(percent_encode(&bytes, VALUE));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::spelling::Spellings;
    use crate::base::target::Target;

    #[test]
    fn spellings_of_one_page_have_one_path() {
        for (spelling, page) in [
            ("/", "/"),
            ("//", "/"),
            ("/posts/a/", "/posts/a"),
            ("//posts//a", "/posts/a"),
            ("/posts/a?utm_source=x", "/posts/a"),
            ("/wiki/C++", "/wiki/C%2B%2B"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/%61", "/a"),
            ("/a%2Fb", "/a%2Fb"),
            ("/100%25", "/100%25"),
        ] {
            assert_eq!(path(spelling), page, "{spelling}");
        }
    }

    #[test]
    fn parameters_have_one_spelling_and_order() {
        assert_eq!(parameters("/a?b=2&a=x+y"), ["a=x%20y", "b=2"]);
        assert_eq!(parameters("/a?a=x%20y&b=%32"), ["a=x%20y", "b=2"]);
        let noise = "/a?utm_x=1&UTM_y&fbclid=2&GCLID=3&&msclkid";
        assert!(parameters(noise).is_empty());
        assert_eq!(parameters("/a?q=%2B"), parameters("/a?q=+"));
        assert_eq!(parameters("/a?q"), ["q"]);
        assert_eq!(parameters("/a?q=%26x"), ["q=%26x"]);
    }

    proptest! {
        #[test]
        fn each_spelling_that_roan_knows_is_of_the_same_page(value in "[ -~\u{a0}-\u{17f}]{1,12}") {
            let value = percent_encode(value.as_bytes(), VALUE);
            let url = format!("/a/x{value}?q=x{value}");
            for spelling in Spellings::Common.others(&url) {
                prop_assert_eq!(path(&spelling), path(&url));
                prop_assert_eq!(parameters(&spelling), parameters(&url));
            }
            prop_assert_eq!(path(&path(&url)), path(&url));
            prop_assert!(Target::url(path(&url)).is_ok());
        }
    }
}
