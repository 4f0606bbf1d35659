//! Templates of the parts of a request, and the values that replace their placeholders.

mod names;
#[cfg(test)]
mod tests;

use std::fmt::Write;

use percent_encoding::{AsciiSet, utf8_percent_encode};

pub(super) use self::names::advice;
use self::names::{NAMES, Name, all, text_of};
use crate::base::encode::VALUE;
use crate::base::site::Site;
use crate::base::target::{Target, TargetKind};

/// What may stay in a segment of a path besides [`VALUE`]: the port of a host has a colon before it.
const SEGMENT: &AsciiSet = &VALUE.remove(b':');

/// A part of a request. Each has its own way to keep a value in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The path below the URL of the node, and its query.
    Path,
    Header,
    Json,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Value {
        name: Name,
        /// In JSON, whether it is inside of a string. In a path, whether it is after the `?`.
        is_inside: bool,
    },
}

/// A parsed template of one part of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template {
    place: Place,
    parts: Vec<Part>,
}

impl Template {
    /// The error says what is wrong, and what to write.
    pub(super) fn parse(text: &str, place: Place) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut rest = text;
        let mut inside = Inside::new(place);
        while !rest.is_empty() {
            let (literal, found) = split(rest, place)?;
            inside.pass(literal);
            if !literal.is_empty() {
                parts.push(Part::Text(literal.to_owned()));
            }
            let Some((name, after)) = found else { break };
            let is_inside = inside.is_inside;
            parts.push(Part::Value { name, is_inside });
            rest = after;
        }
        let template = Self { place, parts };
        match place {
            Place::Path => template.checked_path(text)?,
            Place::Header => template.checked_header()?,
            Place::Json if inside.is_inside => {
                return Err("has a string that is not closed: write `\"` after it".to_owned());
            }
            Place::Json => {}
        }
        Ok(template)
    }

    fn checked_path(&self, text: &str) -> Result<(), String> {
        let begins = match self.parts.first() {
            None => true,
            Some(Part::Text(literal)) => literal.starts_with('/'),
            Some(Part::Value { name, .. }) => matches!(name, Name::Path | Name::Prefix),
        };
        if !begins {
            return Err(
                "must begin with `/`, `{path}` or `{prefix}`: it is the path below the URL of the node"
                    .to_owned(),
            );
        }
        for (number, part) in self.parts.iter().enumerate() {
            match part {
                Part::Text(literal) => {
                    let is_legal =
                        |byte: u8| byte.is_ascii_graphic() && !b"\"#<>\\^`{|}'".contains(&byte);
                    if let Some(found) = literal
                        .chars()
                        .find(|found| !u8::try_from(*found).is_ok_and(is_legal))
                    {
                        return Err(format!(
                            "has {found:?}, which a URL cannot have: percent-encode it"
                        ));
                    }
                }
                Part::Value {
                    name: name @ (Name::Paths | Name::Urls | Name::Prefixes),
                    ..
                } => {
                    return Err(format!(
                        "has `{}`, but a URL cannot have a list of URLs: write `{{url}}`, and do not set a batch",
                        text_of(*name)
                    ));
                }
                // The URL of the page may have a query, so nothing can come after it.
                Part::Value {
                    name: Name::Path,
                    is_inside: false,
                } if number + 1 < self.parts.len() => {
                    return Err(
                        "has text after `{path}`, which would become part of the page's query: end with `{path}`, or write \
                         it after the `?`, such as in `/purge?path={path}`"
                            .to_owned(),
                    );
                }
                Part::Value { .. } => {}
            }
        }
        if text
            .split('/')
            .any(|segment| segment == "." || segment == "..")
        {
            return Err("has a segment `.` or `..`: write the resolved path".to_owned());
        }
        Ok(())
    }

    fn checked_header(&self) -> Result<(), String> {
        for part in &self.parts {
            match part {
                Part::Value {
                    name: name @ (Name::Paths | Name::Urls | Name::Prefixes),
                    ..
                } => {
                    return Err(format!(
                        "has `{}`, but a URL may have a comma, so a header cannot have a list of URLs: write `{{url}}` or \
                         `{{path}}`, and do not set a batch",
                        text_of(*name)
                    ));
                }
                Part::Text(literal)
                    if !literal
                        .bytes()
                        .all(|byte| byte == b' ' || byte.is_ascii_graphic()) =>
                {
                    return Err("has a character that is not valid in a header".to_owned());
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether it names the target of that kind, in the whole or only the first one. The error says which placeholder does
    /// not belong there.
    pub(super) fn names(&self, kind: TargetKind) -> Result<Option<Many>, String> {
        let mut names = None;
        for part in &self.parts {
            let Part::Value { name, .. } = part else {
                continue;
            };
            if !name.is_of(kind) {
                return Err(format!(
                    "has `{}`, but a purge of kind {kind} does not have that: write {}",
                    text_of(*name),
                    advice(kind)
                ));
            }
            if name.is_list() {
                names = Some(Many::All);
            } else if names.is_none() && (kind == TargetKind::Host || !name.is_of_site()) {
                names = Some(Many::First);
            }
        }
        Ok(names)
    }

    /// Whether a placeholder names the first of several targets only.
    pub(super) fn names_only_the_first(&self) -> Option<&'static str> {
        self.parts.iter().find_map(|part| match part {
            Part::Value { name, .. } if !name.is_list() && !name.is_of_site() => {
                Some(text_of(*name))
            }
            _ => None,
        })
    }

    /// The text with the values. The error says why the request cannot be made.
    pub(super) fn render(&self, targets: &[Target], site: &Site) -> Result<String, String> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(literal) => text.push_str(literal),
                Part::Value { name, is_inside } => {
                    let values = name.values(targets, site)?;
                    self.push(&mut text, *name, *is_inside, &values);
                }
            }
        }
        Ok(text)
    }

    fn push(&self, text: &mut String, name: Name, is_inside: bool, values: &[String]) {
        let separator = match name {
            Name::TagsByComma => ",",
            _ => " ",
        };
        match (self.place, is_inside) {
            (Place::Path, false) if matches!(name, Name::Path | Name::Prefix) => {
                text.push_str(&values[0]);
            }
            (Place::Path, _) => {
                let separator = if separator == "," { "," } else { "%20" };
                let set = if is_inside { VALUE } else { SEGMENT };
                let values: Vec<_> = values
                    .iter()
                    .map(|value| utf8_percent_encode(value, set).to_string())
                    .collect();
                text.push_str(&values.join(separator));
            }
            (Place::Header, _) => {
                let separator = if separator == "," { ", " } else { " " };
                text.push_str(&values.join(separator));
            }
            (Place::Json, true) => push_escaped(text, &values.join(separator)),
            (Place::Json, false) if name.is_list() => {
                text.push('[');
                for (number, value) in values.iter().enumerate() {
                    text.push_str(if number == 0 { "\"" } else { ",\"" });
                    push_escaped(text, value);
                    text.push('"');
                }
                text.push(']');
            }
            (Place::Json, false) => {
                text.push('"');
                push_escaped(text, &values[0]);
                text.push('"');
            }
        }
    }
}

