//! The output in place of rules that have errors.

use proc_macro2::TokenStream;
use quote::quote;

use super::item::Item;

/// An impl without rules, so that calls of hooks do not cause further errors.
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
