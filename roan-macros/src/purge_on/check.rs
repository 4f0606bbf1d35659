//! The checks that need the rules and the type together, one function each.

use quote::ToTokens;
use syn::Type;

use super::args::{Args, EventArg, TargetArg};
use super::from_row;
use super::item::{Field, Item, member_name};
use super::key::Event;
use super::literal;
use super::meant;
use super::rule::{Rule, Target, Template};
use super::source;
use super::template::{Capture, Piece, Step};
use crate::diagnostics::{Diagnostics, listed, nearest};
use crate::legality::{self, Flaw};

/// `#[purge_on]`, `#[purge_on(url = "/posts")]`, `#[purge_on(save)]`
pub(crate) fn is_complete(args: &Args, diagnostics: &mut Diagnostics) {
    // `#[purge_on(table = "posts", from_row)]` describes the type, and is not a rule.
    let describes = args.table.is_some() || args.from_row.is_some();
    let says_of_type = describes && args.events.is_empty() && args.targets.is_empty();
    if args.is_broken || says_of_type {
        return;
    }
    let told = match (args.events.is_empty(), args.targets.is_empty()) {
        (true, true) => "write when to purge what: `#[purge_on(save, delete, url = \"/posts\")]`",
        (true, false) => {
            "this rule does not name an event, so it would never fire: add one or more of `create`, `update`, `delete`, `save`"
        }
        (false, true) => {
            "this rule does not name a target: add `url = \"/posts/{slug}\"`, `urls = Self::pages`, `tag = \"author-{id}\"`, `prefix = \"/docs/{version}/\"`, `host` or `everything`"
        }
        (false, false) => return,
    };
    diagnostics.report_at(args.span, told);
}

/// `#[purge_on(save, update(title), url = "/posts")]`
pub(crate) fn save_stands_alone(args: &Args, diagnostics: &mut Diagnostics) {
    if !args.events.iter().any(|event| event.event == Event::Save) {
        return;
    }
    for EventArg {
        event,
        word,
        watched,
    } in &args.events
    {
        let told = match event {
            Event::Update if !watched.is_empty() => {
                "`save` fires on every update already: write `create` in place of `save`"
            }
            Event::Update | Event::Create => "`save` is `create` and `update`: remove this event",
            Event::Save | Event::Delete => continue,
        };
        diagnostics.report(word, told);
    }
}

/// `#[purge_on(save, everything, site = "www")]`
pub(crate) fn everything_is_of_no_site(args: &Args, diagnostics: &mut Diagnostics) {
    let Some(site) = &args.site else {
        return;
    };
    if args
        .targets
        .iter()
        .any(|target| matches!(target, TargetArg::Everything(_)))
    {
        let told = format!(
            "`everything` is the pages of all sites: remove `site`, or write `host` in place of `everything` for the pages of {:?} alone",
            site.value()
        );
        diagnostics.report(site, told);
    }
}

/// `#[purge_on(update(titel), url = "/feed")]`, `#[purge_on(update(title, title), url = "/feed")]`
pub(crate) fn watched_fields_exist(args: &Args, item: &Item, diagnostics: &mut Diagnostics) {
    for event in &args.events {
        for (at, member) in event.watched.iter().enumerate() {
            let name = member_name(member);
            if item.field(&name).is_none() {
                diagnostics.report(member, no_such_field(item, &name, |name| name.to_owned()));
            } else if event.watched[..at]
                .iter()
                .any(|earlier| member_name(earlier) == name)
            {
                diagnostics.report(member, format!("`{name}` is given twice: remove one"));
            }
        }
    }
}

/// Two attributes of one type that name different crates.
pub(crate) fn crates_agree(all: &[Args], diagnostics: &mut Diagnostics) {
    let mut named = all.iter().filter_map(|args| args.krate.as_ref());
    let Some(first) = named.next() else {
        return;
    };
    let first = first.to_token_stream().to_string();
    for other in named.filter(|other| other.to_token_stream().to_string() != first) {
        let told =
            "the attributes of a type share one `crate`: write the same path, or write it once";
        diagnostics.report(other, told);
    }
}

/// Two attributes of one type that name different tables.
pub(crate) fn tables_agree(all: &[Args], diagnostics: &mut Diagnostics) {
    let mut named = all.iter().filter_map(|args| args.table.as_ref());
    let Some(first) = named.next() else {
        return;
    };
    for other in named.filter(|other| other.value() != first.value()) {
        let told = "a type has one `table`: write the same name, or write it once";
        diagnostics.report(other, told);
    }
}

