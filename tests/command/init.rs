//! `roan init`.

use std::path::Path;

use crate::support::{Ran, roan, run};

pub(crate) fn crate_with(dependencies: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("[package]\nname = \"blog\"  # ours\nedition = \"2024\"\n{dependencies}");
    std::fs::write(folder.path().join("Cargo.toml"), text).unwrap();
    folder
}

pub(crate) fn init(folder: &Path, arguments: &[&str]) -> Ran {
    let mut command = roan(&["init"]);
    command.arg(folder).args(arguments);
    run(command)
}

fn advice(folder: &Path) -> (Vec<String>, String) {
    let ran = init(folder, &["--format=json"]);
    let advice = ran.assert_code(0).json().remove(0);
    let features = advice["features"].as_array().unwrap().iter();
    let features = features
        .map(|feature| feature.as_str().unwrap().to_owned())
        .collect();
    (features, advice["notes"].to_string())
}

#[test]
fn the_features_fit_the_libraries() {
    let manifest = include_str!("../../roan/Cargo.toml");
    let manifest: toml::Table = toml::from_str(manifest).unwrap();
    for (dependencies, features) in [
        ("", &[][..]),
        ("[dependencies]\nserde = '1'", &[]),
        (
            "[dependencies]\nsqlx = { version = '0.9', features = ['sqlite', 'postgres'] }",
            &["sqlite", "postgres"],
        ),
        (
            "[dependencies.sqlx]\nversion = '^0.9.1'\nfeatures = ['any', 'mysql']",
            &["mysql", "any"],
        ),
        (
            "[dependencies]\nsea-orm = { version = '2.0.4', features = ['sqlx-postgres'] }\naxum = '0.8'",
            &["sea-orm", "postgres", "web"],
        ),
        (
            "[dependencies]\norm = { package = 'diesel', version = '2.3', features = ['sqlite'] }\ndiesel-async = { version = '0.9', features = ['postgres'] }\nuuid = '1'",
            &["diesel-async", "postgres", "diesel", "sqlite", "uuid"],
        ),
        (
            "[dependencies]\nserde = '1'\ntoml = '1'\nsqlx = '0.9'",
            &["serde"],
        ),
        (
            "[dev-dependencies]\nsqlx = { version = '0.9', features = ['sqlite'] }",
            &[],
        ),
    ] {
        let (found, notes) = advice(crate_with(dependencies).path());
        assert_eq!(found, features, "{dependencies}: {notes}");
        for feature in found {
            assert!(
                manifest["features"].get(&feature).is_some(),
                "roan has no feature {feature}"
            );
        }
    }
    let (found, notes) = advice(
        crate_with("[dependencies]\nsqlx = { version = '0.8', features = ['sqlite'] }").path(),
    );
    assert!(
        found.is_empty() && notes.contains("sqlx 0.8: Roan has hooks for version 0.9"),
        "{notes}"
    );
}

#[test]
fn a_workspace_may_name_the_libraries() {
    let folder = tempfile::tempdir().unwrap();
    let shared = "[workspace]\nmembers = ['app']\n[workspace.dependencies]\nsqlx = { version = '0.9', features = ['mysql'] }\n";
    std::fs::write(folder.path().join("Cargo.toml"), shared).unwrap();
    let app = folder.path().join("app");
    std::fs::create_dir(&app).unwrap();
    let own = "[package]\nname = 'app'\n[dependencies]\nsqlx = { workspace = true, features = ['sqlite'] }\n";
    std::fs::write(app.join("Cargo.toml"), own).unwrap();
    assert_eq!(advice(&app).0, ["sqlite", "mysql"]);
    init(folder.path(), &[])
        .assert_code(2)
        .assert_says(&["it has no [package]", "roan init app"]);
}

