//! What is emitted in place of the rules when they have errors.

use proc_macro2::TokenStream;
use quote::quote;

use super::item::Item;

/// An impl without rules, so that the calls of hooks are no errors of their own.
pub(crate) fn stub(item: &Item, krate: &TokenStream) -> TokenStream {
    let ident = &item.ident;
    let (impl_generics, ty_generics, where_clause) = item.generics.split_for_impl();
    quote! {
        #[automatically_derived]
        impl #impl_generics #krate::__private::Model for #ident #ty_generics #where_clause {
            const RULES: &'static [#krate::__private::Rule] = &[];
            fn targets(&self, _: usize, _: &mut #krate::__private::Targets<'_>) {}
        }
    }
}
