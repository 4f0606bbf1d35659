//! `#[roan::hooks]`: adds Roan's hooks to the user's own in an `impl ActiveModelBehavior`.

mod method;

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote};
use syn::parse::{ParseStream, Parser};
use syn::{Error, ImplItem, ItemImpl, Path, Result, Token};

use method::Hook;

/// Expands `#[hooks]` or `#[hooks(crate = path)]` on an impl.
pub(crate) fn expand(arguments: TokenStream, item: &TokenStream) -> TokenStream {
    match expanded(arguments.clone(), item.clone()) {
        Ok(tokens) => tokens,
        Err(error) => {
            let error = error.to_compile_error();
            // So that the model does not report this as missing.
            let krate = parse_crate.parse2(arguments);
            let krate = krate.unwrap_or_else(|_| quote!(::roan));
            let hooked = parse_impl(item.clone()).map(|item| hooked(&item, &krate));
            let hooked = hooked.unwrap_or_default();
            quote!(#item #hooked #error)
        }
    }
}

fn expanded(arguments: TokenStream, item: TokenStream) -> Result<TokenStream> {
    let krate = parse_crate.parse2(arguments)?;
    let mut item = parse_impl(item)?;
    for hook in Hook::ALL {
        let mut of_user = None;
        for (at, member) in item.items.iter().enumerate() {
            if let ImplItem::Fn(function) = member
                && function.sig.ident == hook.name()
            {
                of_user = Some(at);
            }
        }
        let written = match of_user.map(|at| item.items.remove(at)) {
            Some(ImplItem::Fn(function)) => method::around(hook, function, &krate)?,
            _ => method::alone(hook, &krate),
        };
        item.items.push(ImplItem::Verbatim(written));
    }
    let is_async_trait = |path: &Path| {
        let name = path.segments.last();
        name.is_some_and(|name| name.ident == "async_trait")
    };
    let has_async_trait = item.attrs.iter().any(|attr| is_async_trait(attr.path()));
    let async_trait =
        (!has_async_trait).then(|| quote!(#[#krate::__private::sea_orm::async_trait::async_trait]));
    let hooked = hooked(&item, &krate);
    Ok(quote! {
        #async_trait
        #item
        #hooked
    })
}

/// The marker that the model's `#[purge_on]` requires.
fn hooked(item: &ItemImpl, krate: &TokenStream) -> TokenStream {
    let (impl_generics, _, where_clause) = item.generics.split_for_impl();
    let of = &item.self_ty;
    quote! {
        #[automatically_derived]
        impl #impl_generics #krate::__private::sea_orm::Hooked for #of #where_clause {}
    }
}

fn parse_crate(input: ParseStream<'_>) -> Result<TokenStream> {
    if input.is_empty() {
        return Ok(quote!(::roan));
    }
    let told = "`#[roan::hooks]` takes no argument, or `crate = path::to::roan`";
    if !input.peek(Token![crate]) {
        return Err(input.error(told));
    }
    input.parse::<Token![crate]>()?;
    input.parse::<Token![=]>()?;
    let path = input.call(Path::parse_mod_style)?;
    if !input.is_empty() {
        return Err(input.error(told));
    }
    Ok(path.into_token_stream())
}

fn parse_impl(item: TokenStream) -> Result<ItemImpl> {
    let told = "`#[roan::hooks]` belongs above `impl ActiveModelBehavior for ActiveModel`";
    let Ok(parsed) = syn::parse2::<ItemImpl>(item) else {
        return Err(Error::new(Span::call_site(), told));
    };
    let of = parsed.trait_.as_ref();
    let name = of.and_then(|(path, _)| path.segments.last());
    if name.is_none_or(|name| name.ident != "ActiveModelBehavior") {
        return Err(Error::new(Span::call_site(), told));
    }
    Ok(parsed)
}
