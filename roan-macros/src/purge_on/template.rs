//! `"/posts/{slug}"` as literal and capture pieces.

use std::fmt;

/// One piece of a template.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    Literal(String),
    Capture(Capture),
}

/// `{author.slug()*?}`
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Capture {
    /// The content of the braces.
    pub(crate) text: String,
    pub(crate) steps: Vec<Step>,
    /// `*`: the value keeps its slashes.
    pub(crate) keeps_slashes: bool,
    /// `?`: the value is an `Option`.
    pub(crate) optional: bool,
}

impl Capture {
    /// The capture without `*` and `?`, as a user writes it.
    pub(crate) fn path(&self) -> &str {
        self.text.trim_end_matches(['*', '?'])
    }
}

/// One name in a capture.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A field, or the number of one.
    Field(String),
    /// A method, without its parentheses.
    Method(String),
}

/// Why a text is not a template.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    Unclosed(String),
    Stray,
    Empty,
    Spaces(String),
    StarFirst(String),
    StarLast(String),
    Format(String),
    Path(String),
    FromSelf(String),
    Arguments(String),
    NoName { capture: String, name: String },
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unclosed(rest) => write!(
                f,
                "`{{{rest}` is never closed: write `{{{rest}}}`, or `{{{{` for the character `{{`"
            ),
            Self::Stray => f.write_str(
                "a `}` closes nothing: write `}}` for the character `}`, or open the capture with `{`",
            ),
            Self::Empty => {
                f.write_str("`{}` does not name a value: write a name in it, `{id}`")
            }
            Self::Spaces(text) => {
                write!(f, "write `{{{}}}`, without spaces", text.trim())
            }
            Self::StarFirst(path) => write!(f, "the star comes last: write `{{{path}*}}`"),
            Self::StarLast(path) => {
                write!(f, "the question mark comes last: write `{{{path}*?}}`")
            }
            Self::Format(path) => write!(
                f,
                "a capture does not take a format: write `{{{path}}}`, or a method that returns the text you want"
            ),
            Self::Path(capture) => write!(
                f,
                "`{{{capture}}}`: a capture begins at the row and takes dots, `{{author.id}}`: for anything else write a method of the row, `{{name()}}`"
            ),
            Self::FromSelf(rest) => {
                write!(f, "a capture begins at the row itself: write `{{{rest}}}`")
            }
            Self::Arguments(capture) => write!(
                f,
                "`{{{capture}}}`: a method in a template does not take arguments: write `{{name()}}`"
            ),
            Self::NoName { capture, name } if name.is_empty() => write!(
                f,
                "`{{{capture}}}`: a name is missing next to a dot: write a field or a method there, `{{author.id}}`"
            ),
            Self::NoName { capture, name } => write!(
                f,
                "`{{{capture}}}`: `{name}` is not a name: write a field or a method, `{{id}}`, `{{author.id}}`, `{{0}}`, `{{slug()}}`"
            ),
        }
    }
}

/// The meaning of the first name in a capture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begin {
    /// A field of the rule's row.
    Row,
    /// A variable, such as `self`.
    Variable,
}

/// Parses a template, and returns every mistake in it.
pub(crate) fn parse(template: &str, begin: Begin) -> Result<Vec<Piece>, Vec<Mistake>> {
    let mut pieces = Vec::new();
    let mut mistakes = Vec::new();
    let mut literal = String::new();
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        literal.push_str(&rest[..at]);
        let brace = &rest[at..=at];
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix(brace) {
            literal.push_str(brace);
            rest = after;
        } else if brace == "}" {
            mistakes.push(Mistake::Stray);
        } else {
            let inside = &rest[..rest.find(['{', '}', '/']).unwrap_or(rest.len())];
            rest = &rest[inside.len()..];
            let Some(after) = rest.strip_prefix('}') else {
                mistakes.push(Mistake::Unclosed(inside.to_owned()));
                continue;
            };
            rest = after;
            match parse_capture(inside, begin) {
                Ok(capture) => {
                    if !literal.is_empty() {
                        pieces.push(Piece::Literal(std::mem::take(&mut literal)));
                    }
                    pieces.push(Piece::Capture(capture));
                }
                Err(mistake) => mistakes.push(mistake),
            }
        }
    }
    literal.push_str(rest);
    if !literal.is_empty() {
        pieces.push(Piece::Literal(literal));
    }
    if mistakes.is_empty() {
        Ok(pieces)
    } else {
        Err(mistakes)
    }
}

