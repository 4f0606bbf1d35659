//! Models that are entities of SeaORM.

use proc_macro2::TokenStream;
use quote::quote;

use super::item::Item;
use super::table;

/// `struct Model` of an entity, whose active model stands beside it.
pub(crate) fn is_model(item: &Item) -> bool {
    item.name() == "Model" && table::is_named_by_sea_orm(item)
}

/// What `#[sea_orm::model]` makes besides the model.
pub(crate) fn is_model_ex(item: &Item) -> bool {
    item.name() == "ModelEx" && table::is_named_by_sea_orm(item)
}

/// Without `#[roan::hooks]` nothing would ever fire: an error of the compiler.
pub(crate) fn assert_wired(krate: &TokenStream) -> TokenStream {
    quote! {
        const _: () = #krate::__private::sea_orm::assert_hooked::<ActiveModel>();
    }
}
