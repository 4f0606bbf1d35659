//! From an attribute to an impl: parse, lower, check, emit; or the fallback.

mod args;
mod check;
mod emit;
mod entity;
mod fallback;
mod from_row;
mod item;
mod key;
mod literal;
mod meant;
mod rule;
mod source;
mod table;
mod template;
#[cfg(test)]
mod tests;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};

use crate::diagnostics::Diagnostics;
use args::Args;
pub(crate) use check::{stars_stand_in_path, url_is_fit};
pub(crate) use emit::{ident, writer_calls};
use from_row::Reading;
use item::{Annotated, Item};
use rule::Rule;
pub(crate) use rule::Template;
use table::Table;
pub(crate) use template::{Begin, Capture, Piece, Step};

/// The output that the features of this crate require besides the rules.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Libraries {
    /// The table of a model, also without an attribute.
    pub(crate) tables: bool,
    /// A check that the hooks of an entity are present.
    pub(crate) sea_orm: bool,
    /// For `from_row`, the code that makes a model from a stored row.
    pub(crate) rows: bool,
}

/// Expands the first `#[purge_on(...)]` of a type together with all others.
pub(crate) fn expand(
    arguments: TokenStream,
    annotated: TokenStream,
    libraries: Libraries,
) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let mut all = vec![Args::parse(arguments, Span::call_site(), &mut diagnostics)];
    let Annotated {
        tokens,
        siblings,
        item,
    } = Annotated::parse(annotated, &mut diagnostics);
    all.extend(siblings);
    let krate = all.iter().find_map(|args| args.krate.as_ref());
    let krate = krate.map_or_else(|| quote!(::roan), ToTokens::to_token_stream);
    let Some(item) = item else {
        let errors = diagnostics.into_compile_errors();
        return quote!(#tokens #errors);
    };
    if libraries.sea_orm && entity::is_model_ex(&item) {
        // `#[sea_orm::model]` has copied the attributes to it. Those of the model count.
        let links = entity::links(&item, &krate);
        return quote!(#tokens #links);
    }

    let rules: Vec<_> = all
        .iter()
        .flat_map(|args| Rule::lower(args, &mut diagnostics))
        .collect();
    let is_entity = libraries.sea_orm && entity::is_model(&item);
    check_all(&all, &rules, &item, is_entity, &mut diagnostics);

    match diagnostics.into_compile_errors() {
        None => {
            let named = all.iter().find_map(|args| args.table.as_ref());
            let reading = Reading {
                is_wanted: all.iter().any(|args| args.from_row.is_some()),
                is_supported: libraries.rows,
            };
            let table = (libraries.tables || named.is_some())
                .then(|| Table::of(&item, &rules, named, reading))
                .flatten();
            let model = emit::model(&item, &rules, table.as_ref(), &krate);
            let wired = is_entity.then(|| entity::wiring(&item, &rules, &krate));
            quote!(#tokens #model #wired)
        }
        Some(errors) => {
            let stub = fallback::stub(&item, &krate);
            let wired = is_entity.then(|| entity::wiring(&item, &[], &krate));
            quote!(#tokens #stub #wired #errors)
        }
    }
}

fn check_all(
    all: &[Args],
    rules: &[Rule<'_>],
    item: &Item,
    is_entity: bool,
    diagnostics: &mut Diagnostics,
) {
    for args in all {
        check::is_complete(args, diagnostics);
        check::save_stands_alone(args, diagnostics);
        check::everything_is_of_no_site(args, diagnostics);
        check::watched_fields_exist(args, item, diagnostics);
    }
    check::crates_agree(all, diagnostics);
    check::tables_agree(all, diagnostics);
    check::table_fits(all, item, diagnostics);
    check::from_row_fits(all, item, diagnostics);
    for rule in rules {
        check::static_text_is_fit(rule, item, diagnostics);
        check::stars_stand_in_paths(rule, diagnostics);
        check::captures_fit_fields(rule, item, diagnostics);
        check::related_fields_fit(rule, item, is_entity, diagnostics);
    }
    // Rules may differ in the part that could not be parsed.
    if !all.iter().any(|args| args.is_broken) {
        check::rules_differ(rules, diagnostics);
    }
}
