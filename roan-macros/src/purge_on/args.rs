//! The grammar of one attribute. Spans are kept, so that a later complaint underlines its cause.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use syn::ext::IdentExt;
use syn::parse::{ParseStream, Parser};
use syn::punctuated::Punctuated;
use syn::{Error, Expr, ExprPath, LitStr, Member, Path, Result, Token, parenthesized, token};

use super::item::member_name;
use super::key::{Event, Key};
use super::source;
use crate::diagnostics::{Diagnostics, listed};

/// The content of one `#[purge_on(...)]`.
pub(crate) struct Args {
    /// The attribute itself.
    pub(crate) span: Span,
    pub(crate) events: Vec<EventArg>,
    pub(crate) targets: Vec<TargetArg>,
    pub(crate) when: Option<TokenStream>,
    pub(crate) site: Option<LitStr>,
    /// The table of the type. It belongs to the type, as `crate` does.
    pub(crate) table: Option<LitStr>,
    /// `from_row`, which belongs to the type, too.
    pub(crate) from_row: Option<Ident>,
    pub(crate) krate: Option<Path>,
    /// Whether a part could not be parsed. A missing part may then only be misspelt.
    pub(crate) is_broken: bool,
}

/// `save`, or `update(title, slug)`.
pub(crate) struct EventArg {
    pub(crate) event: Event,
    pub(crate) word: Ident,
    pub(crate) watched: Vec<Member>,
}

/// A target.
pub(crate) enum TargetArg {
    Url(LitStr),
    /// The path of a function, as written.
    Urls(TokenStream),
    Tag(LitStr),
    Prefix(LitStr),
    /// The word `host`.
    Host(Ident),
    /// The word `everything`.
    Everything(Ident),
    Related(RelatedArg),
    /// The path of a model that SeaORM relates to this one, as written in `related(tag::Model)`.
    Relation(TokenStream),
}

/// `author_id -> author::Model` inside of `related(...)`.
pub(crate) struct RelatedArg {
    pub(crate) field: Member,
    /// `author_id? -> ...`
    pub(crate) optional: bool,
    /// The path of the related model, as written.
    pub(crate) model: TokenStream,
}

impl RelatedArg {
    /// The text for messages: `author_id -> author::Model`.
    pub(crate) fn text(&self) -> String {
        let mark = if self.optional { "?" } else { "" };
        let model = source::text(&self.model);
        format!("{}{mark} -> {model}", member_name(&self.field))
    }
}

