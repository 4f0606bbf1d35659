//! `from_row`: the code that makes a model from a row that a trigger stored.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Attribute, Type};

use super::item::{Field, Item, mentions};
use super::table::said_by;

/// Whether a type has `from_row`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reading {
    pub(crate) is_wanted: bool,
    /// Whether `roan` has a database, without which there are no rows.
    pub(crate) is_supported: bool,
}

/// The fields of a model that are columns, with the names of these.
pub(crate) struct FromRow<'a> {
    item: &'a Item,
    columns: Vec<(&'a Field, String)>,
}

impl<'a> FromRow<'a> {
    pub(crate) fn of(item: &'a Item, column: impl Fn(&Field) -> String) -> Self {
        let is_column = |field: &&Field| !is_skipped(field) && !is_relation(field, item);
        let fields = item.fields.iter().filter(is_column);
        Self {
            item,
            columns: fields.map(|field| (field, column(field))).collect(),
        }
    }

    pub(crate) fn tokens(&self) -> TokenStream {
        let Self { item, columns } = self;
        let ident = &item.ident;
        let listed = columns.iter().map(|(field, name)| {
            let (ty, field) = (&field.ty, &field.name);
            quote!(__roan::Column { field: #field, name: #name, kind: <__roan::ColumnOf<#ty>>::KIND })
        });
        let read = columns.iter().enumerate().map(|(number, (field, _))| {
            let Field { member, ty, .. } = field;
            let method = match is_json(field) {
                true => quote!(json),
                false => quote!(column),
            };
            // A compiler error about the type underlines it.
            let value = quote_spanned!(ty.span()=> row.#method::<#ty>(#number)?);
            quote!(#member: #value)
        });
        let skipped = item.fields.iter().filter(|field| is_skipped(field));
        let skipped = skipped.map(|Field { member, .. }| quote!(#member: __roan::default()));
        quote! {
            __roan::Some(__roan::FromRow {
                columns: &[#(#listed),*],
                targets: {
                    fn targets(
                        row: &__roan::StoredRow<'_>,
                        rules: &[usize],
                        out: &mut __roan::Targets<'_>,
                    ) -> __roan::Result<(), __roan::RowError> {
                        let model = #ident { #(#read,)* #(#skipped,)* };
                        __roan::yield_targets(&model, rules, out);
                        __roan::Result::Ok(())
                    }
                    targets
                },
            })
        }
    }
}

/// The attribute by which a field is made of several columns.
pub(crate) fn nested(field: &Field) -> Option<&'static str> {
    let nestings = [
        ("sqlx", "flatten", "#[sqlx(flatten)]"),
        ("diesel", "embed", "#[diesel(embed)]"),
        ("sea_orm", "nested", "#[sea_orm(nested)]"),
    ];
    nestings
        .into_iter()
        .find(|(library, key, _)| says(field, library, key))
        .map(|(.., shown)| shown)
}

/// A field that is not a column. Its library makes it by `Default`, too.
fn is_skipped(field: &Field) -> bool {
    says(field, "sqlx", "skip") || says(field, "sea_orm", "ignore")
}

/// A field that `#[sea_orm::model]`, below this attribute, is going to remove.
fn is_relation(field: &Field, item: &Item) -> bool {
    let is_model = |attribute: &Attribute| {
        let last = attribute.path().segments.last();
        last.is_some_and(|name| name.ident == "model")
    };
    item.attributes.iter().any(is_model) && names(&field.ty, &["HasOne", "HasMany", "BelongsTo"])
}

/// A document: a text of JSON in most databases.
fn is_json(field: &Field) -> bool {
    says(field, "sqlx", "json") || names(&field.ty, &["Json", "JsonValue"])
}

fn names(ty: &Type, names: &[&str]) -> bool {
    names
        .iter()
        .any(|name| mentions(ty.to_token_stream(), name))
}

fn says(field: &Field, library: &str, key: &str) -> bool {
    let mut attributes = field.attributes.iter();
    attributes
        .any(|attribute| attribute.path().is_ident(library) && !said_by(attribute, key).is_empty())
}
