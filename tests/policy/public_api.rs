//! Each crate whose types are in the public API is one that `roan/Cargo.toml` lists.
//!
//! The API is what rustdoc writes as JSON, which is unstable: a compiler that writes it in another way fails here
//! with its format, and the names below are to be looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use roan_policy_tests::cargo::{cargo, output_of, root};
use serde_json::Value;
use toml::Table;

/// The `format_version` of rustdoc's JSON that this reads.
const FORMAT: u64 = 57;

fn public_api() -> Value {
    let mut doc = cargo("doc");
    // The features of the whole workspace, as the tests and lints have them: nothing is compiled for this alone.
    doc.args(["--workspace", "--all-features", "--no-deps", "--quiet"])
        .env("RUSTDOC", root().join("tests/policy/rustdoc"))
        .env("RUSTDOCFLAGS", "-Zunstable-options --output-format json");
    let _nothing = output_of(&mut doc);

    let metadata = output_of(cargo("metadata").args(["--no-deps", "--format-version", "1"]));
    let metadata: Value = serde_json::from_str(&metadata).expect("cargo writes JSON");
    let target = metadata["target_directory"]
        .as_str()
        .expect("cargo names it");
    let json = fs::read_to_string(format!("{target}/doc/roan.json")).expect("rustdoc wrote it");
    let api: Value = serde_json::from_str(&json).expect("rustdoc writes JSON");
    assert_eq!(
        api["format_version"], FORMAT,
        "the format of rustdoc's JSON has changed"
    );
    api
}

/// What is in an item: the crate of each path that leads elsewhere, and one of these paths.
fn collect(api: &Value, item: &Value, found: &mut BTreeMap<String, String>) {
    // A type or a trait has `path`, a re-export has `source`.
    if let Some(id) = item.get("id").and_then(Value::as_u64)
        && (item.get("path").is_some() || item.get("source").is_some())
        && let Some(path) = api["paths"].get(id.to_string())
        && path["crate_id"] != 0
    {
        let krate = &api["external_crates"][path["crate_id"].to_string()]["name"];
        let parts = path["path"].as_array().into_iter().flatten();
        let parts: Vec<_> = parts.filter_map(Value::as_str).collect();
        let krate = krate.as_str().expect("a crate has a name");
        found.insert(krate.to_owned(), parts.join("::"));
    }
    match item {
        Value::Array(items) => items.iter().for_each(|item| collect(api, item, found)),
        Value::Object(items) => items.values().for_each(|item| collect(api, item, found)),
        _ => {}
    }
}

#[test]
fn types_of_other_crates_are_those_of_the_list() {
    let api = public_api();
    let mut found = BTreeMap::new();
    for item in api["index"].as_object().expect("the items").values() {
        let made_by_the_compiler = item["inner"]
            .get("impl")
            .is_some_and(|block| block["is_synthetic"] == true || !block["blanket_impl"].is_null());
        if item["crate_id"] == 0 && !made_by_the_compiler {
            collect(&api, &item["inner"], &mut found);
        }
    }
    found.retain(|krate, _| !["core", "alloc", "std"].contains(&&**krate));

    let manifest = fs::read_to_string(root().join("roan/Cargo.toml")).expect("it is there");
    let manifest: Table = manifest.parse().expect("cargo has read it");
    let listed =
        &manifest["package"]["metadata"]["cargo_check_external_types"]["allowed_external_types"];
    let listed: BTreeSet<_> = listed
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|one| one.as_str()?.strip_suffix("::*"))
        .collect();

    let unlisted: Vec<_> = found
        .iter()
        .filter(|(krate, _)| !listed.contains(&***krate))
        .collect();
    assert!(
        unlisted.is_empty(),
        "the public API has types of crates that `allowed_external_types` in roan/Cargo.toml does not list: \
         {unlisted:?}"
    );
    let gone: Vec<_> = listed
        .iter()
        .filter(|krate| !found.contains_key(**krate))
        .collect();
    assert!(
        gone.is_empty(),
        "no type of {gone:?} is in the public API any more: take it off the list"
    );
}