impl Args {
    /// Parses as much as possible, and reports the rest.
    pub(crate) fn parse(tokens: TokenStream, span: Span, diagnostics: &mut Diagnostics) -> Self {
        let mut args = Self {
            span,
            events: Vec::new(),
            targets: Vec::new(),
            when: None,
            site: None,
            table: None,
            from_row: None,
            krate: None,
            is_broken: false,
        };
        let parser = |input: ParseStream<'_>| {
            while !input.is_empty() {
                if let Err(error) = args.parse_one(input).and_then(|()| expect_comma(input)) {
                    args.is_broken = true;
                    diagnostics.absorb(error);
                    skip_past_comma(input)?;
                }
            }
            Ok(())
        };
        if let Err(error) = parser.parse2(tokens) {
            diagnostics.absorb(error);
        }
        args
    }

    fn parse_one(&mut self, input: ParseStream<'_>) -> Result<()> {
        if input.peek(LitStr) {
            let text: LitStr = input.parse()?;
            return Err(Error::new(text.span(), text_alone(&text.value())));
        }
        if !input.peek(Ident::peek_any) {
            return Err(input.error("expected an event or a key, `save` or `url = \"/...\"`"));
        }
        let word = input.call(Ident::parse_any)?;
        let name = word.to_string();
        match (Event::named(&name), Key::named(&name)) {
            (Some(event), _) => self.parse_event(event, word, input),
            (None, Some(key)) => self.parse_key(key, &word, input),
            (None, None) => Err(unknown(&word, input)),
        }
    }

    fn parse_event(&mut self, event: Event, word: Ident, input: ParseStream<'_>) -> Result<()> {
        if input.peek(Token![=]) {
            let told = format!("an event does not take a value: write `{word}` alone");
            return Err(Error::new(word.span(), told));
        }
        let mut watched = Vec::new();
        if input.peek(token::Paren) {
            watched = parse_watched(event, &word, input)?;
        }
        if self.events.iter().any(|earlier| earlier.event == event) {
            let told = if event == Event::Update {
                "`update` is given twice in this attribute: name all fields in one, `update(title, slug)`".to_owned()
            } else {
                format!("`{word}` is given twice in this attribute: remove one")
            };
            return Err(Error::new(word.span(), told));
        }
        self.events.push(EventArg {
            event,
            word,
            watched,
        });
        Ok(())
    }

    fn parse_related(&mut self, word: &Ident, input: ParseStream<'_>) -> Result<()> {
        let wrong_form = || {
            let told = format!(
                "`related` takes a field and the model whose key it is, or a model that SeaORM relates to this one: write `{}`, or `related(tag::Model)`",
                Key::Related.usage()
            );
            Error::new(word.span(), told)
        };
        if !input.peek(token::Paren) {
            return Err(wrong_form());
        }
        let content;
        parenthesized!(content in input);
        let content: TokenStream = content.parse()?;
        if content.is_empty() {
            return Err(wrong_form());
        }
        let all = |input: ParseStream<'_>| {
            while !input.is_empty() {
                if !names_field(input) {
                    let model = parse_source::<Path>(input)?;
                    self.targets.push(TargetArg::Relation(model));
                    expect_comma(input)?;
                    continue;
                }
                let field = input.parse()?;
                let optional = input.parse::<Option<Token![?]>>()?.is_some();
                input.parse::<Token![->]>()?;
                let model = parse_source::<Path>(input)?;
                self.targets.push(TargetArg::Related(RelatedArg {
                    field,
                    optional,
                    model,
                }));
                expect_comma(input)?;
            }
            Ok(())
        };
        all.parse2(content).map_err(|_| wrong_form())
    }

    fn parse_flag(&mut self, flag: Key, word: &Ident, input: ParseStream<'_>) -> Result<()> {
        if !input.is_empty() && !input.peek(Token![,]) {
            let instead = match flag {
                Key::Host => "; for the pages of another site add `site = \"...\"`",
                _ => "",
            };
            let told = format!("`{word}` does not take a value: write `{word}` alone{instead}");
            return Err(Error::new(word.span(), told));
        }
        match flag {
            Key::Host => self.targets.push(TargetArg::Host(word.clone())),
            Key::Everything => self.targets.push(TargetArg::Everything(word.clone())),
            _ => {
                let told = "`from_row` is given twice in this attribute: remove one";
                once(&mut self.from_row, word.clone(), word, told)?;
            }
        }
        Ok(())
    }

    fn parse_key(&mut self, key: Key, word: &Ident, input: ParseStream<'_>) -> Result<()> {
        if key == Key::Related {
            return self.parse_related(word, input);
        }
        if key.is_flag() {
            return self.parse_flag(key, word, input);
        }
        let wrong_form = || {
            let told = format!("`{word}` takes a value after `=`: write `{}`", key.usage());
            Error::new(word.span(), told)
        };
        if !input.peek(Token![=]) {
            return Err(wrong_form());
        }
        input.parse::<Token![=]>()?;
        if input.is_empty() || input.peek(Token![,]) {
            return Err(wrong_form());
        }
        match key {
            Key::Url => self.targets.push(TargetArg::Url(parse_text(key, input)?)),
            Key::Tag => self.targets.push(TargetArg::Tag(parse_text(key, input)?)),
            Key::Prefix => self
                .targets
                .push(TargetArg::Prefix(parse_text(key, input)?)),
            Key::Urls => self.targets.push(TargetArg::Urls(parse_function(input)?)),
            // Parsed above: they do not have a `=`.
            Key::Related | Key::Host | Key::Everything | Key::FromRow => {}
            Key::When => {
                let told = "`when` is given twice in this attribute: join the conditions with `&&`";
                once(&mut self.when, parse_condition(input)?, word, told)?;
            }
            Key::Site => {
                let told = "`site` is given twice in this attribute: write a second `#[purge_on]` for the other site";
                once(&mut self.site, parse_site(input)?, word, told)?;
            }
            Key::Table => {
                let told = "`table` is given twice in this attribute: remove one";
                once(&mut self.table, parse_table(input)?, word, told)?;
            }
            Key::Crate => {
                let told = "`crate` is given twice in this attribute: remove one";
                once(&mut self.krate, parse_crate(input)?, word, told)?;
            }
        }
        Ok(())
    }
}

