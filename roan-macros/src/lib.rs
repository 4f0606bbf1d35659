//! The `#[purge_on]` attribute of `roan`.

mod diagnostics;
mod purge_on;

use proc_macro::TokenStream;

/// Says which pages show a model.
#[proc_macro_attribute]
pub fn purge_on(arguments: TokenStream, item: TokenStream) -> TokenStream {
    purge_on::expand(arguments.into(), item.into()).into()
}
