//! One hook of the impl: Roan's alone, or around the body that the user has written.
//!
//! Before a statement the user's body comes first, for it may change the row. After it Roan comes
//! first: the row is stored, whatever the user's body makes of it.

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

    /// The parameters besides `self`.
    fn parameters(self) -> &'static [&'static str] {
        match self {
            Self::BeforeSave => &["db", "insert"],
            Self::AfterSave => &["model", "db", "insert"],
            Self::BeforeDelete | Self::AfterDelete => &["db"],
        }
    }
}

/// The whole method, where the user has none.
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

/// The user's method with Roan's part in it.
pub(super) fn around(
    hook: Hook,
    mut function: ImplItemFn,
    krate: &TokenStream,
) -> Result<TokenStream> {
    let orm = quote!(#krate::__private::sea_orm);
    let name = hook.ident();
    if function.sig.asyncness.is_none() {
        let told = "`#[async_trait]` has already taken this apart: write `#[roan::hooks]` above it";
        return Err(Error::new(function.sig.ident.span(), told));
    }
    // The user's names are of no use to the part that is not the user's.
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