/// `table = "posts"` on an enum, a tuple struct or a generic type.
pub(crate) fn table_fits(all: &[Args], item: &Item, diagnostics: &mut Diagnostics) {
    if !item.can_be_table() {
        for table in all.iter().filter_map(|args| args.table.as_ref()) {
            let told = format!(
                "`{}` cannot be a table: `table` needs a struct with named fields, without parameters and lifetimes",
                item.name()
            );
            diagnostics.report(table, told);
        }
    }
}

/// `from_row` on an enum, a tuple struct or a generic type, or on one with fields that are more than a column.
pub(crate) fn from_row_fits(all: &[Args], item: &Item, diagnostics: &mut Diagnostics) {
    let words: Vec<_> = all
        .iter()
        .filter_map(|args| args.from_row.as_ref())
        .collect();
    let Some(first) = words.first() else {
        return;
    };
    if !item.can_be_table() {
        for word in words {
            let told = format!(
                "`{}` cannot be read from a row: `from_row` needs a struct with named fields, without parameters and lifetimes",
                item.name()
            );
            diagnostics.report(word, told);
        }
        return;
    }
    for field in &item.fields {
        if let Some(attribute) = from_row::nested(field) {
            let told = format!(
                "`from_row` reads one column into each field, but `{}` is made of several (`{attribute}`): put the rules on a second struct for the same table, with a field for each column that they need",
                field.name
            );
            diagnostics.report(first, told);
        }
    }
}

/// `url = "posts"`, `url = "/a b"`, `url = "/posts/:slug"`, `tag = "a,b"`
pub(crate) fn static_text_is_fit(rule: &Rule<'_>, item: &Item, diagnostics: &mut Diagnostics) {
    match &rule.target {
        Target::Url(template) => {
            url_is_fit(template, &item.field_names(), diagnostics);
        }
        Target::Tag(template) => {
            text_is_fit("tag", template, legality::check_tag, diagnostics);
        }
        Target::Prefix(template) => prefix_is_fit(template, &item.field_names(), diagnostics),
        Target::Host(_)
        | Target::Everything(_)
        | Target::Urls(_)
        | Target::Related(_)
        | Target::Relation(_) => {}
    }
}

/// The same for the template of a URL whose captures may begin with one of the `known` names.
pub(crate) fn url_is_fit(template: &Template<'_>, known: &[&str], diagnostics: &mut Diagnostics) {
    match meant::by_url(&template.pieces, known) {
        Some(told) => {
            let shown = template.literal.value();
            diagnostics.report(template.literal, format!("URL {shown:?}: {told}"));
        }
        None => text_is_fit("URL", template, legality::check_url, diagnostics),
    }
}

/// `prefix = "/docs"`, `prefix = "/"`, `prefix = "/docs/*"`
fn prefix_is_fit(template: &Template<'_>, known: &[&str], diagnostics: &mut Diagnostics) {
    let shown = template.literal.value();
    let folder = shown.trim_end_matches(['*', '/']);
    let told = match (shown.ends_with('*'), folder) {
        (true, "") => Some("this is every page of the site: write the flag `host`".to_owned()),
        (true, _) => Some(format!(
            "a prefix means all that begins so, without a star: write `{folder}/`"
        )),
        (false, _) => meant::by_url(&template.pieces, known),
    };
    match told {
        Some(told) => diagnostics.report(template.literal, format!("prefix {shown:?}: {told}")),
        None => text_is_fit("prefix", template, legality::check_prefix, diagnostics),
    }
}

fn text_is_fit(
    kind: &str,
    template: &Template<'_>,
    check: fn(&str) -> Result<(), Flaw>,
    diagnostics: &mut Diagnostics,
) {
    // A value is encoded. `x` represents it here: a letter that is not part of an escape, and does not make a
    // segment of dots.
    let mut text = String::new();
    for piece in &template.pieces {
        text.push_str(match piece {
            Piece::Literal(literal) => literal,
            Piece::Capture(_) => "x",
        });
    }
    if let Err(flaw) = check(&text) {
        let shown = template.literal.value();
        let told = literal::told(kind, flaw, &shown);
        diagnostics.report(template.literal, format!("{kind} {shown:?}: {told}"));
    }
}

