//! Models that are SeaORM entities.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{quote, quote_spanned};
use syn::Index;
use syn::spanned::Spanned;

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

/// What `#[sea_orm::model]` generates deletes a row's links to other rows by a statement that runs no hooks. A method of
/// the type itself comes before that of SeaORM's trait.
pub(crate) fn links(item: &Item, krate: &TokenStream) -> Option<TokenStream> {
    let via = item.fields.iter().filter_map(|field| {
        let via = table::said(&field.attributes, "via").flatten().next()?;
        let module = via.split("::").next().unwrap_or_default().trim();
        let name = syn::parse_str::<Ident>(module).ok()?;
        let is_self = table::said(&field.attributes, "self_ref").next().is_some();
        Some((name, is_self))
    });
    let (of_self, of_other): (Vec<_>, Vec<_>) = via.partition(|(_, is_self)| *is_self);
    if of_self.is_empty() && of_other.is_empty() {
        return None;
    }
    let orm = quote!(#krate::__private::sea_orm);
    let method = |name: &str, links: &[(Ident, bool)], bounds: TokenStream, ends: TokenStream| {
        let name = Ident::new(name, Span::call_site());
        let junctions = links.iter().map(|(junction, _)| junction);
        (!links.is_empty()).then(|| {
            quote! {
                async fn #name<J, C>(
                    &self,
                    junction: J,
                    db: &C,
                ) -> #orm::Result<#orm::DeleteResult, #orm::DbErr>
                where
                    J: #orm::EntityTrait,
                    #bounds,
                    C: #orm::ConnectionTrait,
                {
                    use #orm::{NoRules as _, WithRules as _};
                    #orm::before_links::<Self, C>(self, db).await?;
                    #(if #orm::is_same::<J, super::#junctions::Entity>() {
                        let links = #orm::Links::<super::#junctions::Model>::new();
                        (&links).before_delete(self, #ends, db).await?;
                    })*
                    <Self as #orm::ActiveModelTrait>::#name(self, junction, db).await
                }
            }
        })
    };
    let of_other = method(
        "delete_links",
        &of_other,
        quote!(J: #orm::Related<Entity>),
        quote!(&[<J as #orm::Related<Entity>>::to()]),
    );
    let of_self = method(
        "delete_links_self",
        &of_self,
        quote!(Entity: #orm::RelatedSelfVia<J>),
        quote!(&[
            <Entity as #orm::RelatedSelfVia<J>>::via().rev(),
            <Entity as #orm::RelatedSelfVia<J>>::to(),
        ]),
    );
    Some(quote! {
        impl ActiveModelEx {
            #of_other
            #of_self
        }
    })
}

/// Makes a missing `#[roan::hooks]` a compile error, and implements the related rows.
pub(crate) fn wiring(item: &Item, rules: &[Rule<'_>], krate: &TokenStream) -> TokenStream {
    let model = &item.ident;
    let relations = relations(item, rules);
    let keys = rules.iter().filter_map(key_is_single);
    let links = links(item, krate);
    quote! {
        #links
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
    let span = model.span().located_at(Span::call_site());
    Some(quote_spanned!(span=> ::core::assert!(__orm::has_single_key::<#model>(), #told);))
}

fn relations(item: &Item, rules: &[Rule<'_>]) -> Option<TokenStream> {
    let mut keys = TokenStream::new();
    let mut follows = TokenStream::new();
    let found = Ident::new("found", Span::mixed_site());
    let mut conditions = TokenStream::new();
    let mut follows_relations = None;
    for (at, rule) in rules.iter().enumerate() {
        let at = Index::from(at);
        let related = match &rule.target {
            Target::Related(related) => related,
            Target::Relation(model) => {
                if let Some(condition) = rule.when {
                    let condition = seeing_self(condition.clone(), false);
                    conditions.extend(quote!(#at => __roan::when(#condition),));
                }
                follows.extend(quote!(#found.follow_relation::<#model>(#at).await?;));
                follows_relations = Some(quote!(
                    const FOLLOWS_RELATIONS: bool = true;
                ));
                continue;
            }
            _ => continue,
        };
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
    (!follows.is_empty()).then(|| {
        quote! {
            #follows_relations
            fn relates(&self, rule: usize) -> bool {
                match rule {
                    #conditions
                    _ => true,
                }
            }
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
