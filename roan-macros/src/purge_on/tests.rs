//! Expansions as a user would see them. After a change: `UPDATE_EXPECT=1 cargo test -p roan-macros`,
//! and read the difference.

use expect_test::{Expect, expect};
use proc_macro2::TokenStream;
use quote::quote;

use super::{Libraries, expand};

/// Compares the expansion of an attribute and the item below it.
fn check(arguments: TokenStream, item: TokenStream, expected: &Expect) {
    let file = syn::parse2(expand(arguments, item, Libraries::default()))
        .expect("the expansion is not Rust");
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
            #[automatically_derived]
            impl ::roan::__private::Model for Post {
                const RULES: &'static [::roan::__private::Rule] = {
                    use ::roan::__private as __roan;
                    __roan::register!(Post);
                    &[
                        __roan::Rule {
                            model: "Post",
                            module: __roan::module_path!(),
                            events: __roan::SAVE_DELETE,
                            watched: &[],
                            target: __roan::RuleTarget::Url("/posts"),
                            condition: __roan::None,
                            site: __roan::None,
                            file: "",
                            line: 0,
                        },
                    ]
                };
                #[inline]
                fn targets(&self, rule: usize, out: &mut ::roan::__private::Targets<'_>) {
                    match rule {
                        0 => out.fixed_url("/posts"),
                        _ => {}
                    }
                }
            }
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
            #[automatically_derived]
            impl ::roan::__private::Model for Post {
                const RULES: &'static [::roan::__private::Rule] = {
                    use ::roan::__private as __roan;
                    __roan::register!(Post);
                    &[
                        __roan::Rule {
                            model: "Post",
                            module: __roan::module_path!(),
                            events: __roan::SAVE_DELETE,
                            watched: &["title", "type"],
                            target: __roan::RuleTarget::Url("/posts/{title}/{author.id}"),
                            condition: __roan::Some("self.published"),
                            site: __roan::None,
                            file: "",
                            line: 0,
                        },
                        __roan::Rule {
                            model: "Post",
                            module: __roan::module_path!(),
                            events: __roan::DELETE,
                            watched: &[],
                            target: __roan::RuleTarget::Urls("Self::pages"),
                            condition: __roan::None,
                            site: __roan::Some("www"),
                            file: "",
                            line: 0,
                        },
                        __roan::Rule {
                            model: "Post",
                            module: __roan::module_path!(),
                            events: __roan::DELETE,
                            watched: &[],
                            target: __roan::RuleTarget::Tag("{kind()}-{subtitle?}"),
                            condition: __roan::None,
                            site: __roan::Some("www"),
                            file: "",
                            line: 0,
                        },
                    ]
                };
                #[inline]
                fn targets(&self, rule: usize, out: &mut ::roan::__private::Targets<'_>) {
                    match rule {
                        0 => {
                            if ::roan::__private::when(self.published) {
                                out.url("/posts/")
                                    .value(&self.title)
                                    .literal("/")
                                    .value(&self.author.id)
                                    .end()
                            }
                        }
                        1 => out.at_site("www").urls(self, Self::pages),
                        2 => {
                            out.at_site("www")
                                .tag("")
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
                    use ::roan::__private as __roan;
                    match rule {
                        0 => {
                            __roan::differ(&old.title, &new.title)
                                || __roan::differ(&old.r#type, &new.r#type)
                        }
                        _ => true,
                    }
                }
            }
        "##]],
    );
}