/// `url = "/search?q={path*}"`, `tag = "{path*}"`, `prefix = "/{path*}/"`
pub(crate) fn stars_stand_in_paths(rule: &Rule<'_>, diagnostics: &mut Diagnostics) {
    match &rule.target {
        Target::Url(template) => stars_stand_in_path(template, diagnostics),
        Target::Tag(template) => no_star(
            template,
            &template.pieces,
            "`*` keeps slashes, which part a path but not a tag",
            diagnostics,
        ),
        Target::Prefix(template) => no_star(
            template,
            &template.pieces,
            "with `*` a value could be several folders, or none, and so another prefix",
            diagnostics,
        ),
        Target::Host(_)
        | Target::Everything(_)
        | Target::Urls(_)
        | Target::Related(_)
        | Target::Relation(_) => {}
    }
}

/// The same for the template of a URL.
pub(crate) fn stars_stand_in_path(template: &Template<'_>, diagnostics: &mut Diagnostics) {
    let begins_query = |piece: &Piece| matches!(piece, Piece::Literal(text) if text.contains('?'));
    if let Some(at) = template.pieces.iter().position(begins_query) {
        no_star(
            template,
            &template.pieces[at..],
            "`*` keeps slashes, which part a path but not a query",
            diagnostics,
        );
    }
}

fn no_star(template: &Template<'_>, pieces: &[Piece], why: &str, diagnostics: &mut Diagnostics) {
    for piece in pieces {
        if let Piece::Capture(capture) = piece
            && capture.keeps_slashes
        {
            let instead = capture.text.replace('*', "");
            let told = format!("`{{{}}}`: {why}: write `{{{instead}}}`", capture.text);
            diagnostics.report(template.literal, told);
        }
    }
}

/// `url = "/posts/{slgu}"`, `url = "/posts/{subtitle}"` where `subtitle` is an `Option`
pub(crate) fn captures_fit_fields(rule: &Rule<'_>, item: &Item, diagnostics: &mut Diagnostics) {
    let Some(template) = rule.template() else {
        return;
    };
    for capture in template.captures() {
        let Some(Step::Field(name)) = capture.steps.first() else {
            continue;
        };
        match item.field(name) {
            Some(field) => option_is_marked(capture, field, item, template, diagnostics),
            None => {
                let write = |name: &str| {
                    format!(
                        "{{{}}}",
                        capture.text.replacen(first_step(capture), name, 1)
                    )
                };
                let told = no_such_field(item, name, write);
                diagnostics.report(template.literal, format!("`{{{}}}`: {told}", capture.text));
            }
        }
    }
}

fn first_step(capture: &Capture) -> &str {
    capture.path().split('.').next().unwrap_or_default()
}

fn option_is_marked(
    capture: &Capture,
    field: &Field,
    item: &Item,
    template: &Template<'_>,
    diagnostics: &mut Diagnostics,
) {
    let owner = item.name();
    let name = &field.name;
    let told = match &capture.steps[1..] {
        [] if is_option(&field.ty) && !capture.optional => {
            let star = if capture.keeps_slashes { "*" } else { "" };
            format!(
                "`{name}` of `{owner}` is an `Option`: write `{{{name}{star}?}}`, and the rule yields nothing if it is `None`"
            )
        }
        [] if capture.optional && is_never_option(&field.ty) => {
            let path = capture.text.trim_end_matches('?');
            format!(
                "`{name}` of `{owner}` is not an `Option`: write `{{{path}}}`, without the question mark"
            )
        }
        [Step::Field(_), ..] if is_option(&field.ty) => format!(
            "`{{{}}}`: `{name}` of `{owner}` is an `Option`, so its fields may be absent: write a method that returns an `Option`, `{{name()?}}`",
            capture.text
        ),
        _ => return,
    };
    diagnostics.report(template.literal, told);
}

fn is_option(ty: &Type) -> bool {
    last_segment(ty).is_some_and(|name| name == "Option")
}

/// Whether the type is a well-known type other than `Option`. The compiler checks all others.
fn is_never_option(ty: &Type) -> bool {
    const KNOWN: &str =
        "String str char bool u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64";
    let is_known = |name: String| KNOWN.split(' ').any(|known| known == name);
    matches!(ty, Type::Reference(_)) || last_segment(ty).is_some_and(is_known)
}

fn last_segment(ty: &Type) -> Option<String> {
    match ty {
        Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
        Type::Group(group) => last_segment(&group.elem),
        Type::Paren(paren) => last_segment(&paren.elem),
        _ => None,
    }
}