fn once<T>(slot: &mut Option<T>, value: T, word: &Ident, told: &str) -> Result<()> {
    match slot.replace(value) {
        Some(_) => Err(Error::new(word.span(), told)),
        None => Ok(()),
    }
}

/// Whether `field ->` or `field? ->` comes next.
fn names_field(input: ParseStream<'_>) -> bool {
    let ahead = input.fork();
    ahead.parse::<Member>().is_ok()
        && (ahead.peek(Token![->]) || ahead.peek(Token![?]) || ahead.peek(Token![=]))
}

fn parse_watched(event: Event, word: &Ident, input: ParseStream<'_>) -> Result<Vec<Member>> {
    let content;
    parenthesized!(content in input);
    let content: TokenStream = content.parse()?;
    if event != Event::Update {
        let instead = match event {
            Event::Save => format!("`create, update({content})`"),
            _ => format!("`{word}` alone"),
        };
        let told = format!("only an `update` can watch fields: write {instead}");
        return Err(Error::new(word.span(), told));
    }
    if content.is_empty() {
        let told = "`update()` does not watch a field: write `update(title)`, or `update` for every update";
        return Err(Error::new(word.span(), told));
    }
    let fields = Punctuated::<Member, Token![,]>::parse_terminated;
    let watched = fields.parse2(content).map_err(|error| {
        let told = "`update` watches whole fields: write their names, `update(title, slug)`";
        Error::new(error.span(), told)
    })?;
    Ok(watched.into_iter().collect())
}

fn parse_text(key: Key, input: ParseStream<'_>) -> Result<LitStr> {
    input.parse().map_err(|error: Error| {
        let told = format!(
            "`{}` takes a text in quotes: write `{}`",
            key.name(),
            key.usage()
        );
        Error::new(error.span(), told)
    })
}

fn parse_condition(input: ParseStream<'_>) -> Result<TokenStream> {
    let ahead = input.fork();
    if let Ok(quoted) = ahead.parse::<LitStr>()
        && (ahead.is_empty() || ahead.peek(Token![,]))
    {
        let inside = quoted.value();
        let is_condition = !inside.is_empty() && syn::parse_str::<Expr>(&inside).is_ok();
        let instead = if is_condition {
            format!("when = {inside}")
        } else {
            Key::When.usage().to_owned()
        };
        let told = format!("`when` takes an expression without quotes: write `{instead}`");
        return Err(Error::new(quoted.span(), told));
    }
    parse_source::<Expr>(input)
}

fn parse_function(input: ParseStream<'_>) -> Result<TokenStream> {
    let told = "`urls` takes the path of a function, without quotes: write `urls = Self::pages`, with `fn pages(&self) -> Vec<String>`";
    let begin = input.span();
    match parse_source::<ExprPath>(input) {
        Ok(path) if input.is_empty() || input.peek(Token![,]) => Ok(path),
        _ => Err(Error::new(begin, told)),
    }
}

fn parse_site(input: ParseStream<'_>) -> Result<LitStr> {
    let site = parse_text(Key::Site, input)?;
    if site.value().is_empty() {
        let told = "a site has a name: write `site = \"www\"`, or no `site` for the default one";
        return Err(Error::new(site.span(), told));
    }
    Ok(site)
}

