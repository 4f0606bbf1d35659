//! Models that are SeaORM entities.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Index;

use super::emit::seeing_self;
use super::item::{Item, member_name};
use super::rule::{Rule, Target};
use super::{source, table};

/// `struct Model` of an entity, with the active model in the same module.
pub(crate) fn is_model(item: &Item) -> bool {
    item.name() == "Model" && table::is_named_by_sea_orm(item)
}

/// The types that `#[sea_orm::model]` generates besides the model.
pub(crate) fn is_model_ex(item: &Item) -> bool {
    item.name() == "ModelEx" && table::is_named_by_sea_orm(item)
}

/// Makes a missing `#[roan::hooks]` a compile error, and implements the related rows.
pub(crate) fn wiring(item: &Item, rules: &[Rule<'_>], krate: &TokenStream) -> TokenStream {
    let model = &item.ident;
    let relations = relations(item, rules);
    let keys = rules.iter().filter_map(key_is_single);
    quote! {
        const _: () = {
            use #krate::__private::{self as __roan, sea_orm as __orm};
            __orm::assert_hooked::<ActiveModel>();
            #(#keys)*
            #[automatically_derived]
            impl __orm::Relations for #model {
                #relations
            }
        };
    }
}

/// `author_id -> author::Model` is a row whose primary key is that one value.
fn key_is_single(rule: &Rule<'_>) -> Option<TokenStream> {
    let Target::Related(related) = &rule.target else {
        return None;
    };
    let model = &related.model;
    let name = source::text(model);
    let told = format!(
        "`related({})` finds a row by its primary key, but that of `{name}` has several columns: write `related({name})`, which follows SeaORM's relation",
        related.text()
    );
    let span = model.clone().into_iter().next().map(|token| token.span());
    let span = span
        .unwrap_or_else(Span::call_site)
        .located_at(Span::call_site());
    Some(quote_spanned!(span=> ::core::assert!(__orm::has_single_key::<#model>(), #told);))
}

fn relations(item: &Item, rules: &[Rule<'_>]) -> Option<TokenStream> {
    let mut keys = TokenStream::new();
    let mut follows = TokenStream::new();
    let found = Ident::new("found", Span::mixed_site());
    for (at, rule) in rules.iter().enumerate() {
        let Target::Related(related) = &rule.target else {
            continue;
        };
        let at = Index::from(at);
        let name = member_name(&related.field);
        let member = item.field(&name).map(|field| &field.member);
        let key = if related.optional {
            quote!(self.#member.clone().map(__orm::Value::from))
        } else {
            quote!(__roan::Some(__orm::Value::from(self.#member.clone())))
        };
        let key = match rule.when {
            Some(condition) => {
                let condition = seeing_self(condition.clone(), false);
                quote!(if __roan::when(#condition) { #key } else { __roan::None })
            }
            None => key,
        };
        keys.extend(quote!(#at => #key,));
        let model = &related.model;
        follows.extend(quote!(#found.follow::<#model>(#at).await?;));
    }
    (!keys.is_empty()).then(|| {
        quote! {
            fn related_key(&self, rule: usize) -> __roan::Option<__orm::Value> {
                match rule {
                    #keys
                    _ => __roan::None,
                }
            }
            async fn related<C: __orm::ConnectionTrait>(
                mut #found: __orm::Found<'_, Self, C>,
            ) -> __orm::Result<__orm::Targets, __orm::DbErr> {
                #follows
                __orm::Result::Ok(#found.targets())
            }
        }
    })
}
