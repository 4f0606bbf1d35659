//! As much of XML as the body of an invalidation needs. All else is an error.

/// An element with its attributes, its children, and its text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) name: String,
    pub(super) attributes: String,
    pub(super) children: Vec<Element>,
    pub(super) text: String,
}

impl Element {
    /// Reads a document.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text;
        if let Some(after) = rest.strip_prefix("<?xml ") {
            rest = after.split_once("?>").ok_or("the prolog does not end")?.1;
        }
        let root = element(&mut rest)?;
        if rest.is_empty() {
            Ok(root)
        } else {
            Err(format!("text after the document: {rest:?}"))
        }
    }

    /// The only child of that name.
    pub(super) fn child(&self, name: &str) -> Result<&Self, String> {
        let mut found = self.children.iter().filter(|child| child.name == name);
        match (found.next(), found.next()) {
            (Some(child), None) => Ok(child),
            _ => Err(format!("one {name} is expected in {}", self.name)),
        }
    }
}

fn element(rest: &mut &str) -> Result<Element, String> {
    let after = rest
        .strip_prefix('<')
        .ok_or_else(|| format!("an element is expected: {rest:?}"))?;
    let (tag, after) = after.split_once('>').ok_or("a tag does not end")?;
    let (name, attributes) = tag.split_once(' ').unwrap_or((tag, ""));
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(format!("not the name of an element: {name:?}"));
    }
    let mut element = Element {
        name: name.to_owned(),
        attributes: attributes.to_owned(),
        ..Element::default()
    };
    *rest = after;
    loop {
        let (text, _) = rest.split_at(rest.find('<').ok_or("an element does not end")?);
        element.text.push_str(&unescaped(text)?);
        *rest = &rest[text.len()..];
        if let Some(after) = rest.strip_prefix("</") {
            let end = format!("{name}>");
            *rest = after
                .strip_prefix(&*end)
                .ok_or_else(|| format!("{name} does not end"))?;
            return Ok(element);
        }
        let child = self::element(rest)?;
        element.children.push(child);
    }
}

fn unescaped(text: &str) -> Result<String, String> {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        let (entity, after) = after.split_once(';').ok_or("an entity does not end")?;
        plain.push_str(before);
        plain.push(match entity {
            "amp" => '&',
            "lt" => '<',
            "gt" => '>',
            "quot" => '"',
            "apos" => '\'',
            other => return Err(format!("an unknown entity: {other}")),
        });
        rest = after;
    }
    plain.push_str(rest);
    if plain.contains(|letter: char| letter.is_control()) {
        return Err("a control character".to_owned());
    }
    Ok(plain)
}