fn parse_table(input: ParseStream<'_>) -> Result<LitStr> {
    let table = parse_text(Key::Table, input)?;
    let name = table.value();
    let parts: Vec<_> = name.split('.').collect();
    let is_fit = |part: &&str| {
        let quotes = ['"', '`', '\'', '\\'];
        !part.is_empty() && !part.contains(quotes) && !part.contains(char::is_control)
    };
    if parts.len() > 2 || !parts.iter().all(is_fit) {
        let told = format!(
            "{name:?} is not a valid table name: write `table = \"posts\"`, or `table = \"blog.posts\"` with its schema"
        );
        return Err(Error::new(table.span(), told));
    }
    Ok(table)
}

fn parse_crate(input: ParseStream<'_>) -> Result<Path> {
    if input.peek(LitStr) {
        let quoted: LitStr = input.parse()?;
        let told = format!(
            "`crate` takes a path without quotes: write `crate = {}`",
            quoted.value()
        );
        return Err(Error::new(quoted.span(), told));
    }
    input.call(Path::parse_mod_style).map_err(|error| {
        let told = format!("`crate` takes a path: write `{}`", Key::Crate.usage());
        Error::new(error.span(), told)
    })
}

/// Checks that the next tokens are a `T`, and returns them unchanged.
fn parse_source<T: syn::parse::Parse>(input: ParseStream<'_>) -> Result<TokenStream> {
    let mut written = input.cursor();
    input.parse::<T>()?;
    let mut source = TokenStream::new();
    while written != input.cursor() {
        let Some((token, after)) = written.token_tree() else {
            break;
        };
        source.extend([token]);
        written = after;
    }
    Ok(source)
}

fn unknown(word: &Ident, input: ParseStream<'_>) -> Error {
    let name = word.to_string();
    let is_key = input.peek(Token![=]);
    let as_event = Event::meant_by(&name).map(Event::name);
    let as_key = Key::meant_by(&name).map(Key::name);
    let meant = if is_key {
        as_key.or(as_event)
    } else {
        as_event.or(as_key)
    };
    let meant = meant.map_or_else(String::new, |meant| format!(": did you mean `{meant}`?"));
    let events = listed(Event::ALL.map(Event::name));
    let keys = listed(Key::ALL.map(Key::name));
    let told = if is_key {
        format!("unknown key `{name}`{meant} [the keys are {keys}]")
    } else {
        format!("unknown word `{name}`{meant} [the events are {events}; the keys are {keys}]")
    };
    Error::new(word.span(), told)
}

/// `#[purge_on("save", "/posts")]`
fn text_alone(text: &str) -> String {
    let event = || Event::named(text).or_else(|| Event::meant_by(text));
    let key = || Key::named(text).or_else(|| Key::meant_by(text));
    if text.starts_with('/') {
        format!("write what the text is: `url = {text:?}`")
    } else if let Some(event) = event() {
        format!("an event does not have quotes: write `{}`", event.name())
    } else if let Some(key) = key() {
        let has_value = if key.is_flag() {
            ""
        } else {
            ", and it has a value"
        };
        format!(
            "a key does not have quotes{has_value}: write `{}`",
            key.usage()
        )
    } else {
        "write what the text is: `url = \"/...\"`, or `tag = \"...\"`".to_owned()
    }
}

fn expect_comma(input: ParseStream<'_>) -> Result<()> {
    if input.is_empty() {
        return Ok(());
    }
    if !input.peek(Token![,]) {
        return Err(input.error("a comma is missing before this"));
    }
    input.parse::<Token![,]>().map(|_| ())
}

fn skip_past_comma(input: ParseStream<'_>) -> Result<()> {
    while !input.is_empty() && !input.peek(Token![,]) {
        input.parse::<TokenTree>()?;
    }
    expect_comma(input)
}
