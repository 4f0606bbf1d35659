//! The rules of the binary, and how they are listed.

use std::fmt;
use std::ops::Deref;

use super::models;
use crate::base::rule::Rule;

/// Returns every rule in this binary, sorted by file and line. It prints as a table: see [`Rules`].
///
/// The linker omits a library crate that the binary never names, and its rules with it. `use models as _;` in the
/// binary keeps them.
///
/// ```
/// # use roan::purge_on;
/// #[purge_on(save, delete, url = "/posts")]
/// struct Post;
///
/// println!("{}", roan::rules());
///
/// let rule = roan::rules()[0];
/// assert_eq!(rule.model(), "Post");
/// assert_eq!(rule.events().to_string(), "save, delete");
/// ```
#[must_use]
pub fn rules() -> Rules {
    let models = models();
    let mut rules: Vec<_> = models.iter().flat_map(|model| model.rules).collect();
    drop(models);
    rules.sort_by_key(|rule| (rule.file, rule.line, rule.model));
    Rules(rules)
}

/// Rules, of [`rules`]. It is a slice of them, and [`Display`](fmt::Display) writes a table of at most 100 columns,
/// without a line end behind the last line:
///
/// ```text
/// MODEL   ON                    TARGET                      WHEN            AT
/// Author  update(name), delete  tag = "author-{id}"                         src/models.rs:3
/// Post    save, delete          url = "/posts/{slug}"       self.published  src/models.rs:9
/// ```
///
/// A column that would be empty is left out. Texts that are too long go on in the next line.
///
/// A selection of the rules prints in the same way:
///
/// ```
/// use roan::Rules;
///
/// let of_posts: Rules = roan::rules().into_iter().filter(|rule| rule.model() == "Post").collect();
/// println!("{of_posts}");
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules(Vec<&'static Rule>);

impl Deref for Rules {
    type Target = [&'static Rule];

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl IntoIterator for Rules {
    type Item = &'static Rule;
    type IntoIter = std::vec::IntoIter<&'static Rule>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Rules {
    type Item = &'a &'static Rule;
    type IntoIter = std::slice::Iter<'a, &'static Rule>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl FromIterator<&'static Rule> for Rules {
    fn from_iter<I: IntoIterator<Item = &'static Rule>>(rules: I) -> Self {
        Self(rules.into_iter().collect())
    }
}

/// The most columns of a terminal that a table takes.
const WIDTH: usize = 100;

/// Between two columns of a table.
const GAP: usize = 2;

/// No column of a table is made narrower.
const NARROW: usize = 12;

const HEADINGS: [&str; 6] = ["MODEL", "ON", "TARGET", "WHEN", "SITE", "AT"];

impl fmt::Display for Rules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("This program does not contain any rule.");
        }
        let rows: Vec<_> = self.0.iter().map(|rule| cells(rule)).collect();
        let shown: Vec<usize> = (0..HEADINGS.len())
            .filter(|column| rows.iter().any(|row| !row[*column].is_empty()))
            .collect();
        let mut widths = shown.iter().map(|column| {
            let cells = rows.iter().map(|row| row[*column].chars().count());
            cells.max().unwrap_or_default().max(HEADINGS[*column].len())
        });
        let mut widths: Vec<usize> = widths.by_ref().collect();
        narrow(&mut widths);
        let headings = HEADINGS.map(str::to_owned);
        let mut line_end = "";
        for row in std::iter::once(&headings).chain(&rows) {
            let cells = shown.iter().zip(&widths);
            let cells: Vec<_> = cells
                .map(|(column, width)| wrapped(&row[*column], *width))
                .collect();
            let lines = cells.iter().map(Vec::len).max().unwrap_or_default();
            for line in 0..lines {
                let mut text = String::new();
                for (cell, width) in cells.iter().zip(&widths) {
                    let piece = cell.get(line).map_or("", String::as_str);
                    text += &format!("{piece:width$}{:GAP$}", "");
                }
                write!(f, "{line_end}{}", text.trim_end())?;
                line_end = "\n";
            }
        }
        Ok(())
    }
}

