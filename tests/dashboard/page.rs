//! The page in a real Chromium.

use std::sync::OnceLock;

use roan::{Target, TargetKind};
use roan_tests::{Behaviour, Chromium, Tab};
use serde_json::json;

use crate::axe;
use crate::support::{Post, Program};

const DESKTOP: (u32, u32) = (1280, 900);
const PHONE: (u32, u32) = (390, 844);

/// One driver for all tests; each has a browser of its own.
async fn tab() -> Tab {
    static CHROMIUM: OnceLock<Chromium> = OnceLock::new();
    CHROMIUM.get_or_init(Chromium::start).open().await
}

async fn open(program: &Program) -> Tab {
    let tab = tab().await;
    tab.go(&program.page()).await;
    live(&tab).await;
    tab
}

async fn live(tab: &Tab) {
    tab.until(
        "a live page",
        "document.getElementById('connection').textContent === 'Live'",
    )
    .await;
}

/// Nothing was refused by the policy, nothing failed, and nothing was asked of anybody else.
async fn assert_quiet(tab: &Tab, program: &Program) {
    let console = tab.console().await;
    assert!(console.is_empty(), "{console:#?}");
    let own = program.url("/");
    let requests = tab.requests().await;
    assert!(requests.iter().any(|url| url.starts_with(&own)));
    let others = requests
        .iter()
        .filter(|url| !url.starts_with(&own) && !url.starts_with("data:"));
    let others: Vec<_> = others.collect();
    assert!(others.is_empty(), "{others:#?}");
}

fn row_with(text: &str, table: &str) -> String {
    let text = json!(text);
    format!(
        "Array.from(document.querySelectorAll('#{table} tbody tr')).some(row => row.innerText.includes({text}))"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_arrives_while_the_page_is_open() {
    let program = Program::start();
    let tab = open(&program).await;
    program.roan.purge("/posts/live").unwrap();
    tab.until("the purge", &row_with("/posts/live", "purge-table"))
        .await;
    let row = tab.text("#purge-table tbody tr").await;
    assert!(row.contains("✓ purged by nginx"), "{row}");
    assert!(row.contains("status 200, verified"), "{row}");
    let node = tab.text("#node-table tbody tr").await;
    assert!(node.contains("● up"), "{node}");
    tab.until(
        "the counter",
        "document.getElementById('figures').innerText.includes('Purged\\n1')
            || /1\\s*Purged/.test(document.getElementById('figures').innerText)",
    )
    .await;
    let rules = tab.texts("#rule-table tbody tr").await;
    let of_post = rules.iter().find(|rule| rule.contains("/posts/{slug}"));
    let of_post = of_post.expect("a rule of the test");
    for part in ["Post", "save, delete", "self.published", "support.rs:"] {
        assert!(of_post.contains(part), "{of_post}");
    }
    assert_quiet(&tab, &program).await;
    tab.close().await;
}

/// A program in which a lot has happened.
async fn busy() -> (Program, Tab) {
    let program = Program::start();
    let tab = open(&program).await;
    for number in 0..30 {
        program.roan.purge(&format!("/posts/{number}")).unwrap();
    }
    for number in 0..3 {
        program.roan.purge(&format!("/refused/{number}")).unwrap();
    }
    program.roan.purge("/nowhere").unwrap();
    tab.until("a purge", &row_with("/nowhere", "purge-table"))
        .await;
    tab.until("dead purges", &row_with("/refused/2", "dead-table"))
        .await;
    (program, tab)
}

/// Writes what is in the window into the folder of the variable `ROAN_SCREENSHOTS`, if there is one.
async fn shoot(tab: &Tab, name: &str) {
    let Some(folder) = std::env::var_os("ROAN_SCREENSHOTS") else {
        return;
    };
    tab.settle().await;
    let file = std::path::Path::new(&folder).join(format!("{name}.png"));
    std::fs::write(&file, tab.screenshot().await).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_can_use_the_page_in_light_and_dark_on_a_desktop_and_a_phone() {
    let (program, tab) = busy().await;
    tab.run("document.querySelector('details').open = true;")
        .await;
    for (device, (width, height)) in [("desktop", DESKTOP), ("phone", PHONE)] {
        tab.resize(width, height).await;
        for scheme in ["light", "dark"] {
            tab.prefer(scheme).await;
            tab.run("scrollTo(0, 0);").await;
            shoot(&tab, &format!("{device}-{scheme}")).await;
            axe::check(&tab, &format!("{device}, {scheme}")).await;
            let wider = tab
                .run("return document.documentElement.scrollWidth - document.documentElement.clientWidth;")
                .await;
            assert_eq!(wider, 0, "{device}: the page scrolls sideways");
        }
    }
    tab.close().await;
    drop(program);
}
