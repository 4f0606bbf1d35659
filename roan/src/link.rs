//! Links to the pages that rules purge.

/// Returns the URL of a page, as a rule with this template purges it, for links, redirects and `urls = ...`.
///
/// The text is a [template](crate::purge_on#templates), and is checked at compile time, as that of a rule is. A capture
/// begins with a variable in scope, such as `self`, or with a name given after the text, as in [`format!`]. `{field?}` is
/// not supported: unwrap an `Option` first.
///
/// It returns a `Result<`[`Target`](crate::Target)`, `[`TargetError`](crate::TargetError)`>`. The `Display` of a `Target` is the
/// URL, and [`as_str`](crate::Target::as_str) is its text.
///
/// ```
/// use roan::purge_on;
///
/// #[purge_on(save, delete, url = "/posts/{slug}")]
/// struct Post {
///     slug: String,
/// }
///
/// # fn main() -> Result<(), roan::TargetError> {
/// let post = Post { slug: "c++ & rust".to_owned() };
/// let link = roan::url!("/posts/{post.slug}")?;
/// assert_eq!(link.as_str(), "/posts/c%2B%2B%20%26%20rust");
///
/// let html = format!("<a href=\"{link}\">");
/// let next = roan::url!("/posts?page={page}", page = 1 + 1)?;
/// # assert_eq!(next.as_str(), "/posts?page=2");
/// # let purges = roan::testing::record_blocking(|| roan::saved(&post));
/// # roan::assert_purged!(purges, "/posts/c%2B%2B%20%26%20rust");
/// # Ok(())
/// # }
/// ```
///
/// A function for `urls = ...` can return them, so that its pages and their links have one source:
///
/// ```
/// use roan::{Target, TargetError, purge_on};
///
/// #[purge_on(save, delete, urls = Self::pages)]
/// struct Author {
///     name: String,
/// }
///
/// impl Author {
///     fn page(&self) -> Result<Target, TargetError> {
///         roan::url!("/authors/{self.name}")
///     }
///
///     fn pages(&self) -> [Result<Target, TargetError>; 2] {
///         [self.page(), roan::url!("/authors/{self.name}/feed")]
///     }
/// }
/// ```
///
/// # Errors
///
/// If a value makes a URL that cannot be purged, such as one with a segment `..` or with an empty value in place of a segment,
/// or a link to another host, which begins with `//`.
#[macro_export]
macro_rules! url {
    ($($arguments:tt)*) => {
        $crate::__private::url!($crate, $($arguments)*)
    };
}