fn parse_capture(text: &str, begin: Begin) -> Result<Capture, Mistake> {
    if text.trim().is_empty() {
        return Err(Mistake::Empty);
    }
    if text.trim() != text {
        return Err(Mistake::Spaces(text.to_owned()));
    }
    if let Some(path) = text.strip_prefix('*') {
        return Err(Mistake::StarFirst(path.to_owned()));
    }
    if let Some(path) = text.strip_suffix("?*") {
        return Err(Mistake::StarLast(path.to_owned()));
    }
    let without_mark = text.strip_suffix('?').unwrap_or(text);
    let path = without_mark.strip_suffix('*').unwrap_or(without_mark);
    if path.contains("::") {
        return Err(Mistake::Path(text.to_owned()));
    }
    if let Some((path, _)) = path.split_once(':') {
        return Err(Mistake::Format(path.to_owned()));
    }
    if begin == Begin::Row
        && let Some(rest) = path.strip_prefix("self.")
    {
        return Err(Mistake::FromSelf(rest.to_owned()));
    }
    let steps = path.split('.').enumerate().map(|(at, name)| {
        let is_self = begin == Begin::Variable && at == 0 && name == "self";
        if is_self {
            Ok(Step::Field(name.to_owned()))
        } else {
            parse_step(name, text)
        }
    });
    Ok(Capture {
        text: text.to_owned(),
        steps: steps.collect::<Result<_, _>>()?,
        keeps_slashes: path != without_mark,
        optional: without_mark != text,
    })
}

fn parse_step(name: &str, capture: &str) -> Result<Step, Mistake> {
    let is_number = name
        .parse::<u32>()
        .is_ok_and(|number| number.to_string() == name);
    let method = name.strip_suffix("()");
    let word = method.unwrap_or(name);
    let word = word.strip_prefix("r#").unwrap_or(word);
    if is_number {
        Ok(Step::Field(name.to_owned()))
    } else if is_name(word) {
        Ok(match method {
            Some(_) => Step::Method(word.to_owned()),
            None => Step::Field(word.to_owned()),
        })
    } else if name.contains('(') {
        Err(Mistake::Arguments(capture.to_owned()))
    } else {
        Err(Mistake::NoName {
            capture: capture.to_owned(),
            name: name.to_owned(),
        })
    }
}

/// Whether `word` can be the name of a field or a method.
pub(crate) fn is_name(word: &str) -> bool {
    let mut letters = word.chars();
    let begins_well = letters
        .next()
        .is_some_and(|first| first == '_' || unicode_ident::is_xid_start(first));
    let is_reserved = matches!(word, "_" | "self" | "Self" | "super" | "crate");
    begins_well && !is_reserved && letters.all(unicode_ident::is_xid_continue)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(text: &str) -> Piece {
        Piece::Literal(text.to_owned())
    }

    fn parse(template: &str) -> Result<Vec<Piece>, Vec<Mistake>> {
        super::parse(template, Begin::Row)
    }

    fn capture(text: &str) -> Capture {
        parse_capture(text, Begin::Row).unwrap()
    }

    fn mistakes(template: &str) -> Vec<String> {
        let mistakes = parse(template).unwrap_err();
        mistakes.iter().map(Mistake::to_string).collect()
    }

    #[test]
    fn a_template_is_literals_and_captures() {
        assert_eq!(parse("/posts").unwrap(), [literal("/posts")]);
        assert_eq!(
            parse("/a/{b}{c}?q={{x}}").unwrap(),
            [
                literal("/a/"),
                Piece::Capture(capture("b")),
                Piece::Capture(capture("c")),
                literal("?q={x}"),
            ]
        );
        assert_eq!(parse("").unwrap(), []);
    }

    #[test]
    fn a_capture_is_a_path_and_its_marks() {
        let field = |name: &str| Step::Field(name.to_owned());
        let method = |name: &str| Step::Method(name.to_owned());
        assert_eq!(capture("a.b").steps, [field("a"), field("b")]);
        assert_eq!(capture("0.name()").steps, [field("0"), method("name")]);
        assert_eq!(capture("r#type").steps, [field("type")]);
        let marked = capture("path*?");
        assert!(marked.keeps_slashes && marked.optional);
        assert_eq!(marked.path(), "path");
        assert!(capture("x?").optional && capture("x*").keeps_slashes);
    }

    #[test]
    fn every_mistake_of_a_template_is_told() {
        assert_eq!(mistakes("/{}/}/{a").len(), 3);
        for (template, told) in [
            ("/{slug/x", "write `{slug}`"),
            ("/{a{b}", "`{a` is never closed"),
            ("/a}", "write `}}`"),
            ("/{ }", "`{}` does not name a value"),
            ("/{ slug }", "write `{slug}`, without spaces"),
            ("/{*path}", "write `{path*}`"),
            ("/{path?*}", "write `{path*?}`"),
            ("/{price:.2}", "write `{price}`"),
            ("/{self.slug}", "write `{slug}`"),
            ("/{Self::BASE}", "write a method"),
            ("/{slug(1)}", "does not take arguments"),
            ("/{a..b}", "a name is missing"),
            ("/{a-b}", "`a-b` is not a name"),
            ("/{00}", "`00` is not a name"),
            ("/{²}", "`²` is not a name"),
        ] {
            let told_now = mistakes(template);
            assert!(told_now[0].contains(told), "{template}: {told_now:?}");
        }
    }
}
