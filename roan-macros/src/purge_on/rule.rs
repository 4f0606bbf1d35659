//! The result of parsing: one rule for each target of each attribute.

use proc_macro2::{Ident, Span, TokenStream};
use syn::{LitStr, Member};

use super::args::{Args, EventArg, RelatedArg, TargetArg};
use super::item::member_name;
use super::key::Event;
use super::template::{self, Begin, Capture, Piece};
use crate::diagnostics::Diagnostics;

/// One rule, with parsed templates that were not yet compared with the type.
pub(crate) struct Rule<'a> {
    pub(crate) events: &'a [EventArg],
    pub(crate) target: Target<'a>,
    pub(crate) when: Option<&'a TokenStream>,
    pub(crate) site: Option<String>,
    /// The attribute.
    pub(crate) span: Span,
}

/// The target of a rule.
pub(crate) enum Target<'a> {
    Url(Template<'a>),
    Tag(Template<'a>),
    Prefix(Template<'a>),
    /// The word `host`.
    Host(&'a Ident),
    /// The word `everything`.
    Everything(&'a Ident),
    Urls(&'a TokenStream),
    /// The targets of a related row.
    Related(&'a RelatedArg),
    /// The targets of the rows of a model that SeaORM relates to this one.
    Relation(&'a TokenStream),
}

/// A template and its position.
pub(crate) struct Template<'a> {
    pub(crate) literal: &'a LitStr,
    pub(crate) pieces: Vec<Piece>,
}

impl<'a> Template<'a> {
    /// Parses it. `None` if it is invalid, which has been reported.
    pub(crate) fn read(
        literal: &'a LitStr,
        begin: Begin,
        diagnostics: &mut Diagnostics,
    ) -> Option<Self> {
        match template::parse(&literal.value(), begin) {
            Ok(pieces) => Some(Self { literal, pieces }),
            Err(mistakes) => {
                for mistake in mistakes {
                    diagnostics.report(literal, mistake);
                }
                None
            }
        }
    }

    pub(crate) fn captures(&self) -> impl Iterator<Item = &Capture> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Capture(capture) => Some(capture),
            Piece::Literal(_) => None,
        })
    }
}

impl<'a> Rule<'a> {
    /// The rules of one attribute. An invalid template is reported and does not make a rule.
    pub(crate) fn lower(args: &'a Args, diagnostics: &mut Diagnostics) -> Vec<Self> {
        let mut rules = Vec::new();
        for target in &args.targets {
            let target = match target {
                TargetArg::Urls(function) => Some(Target::Urls(function)),
                TargetArg::Related(related) => Some(Target::Related(related)),
                TargetArg::Relation(model) => Some(Target::Relation(model)),
                TargetArg::Host(word) => Some(Target::Host(word)),
                TargetArg::Everything(word) => Some(Target::Everything(word)),
                TargetArg::Prefix(literal) => {
                    Template::read(literal, Begin::Row, diagnostics).map(Target::Prefix)
                }
                TargetArg::Url(literal) => {
                    Template::read(literal, Begin::Row, diagnostics).map(Target::Url)
                }
                TargetArg::Tag(literal) => {
                    Template::read(literal, Begin::Row, diagnostics).map(Target::Tag)
                }
            };
            rules.extend(target.map(|target| Self {
                events: &args.events,
                target,
                when: args.when.as_ref(),
                site: args.site.as_ref().map(LitStr::value),
                span: args.span,
            }));
        }
        rules
    }

    /// The fields of `update(field, ...)`.
    pub(crate) fn watched(&self) -> impl Iterator<Item = &'a Member> + use<'a> {
        self.events.iter().flat_map(|event| &event.watched)
    }

    pub(crate) fn watched_names(&self) -> Vec<String> {
        self.watched().map(member_name).collect()
    }

    /// Whether the rule fires on `event`, which is not `save`.
    pub(crate) fn fires_on(&self, event: Event) -> bool {
        let is_saved = matches!(event, Event::Create | Event::Update);
        self.events
            .iter()
            .any(|listed| listed.event == event || (listed.event == Event::Save && is_saved))
    }

    /// The template of the target, if it has one.
    pub(crate) fn template(&self) -> Option<&Template<'a>> {
        match &self.target {
            Target::Url(template) | Target::Tag(template) | Target::Prefix(template) => {
                Some(template)
            }
            Target::Host(_)
            | Target::Everything(_)
            | Target::Urls(_)
            | Target::Related(_)
            | Target::Relation(_) => None,
        }
    }
}
