//! The annotated type: its name, its generics and its fields.

use proc_macro2::{Ident, Span, TokenStream};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::{
    Attribute, Error, Fields, GenericParam, Generics, Item as SynItem, ItemEnum, ItemStruct,
    Member, Meta, Result, Token, Type, Visibility,
};

use super::args::Args;
use crate::diagnostics::Diagnostics;

/// The item below the attribute that is being expanded.
pub(crate) struct Annotated {
    /// The item without any `#[purge_on]`.
    pub(crate) tokens: TokenStream,
    /// The other `#[purge_on]` attributes of the item, in order.
    pub(crate) siblings: Vec<Args>,
    /// `None` if it is not a struct or enum, which has been reported.
    pub(crate) item: Option<Item>,
}

impl Annotated {
    /// Removes the other `#[purge_on]` attributes, to generate one impl from all of them.
    pub(crate) fn parse(item: TokenStream, diagnostics: &mut Diagnostics) -> Self {
        let mut tokens = TokenStream::new();
        let mut siblings = Vec::new();
        let parser = |input: ParseStream<'_>| {
            let mut kept = Vec::new();
            for attribute in input.call(Attribute::parse_outer)? {
                if is_purge_on(&attribute) {
                    siblings.push(parse_sibling(attribute, diagnostics));
                } else {
                    attribute.to_tokens(&mut tokens);
                    kept.push(attribute);
                }
            }
            tokens.extend(input.cursor().token_stream());
            Item::parse(kept, input)
        };
        let item = parser
            .parse2(item)
            .map_err(|error| diagnostics.absorb(error));
        Self {
            tokens,
            siblings,
            item: item.ok(),
        }
    }
}

fn is_purge_on(attribute: &Attribute) -> bool {
    let name = attribute.path().segments.last();
    name.is_some_and(|name| name.ident == "purge_on")
}

fn parse_sibling(attribute: Attribute, diagnostics: &mut Diagnostics) -> Args {
    let span = attribute.bracket_token.span.join();
    let arguments = match attribute.meta {
        Meta::List(list) => list.tokens,
        Meta::Path(_) => TokenStream::new(),
        Meta::NameValue(pair) => {
            let told =
                "write the rule in parentheses: `#[purge_on(save, delete, url = \"/posts\")]`";
            diagnostics.report(pair, told);
            let mut args = Args::parse(TokenStream::new(), span, diagnostics);
            args.is_broken = true;
            return args;
        }
    };
    Args::parse(arguments, span, diagnostics)
}

/// The annotated struct or enum.
pub(crate) struct Item {
    pub(crate) ident: Ident,
    pub(crate) generics: Generics,
    pub(crate) fields: Vec<Field>,
    pub(crate) is_enum: bool,
    /// Whether the type or a field is `#[deprecated]`: the generated code may still name it.
    pub(crate) is_deprecated: bool,
    /// Without `#[purge_on]`.
    pub(crate) attributes: Vec<Attribute>,
}

/// A field of the struct.
pub(crate) struct Field {
    /// The name without `r#`, or the number.
    pub(crate) name: String,
    pub(crate) member: Member,
    pub(crate) ty: Type,
    pub(crate) attributes: Vec<Attribute>,
}

impl Item {
    /// Parses the part after the attributes.
    fn parse(attributes: Vec<Attribute>, input: ParseStream<'_>) -> Result<Self> {
        let ahead = input.fork();
        ahead.parse::<Visibility>()?;
        let mut item = if ahead.peek(Token![struct]) {
            let item: ItemStruct = input.parse()?;
            Self {
                is_deprecated: item.fields.iter().any(|field| is_deprecated(&field.attrs)),
                ident: item.ident,
                generics: item.generics,
                fields: fields(item.fields),
                is_enum: false,
                attributes: Vec::new(),
            }
        } else if ahead.peek(Token![enum]) {
            let item: ItemEnum = input.parse()?;
            Self {
                is_deprecated: false,
                ident: item.ident,
                generics: item.generics,
                fields: Vec::new(),
                is_enum: true,
                attributes: Vec::new(),
            }
        } else {
            let kind = input.parse().map_or("this", |item| kind_of(&item));
            input.parse::<TokenStream>()?;
            let told = format!(
                "`#[purge_on]` belongs on a struct or an enum whose rows are saved, not on {kind}"
            );
            return Err(Error::new(Span::call_site(), told));
        };
        item.is_deprecated |= is_deprecated(&attributes);
        item.attributes = attributes;
        Ok(item)
    }

    /// The name of the type without `r#`.
    pub(crate) fn name(&self) -> String {
        self.ident.unraw().to_string()
    }

    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.name == name)
    }

    pub(crate) fn field_names(&self) -> Vec<&str> {
        self.fields.iter().map(|field| &*field.name).collect()
    }

    /// Whether its fields can be the columns of a table.
    pub(crate) fn can_be_table(&self) -> bool {
        let is_named = |field: &Field| matches!(field.member, Member::Named(_));
        !self.is_enum && self.fields.iter().all(is_named) && self.generics.params.is_empty()
    }

    /// Whether `ty` names a type parameter of the item.
    pub(crate) fn is_generic(&self, ty: &Type) -> bool {
        self.generics.params.iter().any(|param| match param {
            GenericParam::Type(param) => mentions(ty.to_token_stream(), &param.ident),
            _ => false,
        })
    }
}

fn fields(fields: Fields) -> Vec<Field> {
    let members: Vec<_> = fields.members().collect();
    members
        .into_iter()
        .zip(fields)
        .map(|(member, field)| Field {
            name: member_name(&member),
            member,
            ty: field.ty,
            attributes: field.attrs,
        })
        .collect()
}

/// The name without `r#`, or the number.
pub(crate) fn member_name(member: &Member) -> String {
    match member {
        Member::Named(name) => name.unraw().to_string(),
        Member::Unnamed(index) => index.index.to_string(),
    }
}

/// Whether `name` is among the tokens.
pub(crate) fn mentions<N>(tokens: TokenStream, name: &N) -> bool
where
    N: ?Sized,
    Ident: PartialEq<N>,
{
    tokens.into_iter().any(|token| match token {
        proc_macro2::TokenTree::Ident(ident) => ident == *name,
        proc_macro2::TokenTree::Group(group) => mentions(group.stream(), name),
        _ => false,
    })
}

fn is_deprecated(attributes: &[Attribute]) -> bool {
    attributes
        .iter()
        .any(|attribute| attribute.path().is_ident("deprecated"))
}

fn kind_of(item: &SynItem) -> &'static str {
    match item {
        SynItem::Fn(_) => "a function",
        SynItem::Union(_) => "a union",
        SynItem::Trait(_) | SynItem::TraitAlias(_) => "a trait",
        SynItem::Impl(_) => "an impl",
        SynItem::Mod(_) => "a module",
        SynItem::Type(_) => "a type alias",
        SynItem::Const(_) => "a constant",
        SynItem::Static(_) => "a static",
        SynItem::Use(_) | SynItem::ExternCrate(_) => "an import",
        SynItem::Macro(_) => "a macro",
        _ => "this",
    }
}
