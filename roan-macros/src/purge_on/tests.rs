//! Expansions as a user would see them. After a change: `UPDATE_EXPECT=1 cargo test -p roan-macros`,
//! and read the difference.

use expect_test::{Expect, expect};
use proc_macro2::TokenStream;
use quote::quote;

use super::expand;

/// Compares what is made of an attribute and the item below it.
fn check(arguments: TokenStream, item: TokenStream, expected: &Expect) {
    let file = syn::parse2(expand(arguments, item)).expect("the expansion is no Rust");
    expected.assert_eq(&prettyplease::unparse(&file));
}

#[test]
fn one_rule() {
    check(
        quote!(save, delete, url = "/posts"),
        quote!(
            pub struct Post;
        ),
        &expect![[r#"
            pub struct Post;
            const _: () = {
                use ::roan::__private as __roan;
                static __ROAN_RULES: [__roan::Rule; 1] = __roan::Rule::of(
                    "Post",
                    __roan::module_path!(),
                    [
                        __roan::Rule::new(
                            __roan::Events::SAVE.and(__roan::Events::DELETE),
                            __roan::Template::Url("/posts"),
                            "",
                            0,
                        ),
                    ],
                );
                __roan::register!(__ROAN_RULES);
                #[automatically_derived]
                impl __roan::Model for Post {
                    #[inline]
                    fn rules() -> &'static [__roan::Rule] {
                        &__ROAN_RULES
                    }
                    #[inline]
                    fn targets(&self, rule: usize, out: &mut __roan::Targets<'_>) {
                        match rule {
                            0 => out.fixed_url(__roan::None, "/posts"),
                            _ => {}
                        }
                    }
                }
            };
        "#]],
    );
}

#[test]
fn every_key() {
    check(
        quote!(
            create,
            update(title, r#type),
            delete,
            url = "/posts/{title}/{author.id}",
            when = self.published
        ),
        quote! {
            #[derive(Clone)]
            #[roan::purge_on(delete, urls = Self::pages, tag = "{kind()}-{subtitle?}", site = "www")]
            struct Post {
                title: String,
                r#type: u8,
                author: Author,
                published: bool,
                subtitle: Option<String>,
            }
        },
        &expect![[r##"
            #[derive(Clone)]
            struct Post {
                title: String,
                r#type: u8,
                author: Author,
                published: bool,
                subtitle: Option<String>,
            }
            const _: () = {
                use ::roan::__private as __roan;
                static __ROAN_RULES: [__roan::Rule; 3] = __roan::Rule::of(
                    "Post",
                    __roan::module_path!(),
                    [
                        __roan::Rule::new(
                                __roan::Events::CREATE
                                    .and(__roan::Events::UPDATE)
                                    .and(__roan::Events::DELETE),
                                __roan::Template::Url("/posts/{title}/{author.id}"),
                                "",
                                0,
                            )
                            .watching(&["title", "type"])
                            .when("self.published"),
                        __roan::Rule::new(
                                __roan::Events::DELETE,
                                __roan::Template::Urls("Self::pages"),
                                "",
                                0,
                            )
                            .at_site("www"),
                        __roan::Rule::new(
                                __roan::Events::DELETE,
                                __roan::Template::Tag("{kind()}-{subtitle?}"),
                                "",
                                0,
                            )
                            .at_site("www"),
                    ],
                );
                __roan::register!(__ROAN_RULES);
                #[automatically_derived]
                impl __roan::Model for Post {
                    #[inline]
                    fn rules() -> &'static [__roan::Rule] {
                        &__ROAN_RULES
                    }
                    #[inline]
                    fn targets(&self, rule: usize, out: &mut __roan::Targets<'_>) {
                        match rule {
                            0 => {
                                if __roan::when(self.published) {
                                    out.url(__roan::None, "/posts/")
                                        .value(&self.title)
                                        .literal("/")
                                        .value(&self.author.id)
                                        .end()
                                }
                            }
                            1 => out.urls(__roan::Some("www"), self, Self::pages),
                            2 => {
                                out.tag(__roan::Some("www"), "")
                                    .value(&self.kind())
                                    .literal("-")
                                    .value_if(&self.subtitle)
                                    .end()
                            }
                            _ => {}
                        }
                    }
                    #[inline]
                    fn watched_changed(old: &Self, new: &Self, rule: usize) -> bool {
                        match rule {
                            0 => {
                                __roan::differ(&old.title, &new.title)
                                    || __roan::differ(&old.r#type, &new.r#type)
                            }
                            _ => true,
                        }
                    }
                }
            };
        "##]],
    );
}

#[test]
fn generic_type_of_a_renamed_crate() {
    check(
        quote!(save, url = "/{0}/{1?}", crate = renamed),
        quote! {
            struct Pair<'a, T, const N: usize>(T, Option<&'a T>, [u8; N]) where T: Clone;
        },
        &expect![[r#"
            struct Pair<'a, T, const N: usize>(
                T,
                Option<&'a T>,
                [u8; N],
            )
            where
                T: Clone;
            const _: () = {
                use renamed::__private as __roan;
                static __ROAN_RULES: [__roan::Rule; 1] = __roan::Rule::of(
                    "Pair",
                    __roan::module_path!(),
                    [
                        __roan::Rule::new(
                            __roan::Events::SAVE,
                            __roan::Template::Url("/{0}/{1?}"),
                            "",
                            0,
                        ),
                    ],
                );
                __roan::register!(__ROAN_RULES);
                #[automatically_derived]
                impl<'a, T, const N: usize> __roan::Model for Pair<'a, T, N>
                where
                    T: Clone,
                    T: __roan::UrlValue,
                    Option<&'a T>: __roan::OptionalUrlValue,
                {
                    #[inline]
                    fn rules() -> &'static [__roan::Rule] {
                        &__ROAN_RULES
                    }
                    #[inline]
                    fn targets(&self, rule: usize, out: &mut __roan::Targets<'_>) {
                        match rule {
                            0 => {
                                out.url(__roan::None, "/")
                                    .value(&self.0)
                                    .literal("/")
                                    .value_if(&self.1)
                                    .end()
                            }
                            _ => {}
                        }
                    }
                }
            };
        "#]],
    );
}

#[test]
fn a_mistake_leaves_the_item_and_a_stub() {
    check(
        quote!(save, url = "/{slgu}"),
        quote! {
            #[purge_on(delete, url = "posts")]
            struct Post {
                slug: String,
            }
        },
        &expect![[r#"
            struct Post {
                slug: String,
            }
            const _: () = {
                use ::roan::__private as __roan;
                #[automatically_derived]
                impl __roan::Model for Post {
                    fn rules() -> &'static [__roan::Rule] {
                        &[]
                    }
                    fn targets(&self, _: usize, _: &mut __roan::Targets<'_>) {}
                }
            };
            ::core::compile_error! {
                "`{slgu}`: `Post` has no field `slgu`: did you mean `{slug}`? [its fields are `slug`]"
            }
            ::core::compile_error! {
                "URL \"posts\": it must begin with `/`"
            }
        "#]],
    );
}