/// How many of the targets of a request a template names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Many {
    First,
    All,
}

/// Follows whether the text so far ends inside of a JSON string, or after the `?` of a path.
struct Inside {
    place: Place,
    is_inside: bool,
    is_escaped: bool,
}

impl Inside {
    fn new(place: Place) -> Self {
        Self {
            place,
            is_inside: false,
            is_escaped: false,
        }
    }

    fn pass(&mut self, literal: &str) {
        for found in literal.chars() {
            match self.place {
                Place::Path => self.is_inside |= found == '?',
                Place::Json if self.is_escaped => self.is_escaped = false,
                Place::Json if self.is_inside && found == '\\' => self.is_escaped = true,
                Place::Json => self.is_inside ^= found == '"',
                Place::Header => {}
            }
        }
    }
}

type Found<'a> = Option<(Name, &'a str)>;

/// The text before the first placeholder, and the placeholder with the text after it. In JSON a brace that does not begin a
/// placeholder is an object's.
fn split(text: &str, place: Place) -> Result<(&str, Found<'_>), String> {
    for (at, _) in text.match_indices('{') {
        let inner = &text[at + 1..];
        let length =
            inner.find(|found: char| !found.is_ascii_lowercase() && !matches!(found, '_' | ','));
        let length = length.unwrap_or(inner.len());
        let (name, after) = inner.split_at(length);
        match after.strip_prefix('}') {
            Some(after) if !name.is_empty() => {
                let known = NAMES.iter().find(|(known, _)| *known == name);
                let Some((_, name)) = known else {
                    return Err(format!(
                        "has `{{{name}}}`, which is not a placeholder: write one of {}",
                        all()
                    ));
                };
                return Ok((&text[..at], Some((*name, after))));
            }
            _ if place == Place::Json => {}
            _ => {
                return Err(format!(
                    "has a `{{` that does not begin a placeholder: write one of {}",
                    all()
                ));
            }
        }
    }
    Ok((text, None))
}

/// Escapes what a JSON string cannot contain (RFC 8259, section 7).
fn push_escaped(text: &mut String, value: &str) {
    for found in value.chars() {
        match found {
            '"' | '\\' => {
                text.push('\\');
                text.push(found);
            }
            '\0'..='\u{1f}' | '\u{7f}' => {
                // Writing to a String does not fail.
                let _infallible = write!(text, "\\u{:04x}", u32::from(found));
            }
            _ => text.push(found),
        }
    }
}
