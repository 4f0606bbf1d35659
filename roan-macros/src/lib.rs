//! The `#[purge_on]` attribute of `roan`, where it is re-exported: depend on `roan` alone.

mod diagnostics;
#[cfg(feature = "sea-orm")]
mod hooks;
mod legality;
mod purge_on;
mod url;

use proc_macro::TokenStream;

/// Declares the pages that show a model. Roan purges them when a row of the model changes.
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
/// The attribute implements `roan::Model`; hooks such as `roan::saved(&post)` use it. Put it on a struct or an enum,
/// generic or not, above, below or between other attributes. Several attributes make one list of rules. Every mistake in
/// them is a compile error, and one compilation shows all mistakes of a type.
///
/// # Grammar
///
/// ```text
/// #[purge_on( EVENT, ... TARGET, ... OPTION, ... )]        in any order
///
/// EVENT    create | update | update(FIELD, ...) | delete | save
/// TARGET   url = "TEMPLATE" | urls = FUNCTION | tag = "TEMPLATE" | prefix = "TEMPLATE" | host | everything
///          | related(FIELD -> MODEL, ...) | related(MODEL, ...)
/// OPTION   when = CONDITION | site = "NAME" | table = "NAME" | from_row | crate = PATH
/// ```
///
/// An attribute has at least one event and one target. Each target makes one rule. Events and options apply to all
/// targets of the attribute.
///
/// ## Events
///
/// | event | fires when |
/// |---|---|
/// | `create` | a row is created |
/// | `update` | a row is updated; the pages of the old row and of the new row are purged |
/// | `update(title, slug)` | an update changes one of these fields; tuple fields are numbers, `update(0)` |
/// | `delete` | a row is deleted |
/// | `save` | `create` and `update` |
///
/// ## Targets
///
/// - `url = "/posts/{slug}"`: the path of a page, with an optional query.
/// - `tag = "author-{author.id}"`: every page that has the tag (surrogate key). A cache must support
///   tags: the embedded cache does, nginx does not, and the web layer finds the pages for it.
/// - `prefix = "/docs/{version}/"`: every page below a folder: `/docs/v1/`, `/docs/v1/?page=2` and `/docs/v1/a/b`, but
///   neither `/docs/v1` nor `/docs/v10`. It begins and ends with `/`. A value is a part of one segment. If a value is empty,
///   or would make it another prefix in the eyes of some server (`..`), the rule yields an error.
/// - `host`: every page of the site. It does not have a value; `site = "shop"` selects another site.
/// - `everything`: every page of every site, in all caches. It does not have a value, and no template makes it: a row
///   whose value is wrong cannot empty the caches.
/// - `urls = Self::archive`: a function that returns any number of pages, for URLs that a template cannot
///   express. It takes the row, and returns an iterator of `String`, `&str` or `roan::Target`. It may return any target but
///   `Target::everything()`, which yields an error:
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
/// - `related(author_id -> author::Model)`: the pages of a related row, as if that row had been saved. The hooks of
///   SeaORM read the row by its key, with one query for each rule and write. If an update changes the field, they follow
///   both rows. Use `related(editor_id? -> author::Model)` for an `Option`. It needs a SeaORM entity's `Model`, and
///   follows one step. Other hooks do not follow it: `roan::saved(&post)` yields nothing for it.
/// - `related(tag::Model)`, without a field: the pages of all rows of an entity that SeaORM relates to this one, also
///   through the entity between the two (`impl Related<tag::Entity> for Entity`). When a row is deleted, its children fire
///   their rules for `delete`, too, because the database may delete them (`ON DELETE CASCADE`).
///
/// ## Options
///
/// - `when = self.published`: the rule yields nothing for a row for which this is false. Any
///   expression of type `bool`; `self` is the row. An update evaluates it on the old row and on the new row, each for its
///   own pages: so the page of a post that is no longer published is purged, too.
/// - `site = "www"`: the pages belong to the named site, not to the default site.
/// - `table = "blog.posts"`: the name of the table, for database triggers (`roan::triggers`). Write it once for a type; it
///   may be alone, `#[purge_on(table = "posts")]`. The default is the name in the attributes of SeaORM and Diesel, else the
///   type's name in snake case with an `s`. Columns have the names of the fields, or those of
///   `#[sea_orm(column_name = "...")]`, `#[diesel(column_name = ...)]` and `#[sqlx(rename = "...")]`. With `table`, each
///   field in a template must be a text, an integer or, with the feature `uuid`, a `uuid::Uuid`, unless there is `from_row`;
///   `{field.to_string()}` leaves a rule to hooks.
/// - `from_row`: the type can be made from a row of its table. Then triggers serve rules with `when`, `urls`, methods, fields
///   of fields and values of any type, too: they store all columns of the type, and the relay makes the value and evaluates
///   the rules as a hook does (`roan::triggers`). Each field's type must implement `serde::Deserialize`; the type itself need
///   not. Write it once for a type; it may be alone, `#[purge_on(table = "posts", from_row)]`. Without a database feature of
///   `roan` there are no triggers, and it does nothing.
/// - `crate = path`: the path of `roan`, if it is not `::roan`. Write it once for a type.
///
/// # Templates
///
/// | capture | value |
/// |---|---|
/// | `{slug}` | the field, as its `Display` shows it |
/// | `{author.id}` | a field of a field |
/// | `{0}`, `{0.name}` | a field of a tuple struct |
/// | `{permalink()}`, `{author.slug()}` | the result of a method without arguments |
/// | `{subtitle?}` | the value of an `Option`; the rule yields nothing for `None`, or for an empty text that would be a whole segment |
/// | `{path*}` | several path segments: slashes in the value are kept |
/// | `{path*?}` | both |
/// | `{{`, `}}` | the braces themselves |
///
/// Every value is percent-encoded, except letters, digits and `-._~` (RFC 3986). So it is always one path segment or,
/// after the first `?`, one query value. A row whose value makes a segment `.` or `..` yields an error that Roan logs and
/// counts, because browsers never request such a URL. A value that would climb out of its location, such as
/// `../../admin`, yields an error, too: a server that decodes it, as nginx does, would answer the purge at another location.
///
/// So does an empty value that would be a whole segment of the path: `/posts/{slug}` with an empty `slug` is `/posts/`, another
/// page. Leave such rows out by `when = !self.slug.is_empty()`. A value may be empty where it is a part of a segment
/// (`/posts/{slug}.html`), a value of the query, a part of a tag, or the end of a path with its slashes: `/{path*}` is `/` then.
///
/// `roan::url!("/posts/{post.slug}")` makes the same URL for a link.
///
/// The text between the captures is checked at compile time. Write a URL as a browser sends it: it begins with `/`, does
/// not have a host, and has `%20` for a space and `%C3%A9` for `é`.
///
/// ```ignore
/// #[purge_on(save, url = "/files/{path*}")]                  // docs/a b.pdf -> /files/docs/a%20b.pdf
/// #[purge_on(save, url = "/search?q={title}")]               // 1/2 & more   -> /search?q=1%2F2%20%26%20more
/// #[purge_on(save, url = "/subtitles/{subtitle?}")]          // None         -> nothing
/// ```
///
/// Templates of an enum use methods, because an enum does not have fields.
///
/// # Under another name
///
/// For a dependency renamed to `cache_rules` in `Cargo.toml`, or a crate that re-exports `roan`:
///
/// ```ignore
/// #[cache_rules::purge_on(save, delete, url = "/posts", crate = cache_rules)]
/// struct Post;
/// ```
///
/// Do not import the attribute under another name: the first attribute finds those below it by the name `purge_on`.
#[proc_macro_attribute]
pub fn purge_on(arguments: TokenStream, item: TokenStream) -> TokenStream {
    let libraries = purge_on::Libraries {
        tables: cfg!(feature = "tables"),
        sea_orm: cfg!(feature = "sea-orm"),
        rows: cfg!(feature = "rows"),
    };
    purge_on::expand(arguments.into(), item.into(), libraries).into()
}

/// Fires the hooks of a SeaORM entity. Put it above `impl ActiveModelBehavior for ActiveModel`.
///
/// ```ignore
/// #[roan::hooks]
/// impl ActiveModelBehavior for ActiveModel {}
/// ```
///
/// Then `insert`, `update`, `save`, `delete` and `update_without_returning` purge by the rules of the model's
/// `#[purge_on]`. Your own methods (`before_save` and so on) stay: before a statement they run first, after it they run
/// last. You do not need `#[async_trait]`; if you have it, write `#[roan::hooks]` above it.
///
/// `#[roan::hooks(crate = path)]` sets the path of `roan`, if it is not `::roan`.
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
