//! axe-core, which finds what keeps people from using a page: <https://github.com/dequelabs/axe-core>. It comes from npm into
//! the target folder; its licence, the MPL, is not one of this project.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use roan_tests::Tab;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const VERSION: &str = "4.14.1";

/// Of `axe.min.js`.
const SHA256: &str = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c";

/// The script, from the target folder or else from npm.
fn script() -> String {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _alone = ONE_AT_A_TIME.lock();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../tools/axe-core");
    let file = folder.join(format!("axe-{VERSION}.min.js"));
    let script = fs::read(&file).unwrap_or_else(|_| fetch(&folder, &file));
    let hash = Sha256::digest(&script);
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hash, SHA256, "{} is not axe-core {VERSION}", file.display());
    String::from_utf8(script).expect("a script")
}

fn fetch(folder: &Path, file: &PathBuf) -> Vec<u8> {
    let work = tempfile::tempdir().expect("a folder");
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program)
            .args(arguments)
            .current_dir(work.path())
            .output()
            .unwrap_or_else(|error| panic!("{program} is needed ({error}): run ./tests/run"));
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{program} {arguments:?}: {words}");
    };
    run("npm", &["pack", "--silent", &format!("axe-core@{VERSION}")]);
    let archive = format!("axe-core-{VERSION}.tgz");
    run("tar", &["xzf", &archive, "package/axe.min.js"]);
    let script = fs::read(work.path().join("package/axe.min.js")).expect("it was unpacked");
    fs::create_dir_all(folder).expect("a folder below target");
    fs::write(file, &script).expect("a file below target");
    script
}

/// Fails with what axe-core finds in the page as it is now.
pub(crate) async fn check(tab: &Tab, what: &str) {
    tab.settle().await;
    tab.run_with(
        "if (!window.axe) { (0, eval)(arguments[0]); }",
        json!([script()]),
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
