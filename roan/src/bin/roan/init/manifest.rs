//! The `Cargo.toml` of a crate.

use std::path::{Path, PathBuf};

use toml_edit::{Array, DocumentMut, InlineTable, Item, Value};

use crate::exit::{Exit, Failure};

/// A dependency, with what its workspace says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Dependency {
    /// The name of the crate, not the one that the user may have given it.
    pub(super) name: String,
    pub(super) version: Option<String>,
    pub(super) features: Vec<String>,
}

pub(super) struct Manifest {
    path: PathBuf,
    /// As it was read.
    text: String,
    document: DocumentMut,
    /// `[workspace.dependencies]` of the workspace that it is in.
    workspace: Option<DocumentMut>,
}

impl Manifest {
    /// Reads that of the crate in a folder.
    pub(super) fn read(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join("Cargo.toml");
        let text = text_of(&path)?;
        let document = parse(&path, &text)?;
        if document.get("package").is_none() {
            return Err(Failure::bad_input(format!(
                "{}: it has no [package]: name the folder of the crate that writes to the database, as in `roan init app`",
                path.display()
            )));
        }
        let dependencies = document.get("dependencies");
        if dependencies.is_some_and(|dependencies| !dependencies.is_table_like()) {
            return Err(Failure::bad_input(format!(
                "{}: its `dependencies` is not a table",
                path.display()
            )));
        }
        let workspace = match document.get("workspace") {
            Some(_) => None,
            None => workspace_above(folder),
        };
        Ok(Self {
            path,
            text,
            document,
            workspace,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn name(&self) -> &str {
        let package = self.document.get("package");
        let name = package.and_then(|package| package.get("name")?.as_str());
        name.unwrap_or("without a name")
    }

    /// What it depends on, without what is for tests and builds.
    pub(super) fn dependencies(&self) -> Vec<Dependency> {
        let Some(table) = self
            .document
            .get("dependencies")
            .and_then(Item::as_table_like)
        else {
            return Vec::new();
        };
        table
            .iter()
            .map(|(key, item)| self.dependency(key, item))
            .collect()
    }

    fn dependency(&self, key: &str, item: &Item) -> Dependency {
        let mut found = read(key, item);
        let inherits = item.get("workspace").and_then(Item::as_bool) == Some(true);
        let own = self.workspace.as_ref().unwrap_or(&self.document);
        let shared = own
            .get("workspace")
            .and_then(|workspace| workspace.get("dependencies")?.get(key));
        if let (true, Some(shared)) = (inherits, shared) {
            let shared = read(key, shared);
            found.name = shared.name;
            found.version = shared.version;
            found.features.extend(shared.features);
        }
        found
    }

    /// Whether it depends on roan already.
    pub(super) fn has_roan(&self) -> bool {
        let dependencies = self.document.get("dependencies");
        dependencies.is_some_and(|dependencies| dependencies.get("roan").is_some())
    }

    /// Adds roan with these features, and returns its line. `None` if it is there with all of them. `path` is for a crate that
    /// does not have it.
    pub(super) fn add_roan(&mut self, features: &[&str], path: &Path) -> Option<String> {
        let dependencies = self.document.get("dependencies");
        let before = dependencies.and_then(|dependencies| dependencies.get("roan"));
        let before = before.cloned().unwrap_or(Item::None);
        let mut table = InlineTable::new();
        let mut all: Vec<String> = Vec::new();
        match &before {
            Item::Value(Value::String(version)) => {
                table.insert("version", Value::from(version.value().as_str()));
            }
            item => {
                if let Some(known) = item.as_table_like() {
                    for (key, item) in known.iter() {
                        if let Some(value) = item.as_value() {
                            table.insert(key, value.clone());
                        }
                    }
                    all = read("roan", item).features;
                }
            }
        }
        if table.is_empty() {
            table.insert("path", Value::from(path.display().to_string()));
        }
        let is_new = before.is_none();
        let missing: Vec<_> = features
            .iter()
            .filter(|feature| all.iter().all(|known| known != *feature))
            .collect();
        if !is_new && missing.is_empty() {
            return None;
        }
        all.extend(missing.into_iter().map(|feature| (*feature).to_owned()));
        if !all.is_empty() {
            table.insert("features", Value::Array(all.into_iter().collect::<Array>()));
        }
        table.fmt();
        let line = format!("roan = {}", table.to_string().trim());
        let dependencies = self
            .document
            .entry("dependencies")
            .or_insert_with(toml_edit::table);
        // `read` has refused anything else.
        if let Some(dependencies) = dependencies.as_table_like_mut() {
            dependencies.insert("roan", toml_edit::value(table));
        }
        Some(line)
    }

    pub(super) fn write(&self) -> Result<(), Failure> {
        let text = with_line_ends_of(&self.text, &self.document.to_string());
        std::fs::write(&self.path, text).map_err(|error| {
            Failure::new(Exit::Failed, format!("{}: {error}", self.path.display()))
        })
    }
}

fn read(key: &str, item: &Item) -> Dependency {
    let text = |name: &str| Some(item.get(name)?.as_str()?.to_owned());
    let features = item.get("features").and_then(Item::as_array);
    let features = features.into_iter().flatten();
    Dependency {
        name: text("package").unwrap_or_else(|| key.to_owned()),
        version: item.as_str().map(str::to_owned).or_else(|| text("version")),
        features: features
            .filter_map(|feature| Some(feature.as_str()?.to_owned()))
            .collect(),
    }
}

fn about(path: &Path, problem: &str) -> Failure {
    Failure::bad_input(format!("{}: {problem}", path.display()))
}

fn text_of(path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => about(
            path,
            "it does not exist: name the folder of a crate, as in `roan init app`",
        ),
        _ => about(path, &error.to_string()),
    })
}

fn parse(path: &Path, text: &str) -> Result<DocumentMut, Failure> {
    text.parse::<DocumentMut>()
        .map_err(|error| about(path, error.to_string().trim()))
}

/// The name of the package in a folder.
pub(super) fn package_in(folder: &Path) -> Result<String, Failure> {
    let path = folder.join("Cargo.toml");
    let document = parse(&path, &text_of(&path)?)?;
    let name = document
        .get("package")
        .and_then(|package| package.get("name"));
    Ok(name.and_then(Item::as_str).unwrap_or_default().to_owned())
}

/// A changed text with the line ends of the text before, which `toml_edit` makes `\n` throughout. A new line ends as the one
/// before it.
fn with_line_ends_of(before: &str, text: &str) -> String {
    let mut old: Vec<&str> = before.split_inclusive('\n').collect();
    old.reverse();
    let content = |line: &str| line.trim_end_matches(['\r', '\n']).to_owned();
    let mut is_crlf = old.last().is_some_and(|first| first.ends_with("\r\n"));
    let mut out = String::with_capacity(before.len() + text.len());
    for line in text.split_inclusive('\n') {
        let line_before = old
            .iter()
            .rposition(|known| content(known) == content(line));
        if let Some(place) = line_before {
            is_crlf = old[place].ends_with("\r\n");
            old.truncate(place);
        }
        out.push_str(&content(line));
        if line.ends_with('\n') {
            out.push_str(if is_crlf { "\r\n" } else { "\n" });
        }
    }
    out
}

/// The workspace of a crate is in one of the folders above it.
fn workspace_above(folder: &Path) -> Option<DocumentMut> {
    let folder = folder.canonicalize().ok()?;
    folder.ancestors().skip(1).find_map(|above| {
        let path = above.join("Cargo.toml");
        let document = parse(&path, &text_of(&path).ok()?).ok()?;
        document.get("workspace").is_some().then_some(document)
    })
}
