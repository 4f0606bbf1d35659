//! Rules to tokens.

use proc_macro2::{Delimiter, Group, Ident, Literal, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Index, Member};

use super::item::{Item, member_name};
use super::key::Event;
use super::rule::{Rule, Target, Template};
use super::source;
use super::table::Table;
use super::template::{Capture, Piece, Step};

/// The impl of `Model`, and the entry in the registry.
pub(crate) fn model(
    item: &Item,
    rules: &[Rule<'_>],
    table: Option<&Table<'_>>,
    krate: &TokenStream,
) -> TokenStream {
    let ident = &item.ident;
    let name = item.name();
    let (impl_generics, ty_generics, _) = item.generics.split_for_impl();
    let where_clause = where_clause(item, rules, krate);
    let allow_deprecated = item.is_deprecated.then(|| quote!(#[allow(deprecated)]));

    let entries = rules.iter().map(|rule| entry(rule, &name));
    let registered = if item.generics.params.is_empty() {
        quote! {
            __roan::register!(#ident);
            &[#(#entries),*]
        }
    } else {
        // The registry cannot name arguments for the parameters of the type.
        quote! {
            const RULES: &[__roan::Rule] = &[#(#entries),*];
            enum Generic {}
            impl __roan::Model for Generic {
                const RULES: &'static [__roan::Rule] = RULES;
                fn targets(&self, _: usize, _: &mut __roan::Targets<'_>) {}
            }
            __roan::register!(Generic);
            RULES
        }
    };
    // `when = ...` must not see local variables.
    let out = Ident::new("out", Span::mixed_site());
    let number = Ident::new("rule", Span::mixed_site());
    let arms = rules
        .iter()
        .enumerate()
        .map(|(at, rule)| target_arm(at, rule, item, &out, krate));
    let watched_changed = watched_changed(rules, item, krate);
    let deleted_with = deleted_with(rules, krate);
    let table = table.map(|table| {
        let table = table.tokens(rules);
        quote! {
            const TABLE: #krate::__private::Option<&'static #krate::__private::Table> = {
                use #krate::__private as __roan;
                use __roan::NoColumnValue as _;
                __roan::Some(&#table)
            };
        }
    });
    quote! {
        #allow_deprecated
        #[automatically_derived]
        impl #impl_generics #krate::__private::Model for #ident #ty_generics #where_clause {
            const RULES: &'static [#krate::__private::Rule] = {
                use #krate::__private as __roan;
                #registered
            };
            #table
            #[inline]
            fn targets(&self, #number: usize, #out: &mut #krate::__private::Targets<'_>) {
                match #number {
                    #(#arms)*
                    _ => {}
                }
            }
            #watched_changed
            #deleted_with
        }
    }
}

/// The tables whose rows a rule follows when a row is deleted.
fn deleted_with(rules: &[Rule<'_>], krate: &TokenStream) -> Option<TokenStream> {
    let models = rules.iter().filter_map(|rule| match &rule.target {
        Target::Relation(model) if rule.fires_on(Event::Delete) => Some(model),
        _ => None,
    });
    let models: Vec<_> = models.collect();
    let roan = quote!(#krate::__private);
    (!models.is_empty()).then(|| {
        quote! {
            fn deleted_with() -> #roan::Tables {
                [#(<#models as #roan::Model>::TABLE),*].into_iter().flatten().collect()
            }
        }
    })
}

/// The bounds that the type declares, and one for each named field whose type contains a parameter.
fn where_clause(item: &Item, rules: &[Rule<'_>], krate: &TokenStream) -> Option<TokenStream> {
    let declared = item.generics.where_clause.iter();
    let mut predicates: Vec<_> = declared
        .flat_map(|clause| &clause.predicates)
        .map(ToTokens::to_token_stream)
        .collect();
    let mut bound = |field: &str, bound: TokenStream| {
        if let Some(field) = item.field(field).filter(|field| item.is_generic(&field.ty)) {
            let ty = &field.ty;
            predicates.push(quote!(#ty: #bound));
        }
    };
    for rule in rules {
        for capture in rule.template().into_iter().flat_map(Template::captures) {
            if let [Step::Field(name)] = capture.steps.as_slice() {
                if capture.optional {
                    bound(name, quote!(#krate::__private::OptionalUrlValue));
                } else {
                    bound(name, quote!(#krate::__private::UrlValue));
                }
            }
        }
        for member in rule.watched() {
            bound(&member_name(member), quote!(#krate::__private::Watched));
        }
    }
    (!predicates.is_empty()).then(|| quote!(where #(#predicates),*))
}

/// The rule as static data, without a call: the compiler would evaluate it for each rule.
fn entry(rule: &Rule<'_>, model: &str) -> TokenStream {
    let events = events(rule);
    let template = match &rule.target {
        Target::Url(Template { literal, .. }) => quote!(Url(#literal)),
        Target::Tag(Template { literal, .. }) => quote!(Tag(#literal)),
        Target::Prefix(Template { literal, .. }) => quote!(Prefix(#literal)),
        Target::Host(_) => quote!(Host),
        Target::Everything(_) => quote!(Everything),
        Target::Urls(function) => {
            let function = source::text(function);
            quote!(Urls(#function))
        }
        Target::Related(related) => {
            let related = related.text();
            quote!(Related(#related))
        }
        Target::Relation(model) => {
            let model = source::text(model);
            quote!(Related(#model))
        }
    };
    let watched = rule.watched_names();
    let condition = option(rule.when.map(source::text));
    let site = option(rule.site.as_ref());
    let (file, line) = source::location(rule.span);
    let line = Literal::u32_unsuffixed(line);
    quote! {
        __roan::Rule {
            model: #model,
            module: __roan::module_path!(),
            events: __roan::#events,
            watched: &[#(#watched),*],
            target: __roan::RuleTarget::#template,
            condition: #condition,
            site: #site,
            file: #file,
            line: #line,
        }
    }
}

fn option(text: Option<impl ToTokens>) -> TokenStream {
    match text {
        Some(text) => quote!(__roan::Some(#text)),
        None => quote!(__roan::None),
    }
}

/// The name of the constant in `roan::__private` for the events of the rule.
fn events(rule: &Rule<'_>) -> TokenStream {
    let fires_on = |event| rule.fires_on(event);
    match (
        fires_on(Event::Create),
        fires_on(Event::Update),
        fires_on(Event::Delete),
    ) {
        (true, true, true) => quote!(SAVE_DELETE),
        (true, true, false) => quote!(SAVE),
        (true, false, true) => quote!(CREATE_DELETE),
        (true, false, false) => quote!(CREATE),
        (false, true, true) => quote!(UPDATE_DELETE),
        (false, true, false) => quote!(UPDATE),
        (false, false, _) => quote!(DELETE),
    }
}

/// The arm that yields the targets of rule number `at`.
fn target_arm(
    at: usize,
    rule: &Rule<'_>,
    item: &Item,
    out: &Ident,
    krate: &TokenStream,
) -> TokenStream {
    let at = Index::from(at);
    let site = rule.site.as_ref().map(|site| quote!(.at_site(#site)));
    // A compiler error about a value underlines the template.
    let calls = |template: &Template<'_>| {
        let span = template.literal.span().resolved_at(Span::call_site());
        let (start, calls) = writer_calls(&template.pieces, |capture| value(capture, item, span));
        quote!((#start)#calls.end())
    };
    let yielded = match &rule.target {
        Target::Url(template) => match template.pieces.as_slice() {
            [Piece::Literal(url)] => quote!(#out #site.fixed_url(#url)),
            _ => {
                let calls = calls(template);
                quote!(#out #site.url #calls)
            }
        },
        Target::Tag(template) => {
            let calls = calls(template);
            quote!(#out #site.tag #calls)
        }
        Target::Prefix(template) => {
            let calls = calls(template);
            quote!(#out #site.prefix #calls)
        }
        Target::Host(_) => quote!(#out #site.host().end()),
        Target::Everything(_) => quote!(#out.everything().end()),
        Target::Urls(function) => quote!(#out #site.urls(self, #function)),
        // Other code reads its key.
        Target::Related(_) | Target::Relation(_) => return TokenStream::new(),
    };
    match rule.when {
        Some(condition) => {
            let condition = seeing_self(condition.clone(), false);
            // A page carries a tag whatever the condition is: the row may change.
            let is_tag = matches!(rule.target, Target::Tag(_));
            let or = is_tag.then(|| quote!(#out.is_unconditional() ||));
            quote!(#at => if #or #krate::__private::when(#condition) { #yielded },)
        }
        None => quote!(#at => #yielded,),
    }
}

/// The literal that a template starts with, and the calls that write the rest of it.
pub(crate) fn writer_calls(
    pieces: &[Piece],
    value: impl Fn(&Capture) -> TokenStream,
) -> (&str, TokenStream) {
    let (start, rest) = match pieces {
        [Piece::Literal(start), rest @ ..] => (start.as_str(), rest),
        _ => ("", pieces),
    };
    let calls = rest.iter().map(|piece| match piece {
        Piece::Literal(text) => quote!(.literal(#text)),
        Piece::Capture(capture) => {
            let method = match (capture.keeps_slashes, capture.optional) {
                (false, false) => quote!(value),
                (false, true) => quote!(value_if),
                (true, false) => quote!(path),
                (true, true) => quote!(path_if),
            };
            let value = value(capture);
            quote!(.#method(#value))
        }
    });
    (start, calls.collect())
}

/// `&self.author.slug()`
fn value(capture: &Capture, item: &Item, span: Span) -> TokenStream {
    let mut path = quote_spanned!(span=> &self);
    for (at, step) in capture.steps.iter().enumerate() {
        let known = match step {
            Step::Field(name) if at == 0 => item.field(name).map(|field| &field.member),
            _ => None,
        };
        let next = known.map_or_else(|| step.tokens(span), |member| respanned(member, span));
        path.extend(quote_spanned!(span=> .#next));
    }
    path
}

impl Step {
    /// What follows the dot.
    pub(crate) fn tokens(&self, span: Span) -> TokenStream {
        match self {
            Self::Field(name) => match name.parse::<u32>() {
                Ok(index) => Index { index, span }.into_token_stream(),
                Err(_) => ident(name, span).into_token_stream(),
            },
            Self::Method(name) => {
                let name = ident(name, span);
                quote_spanned!(span=> #name())
            }
        }
    }
}

fn respanned(member: &Member, span: Span) -> TokenStream {
    match member {
        Member::Named(_) => ident(&member_name(member), span).into_token_stream(),
        Member::Unnamed(index) => Index {
            index: index.index,
            span,
        }
        .into_token_stream(),
    }
}

/// The name as an identifier; a keyword as a raw one. `gen` is a keyword of the edition in which this
/// crate is written, maybe not of the user's.
pub(crate) fn ident(name: &str, span: Span) -> Ident {
    let is_plain = name != "gen" && syn::parse_str::<Ident>(name).is_ok();
    if is_plain || name == "self" {
        Ident::new(name, span)
    } else {
        Ident::new_raw(name, span)
    }
}

/// Lets `self` mean the row also in an expression that a `macro_rules!` passes on, which is a group without delimiters.
pub(crate) fn seeing_self(tokens: TokenStream, is_handed_in: bool) -> TokenStream {
    let seen = tokens.into_iter().map(|token| match token {
        TokenTree::Ident(mut ident) if is_handed_in && ident == "self" => {
            ident.set_span(ident.span().resolved_at(Span::call_site()));
            ident.into()
        }
        TokenTree::Group(group) => {
            let is_handed_in = is_handed_in || group.delimiter() == Delimiter::None;
            let inner = seeing_self(group.stream(), is_handed_in);
            let mut seeing = Group::new(group.delimiter(), inner);
            seeing.set_span(group.span());
            seeing.into()
        }
        other => other,
    });
    seen.collect()
}

/// The comparison of the fields that rules watch, if any.
fn watched_changed(rules: &[Rule<'_>], item: &Item, krate: &TokenStream) -> Option<TokenStream> {
    let mut arms = TokenStream::new();
    for (at, rule) in rules.iter().enumerate() {
        let at = Index::from(at);
        let mut differ = Vec::new();
        for written in rule.watched() {
            let span = written_span(written).resolved_at(Span::call_site());
            let known = item.field(&member_name(written));
            let member = respanned(known.map_or(written, |field| &field.member), span);
            differ.push(quote_spanned!(span=> __roan::differ(&old.#member, &new.#member)));
        }
        if !differ.is_empty() {
            arms.extend(quote!(#at => #(#differ)||*,));
        }
    }
    (!arms.is_empty()).then(|| {
        quote! {
            #[inline]
            fn watched_changed(old: &Self, new: &Self, rule: usize) -> bool {
                // Its spans are those of the fields, unlike those of this path.
                use #krate::__private as __roan;
                match rule {
                    #arms
                    _ => true,
                }
            }
        }
    })
}

fn written_span(member: &Member) -> Span {
    match member {
        Member::Named(name) => name.span(),
        Member::Unnamed(index) => index.span,
    }
}
