//! The table and column names of the type, from its attributes.

use heck::{
    ToKebabCase, ToLowerCamelCase, ToPascalCase, ToShoutyKebabCase, ToShoutySnakeCase, ToSnakeCase,
};
use proc_macro2::{TokenStream, TokenTree};
use quote::{ToTokens, quote};
use syn::parse::{ParseStream, Parser};
use syn::{Attribute, Ident, Index, Lit, LitStr, Token};

use super::from_row::{FromRow, Reading};
use super::item::{Field, Item, member_name};
use super::rule::{Rule, Target};
use super::source;
use super::template::{Capture, Piece, Step};

/// The table of a model, and the columns that its rules name.
pub(crate) struct Table<'a> {
    name: String,
    /// Whether `table = ...` sets the name, not a default.
    is_named: bool,
    key: Vec<String>,
    columns: Vec<Column<'a>>,
    reading: Reading,
    from_row: FromRow<'a>,
}

struct Column<'a> {
    field: &'a Field,
    name: String,
    /// Whether it fills a template, and is not only watched.
    is_filling: bool,
}

impl<'a> Table<'a> {
    /// `None` for a type that cannot be a table.
    pub(crate) fn of(
        item: &'a Item,
        rules: &[Rule<'_>],
        named: Option<&LitStr>,
        reading: Reading,
    ) -> Option<Self> {
        if !item.can_be_table() {
            return None;
        }
        let mut watched = Vec::new();
        let mut filling = Vec::new();
        for rule in rules {
            watched.extend(rule.watched_names());
            if let Target::Related(related) = &rule.target {
                watched.push(member_name(&related.field));
            }
            if let Some(template) = rule.template() {
                filling.extend(template.captures().filter_map(plain_field));
            }
        }
        let case = said(&item.attributes, "rename_all").find_map(|text| text);
        let column = |field: &Field| {
            let column = renamed(field);
            column.unwrap_or_else(|| in_case(&field.name, case.as_deref()))
        };
        let columns = item.fields.iter().filter_map(|field| {
            let is_filling = filling.contains(&field.name.as_str());
            (is_filling || watched.contains(&field.name)).then(|| Column {
                field,
                name: column(field),
                is_filling,
            })
        });
        Some(Self {
            name: named.map_or_else(|| name(item), LitStr::value),
            is_named: named.is_some(),
            key: key(item, column),
            reading,
            from_row: FromRow::of(item, column),
            columns: columns.collect(),
        })
    }

    pub(crate) fn tokens(&self, rules: &[Rule<'_>]) -> TokenStream {
        let Self { name, key, .. } = self;
        let columns = self.columns.iter().map(|column| {
            let (field, name) = (&column.field.name, &column.name);
            let kind = self.kind(column);
            quote!(__roan::Column { field: #field, name: #name, kind: #kind })
        });
        let rows = rules.iter().map(|rule| self.row_rule(rule));
        let from_row = self.reading.is_supported.then(|| {
            let from_row = match self.reading.is_wanted {
                true => self.from_row.tokens(),
                false => quote!(__roan::None),
            };
            quote!(from_row: #from_row,)
        });
        quote! {
            __roan::Table {
                name: #name,
                key: &[#(#key),*],
                columns: &[#(#columns),*],
                rows: &[#(#rows),*],
                #from_row
            }
        }
    }

    fn kind(&self, column: &Column<'_>) -> TokenStream {
        let ty = &column.field.ty;
        if !column.is_filling {
            quote!(__roan::ColumnKind::Other)
        } else if self.is_named && !self.reading.is_wanted {
            // `table = ...` requests triggers, so a type that they cannot store is a mistake.
            quote!(<#ty as __roan::ColumnValue>::KIND)
        } else {
            quote!(<__roan::ColumnOf<#ty>>::KIND)
        }
    }

    /// How the rule makes its target from the columns.
    fn row_rule(&self, rule: &Rule<'_>) -> TokenStream {
        if matches!(rule.target, Target::Related(_) | Target::Relation(_)) {
            return quote!(__roan::RowRule::Related);
        }
        if let Some(what) = needs_value(rule) {
            return quote!(__roan::RowRule::Value(#what));
        }
        let pieces = rule
            .template()
            .into_iter()
            .flat_map(|template| &template.pieces);
        let pieces = pieces.map(|piece| match piece {
            Piece::Literal(text) => quote!(__roan::RowPiece::Literal(#text)),
            Piece::Capture(capture) => {
                let kind = match (capture.keeps_slashes, capture.optional) {
                    (false, false) => quote!(Value),
                    (false, true) => quote!(ValueIf),
                    (true, false) => quote!(Path),
                    (true, true) => quote!(PathIf),
                };
                let name = plain_field(capture);
                let is_it = |column: &Column<'_>| Some(column.field.name.as_str()) == name;
                let number = Index::from(self.columns.iter().position(is_it).unwrap_or_default());
                quote!(__roan::RowPiece::#kind(#number))
            }
        });
        quote!(__roan::RowRule::Pieces(&[#(#pieces),*]))
    }
}

/// The part of a rule without a related row that columns cannot express.
fn needs_value(rule: &Rule<'_>) -> Option<String> {
    if let Some(condition) = rule.when {
        return Some(format!("when = {}", source::text(condition)));
    }
    if let Target::Urls(function) = &rule.target {
        return Some(format!("urls = {}", source::text(function)));
    }
    let mut captures = rule.template()?.captures();
    let capture = captures.find(|capture| plain_field(capture).is_none())?;
    Some(format!("{{{}}}", capture.text))
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
    let mut of_sea_orm = item
        .attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("sea_orm"));
    of_sea_orm.any(|attribute| !said_by(attribute, "table_name").is_empty())
}

/// The name from the attributes of SeaORM and Diesel, else the default of Diesel.
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

/// The columns of the primary key: from the attributes of SeaORM and Diesel, else `id`.
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

/// The values of `key` in the attributes of the known libraries, as texts. `None` for a key without a value.
pub(crate) fn said(attributes: &[Attribute], key: &str) -> impl Iterator<Item = Option<String>> {
    let of_libraries = attributes.iter().filter(|attribute| {
        let path = attribute.path();
        ["sea_orm", "diesel", "sqlx"]
            .iter()
            .any(|library| path.is_ident(library))
    });
    of_libraries.flat_map(move |attribute| said_by(attribute, key))
}

pub(crate) fn said_by(attribute: &Attribute, key: &str) -> Vec<Option<String>> {
    let mut said = Vec::new();
    if let Ok(list) = attribute.meta.require_list() {
        // The library itself reports invalid attributes.
        let _ = entries(key, &mut said).parse2(list.tokens.clone());
    }
    said
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

/// The text of `= "posts"`, the last name of `= schema::posts`, the content of `(a, b)`.
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

#[cfg(test)]
mod tests {
    use proc_macro2::Span;
    use quote::quote;

    use super::*;
    use crate::diagnostics::Diagnostics;
    use crate::purge_on::args::Args;
    use crate::purge_on::item::Annotated;

    /// The table, its key, and its columns as `field = name`.
    fn table(arguments: TokenStream, item: TokenStream) -> Option<(String, String, String)> {
        let mut diagnostics = Diagnostics::default();
        let args = Args::parse(arguments, Span::call_site(), &mut diagnostics);
        let item = Annotated::parse(item, &mut diagnostics).item?;
        let rules = Rule::lower(&args, &mut diagnostics);
        let table = Table::of(&item, &rules, args.table.as_ref(), Reading::default())?;
        let column = |column: &Column<'_>| format!("{} = {}", column.field.name, column.name);
        let columns: Vec<_> = table.columns.iter().map(column).collect();
        Some((table.name, table.key.join(", "), columns.join(", ")))
    }

    #[test]
    fn the_attributes_of_each_library_are_read() {
        let arguments = quote!(update(title), url = "/posts/{slug}");
        let fields = quote!(id: i64, slug: String, title: String, body: String);
        let sea_orm_fields = quote! {
            #[sea_orm(primary_key, auto_increment = false)]
            pub r#type: i64,
            #[sea_orm(column_type = "Text", column_name = "permalink", unique)]
            pub slug: String,
            #[sea_orm(nullable)]
            pub title: String,
        };
        let several = quote! {
            #[sea_orm(primary_key)] blog: i64,
            #[sea_orm(primary_key, column_name = "no")] number: i64,
            slug: String,
            title: String,
        };
        let both = "slug = slug, title = title";
        for (item, name, key, columns) in [
            (
                quote!(struct BlogPost { #fields }),
                "blog_posts",
                "id",
                both,
            ),
            (quote!(struct News { #fields }), "news", "id", both),
            (
                quote!(
                    struct News {
                        slug: String,
                        title: String,
                    }
                ),
                "news",
                "",
                both,
            ),
            (
                quote!(#[sea_orm(schema_name = "blog", table_name = "post")] struct Model { #sea_orm_fields }),
                "blog.post",
                "type",
                "slug = permalink, title = title",
            ),
            (
                quote!(#[sea_orm(table_name = "x")] struct Model { #several }),
                "x",
                "blog, no",
                both,
            ),
            (
                quote!(#[sea_orm(table_name = "x", rename_all = "camelCase")] struct Model { #fields }),
                "x",
                "id",
                both,
            ),
            (
                quote!(#[diesel(table_name = crate::schema::articles)] #[diesel(primary_key(a, b))] struct Post { #fields }),
                "articles",
                "a, b",
                both,
            ),
            (
                quote!(
                    #[diesel(table_name = articles)]
                    struct Post {
                        #[diesel(column_name = r#type)]
                        slug: String,
                        title: String,
                    }
                ),
                "articles",
                "",
                "slug = type, title = title",
            ),
            (
                quote!(
                    #[sqlx(rename_all = "SCREAMING_SNAKE_CASE")]
                    struct Post {
                        id: i64,
                        #[sqlx(rename = "Permalink", default)]
                        slug: String,
                        title: String,
                    }
                ),
                "posts",
                "ID",
                "slug = Permalink, title = TITLE",
            ),
        ] {
            let shown = item.to_string();
            let read = table(arguments.clone(), item);
            let wanted = (name.to_owned(), key.to_owned(), columns.to_owned());
            assert_eq!(read, Some(wanted), "{shown}");
        }
    }

    #[test]
    fn what_can_be_no_table_has_none() {
        for item in [
            quote!(
                enum Post {
                    A,
                }
            ),
            quote!(
                struct Post(String);
            ),
            quote!(
                struct Post<T> {
                    slug: T,
                }
            ),
            quote!(
                struct Post<'a> {
                    slug: &'a str,
                }
            ),
        ] {
            assert_eq!(table(quote!(save, url = "/posts"), item), None);
        }
        let named = table(
            quote!(save, url = "/posts", table = "blog.posts"),
            quote!(
                struct Post;
            ),
        );
        assert_eq!(named.unwrap().0, "blog.posts");
    }
}
