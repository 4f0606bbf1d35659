//! A newcomer's first command, `cargo run --example quickstart`, builds little more than a bare axum and reqwest
//! program does. Cargo unifies the features of all packages that it builds at once, so that a dependency elsewhere
//! in the workspace could bring a database in.

use roan_policy_tests::plan::{LIMIT, crates};

/// Those that compile C, or look for a C library. Besides them, each crate whose name ends in `-sys`.
const BUILDERS_OF_C: &[&str] = &["bindgen", "cc", "cmake", "pkg-config", "ring", "vcpkg"];

const DATABASES: &[&str] = &[
    "diesel", "mysql", "postgres", "rusqlite", "sea-orm", "sqlite", "sqlx",
];

fn name(krate: &str) -> &str {
    krate.split(' ').next().unwrap_or_default()
}

#[test]
fn the_quickstart_needs_few_crates() {
    let (bare, quickstart) = (crates(Some("roan-bare")), crates(None));
    let most = bare.len() as f64 * LIMIT;
    assert!(
        quickstart.len() as f64 <= most,
        "`cargo run --example quickstart` builds {} crates; {LIMIT} times the {} of a bare program are {most:.0}. \
         It adds:\n{}",
        quickstart.len(),
        bare.len(),
        quickstart
            .difference(&bare)
            .cloned()
            .collect::<Vec<_>>()
            .join("\n"),
    );
}

#[test]
fn the_quickstart_needs_neither_a_c_library_nor_a_database() {
    let quickstart = crates(None);
    assert!(
        quickstart
            .iter()
            .any(|krate| name(krate) == "roan-examples"),
        "`default-members` of Cargo.toml must name the package of the quickstart"
    );
    let unwanted = |krate: &&String| {
        let name = name(krate);
        name.ends_with("-sys")
            || BUILDERS_OF_C.contains(&name)
            || DATABASES.iter().any(|database| name.starts_with(database))
    };
    let unwanted: Vec<_> = quickstart.iter().filter(unwanted).collect();
    assert!(
        unwanted.is_empty(),
        "`cargo run --example quickstart` builds {unwanted:?}: put what needs them into a package of its own, as \
         examples/blog"
    );
}
