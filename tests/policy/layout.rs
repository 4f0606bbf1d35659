//! The layout shows the architecture: arrows of imports run one way, and a file is one concept.

use std::fs;
use std::path::{Path, PathBuf};

use roan_policy_tests::cargo::root;

/// The modules of `roan`, each of which may import only those after it.
const LAYERS: &[&str] = &[
    "bin",
    "guide",
    "link",
    "__private",
    "testing",
    "orm",
    "hooks",
    "dashboard",
    "doctor",
    "agent",
    "app",
    "web",
    "relay",
    "triggers",
    "dispatcher",
    "metrics",
    "purger",
    "pages",
    "fleet",
    "error",
    "outbox",
    "registry",
    "model",
    "base",
];

/// A file longer than this is most likely more than one concept.
const LINES: usize = 650;

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder is there").flatten() {
        let path = entry.path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

fn layer_of(module: &str) -> usize {
    LAYERS
        .iter()
        .position(|layer| *layer == module)
        .unwrap_or_else(|| {
            panic!("module `{module}` has no place in LAYERS of tests/policy/layout.rs")
        })
}

#[test]
fn no_import_runs_against_the_flow() {
    let source = root().join("roan/src");
    let mut against = Vec::new();
    for file in rust_files(&source) {
        let place = file
            .strip_prefix(&source)
            .expect("it is inside")
            .to_string_lossy()
            .into_owned();
        let module = place.split(['/', '.']).next().unwrap_or_default();
        if module == "lib" {
            continue;
        }
        let text = fs::read_to_string(&file).expect("the file can be read");
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        let code: Vec<&str> = code
            .take_while(|line| !line.contains("#[cfg(test)]"))
            .collect();
        for used in code.join("\n").split("crate::").skip(1) {
            let name = |text: &str| {
                text.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
                    .next()
                    .unwrap_or_default()
                    .to_owned()
            };
            let names = match used.strip_prefix('{') {
                Some(list) => list
                    .split('}')
                    .next()
                    .unwrap_or_default()
                    .split(',')
                    .map(|one| name(one.trim()))
                    .collect(),
                None => vec![name(used)],
            };
            for used in names {
                // Public names at the root are made of what is below anyway.
                let is_module =
                    source.join(&used).is_dir() || source.join(format!("{used}.rs")).exists();
                if !is_module {
                    continue;
                }
                if layer_of(module) > layer_of(&used) {
                    against.push(format!("{place} imports `{used}`"));
                }
            }
        }
    }
    assert!(against.is_empty(), "against the flow: {against:#?}");
}

#[test]
fn no_file_is_more_than_one_concept() {
    for folder in ["roan/src", "roan-macros/src", "tests", "examples"] {
        for file in rust_files(&root().join(folder)) {
            let lines = fs::read_to_string(&file)
                .expect("the file can be read")
                .lines()
                .count();
            assert!(
                lines <= LINES,
                "{} has {lines} lines: is it one concept?",
                file.display()
            );
        }
    }
}
