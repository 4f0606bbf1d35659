//! `roan::url!("/posts/{post.slug}")`: the page that a rule purges, for a link.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::parse::{Parse, ParseStream};
use syn::{Error, Expr, LitStr, Path, Result, Token};

use crate::diagnostics::{Diagnostics, listed, nearest};
use crate::purge_on::{
    Begin, Capture, Piece, Step, Template, ident, stars_stand_in_path, url_is_fit, writer_calls,
};

/// The arguments, after the path of `roan` that the macro around it adds.
struct Args {
    krate: Path,
    literal: LitStr,
    named: Vec<(Ident, Expr)>,
}

impl Parse for Args {
    fn parse(input: ParseStream<'_>) -> Result<Self> {
        let krate = input.call(Path::parse_mod_style)?;
        input.parse::<Token![,]>()?;
        let literal = input.parse().map_err(|error: Error| {
            let told = "`url!` takes a text in quotes: write `roan::url!(\"/posts/{slug}\")`";
            Error::new(error.span(), told)
        })?;
        let mut named = Vec::new();
        while !input.is_empty() {
            input.parse::<Token![,]>()?;
            if input.is_empty() {
                break;
            }
            if !(input.peek(Ident::peek_any) && input.peek2(Token![=]) && !input.peek2(Token![==]))
            {
                let told = "a value needs a name: write `slug = ...` here and `{slug}` in the text, or just `{slug}` for a variable";
                return Err(Error::new(input.span(), told));
            }
            let name = input.call(Ident::parse_any)?;
            input.parse::<Token![=]>()?;
            named.push((name, input.parse()?));
        }
        Ok(Self {
            krate,
            literal,
            named,
        })
    }
}

pub(crate) fn expand(input: TokenStream) -> TokenStream {
    let mut diagnostics = Diagnostics::default();
    let expanded = syn::parse2(input)
        .map_err(|error| diagnostics.absorb(error))
        .ok()
        .and_then(|args| link(&args, &mut diagnostics));
    match (expanded, diagnostics.into_compile_errors()) {
        (Some(expanded), None) => expanded,
        (_, errors) => quote!({ #errors }),
    }
}

fn link(args: &Args, diagnostics: &mut Diagnostics) -> Option<TokenStream> {
    let template = Template::read(&args.literal, Begin::Variable, diagnostics)?;
    let names: Vec<_> = args
        .named
        .iter()
        .map(|(name, _)| name.unraw().to_string())
        .collect();
    let known: Vec<_> = names.iter().map(String::as_str).collect();
    url_is_fit(&template, &known, diagnostics);
    stars_stand_in_path(&template, diagnostics);
    names_fit(args, &template, &known, diagnostics);
    if !diagnostics.is_empty() {
        return None;
    }

    let krate = &args.krate;
    let span = args.literal.span();
    // The values must not see it.
    let out = Ident::new("out", Span::mixed_site());
    let given = |at: usize| Ident::new(&format!("value_{at}"), Span::mixed_site());
    let value = |capture: &Capture| {
        let mut steps = capture.steps.iter();
        let first = match steps.next() {
            Some(Step::Field(name)) => match known.iter().position(|known| known == name) {
                Some(at) => given(at).into_token_stream(),
                None => ident(name, span).into_token_stream(),
            },
            _ => TokenStream::new(),
        };
        let rest = steps.map(|step| step.tokens(span));
        quote_spanned!(span=> &#first #(.#rest)*)
    };
    let written = match template.pieces.as_slice() {
        [Piece::Literal(url)] => quote!(#out.fixed_url(#url)),
        pieces => {
            let (start, calls) = writer_calls(pieces, value);
            quote!(#out.url(#start)#calls.end())
        }
    };
    let values = args.named.iter().map(|(_, value)| value);
    let givens = (0..args.named.len()).map(given);
    Some(quote! {
        match (#(&(#values),)*) {
            (#(#givens,)*) => #krate::__private::link(|#out| #written),
        }
    })
}

/// `url!("/{0}")`, `url!("/{slug?}")`, `url!("/{slug()}")`, `url!("/", slug = ...)`
fn names_fit(args: &Args, template: &Template<'_>, known: &[&str], diagnostics: &mut Diagnostics) {
    for capture in template.captures() {
        let text = &capture.text;
        let told = match capture.steps.first() {
            _ if capture.optional => format!(
                "`{{{text}}}`: a link cannot be absent, so only rules can use `?`: unwrap the `Option`, and write `{{{}}}`",
                text.trim_end_matches('?')
            ),
            Some(Step::Method(_)) => format!(
                "`{{{text}}}`: begin with a variable, `{{post.{text}}}`, or give the value a name after the text, `slug = ...`"
            ),
            Some(Step::Field(name)) if name.starts_with(|c: char| c.is_ascii_digit()) => format!(
                "`{{{text}}}`: values have names: write a variable, `{{slug}}`, or give the value a name after the text, `slug = ...`"
            ),
            _ => continue,
        };
        diagnostics.report(template.literal, told);
    }
    let begins_with = |name: &str| {
        let mut captures = template.captures();
        captures.any(
            |capture| matches!(capture.steps.first(), Some(Step::Field(first)) if first == name),
        )
    };
    for (at, ((word, _), name)) in args.named.iter().zip(known).enumerate() {
        if known[..at].contains(name) {
            diagnostics.report(word, format!("`{name}` is given twice: remove one"));
        } else if !begins_with(name) {
            let captures: Vec<_> = template.captures().map(|capture| &*capture.text).collect();
            let meant = nearest(name, captures.iter().copied());
            let told = meant.map_or_else(
                || format!("`{name}` is not in the text: write `{{{name}}}` there, or remove it"),
                |meant| {
                    format!(
                        "`{name}` is not in the text: did you mean `{meant}`? [the text has {}]",
                        listed(&captures)
                    )
                },
            );
            diagnostics.report(word, told);
        }
    }
}
