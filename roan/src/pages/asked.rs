//! A URL as it was asked for, and the page that it shows.

use crate::base::canonical;
use crate::base::target::Target;

/// A URL as it was asked for, and the page that it shows.
#[derive(Debug)]
pub(crate) struct Asked {
    /// The bytes of the request.
    pub(crate) url: Target,
    /// The path in one spelling.
    pub(crate) place: Target,
    pub(super) parameters: Box<[String]>,
}

impl Asked {
    pub(crate) fn new(url: Target) -> Self {
        let place = place(&url);
        let parameters = canonical::parameters(url.as_str()).into();
        Self {
            url,
            place,
            parameters,
        }
    }

    /// Whether a purge of this URL means that one, too, which has the same place.
    #[cfg(feature = "_sql")]
    pub(crate) fn includes(&self, other: &Self) -> bool {
        has_all(&other.parameters, &self.parameters)
    }

    /// Whether it is the place itself, or that with a slash at its end.
    #[cfg(feature = "web")]
    pub(super) fn is_plain(&self) -> bool {
        let url = self.url.as_str();
        let place = self.place.as_str();
        url == place || url.strip_suffix('/') == Some(place)
    }

    /// Whether it has parameters that may change the page.
    #[cfg(feature = "_sql")]
    pub(crate) fn has_parameters(&self) -> bool {
        !self.parameters.is_empty()
    }
}

/// What all spellings of a URL have in common.
fn place(url: &Target) -> Target {
    // A key, which is not sent.
    url.with_text(&canonical::path(url.as_str()))
}

pub(super) fn has_all(parameters: &[String], wanted: &[String]) -> bool {
    wanted
        .iter()
        .all(|parameter| parameters.contains(parameter))
}
