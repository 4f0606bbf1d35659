//! The position of tokens in the source, and their text.

use proc_macro2::{Delimiter, Span, TokenStream, TokenTree};

/// The file and the line of `span`. Empty outside of a compiler, as in unit tests.
///
/// `file!()` and `line!()` would return the position of the first attribute for all of them.
pub(crate) fn location(span: Span) -> (String, u32) {
    if !proc_macro::is_available() {
        return (String::new(), 0);
    }
    let span = span.unwrap();
    (span.file(), u32::try_from(span.line()).unwrap_or(u32::MAX))
}

/// The text of `tokens`, with a space only where the source has a gap.
pub(crate) fn text(tokens: &TokenStream) -> String {
    let mut source = Source::default();
    source.push_all(tokens);
    source.text
}

#[derive(Default)]
struct Source {
    text: String,
    /// Where the last token ends, as line and column.
    end: Option<(usize, usize)>,
}

impl Source {
    fn push_all(&mut self, tokens: &TokenStream) {
        for token in tokens.clone() {
            let TokenTree::Group(group) = token else {
                self.push(&token.to_string(), token.span());
                continue;
            };
            let (open, close) = match group.delimiter() {
                Delimiter::Parenthesis => ("(", ")"),
                Delimiter::Brace => ("{", "}"),
                Delimiter::Bracket => ("[", "]"),
                // A group that a `macro_rules!` inserted does not have visible delimiters.
                Delimiter::None => {
                    self.push_all(&group.stream());
                    continue;
                }
            };
            self.push(open, group.span_open());
            self.push_all(&group.stream());
            self.push(close, group.span_close());
        }
    }

    fn push(&mut self, token: &str, span: Span) {
        let (begin, end) = bounds(span);
        if self.end.is_some_and(|end| end != begin) {
            self.text.push(' ');
        }
        self.text.push_str(token);
        self.end = Some(end);
    }
}

fn bounds(span: Span) -> ((usize, usize), (usize, usize)) {
    if !proc_macro::is_available() {
        return ((0, 0), (0, 0));
    }
    let span = span.unwrap();
    let (begin, end) = (span.start(), span.end());
    ((begin.line(), begin.column()), (end.line(), end.column()))
}
