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
    let line = r#"roan = { version = "0.2", features = ["sqlite"] }"#;
    init(folder.path(), &[])
        .assert_code(0)
        .assert_says(&[line, "Nothing was changed"]);
    assert_eq!(text(), untouched);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);

    init(folder.path(), &["--write"])
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
    let ran = init(folder.path(), &["--roan-path", "../roan/roan", "--write"]);
    ran.assert_code(0)
        .assert_says(&[r#"roan = { path = "../roan/roan" }"#]);
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
