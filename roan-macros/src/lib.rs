//! The `#[purge_on]` attribute of `roan`.
use proc_macro::TokenStream;

/// Says which pages show a model.
#[proc_macro_attribute]
pub fn purge_on(_args: TokenStream, item: TokenStream) -> TokenStream {
    item
}