fn cells(rule: &Rule) -> [String; 6] {
    [
        rule.model.to_owned(),
        rule.events_in_words(),
        rule.target.to_string(),
        rule.condition.unwrap_or_default().to_owned(),
        rule.site.unwrap_or_default().to_owned(),
        format!("{}:{}", rule.file, rule.line),
    ]
}

/// Takes from the widest columns what is too much for a line.
fn narrow(widths: &mut [usize]) {
    let gaps = GAP * widths.len().saturating_sub(1);
    while widths.iter().sum::<usize>() + gaps > WIDTH {
        match widths.iter_mut().max() {
            Some(widest) if *widest > NARROW => *widest -= 1,
            _ => return,
        }
    }
}

/// The lines of a cell. It breaks after a space or a mark, if there is one.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    let mut rest: Vec<char> = text.chars().collect();
    while rest.len() > width {
        let breaks = |letter: &char| matches!(letter, ' ' | '/' | ',' | '-' | '&' | '=' | '}');
        let end = rest[..width].iter().rposition(breaks);
        let end = end.map_or(width, |at| at + 1);
        let line: String = rest.drain(..end).collect();
        lines.push(line.trim_end().to_owned());
    }
    lines.push(rest.into_iter().collect());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::event::Events;
    use crate::base::rule::RuleTarget;

    fn table(rules: Vec<Rule>) -> String {
        let rules: Rules = rules
            .into_iter()
            .map(|rule| &*Box::leak(Box::new(rule)))
            .collect();
        rules.to_string()
    }

    fn rule(model: &'static str, target: RuleTarget, line: u32) -> Rule {
        Rule {
            model,
            module: "models",
            events: Events::SAVE | Events::DELETE,
            watched: &[],
            target,
            condition: None,
            site: None,
            file: "src/models.rs",
            line,
        }
    }

    #[test]
    fn a_table_is_aligned_and_leaves_out_empty_columns() {
        let mut author = rule("Author", RuleTarget::Tag("author-{id}"), 3);
        author.events = Events::UPDATE | Events::DELETE;
        author.watched = &["name", "bio"];
        let post = rule("Post", RuleTarget::Url("/posts/{slug}"), 9);
        assert_eq!(
            table(vec![author, post]),
            "MODEL   ON                         TARGET                 AT\n\
             Author  update(name, bio), delete  tag = \"author-{id}\"    src/models.rs:3\n\
             Post    save, delete               url = \"/posts/{slug}\"  src/models.rs:9"
        );
    }

    #[test]
    fn long_texts_go_on_in_the_next_line_within_the_width() {
        let mut long = rule(
            "AVeryLongNameOfAModelThatSomebodyChose",
            RuleTarget::Url("/archive/{year}/{month}/{category}/posts/{slug}/comments?page={page}"),
            1234,
        );
        long.condition =
            Some("self.published && !self.title.is_empty() && self.visible_from.is_none()");
        long.site = Some("shop");
        let mut short = rule("Post", RuleTarget::Host, 9);
        short.site = Some("blog");
        let table = table(vec![long, short]);
        for line in table.lines() {
            assert!(line.chars().count() <= WIDTH, "{line}");
        }
        let words = |text: &str| text.split_whitespace().collect::<String>();
        // No letter is lost: each column reads on downwards.
        let letters = |text: &str| {
            let mut letters: Vec<char> = words(text).chars().collect();
            letters.sort_unstable();
            letters
        };
        let cells = [long, short].map(|rule| cells(&rule).concat()).concat();
        assert_eq!(letters(&table), letters(&(HEADINGS.concat() + &cells)));
        assert!(table.lines().count() > 3, "{table}");
    }

    #[test]
    fn no_rule_is_said() {
        assert!(
            Rules::default()
                .to_string()
                .contains("does not contain any rule")
        );
    }
}
