//! Which crates cargo builds for a program on this machine.

use std::collections::BTreeSet;

use crate::cargo::{cargo, output_of};

/// The crates that the first command of the README may need, in crates of the bare program.
pub const LIMIT: f64 = 1.4;

/// `name` and version of each crate that a package needs, its own among them. Without a package: of what cargo
/// builds at the root when nothing is named.
#[must_use]
pub fn crates(package: Option<&str>) -> BTreeSet<String> {
    let mut tree = cargo("tree");
    tree.args(["--prefix", "none", "--format", "{p}"]);
    if let Some(package) = package {
        tree.args(["--package", package]);
    }
    let name_and_version = |line: &str| {
        let mut words = line.split(' ');
        Some(format!("{} {}", words.next()?, words.next()?))
    };
    output_of(&mut tree)
        .lines()
        .filter_map(name_and_version)
        .collect()
}
