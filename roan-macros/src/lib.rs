//! The `#[purge_on]` attribute of `roan`, where it is re-exported: depend on `roan` alone.

mod diagnostics;
#[cfg(feature = "sea-orm")]
mod hooks;
mod legality;
mod purge_on;
mod url;

use proc_macro::TokenStream;

/// Says which pages show a model, so that they are purged when a row of it changes.
///
/// ```ignore
/// use roan::purge_on;
///
/// #[purge_on(save, delete, url = "/posts")]
/// #[purge_on(save, delete, url = "/posts/{slug}")]
/// #[purge_on(update(title, slug), url = "/feed.xml")]
/// #[purge_on(save, delete, url = "/authors/{author.id}", when = self.published)]
/// struct Post {
///     slug: String,
///     title: String,
///     published: bool,
///     author: Author,
/// }
/// ```
///
/// The attribute implements `roan::Model`; hooks such as `roan::saved(&post)` then do the rest. It
/// stands on a struct or an enum, generic or not, above, below or between other attributes. Several
/// of them make one list of rules. Every mistake in them is an error of the compiler, and all mistakes of
/// a type are shown at once.
///
/// # Grammar
///
/// ```text
/// #[purge_on( EVENT, ... TARGET, ... OPTION, ... )]        in any order
///
/// EVENT    create | update | update(FIELD, ...) | delete | save
/// TARGET   url = "TEMPLATE" | urls = FUNCTION | tag = "TEMPLATE" | related(FIELD -> MODEL, ...)
/// OPTION   when = CONDITION | site = "NAME" | table = "NAME" | crate = PATH
/// ```
///
/// An attribute has at least one event and one target. Each target is a rule of its own; the events
/// and the options hold for all targets of the attribute.
///
/// ## Events
///
/// | event | fires when |
/// |---|---|
/// | `create` | a row is new |
/// | `update` | a row has changed; the pages of the old row and of the new one are purged |
/// | `update(title, slug)` | one of these fields has changed; tuple fields are numbers, `update(0)` |
/// | `delete` | a row is gone |
/// | `save` | `create` and `update` |
///
/// ## Targets
///
/// - `url = "/posts/{slug}"`: the path of a page, with a query perhaps.
/// - `tag = "author-{author.id}"`: every page that carries the tag (surrogate key). The caches must
///   know tags.
/// - `urls = Self::archive`: a function that gives any number of pages, for what a template cannot
///   say. It takes the row, and returns an iterator of `String`, `&str` or `roan::Target`:
///
/// ```ignore
/// #[purge_on(save, delete, urls = Self::archive)]
/// struct Post {
///     year: u16,
///     pages: u32,
/// }
///
/// impl Post {
///     fn archive(&self) -> impl Iterator<Item = String> {
///         (1..=self.pages).map(|page| format!("/archive/{}?page={page}", self.year))
///     }
/// }
/// ```
///
/// - `related(author_id -> author::Model)`: what the rules of a related row yield for `save`. The hooks of
///   SeaORM read that row by its key, one query for a rule and a write; on an update of the field both
///   rows are followed. `related(editor_id? -> author::Model)` is for an `Option`. It stands on an
///   entity's `Model` alone, follows one step, and no other hook does: `roan::saved(&post)` yields nothing for it.
///
/// ## Options
///
/// - `when = self.published`: the rule yields nothing for a row of which this is false. Any
///   expression of type `bool`; `self` is the row. An update asks the old row and the new one, each for
///   its own pages: the page of a post that is no longer published is purged too.
/// - `site = "www"`: the pages are those of the named site, and not of the default one.
/// - `table = "blog.posts"`: what the database calls the type; once for a type is enough, also alone,
///   `#[purge_on(table = "posts")]`. Without it the attributes of SeaORM and Diesel say it, or else it is
///   the type's name in snake case with an `s`. Columns are called as the fields, or as
///   `#[sea_orm(column_name = "...")]`, `#[diesel(column_name = ...)]` or `#[sqlx(rename = "...")]` say. It asks
///   for triggers of the database (`roan::triggers`), so that each field in a template must be a text, an
///   integer or, with the feature `uuid`, a `uuid::Uuid`; `{field.to_string()}` leaves a rule to hooks.
/// - `crate = path`: where `roan` is, if not at `::roan`. Once for a type is enough.
///
/// # Templates
///
/// | capture | is filled with |
/// |---|---|
/// | `{slug}` | the field, as its `Display` shows it |
/// | `{author.id}` | a field of a field |
/// | `{0}`, `{0.name}` | a field of a tuple struct |
/// | `{permalink()}`, `{author.slug()}` | what a method gives, called without arguments |
/// | `{subtitle?}` | the value of an `Option`; on `None` the rule yields nothing |
/// | `{path*}` | several path segments: the slashes in the value stay |
/// | `{path*?}` | both |
/// | `{{`, `}}` | nothing: these are the braces themselves |
///
/// Every value is percent-encoded, but for letters, digits and `-._~` (RFC 3986), so that it is one
/// path segment, or one query value after the first `?`, whatever stands in the field. A row whose value
/// makes a segment `.` or `..` yields no page but a reported error, since browsers never ask for
/// such a URL. So does one whose value would climb out, such as `../../admin`: a server that decodes it, as nginx does,
/// would answer the purge at another location.
///
/// `roan::url!("/posts/{post.slug}")` makes the same URL for a link.
///
/// What stands between the captures is checked when compiling. A URL is written as a browser sends it:
/// from the `/` on, without a host, with `%20` for a space and `%C3%A9` for `é`.
///
/// ```ignore
/// #[purge_on(save, url = "/files/{path*}")]                  // docs/a b.pdf -> /files/docs/a%20b.pdf
/// #[purge_on(save, url = "/search?q={title}")]               // 1/2 & more   -> /search?q=1%2F2%20%26%20more
/// #[purge_on(save, url = "/subtitles/{subtitle?}")]          // None         -> nothing
/// ```
///
/// An enum has no fields of its own; its templates name methods.
///
/// # Under another name
///
/// A dependency that is called `cache_rules` in `Cargo.toml`, or a crate that re-exports `roan`:
///
/// ```ignore
/// #[cache_rules::purge_on(save, delete, url = "/posts", crate = cache_rules)]
/// struct Post;
/// ```
///
/// The attribute itself keeps its name: the first one takes those below it off by the name `purge_on`,
/// so an import `as` something else would not be found.
#[proc_macro_attribute]
pub fn purge_on(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let libraries = purge_on::Libraries {
        tables: cfg!(feature = "tables"),
        sea_orm: cfg!(feature = "sea-orm"),
    };
    purge_on::expand(arguments.into(), item.into(), libraries).into()
}

/// Fires the hooks of a SeaORM entity: stands above `impl ActiveModelBehavior for ActiveModel`.
///
/// ```ignore
/// #[roan::hooks]
/// impl ActiveModelBehavior for ActiveModel {}
/// ```
///
/// From then on `insert`, `update`, `save`, `delete` and `update_without_returning` purge what the
/// rules of the model's `#[purge_on]` say. Bodies of your own (`before_save` and so on) stay: before a
/// statement they run first, after it they run last. With `#[async_trait]`, write `#[roan::hooks]` above
/// it; without, it is not needed.
///
/// `#[roan::hooks(crate = path)]` says where `roan` is, if not at `::roan`.
#[cfg(feature = "sea-orm")]
#[proc_macro_attribute]
pub fn hooks(arguments: TokenStream, item: TokenStream) -> TokenStream {
    hooks::expand(arguments.into(), &item.into()).into()
}

/// What `roan::url!` expands to, with the path of `roan` before its arguments.
#[doc(hidden)]
#[proc_macro]
pub fn url(input: TokenStream) -> TokenStream {
    url::expand(input.into()).into()
}