#[test]
fn targets_of_many_pages() {
    let libraries = Libraries {
        tables: true,
        ..Libraries::default()
    };
    let arguments = quote!(save, prefix = "/docs/{id}/", host, everything);
    let item = quote!(
        struct Docs {
            id: u64,
        }
    );
    let expansion = expand(arguments, item, libraries).to_string();
    for part in [
        quote!(target: __roan::RuleTarget::Prefix("/docs/{id}/")),
        quote!(target: __roan::RuleTarget::Host),
        quote!(target: __roan::RuleTarget::Everything),
        quote!(0 => out.prefix("/docs/").value(&self.id).literal("/").end(),),
        quote!(1 => out.host().end(),),
        quote!(2 => out.everything().end(),),
        quote!(__roan::RowRule::Pieces(&[]), __roan::RowRule::Pieces(&[])),
    ] {
        assert!(expansion.contains(&part.to_string()), "{part}: {expansion}");
    }
    let at_site = expand(
        quote!(delete, prefix = "/a/", host, site = "shop"),
        quote!(
            struct Docs;
        ),
        Libraries::default(),
    );
    let host = quote!(1 => out.at_site("shop").host().end(),).to_string();
    assert!(at_site.to_string().contains(&host), "{at_site}");
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
            #[automatically_derived]
            impl<'a, T, const N: usize> renamed::__private::Model for Pair<'a, T, N>
            where
                T: Clone,
                T: renamed::__private::UrlValue,
                Option<&'a T>: renamed::__private::OptionalUrlValue,
            {
                const RULES: &'static [renamed::__private::Rule] = {
                    use renamed::__private as __roan;
                    const RULES: &[__roan::Rule] = &[
                        __roan::Rule {
                            model: "Pair",
                            module: __roan::module_path!(),
                            events: __roan::SAVE,
                            watched: &[],
                            target: __roan::RuleTarget::Url("/{0}/{1?}"),
                            condition: __roan::None,
                            site: __roan::None,
                            file: "",
                            line: 0,
                        },
                    ];
                    enum Generic {}
                    impl __roan::Model for Generic {
                        const RULES: &'static [__roan::Rule] = RULES;
                        fn targets(&self, _: usize, _: &mut __roan::Targets<'_>) {}
                    }
                    __roan::register!(Generic);
                    RULES
                };
                #[inline]
                fn targets(&self, rule: usize, out: &mut renamed::__private::Targets<'_>) {
                    match rule {
                        0 => out.url("/").value(&self.0).literal("/").value_if(&self.1).end(),
                        _ => {}
                    }
                }
            }
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
            #[automatically_derived]
            impl ::roan::__private::Model for Post {
                const RULES: &'static [::roan::__private::Rule] = &[];
                fn targets(&self, _: usize, _: &mut ::roan::__private::Targets<'_>) {}
            }
            ::core::compile_error! {
                "`{slgu}`: `Post` does not have a field `slgu`: did you mean `{slug}`? [its fields are `slug`]"
            }
            ::core::compile_error! {
                "URL \"posts\": it must begin with `/`: write `/posts`"
            }
        "#]],
    );
}

#[test]
fn a_table_named_by_the_attributes_of_a_library() {
    let libraries = Libraries {
        tables: true,
        ..Libraries::default()
    };
    let item = quote! {
        #[derive(Queryable)]
        #[diesel(table_name = crate::schema::articles, primary_key(no))]
        struct Post {
            #[diesel(column_name = "no")]
            number: i64,
            slug: String,
        }
    };
    let arguments = quote!(save, url = "/posts/{number}");
    let expansion = expand(arguments, item, libraries).to_string();
    let table = quote! {
        __roan::Table {
            name: "articles",
            key: &["no"],
            columns: &[__roan::Column {
                field: "number",
                name: "no",
                kind: <__roan::ColumnOf<i64>>::KIND
            }],
            rows: &[__roan::RowRule::Pieces(&[
                __roan::RowPiece::Literal("/posts/"),
                __roan::RowPiece::Value(0)
            ])],
        }
    };
    assert!(expansion.contains(&table.to_string()), "{expansion}");
}

#[test]
fn a_model_is_made_from_a_row() {
    let libraries = Libraries {
        tables: true,
        rows: true,
        ..Libraries::default()
    };
    let item = quote! {
        #[sea_orm::model]
        struct Post {
            #[sqlx(rename = "no")]
            r#type: i64,
            #[sqlx(json)]
            tags: Tags,
            meta: Option<sea_orm::prelude::Json>,
            #[sqlx(skip)]
            cached: String,
            comments: HasMany<super::comment::Entity>,
        }
    };
    let arguments = quote!(save, url = "/posts", from_row);
    let expansion = expand(arguments, item.clone(), libraries).to_string();
    let read = quote! {
        let model = Post {
            r#type: row.column::<i64>(0usize)?,
            tags: row.json::<Tags>(1usize)?,
            meta: row.json::<Option<sea_orm::prelude::Json> >(2usize)?,
            cached: __roan::default(),
        };
    };
    assert!(expansion.contains(&read.to_string()), "{expansion}");
    let column = quote!(__roan::Column {
        field: "type",
        name: "no",
        kind: <__roan::ColumnOf<i64>>::KIND
    });
    assert!(expansion.contains(&column.to_string()), "{expansion}");
    let without = expand(quote!(save, url = "/posts"), item, libraries).to_string();
    let none = quote!(from_row: __roan::None);
    assert!(without.contains(&none.to_string()), "{without}");
}

#[test]
fn a_field_of_several_columns_is_not_read_from_a_row() {
    for field in [
        quote!(#[sqlx(flatten)] dates: Dates),
        quote!(#[diesel(embed)] dates: Dates),
        quote!(#[sea_orm(nested)] dates: Dates),
    ] {
        let item = quote!(struct Post { #field });
        let shown = item.to_string();
        let expansion = expand(
            quote!(save, url = "/posts", from_row),
            item,
            Libraries::default(),
        );
        let told = "`from_row` reads one column into each field, but `dates` is made of several";
        assert!(expansion.to_string().contains(told), "{shown}");
    }
}