fn no_such_field(item: &Item, name: &str, write: impl Fn(&str) -> String) -> String {
    let owner = item.name();
    let method = write(&format!("{name}()"));
    if item.is_enum {
        return format!(
            "`{owner}` is an enum, which does not have fields: write a method, `{method}`"
        );
    }
    let known = || item.fields.iter().map(|field| field.name.as_str());
    let missing = format!("`{owner}` does not have a field `{name}`");
    let is_number = |name: &str| name.starts_with(|first: char| first.is_ascii_digit());
    if is_number(name) && !item.fields.is_empty() {
        // A number is not the name of a method.
        let field = &item.fields[0].name;
        let kind = if is_number(field) {
            ""
        } else {
            ", because its fields have names"
        };
        let known = listed(known());
        return format!(
            "{missing}{kind}: write one of them, `{}` [its fields are {known}]",
            write(field)
        );
    }
    if item.fields.is_empty() {
        return format!("{missing}, nor any other: write a method, `{method}`");
    }
    let meant = nearest(name, known()).map_or_else(
        || format!("write one of its fields, or a method, `{method}`"),
        |meant| format!("did you mean `{}`?", write(meant)),
    );
    format!("{missing}: {meant} [its fields are {}]", listed(known()))
}

/// `related(author -> author::Model)`, `related(editor_id -> author::Model)` of an `Option`
pub(crate) fn related_fields_fit(
    rule: &Rule<'_>,
    item: &Item,
    is_entity: bool,
    diagnostics: &mut Diagnostics,
) {
    let owner = item.name();
    let not_entity = || {
        format!(
            "only the hooks of SeaORM follow `related`, but `{owner}` is not a SeaORM entity: load the row into a field, and write `{{field.slug}}` in a template"
        )
    };
    let related = match &rule.target {
        Target::Related(related) => related,
        Target::Relation(model) if !is_entity => return diagnostics.report(model, not_entity()),
        _ => return,
    };
    let name = member_name(&related.field);
    let told = match item.field(&name) {
        _ if !is_entity => not_entity(),
        None => no_such_field(item, &name, |name| name.to_owned()),
        Some(field) if is_option(&field.ty) && !related.optional => format!(
            "`{name}` of `{owner}` is an `Option`: write `{name}? ->`, and the rule yields nothing if it is `None`"
        ),
        Some(field) if related.optional && is_never_option(&field.ty) => format!(
            "`{name}` of `{owner}` is not an `Option`: write `{name} ->`, without the question mark"
        ),
        Some(_) => return,
    };
    diagnostics.report(&related.field, told);
}

/// Twice the same target on the same event.
pub(crate) fn rules_differ(rules: &[Rule<'_>], diagnostics: &mut Diagnostics) {
    for (at, rule) in rules.iter().enumerate() {
        if !rules[..at].iter().any(|earlier| repeats(rule, earlier)) {
            continue;
        }
        let told =
            "another rule purges this already, on the same event: remove it from one of them";
        match &rule.target {
            Target::Url(template) | Target::Tag(template) | Target::Prefix(template) => {
                diagnostics.report(template.literal, told);
            }
            Target::Host(word) | Target::Everything(word) => diagnostics.report(word, told),
            Target::Urls(function) => diagnostics.report(function, told),
            Target::Related(related) => diagnostics.report(&related.field, told),
            Target::Relation(model) => diagnostics.report(model, told),
        }
    }
}

fn repeats(rule: &Rule<'_>, earlier: &Rule<'_>) -> bool {
    let same_target = match (&rule.target, &earlier.target) {
        (Target::Url(one), Target::Url(other))
        | (Target::Tag(one), Target::Tag(other))
        | (Target::Prefix(one), Target::Prefix(other)) => one.pieces == other.pieces,
        (Target::Host(_), Target::Host(_)) | (Target::Everything(_), Target::Everything(_)) => true,
        (Target::Urls(one), Target::Urls(other))
        | (Target::Relation(one), Target::Relation(other)) => {
            source::text(one) == source::text(other)
        }
        (Target::Related(one), Target::Related(other)) => one.text() == other.text(),
        _ => false,
    };
    let both_fire_on = |event| rule.fires_on(event) && earlier.fires_on(event);
    let (mut one, mut other) = (rule.watched_names(), earlier.watched_names());
    one.sort_unstable();
    other.sort_unstable();
    let same_update = one.is_empty() || other.is_empty() || one == other;
    same_target
        && rule.site == earlier.site
        && rule.when.map(source::text) == earlier.when.map(source::text)
        && (both_fire_on(Event::Create)
            || both_fire_on(Event::Delete)
            || (both_fire_on(Event::Update) && same_update))
}
