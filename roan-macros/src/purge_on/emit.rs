//! Rules to tokens.

use proc_macro2::{Delimiter, Group, Ident, Literal, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Index, Member};

use super::item::{Item, member_name};
use super::key::Event;
use super::rule::{Rule, Target, Template};
use super::source;
use super::template::{Capture, Piece, Step};

/// The impl of `Model`, and the entry in the registry.
pub(crate) fn model(item: &Item, rules: &[Rule<'_>], krate: &TokenStream) -> TokenStream {
    let ident = &item.ident;
    let name = item.name();
    let (impl_generics, ty_generics, _) = item.generics.split_for_impl();
    let where_clause = where_clause(item, rules);
    let allow_deprecated = item.is_deprecated.then(|| quote!(#[allow(deprecated)]));

    let count = Index::from(rules.len());
    let entries = rules.iter().map(entry);
    // Locals are out of the sight of `when = ...`.
    let out = Ident::new("out", Span::mixed_site());
    let number = Ident::new("rule", Span::mixed_site());
    let arms = rules
        .iter()
        .enumerate()
        .map(|(at, rule)| target_arm(at, rule, item, &out));
    let watched_changed = watched_changed(rules, item);
    quote! {
        const _: () = {
            use #krate::__private as __roan;
            static __ROAN_RULES: [__roan::Rule; #count] =
                __roan::Rule::of(#name, __roan::module_path!(), [#(#entries),*]);
            __roan::register!(__ROAN_RULES);
            #allow_deprecated
            #[automatically_derived]
            impl #impl_generics __roan::Model for #ident #ty_generics #where_clause {
                #[inline]
                fn rules() -> &'static [__roan::Rule] {
                    &__ROAN_RULES
                }
                #[inline]
                fn targets(&self, #number: usize, #out: &mut __roan::Targets<'_>) {
                    match #number {
                        #(#arms)*
                        _ => {}
                    }
                }
                #watched_changed
            }
        };
    }
}

/// The bounds that the type declares, and one for each named field whose type has a parameter in it.
fn where_clause(item: &Item, rules: &[Rule<'_>]) -> Option<TokenStream> {
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
                    bound(name, quote!(__roan::OptionalUrlValue));
                } else {
                    bound(name, quote!(__roan::UrlValue));
                }
            }
        }
        for member in rule.watched() {
            bound(&member_name(member), quote!(__roan::Watched));
        }
    }
    (!predicates.is_empty()).then(|| quote!(where #(#predicates),*))
}

/// The rule as static data.
fn entry(rule: &Rule<'_>) -> TokenStream {
    let events = events(rule);
    let template = match &rule.target {
        Target::Url(Template { literal, .. }) => quote!(Url(#literal)),
        Target::Tag(Template { literal, .. }) => quote!(Tag(#literal)),
        Target::Urls(function) => {
            let function = source::text(function);
            quote!(Urls(#function))
        }
    };
    let (file, line) = source::location(rule.span);
    let line = Literal::u32_unsuffixed(line);
    let names = rule.watched_names();
    let watching = (!names.is_empty()).then(|| quote!(.watching(&[#(#names),*])));
    let when = rule.when.map(source::text).map(|text| quote!(.when(#text)));
    let site = rule.site.as_ref().map(|site| quote!(.at_site(#site)));
    quote! {
        __roan::Rule::new(#events, __roan::Template::#template, #file, #line) #watching #when #site
    }
}

fn events(rule: &Rule<'_>) -> TokenStream {
    let mut events = TokenStream::new();
    for listed in rule.events {
        let event = match listed.event {
            Event::Create => quote!(__roan::Events::CREATE),
            Event::Update => quote!(__roan::Events::UPDATE),
            Event::Delete => quote!(__roan::Events::DELETE),
            Event::Save => quote!(__roan::Events::SAVE),
        };
        events = if events.is_empty() {
            event
        } else {
            quote!(#events.and(#event))
        };
    }
    events
}

/// The arm that hands over the targets of rule number `at`.
fn target_arm(at: usize, rule: &Rule<'_>, item: &Item, out: &Ident) -> TokenStream {
    let at = Index::from(at);
    let site = match &rule.site {
        Some(site) => quote!(__roan::Some(#site)),
        None => quote!(__roan::None),
    };
    let yielded = match &rule.target {
        Target::Url(template) => match template.pieces.as_slice() {
            [Piece::Literal(url)] => quote!(#out.fixed_url(#site, #url)),
            pieces => {
                let (start, calls) = writer_calls(pieces, template, item);
                quote!(#out.url(#site, #start)#calls.end())
            }
        },
        Target::Tag(template) => {
            let (start, calls) = writer_calls(&template.pieces, template, item);
            quote!(#out.tag(#site, #start)#calls.end())
        }
        Target::Urls(function) => quote!(#out.urls(#site, self, #function)),
    };
    match rule.when {
        Some(condition) => {
            let condition = seeing_self(condition.clone(), false);
            quote!(#at => if __roan::when(#condition) { #yielded },)
        }
        None => quote!(#at => #yielded,),
    }
}

/// The literal that a template starts with, and the calls that write the rest of it.
fn writer_calls<'a>(
    pieces: &'a [Piece],
    template: &Template<'_>,
    item: &Item,
) -> (&'a str, TokenStream) {
    // A complaint of the compiler about a value underlines the template.
    let span = template.literal.span().resolved_at(Span::call_site());
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
            let value = value(capture, item, span);
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
        let next = match (known, step) {
            (Some(member), _) => respanned(member, span),
            (None, Step::Field(name)) => match name.parse::<u32>() {
                Ok(index) => Index { index, span }.into_token_stream(),
                Err(_) => ident(name, span).into_token_stream(),
            },
            (None, Step::Method(name)) => {
                let name = ident(name, span);
                quote_spanned!(span=> #name())
            }
        };
        path.extend(quote_spanned!(span=> .#next));
    }
    path
}

fn respanned(member: &Member, span: Span) -> TokenStream {
    match member {
        Member::Named(name) => {
            let mut name = name.clone();
            name.set_span(span);
            name.into_token_stream()
        }
        Member::Unnamed(index) => Index {
            index: index.index,
            span,
        }
        .into_token_stream(),
    }
}

/// The name as an identifier; a keyword as a raw one.
fn ident(name: &str, span: Span) -> Ident {
    if syn::parse_str::<Ident>(name).is_ok() {
        Ident::new(name, span)
    } else {
        Ident::new_raw(name, span)
    }
}

/// Lets `self` mean the row also in an expression that a `macro_rules!` was handed from elsewhere,
/// which comes as a group without delimiters.
fn seeing_self(tokens: TokenStream, is_handed_in: bool) -> TokenStream {
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

/// The comparison of the fields that rules watch, where a rule does.
fn watched_changed(rules: &[Rule<'_>], item: &Item) -> Option<TokenStream> {
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
