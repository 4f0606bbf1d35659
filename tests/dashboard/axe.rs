//! axe-core, which finds what keeps people from using a page: <https://github.com/dequelabs/axe-core>. It comes from the
//! registry of npm into the target folder; its licence, the MPL, is not one of this project.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::read::GzDecoder;
use roan_tests::{Tab, wait};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha512};
use tokio::sync::OnceCell;

const VERSION: &str = "4.14.1";

/// Of the package, as `dist.integrity` at <https://registry.npmjs.org/axe-core/4.14.1> says.
const INTEGRITY: &str = "sha512-FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ==";

/// The script, from the target folder or else from the registry.
async fn script() -> &'static str {
    static SCRIPT: OnceCell<String> = OnceCell::const_new();
    SCRIPT.get_or_init(async || unpack(&package().await)).await
}

async fn package() -> Vec<u8> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../tools/axe-core");
    let file = folder.join(format!("axe-core-{VERSION}.tgz"));
    if let Ok(package) = fs::read(&file)
        && integrity(&package) == INTEGRITY
    {
        return package;
    }
    let url = format!("https://registry.npmjs.org/axe-core/-/axe-core-{VERSION}.tgz");
    let package = fetch(&url).await.unwrap_or_else(|error| {
        panic!(
            "cannot fetch axe-core, which checks the dashboard: {error}. Put {url} at {}, or give this machine a way to \
             registry.npmjs.org",
            file.display()
        )
    });
    assert_eq!(
        integrity(&package),
        INTEGRITY,
        "{url} is not axe-core {VERSION}"
    );
    fs::create_dir_all(&folder).expect("a folder below target");
    // Another run may read it meanwhile.
    let part = tempfile::NamedTempFile::new_in(&folder).expect("a file below target");
    fs::write(part.path(), &package).expect("a file below target");
    part.persist(&file).expect("a file below target");
    package
}

async fn fetch(url: &str) -> Result<Vec<u8>, String> {
    let client = reqwest::Client::builder().timeout(wait::LONG).build();
    let client = client.map_err(|error| error.to_string())?;
    let answer = client.get(url).send().await;
    // With its causes: the first line says only that something failed.
    let answer = answer.map_err(|error| format!("{error:?}"))?;
    let answer = answer
        .error_for_status()
        .map_err(|error| error.to_string())?;
    let package = answer.bytes().await.map_err(|error| format!("{error:?}"))?;
    Ok(package.to_vec())
}

fn integrity(package: &[u8]) -> String {
    format!("sha512-{}", STANDARD.encode(Sha512::digest(package)))
}

fn unpack(package: &[u8]) -> String {
    let mut archive = tar::Archive::new(GzDecoder::new(package));
    let entries = archive.entries().expect("an archive");
    let mut entries = entries.map(|entry| entry.expect("a file"));
    let is_script = |entry: &tar::Entry<'_, _>| {
        let path = entry.path().expect("a path");
        *path == *Path::new("package/axe.min.js")
    };
    let mut entry = entries.find(is_script).expect("the script");
    let mut script = String::new();
    entry.read_to_string(&mut script).expect("a text");
    script
}

/// Fails with what axe-core finds in the page as it is now.
pub(crate) async fn check(tab: &Tab, what: &str) {
    tab.settle().await;
    tab.run_with(
        "if (!window.axe) { (0, eval)(arguments[0]); }",
        json!([script().await]),
    )
    .await;
    let found = tab
        .run_async(
            "const done = arguments[0];
             axe.run(document, {resultTypes: ['violations', 'incomplete']}).then(
                 found => done(found), error => done({error: String(error)}));",
        )
        .await;
    assert!(found["error"].is_null(), "{what}: {}", found["error"]);
    assert!(
        found["passes"]
            .as_array()
            .is_some_and(|passes| passes.len() > 5),
        "{what}: it has checked hardly anything"
    );
    let violations: Vec<String> = found["violations"]
        .as_array()
        .expect("a list")
        .iter()
        .map(told)
        .collect();
    assert!(violations.is_empty(), "{what}: {violations:#?}");
}

fn told(violation: &Value) -> String {
    let nodes = violation["nodes"].as_array().into_iter().flatten();
    let nodes: Vec<String> = nodes
        .take(5)
        .map(|node| format!("{} {}", node["html"], node["failureSummary"]))
        .collect();
    format!("{}: {} {nodes:#?}", violation["id"], violation["help"])
}
