//! The page as a text: what it weighs, what it may do, and what it must not contain.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../roan/src/dashboard");

fn part(name: &str) -> String {
    let file = Path::new(FOLDER).join("page").join(name);
    fs::read_to_string(file).expect("a part of the page")
}

#[test]
fn the_policy_has_the_hashes_of_the_style_and_the_script() {
    let policy = fs::read_to_string(Path::new(FOLDER).join("asset.rs")).expect("it is there");
    let hashes = [("style", "page.css"), ("script", "page.js")].map(|(what, name)| {
        let hash = STANDARD.encode(Sha256::digest(part(name)));
        format!("{what}-src 'sha256-{hash}'")
    });
    let wrong: Vec<_> = hashes
        .iter()
        .filter(|hash| !policy.contains(*hash))
        .collect();
    assert!(
        wrong.is_empty(),
        "the page has changed: write {wrong:?} in roan/src/dashboard/asset.rs"
    );
}

#[test]
fn the_page_weighs_less_than_100_kb() {
    let names = ["head.html", "page.css", "body.html", "page.js"];
    let size: usize = names.map(|name| part(name).len()).iter().sum();
    assert!(size < 100_000, "{size} bytes");
}

#[test]
fn the_script_cannot_make_elements_of_values() {
    let script = part("page.js");
    for way in [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "createContextualFragment",
        "DOMParser",
        "srcdoc",
        "eval",
        "Function(",
        "javascript:",
        "import(",
        "style=",
        "window.open",
    ] {
        assert!(
            !script.contains(way),
            "page.js has `{way}`: a value could become more than text"
        );
    }
}

#[test]
fn the_page_loads_nothing() {
    let page = ["head.html", "page.css", "body.html", "page.js"]
        .map(part)
        .concat();
    // The name spaces of SVG are no addresses.
    let page = page.replace("http://www.w3.org/2000/svg", "");
    for text in [
        "http:",
        "https:",
        "src=",
        "url(",
        "@import",
        "<link rel=\"stylesheet",
        "//cdn",
    ] {
        assert!(!page.contains(text), "the page has `{text}`");
    }
    let handlers = [" onclick=", " onload=", " onerror=", " style="];
    let html = [part("head.html"), part("body.html")].concat();
    for text in handlers {
        assert!(
            !html.contains(text),
            "the page has `{text}`: the policy refuses it"
        );
    }
}
