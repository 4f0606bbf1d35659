//! What the database calls the type, as far as its attributes say.

use heck::{
    ToKebabCase, ToLowerCamelCase, ToPascalCase, ToShoutyKebabCase, ToShoutySnakeCase, ToSnakeCase,
};
use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Ident, Lit, LitStr, Token};

use super::item::{Field, Item, member_name};
use super::rule::{Rule, Target, Template};
use super::template::{Capture, Step};

/// The table of a model, and the columns that its rules name.
pub(crate) struct Table {
    name: String,
    key: Vec<String>,
    /// Fields and their columns.
    columns: Vec<(String, String)>,
    sees_whole_row: bool,
}

impl Table {
    /// `None` for a type that can be no table.
    pub(crate) fn of(item: &Item, rules: &[Rule<'_>], named: Option<&LitStr>) -> Option<Self> {
        let has_names = item
            .fields
            .iter()
            .all(|field| field.name.parse::<u32>().is_err());
        if item.is_enum || !has_names || !item.generics.params.is_empty() {
            return None;
        }
        let mut used = Vec::new();
        let mut sees_whole_row = false;
        for rule in rules {
            sees_whole_row |= rule.when.is_some() || matches!(rule.target, Target::Urls(_));
            used.extend(rule.watched_names());
            for capture in rule.template().into_iter().flat_map(Template::captures) {
                match plain_field(capture) {
                    Some(name) => used.push(name.to_owned()),
                    None => sees_whole_row = true,
                }
            }
        }
        let case = said(&item.attributes, "rename_all").find_map(|text| text);
        let column = |field: &Field| {
            let column = renamed(field);
            column.unwrap_or_else(|| in_case(&field.name, case.as_deref()))
        };
        let is_used = |field: &&Field| used.contains(&field.name);
        let columns = item.fields.iter().filter(is_used);
        Some(Self {
            name: named.map_or_else(|| name(item), LitStr::value),
            key: key(item, column),
            columns: columns
                .map(|field| (field.name.clone(), column(field)))
                .collect(),
            sees_whole_row,
        })
    }

    pub(crate) fn tokens(&self) -> TokenStream {
        let Self {
            name,
            key,
            columns,
            sees_whole_row,
        } = self;
        let columns = columns
            .iter()
            .map(|(field, name)| quote!(__roan::Column { field: #field, name: #name }));
        quote! {
            __roan::Table {
                name: #name,
                key: &[#(#key),*],
                columns: &[#(#columns),*],
                sees_whole_row: #sees_whole_row,
            }
        }
    }
}

/// The field that a capture is, and not only begins with.
pub(crate) fn plain_field(capture: &Capture) -> Option<&str> {
    match capture.steps.as_slice() {
        [Step::Field(name)] => Some(name),
        _ => None,
    }
}

/// `#[sea_orm(table_name = "posts")]`
pub(crate) fn is_named_by_sea_orm(item: &Item) -> bool {
    let mut of_sea_orm = item.attributes.clone();
    of_sea_orm.retain(|attribute| attribute.path().is_ident("sea_orm"));
    said(&of_sea_orm, "table_name").next().is_some()
}

/// By the attributes of SeaORM and of Diesel, or else as Diesel would name it.
fn name(item: &Item) -> String {
    let table = said(&item.attributes, "table_name").find_map(|text| text);
    let schema = said(&item.attributes, "schema_name").find_map(|text| text);
    let table = table.unwrap_or_else(|| {
        let name = item.name().to_snake_case();
        if name.ends_with('s') {
            name
        } else {
            name + "s"
        }
    });
    match schema {
        Some(schema) => format!("{schema}.{table}"),
        None => table,
    }
}

/// The columns of the primary key: by the attributes of SeaORM and of Diesel, or else `id`.
fn key(item: &Item, column: impl Fn(&Field) -> String) -> Vec<String> {
    let marked = |field: &&Field| said(&field.attributes, "primary_key").next().is_some();
    let marked: Vec<_> = item.fields.iter().filter(marked).map(&column).collect();
    if !marked.is_empty() {
        return marked;
    }
    match said(&item.attributes, "primary_key").flatten().next() {
        Some(listed) => listed
            .split(',')
            .map(|name| name.trim().to_owned())
            .collect(),
        None => item.field("id").map(column).into_iter().collect(),
    }
}

/// `#[sea_orm(column_name = "x")]`, `#[diesel(column_name = x)]`, `#[sqlx(rename = "x")]`
fn renamed(field: &Field) -> Option<String> {
    let names = ["column_name", "rename"];
    names
        .into_iter()
        .find_map(|key| said(&field.attributes, key).find_map(|text| text))
}

fn in_case(name: &str, case: Option<&str>) -> String {
    match case {
        Some("camelCase") => name.to_lower_camel_case(),
        Some("PascalCase") => name.to_pascal_case(),
        Some("snake_case") => name.to_snake_case(),
        Some("SCREAMING_SNAKE_CASE") => name.to_shouty_snake_case(),
        Some("kebab-case") => name.to_kebab_case(),
        Some("SCREAMING-KEBAB-CASE") => name.to_shouty_kebab_case(),
        Some("lowercase") => name.to_lowercase(),
        Some("UPPERCASE") => name.to_uppercase(),
        _ => name.to_owned(),
    }
}

/// What the attributes of the known libraries say to `key`: its value as a text, `None` where it
/// stands without one.
fn said(attributes: &[Attribute], key: &str) -> impl Iterator<Item = Option<String>> {
    let of_libraries = attributes.iter().filter(|attribute| {
        let path = attribute.path();
        ["sea_orm", "diesel", "sqlx"]
            .iter()
            .any(|library| path.is_ident(library))
    });
    let mut said = Vec::new();
    for attribute in of_libraries {
        if let Ok(list) = attribute.meta.require_list() {
            // What is not understood is for the library to complain of.
            let _ = entries(key, &mut said).parse2(list.tokens.clone());
        }
    }
    said.into_iter()
}

/// `word`, `word = value` or `word(value)`, with commas between.
fn entries<'a>(
    key: &'a str,
    said: &'a mut Vec<Option<String>>,
) -> impl FnOnce(ParseStream<'_>) -> syn::Result<()> + use<'a> {
    move |input| {
        while !input.is_empty() {
            let word: Ident = syn::ext::IdentExt::parse_any(input)?;
            let mut value = TokenStream::new();
            while !input.is_empty() && !input.peek(Token![,]) {
                value.extend([input.parse::<TokenTree>()?]);
            }
            if word == key {
                said.push(text(value));
            }
            if !input.is_empty() {
                input.parse::<Token![,]>()?;
            }
        }
        Ok(())
    }
}

/// Of `= "posts"` the text, of `= schema::posts` the last name, of `(a, b)` what is inside.
fn text(value: TokenStream) -> Option<String> {
    let mut last = None;
    for token in value {
        last = match token {
            TokenTree::Group(group) => Some(group.stream().to_string()),
            TokenTree::Ident(name) => Some(member_name(&name.into())),
            TokenTree::Literal(literal) => match syn::parse2(literal.into_token_stream()) {
                Ok(Lit::Str(text)) => Some(text.value()),
                _ => last,
            },
            TokenTree::Punct(_) => last,
        };
    }
    last
}