#[test]
fn nothing_is_changed_without_write_and_nothing_twice_with_it() {
    let before =
        "[dependencies]\n# the database\nsqlx = { version = \"0.9\", features = [\"sqlite\"] }\n";
    let folder = crate_with(before);
    let file = folder.path().join("Cargo.toml");
    let text = || std::fs::read_to_string(&file).unwrap();
    let untouched = text();
    let line = r#"roan = { path = "../roan/roan", features = ["sqlite"] }"#;
    init(folder.path(), &[]).assert_code(0).assert_says(&[
        line,
        "not on crates.io",
        "Nothing was changed. With --roan-path FOLDER --write",
    ]);
    assert_eq!(text(), untouched);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

    // Cargo would look for the name on crates.io, where it could be anybody's.
    let clone = clone_of_roan();
    for (path, words) in [
        (None, "add it, as in `--roan-path ../roan/roan`"),
        (Some("../nowhere"), "does not have a Cargo.toml"),
        (Some("."), "has the crate \"blog\", and not roan"),
    ] {
        let path = path.map(|path| ["--roan-path", path]);
        let path = path.as_ref().map_or(&[][..], |path| &path[..]);
        init(folder.path(), &[path, &["--write"]].concat())
            .assert_code(2)
            .assert_says(&[words, "Nothing was written"]);
        assert_eq!(text(), untouched);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
    let line = line.replace("../roan/roan", clone.path().to_str().unwrap());
    let path = ["--roan-path", clone.path().to_str().unwrap(), "--write"];
    init(folder.path(), &path)
        .assert_code(0)
        .assert_says(&["Written: ", "roan.nginx.conf"]);
    assert_eq!(text(), format!("{untouched}{line}\n"));
    let conf = folder.path().join("roan.nginx.conf");
    std::fs::write(&conf, "mine").unwrap();
    let ran = init(folder.path(), &["--write"]);
    ran.assert_code(0)
        .assert_says(&["has roan with these features already"]);
    assert!(!ran.stdout.contains("Written"), "{ran:#?}");
    assert_eq!(std::fs::read_to_string(&conf).unwrap(), "mine");
}

#[test]
fn a_line_that_is_there_gets_the_features_it_lacks() {
    for (line, wanted) in [
        (
            "roan = '0.2'",
            r#"roan = { version = "0.2", features = ["sqlite"] }"#,
        ),
        (
            "roan = { path = '../roan', features = ['rustls'] }",
            r#"roan = { path = '../roan', features = ["rustls", "sqlite"] }"#,
        ),
    ] {
        let folder = crate_with(&format!(
            "[dependencies]\nsqlx = {{ version = '0.9', features = ['sqlite'] }}\n{line}\n"
        ));
        let ran = init(folder.path(), &["--write"]);
        ran.assert_code(0).assert_says(&[wanted]);
        let text = std::fs::read_to_string(folder.path().join("Cargo.toml")).unwrap();
        let table: toml::Table = toml::from_str(&text).unwrap();
        let features = &table["dependencies"]["roan"]["features"];
        assert!(features.to_string().contains("sqlite"), "{text}");
    }
    let folder = crate_with("");
    let ran = init(folder.path(), &["--roan-path", "../clone/roan"]);
    ran.assert_code(0)
        .assert_says(&[r#"roan = { path = "../clone/roan" }"#]);
}

/// A folder with a crate of that name.
fn clone_of_roan() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("Cargo.toml"),
        "[package]\nname = 'roan'\n",
    )
    .unwrap();
    folder
}

#[test]
fn line_ends_are_left_as_they_are() {
    let clone = clone_of_roan();
    let path = ["--roan-path", clone.path().to_str().unwrap(), "--write"];
    for (before, ends) in [
        (
            "[dependencies]\r\nserde = '1'\r\n\r\n[features]\r\n",
            &["\r\n"; 7][..],
        ),
        ("[dependencies]\nserde = '1'\n\n[features]\n", &["\n"; 7]),
    ] {
        let end = ends[0];
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("Cargo.toml");
        let head = format!("[package]{end}name = 'x' # ours{end}");
        std::fs::write(&file, format!("{head}{before}")).unwrap();
        init(folder.path(), &path).assert_code(0);
        let text = std::fs::read_to_string(&file).unwrap();
        let found: Vec<_> = text
            .split_inclusive('\n')
            .map(|line| if line.ends_with("\r\n") { "\r\n" } else { "\n" })
            .collect();
        assert_eq!(found, ends, "{text:?}");
        assert!(text.contains("\nroan = { path = "), "{text:?}");
    }
    // An editor that mixed them.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("Cargo.toml");
    let mixed = "[package]\r\nname = 'x'\n[dependencies]\r\nserde = '1'\r\n\n[features]\n";
    std::fs::write(&file, mixed).unwrap();
    init(folder.path(), &path).assert_code(0);
    let text = std::fs::read_to_string(&file).unwrap();
    let line = text.lines().find(|line| line.starts_with("roan")).unwrap();
    assert_eq!(text.replace(&format!("{line}\r\n"), ""), mixed);
}

#[test]
fn what_is_not_a_crate_is_named() {
    let folder = tempfile::tempdir().unwrap();
    init(folder.path(), &[])
        .assert_code(2)
        .assert_says(&["Cargo.toml: it does not exist"]);
    for (text, words) in [
        ("[package", "Cargo.toml"),
        (
            "[package]\nname = 'x'\n[[dependencies]]\n",
            "is not a table",
        ),
        ("package = 3\ndependencies = 4", "not a table"),
    ] {
        std::fs::write(folder.path().join("Cargo.toml"), text).unwrap();
        init(folder.path(), &[])
            .assert_code(2)
            .assert_says(&[words]);
    }
    init(crate_with("").path(), &["--site", "a b"])
        .assert_code(2)
        .assert_says(&["--site"]);
}
