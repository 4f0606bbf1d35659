//! One hook of the impl: Roan's own, or one that wraps the user's body.
//!
//! Before a statement the user's body runs first, because it may change the row. After the statement Roan runs first:
//! the row is stored, even if the user's body fails.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{Error, FnArg, ImplItemFn, Pat, Result, ReturnType};

/// A hook of SeaORM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Hook {
    BeforeSave,
    AfterSave,
    BeforeDelete,
    AfterDelete,
}

impl Hook {
    pub(super) const ALL: [Self; 4] = [
        Self::BeforeSave,
        Self::AfterSave,
        Self::BeforeDelete,
        Self::AfterDelete,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::BeforeSave => "before_save",
            Self::AfterSave => "after_save",
            Self::BeforeDelete => "before_delete",
            Self::AfterDelete => "after_delete",
        }
    }

    fn ident(self) -> Ident {
        Ident::new(self.name(), Span::call_site())
    }

    /// The parameters other than `self`.
    fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::BeforeSave => &["db", "insert"],
            Self::AfterSave => &["model", "db", "insert"],
            Self::BeforeDelete | Self::AfterDelete => &["db"],
        }
    }
}

/// The whole method, if the user did not write one.
pub(super) fn alone(hook: Hook, krate: &TokenStream) -> TokenStream {
    let orm = quote!(#krate::__private::sea_orm);
    let name = hook.ident();
    let model = quote!(
        <<Self as #orm::ActiveModelTrait>::Entity as #orm::EntityTrait>::Model
    );
    let (parameters, arguments, output) = match hook {
        Hook::BeforeSave => (
            quote!(self, db: &C, insert: bool),
            quote!(self, db, insert),
            quote!(Self),
        ),
        Hook::AfterSave => (
            quote!(model: #model, db: &C, insert: bool),
            quote!(model, db, insert),
            model,
        ),
        Hook::BeforeDelete | Hook::AfterDelete => {
            (quote!(self, db: &C), quote!(self, db), quote!(Self))
        }
    };
    quote! {
        async fn #name<C>(#parameters) -> #orm::Result<#output, #orm::DbErr>
        where
            C: #orm::ConnectionTrait,
        {
            #orm::#name::<Self, C>(#arguments).await
        }
    }
}

/// The user's method with Roan's part added.
pub(super) fn around(
    hook: Hook,
    mut function: ImplItemFn,
    krate: &TokenStream,
) -> Result<TokenStream> {
    let orm = quote!(#krate::__private::sea_orm);
    let name = hook.ident();
    if function.sig.asyncness.is_none() {
        let told = "`#[async_trait]` has already changed this method: write `#[roan::hooks]` above `#[async_trait]`";
        return Err(Error::new(function.sig.ident.span(), told));
    }
    // Roan's part does not use the user's names.
    let mut bindings = TokenStream::new();
    let mut names = Vec::new();
    let typed = function
        .sig
        .inputs
        .iter_mut()
        .filter_map(|input| match input {
            FnArg::Typed(input) => Some(input),
            FnArg::Receiver(_) => None,
        });
    for (input, name) in typed.zip(hook.parameters()) {
        let name = Ident::new(&format!("__roan_{name}"), Span::mixed_site());
        let pattern = std::mem::replace(&mut *input.pat, Pat::Verbatim(name.to_token_stream()));
        bindings.extend(quote!(let #pattern = #name;));
        names.push(name);
    }
    if names.len() != hook.parameters().len() {
        let told = format!("`{name}` takes other parameters: see SeaORM's `ActiveModelBehavior`");
        return Err(Error::new(function.sig.ident.span(), told));
    }
    let statements = &function.block.stmts;
    let body = match hook {
        Hook::BeforeSave | Hook::BeforeDelete => {
            let output = match &function.sig.output {
                ReturnType::Type(_, output) => output.to_token_stream(),
                ReturnType::Default => quote!(()),
            };
            let row = Ident::new("row", Span::mixed_site());
            quote! {
                let #row: #output = async move {
                    #bindings
                    #(#statements)*
                }
                .await;
                #orm::#name(#row?, #(#names),*).await
            }
        }
        Hook::AfterSave => {
            let model = &names[0];
            quote! {
                let #model = #orm::#name::<Self, _>(#(#names),*).await?;
                #bindings
                #(#statements)*
            }
        }
        Hook::AfterDelete => quote! {
            #orm::#name(#orm::Clone::clone(&self), #(#names),*).await?;
            #bindings
            #(#statements)*
        },
    };
    let ImplItemFn { attrs, sig, .. } = &function;
    Ok(quote! {
        #(#attrs)*
        #sig { #body }
    })
}
