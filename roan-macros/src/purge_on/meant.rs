//! Suggestions for templates in the syntax of other frameworks.

use super::template::{Piece, is_name};
use crate::diagnostics::nearest;

/// Ends a word of a URL.
const DELIMITERS: [char; 4] = ['/', '?', '&', '='];

/// The message for a URL in another syntax. `known` are the names with which a capture may begin.
pub(crate) fn by_url(pieces: &[Piece], known: &[&str]) -> Option<String> {
    if let Some(Piece::Literal(start)) = pieces.first()
        && start.starts_with("//")
    {
        let told = "a browser reads a host after `//`: write the path alone, with one `/`; the host is chosen by `site = \"...\"`";
        return Some(told.to_owned());
    }
    let mut in_query = false;
    for (at, piece) in pieces.iter().enumerate() {
        let Piece::Literal(text) = piece else {
            continue;
        };
        in_query |= text.contains('?');
        let next = pieces.get(at + 1);
        let told = dollar(text, next)
            .or_else(|| angle(text, known))
            .or_else(|| braces(text, known, in_query))
            .or_else(|| words(text, at == 0, known));
        if told.is_some() {
            return told;
        }
    }
    None
}

/// `${slug}`, of JavaScript.
fn dollar(text: &str, next: Option<&Piece>) -> Option<String> {
    let Some(Piece::Capture(capture)) = next else {
        return None;
    };
    let capture = &capture.text;
    text.ends_with('$').then(|| {
        format!(
            "`${{{capture}}}`: did you mean `{{{capture}}}`? The character `$` is written `%24`"
        )
    })
}

/// `<slug>`, `<int:id>`, of Flask and Django. A URL does not contain these characters.
fn angle(text: &str, known: &[&str]) -> Option<String> {
    let (_, rest) = text.split_once('<')?;
    let (inside, _) = rest.split_once('>')?;
    let name = inside.rsplit(':').next()?.trim();
    let name = corrected(name, known)?;
    Some(format!("`<{inside}>`: did you mean `{{{name}}}`?"))
}

/// `{{ slug }}`, of Jinja and Handlebars: here the two braces are one, which a query may have.
fn braces(text: &str, known: &[&str], in_query: bool) -> Option<String> {
    let (_, rest) = text.split_once('{')?;
    let (inside, _) = rest.split_once('}')?;
    let name = inside.trim();
    if in_query && name == inside && !known.contains(&name) {
        return None;
    }
    let name = corrected(name, known)?;
    Some(format!(
        "`{{{{{inside}}}}}`: did you mean `{{{name}}}`? Doubled braces are literal braces"
    ))
}

/// `:slug`, `$slug`, `[slug]`, `*path`, `*`: of routers. They are legal characters of a URL, so that a name
/// must be known.
fn words(text: &str, is_first: bool, known: &[&str]) -> Option<String> {
    for (at, word) in text.split(DELIMITERS).enumerate() {
        let begins_here = at > 0 || is_first;
        let name_after = |mark: char| {
            let rest = word.strip_prefix(mark).filter(|_| begins_here)?;
            let end = rest.find(|c: char| !unicode_ident::is_xid_continue(c));
            let name = &rest[..end.unwrap_or(rest.len())];
            Some((name, nearest(name, known.iter().copied())?))
        };
        for mark in [':', '$', '['] {
            if let Some((name, meant)) = name_after(mark) {
                let end = if mark == '[' { "]" } else { "" };
                return Some(format!(
                    "`{mark}{name}{end}` is plain text: did you mean `{{{meant}}}`?"
                ));
            }
        }
        if let Some((name, meant)) = name_after('*') {
            return Some(format!(
                "`*{name}` is plain text: did you mean `{{{meant}*}}`?"
            ));
        }
        if (begins_here && word.starts_with('*')) || word.ends_with('*') {
            let told = "a URL is that of one page, so `*` does not match others: write `prefix = \"/folder/\"` for all pages below it, return each page from `urls = ...`, or write `%2A` for the character";
            return Some(told.to_owned());
        }
    }
    None
}

/// The capture closest to `path`, such as `slug` or `author.slug`: a known name, else the text itself.
fn corrected(path: &str, known: &[&str]) -> Option<String> {
    let first = path.split('.').next().unwrap_or_default();
    if !path.split('.').all(is_name) {
        return None;
    }
    let meant = nearest(first, known.iter().copied()).unwrap_or(first);
    Some(path.replacen(first, meant, 1))
}

#[cfg(test)]
mod tests {
    use super::super::template;
    use super::*;

    fn told(url: &str) -> Option<String> {
        by_url(
            &template::parse(url, template::Begin::Row).unwrap(),
            &["slug", "path", "id"],
        )
    }

    #[test]
    fn templates_of_other_frameworks_are_known() {
        for (url, meant) in [
            ("/posts/:slug", "did you mean `{slug}`?"),
            ("/posts/:slgu.html", "did you mean `{slug}`?"),
            ("/posts?q=:slug", "did you mean `{slug}`?"),
            ("/posts/${slug}", "did you mean `{slug}`?"),
            ("/posts/$slug", "did you mean `{slug}`?"),
            ("/posts/[slug]", "did you mean `{slug}`?"),
            ("/posts/<slug>", "did you mean `{slug}`?"),
            ("/posts/<int:id>", "did you mean `{id}`?"),
            ("/posts/<year>", "did you mean `{year}`?"),
            ("/posts/{{slug}}", "did you mean `{slug}`?"),
            ("/posts/{{ post.slug }}", "did you mean `{post.slug}`?"),
            ("/posts?q={{ slug }}", "did you mean `{slug}`?"),
            ("/posts?q={{slug}}", "did you mean `{slug}`?"),
            ("/files/*path", "did you mean `{path*}`?"),
            ("/files/*", "write `%2A`"),
            ("/files/**/x", "write `%2A`"),
            ("/posts/{slug}*", "write `%2A`"),
            ("/posts?page=*", "write `%2A`"),
            ("//www.example.org/posts", "with one `/`"),
        ] {
            let told = told(url).unwrap_or_default();
            assert!(told.contains(meant), "{url}: {told}");
        }
    }

    #[test]
    fn what_may_be_meant_is_left_alone() {
        for url in [
            "/posts/{slug}",
            "/wiki/Talk:Main",
            "/wiki/{slug}:slug",
            "/:memory",
            "/a*b",
            "/a:slug/b$slug",
            "/price/$5",
            "/list?filter[slug]=1",
            "/search?q={{x}}",
            "/search?q={slug}&in={{{slug}}}",
            "/a//b",
            "/@slug",
        ] {
            assert_eq!(told(url), None, "{url}");
        }
    }
}
