//! Collects the mistakes of one type, so that one compilation shows them all.

use std::fmt::Display;

use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::Error;

/// Collects errors until the whole type was checked.
#[derive(Debug, Default)]
pub(crate) struct Diagnostics {
    errors: Option<Error>,
}

impl Diagnostics {
    /// Adds an error that underlines `span`.
    pub(crate) fn report_at(&mut self, span: Span, message: impl Display) {
        self.absorb(Error::new(span, message));
    }

    /// Adds an error that underlines all of `tokens`.
    pub(crate) fn report(&mut self, tokens: impl ToTokens, message: impl Display) {
        self.absorb(Error::new_spanned(tokens, message));
    }

    /// Adds the error of a parser.
    pub(crate) fn absorb(&mut self, error: Error) {
        match &mut self.errors {
            Some(errors) => errors.combine(error),
            None => self.errors = Some(error),
        }
    }

    /// Whether nothing was reported.
    pub(crate) fn is_empty(&self) -> bool {
        self.errors.is_none()
    }

    /// The errors as tokens that make the compiler show them; `None` when there is no error.
    pub(crate) fn into_compile_errors(self) -> Option<TokenStream> {
        self.errors.map(Error::into_compile_error)
    }
}

/// The known name that is closest to `name`, if one is close.
pub(crate) fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A third of the letters may differ, and always one: `ur` is close to `url`, `id` is not close to `slug`.
    let allowed = (name.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// "`a`, `b`, `c`"
pub(crate) fn listed(names: impl IntoIterator<Item: Display>) -> String {
    let quoted: Vec<_> = names.into_iter().map(|name| format!("`{name}`")).collect();
    quoted.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_a_slip_of_the_pen_away() {
        let fields = ["id", "slug", "title"];
        assert_eq!(nearest("slgu", fields), Some("slug"));
        assert_eq!(nearest("titles", fields), Some("title"));
        assert_eq!(nearest("ids", fields), Some("id"));
        assert_eq!(nearest("author", fields), None);
        assert_eq!(nearest("x", fields), None);
    }

    #[test]
    fn all_errors_are_kept() {
        let mut diagnostics = Diagnostics::default();
        diagnostics.report_at(Span::call_site(), "first");
        diagnostics.report_at(Span::call_site(), "second");
        let shown = diagnostics.into_compile_errors().unwrap().to_string();
        assert!(
            shown.contains("first") && shown.contains("second"),
            "{shown}"
        );
        assert!(Diagnostics::default().into_compile_errors().is_none());
    }
}
