//! The page in a real Chromium.

use std::sync::OnceLock;

use roan::Target;
use roan::dashboard::Dashboard;
use roan::testing::Recorder;
use roan_tests::{Behaviour, Chromium, Tab, wait};
use serde_json::json;

use crate::axe;
use crate::support::{Post, Program};

const DESKTOP: (u32, u32) = (1280, 900);
const PHONE: (u32, u32) = (390, 844);

/// One driver for all tests; each has a browser of its own.
pub(crate) async fn tab() -> Tab {
    static CHROMIUM: OnceLock<Chromium> = OnceLock::new();
    CHROMIUM.get_or_init(Chromium::start).open().await
}

pub(crate) async fn open(program: &Program) -> Tab {
    let tab = tab().await;
    tab.go(&program.page()).await;
    live(&tab).await;
    tab
}

pub(crate) async fn live(tab: &Tab) {
    tab.until(
        "a live page",
        "document.getElementById('connection').textContent === 'Live'",
    )
    .await;
}

/// Nothing was refused by the policy, nothing failed, and nothing was asked of anybody else.
pub(crate) async fn assert_quiet(tab: &Tab, program: &Program) {
    assert_quiet_below(tab, &program.url("/")).await;
}

/// The same of a page below a URL.
pub(crate) async fn assert_quiet_below(tab: &Tab, own: &str) {
    let console = tab.console().await;
    assert!(console.is_empty(), "{console:#?}");
    let requests = tab.requests().await;
    assert!(requests.iter().any(|url| url.starts_with(own)));
    let others = requests
        .iter()
        .filter(|url| !url.starts_with(own) && !url.starts_with("data:"));
    let others: Vec<_> = others.collect();
    assert!(others.is_empty(), "{others:#?}");
}

pub(crate) fn row_with(text: &str, table: &str) -> String {
    let text = json!(text);
    format!(
        "Array.from(document.querySelectorAll('#{table} tbody tr')).some(row => row.innerText.includes({text}))"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_purge_arrives_while_the_page_is_open() {
    let program = Program::start();
    let tab = open(&program).await;
    program.roan.saved(&Post::new("live"));
    tab.until("the purge", &row_with("/posts/live", "purge-table"))
        .await;
    let rows = tab.texts("#purge-table tbody tr").await;
    let row = rows.iter().find(|row| row.contains("/posts/live")).unwrap();
    assert!(row.contains("✓ purged by nginx"), "{row}");
    assert!(row.contains("of Post, by the rule at"), "{row}");
    assert!(row.contains("support.rs:"), "{row}");
    assert!(row.contains("status 200, verified"), "{row}");
    let node = tab.text("#node-table tbody tr").await;
    assert!(node.contains("● up"), "{node}");
    tab.until(
        "the counter",
        "/Purged\\s*2/.test(document.getElementById('figures').innerText)",
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
        program.roan.purge(format!("/posts/{number}")).unwrap();
    }
    for number in 0..3 {
        program.roan.purge(format!("/refused/{number}")).unwrap();
    }
    program.roan.purge("/nowhere").unwrap();
    tab.until("a purge", &row_with("/nowhere", "purge-table"))
        .await;
    tab.until("dead purges", &row_with("/refused/2", "dead-table"))
        .await;
    (program, tab)
}

/// Writes what is in the window into the folder of the variable `ROAN_SCREENSHOTS`, if there is one.
pub(crate) async fn shoot(tab: &Tab, name: &str) {
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

/// Types into a field of a filter, and waits until the list shows one row that contains a text.
async fn filter(tab: &Tab, field: &str, text: &str, table: &str, row: &str) {
    tab.clear(field).await;
    tab.write(field, text).await;
    let row = json!(row);
    let only = format!(
        "(() => {{
            const rows = document.querySelectorAll('#{table} tbody tr');
            return rows.length === 1 && rows[0].innerText.includes({row});
        }})()"
    );
    tab.until("the only row", &only).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_filtered() {
    let (program, tab) = busy().await;
    let field = "#purge-filter input[name=text]";
    filter(&tab, field, "/posts/17", "purge-table", "/posts/17").await;
    filter(&tab, field, "/nowhere", "purge-table", "/nowhere").await;
    tab.write("#purge-filter select[name=result]", "refused")
        .await;
    tab.until(
        "no row",
        "document.getElementById('purge-note').innerText.includes('No purge matches')",
    )
    .await;
    // What arrives and does not match is not shown.
    program.roan.purge("/later").unwrap();
    program.roan.purge("/nowhere/refused").unwrap();
    tab.until("the purge", &row_with("/nowhere/refused", "purge-table"))
        .await;
    assert_eq!(tab.texts("#purge-table tbody tr").await.len(), 1);
    let field = "#dead-filter input[name=target]";
    filter(&tab, field, "/refused/1", "dead-table", "/refused/1").await;
    assert_quiet(&tab, &program).await;
    tab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_comes_in_pages() {
    let program = Program::start();
    let tab = open(&program).await;
    for number in 0..70 {
        program.roan.purge(format!("/posts/{number}")).unwrap();
        wait::for_purges(&program.roan).await;
    }
    tab.until("the newest", &row_with("/posts/69", "purge-table"))
        .await;
    assert_eq!(tab.texts("#purge-table tbody tr").await.len(), 50);
    tab.click("#purge-older").await;
    tab.until("older ones", &row_with("/posts/0", "purge-table"))
        .await;
    assert_eq!(tab.texts("#purge-table tbody tr").await.len(), 20);
    // What arrives meanwhile does not move the list under the reader.
    program.roan.purge("/new").unwrap();
    tab.until("all are counted", "state.purges === 71").await;
    tab.settle().await;
    assert_eq!(tab.texts("#purge-table tbody tr").await.len(), 20);
    tab.click("#purge-newest").await;
    tab.until("the newest", &row_with("/new", "purge-table"))
        .await;
    tab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_purges_are_sent_again_or_dropped() {
    let (program, tab) = busy().await;
    let box_of = |number: u32| format!("#dead-table tbody tr:nth-child({number}) input");
    tab.click(&box_of(1)).await;
    tab.click("#drop-chosen").await;
    let asked = tab.text("#confirm").await;
    assert!(asked.contains("Drop 1 dead purge?"), "{asked}");
    axe::check(&tab, "the question").await;
    tab.click("#confirm-no").await;
    assert_eq!(program.roan.outbox().dead(10).await.unwrap().len(), 3);
    tab.click("#drop-chosen").await;
    tab.click("#confirm-yes").await;
    tab.until(
        "it is said",
        "document.getElementById('said').innerText === '1 purge dropped.'",
    )
    .await;
    let left = program.roan.outbox().dead(10).await.unwrap();
    assert_eq!(left.len(), 2);
    assert!(left.iter().all(|dead| !dead.target.contains("/refused/2")));

    program.node.set(Behaviour::Purged);
    let before = program.node.count();
    tab.click(&box_of(1)).await;
    tab.click("#retry-chosen").await;
    tab.until(
        "it is said",
        "document.getElementById('said').innerText === '1 purge will be sent again.'",
    )
    .await;
    wait::for_purges(&program.roan).await;
    assert_eq!(program.node.count(), before + 1);
    let left = program.roan.outbox().dead(10).await.unwrap();
    assert_eq!(left.len(), 1);
    tab.until(
        "one row is left",
        "document.querySelectorAll('#dead-table tbody tr').length === 1",
    )
    .await;
    assert_quiet(&tab, &program).await;
    tab.close().await;
}

/// Markup, ends of scripts and strings, and what other languages take for code: all of it is text.
const HOSTILE: [&str; 6] = [
    "<script>alert(1)</script>",
    "<img/src=x/onerror=alert(1)>",
    "\"><svg/onload=alert(1)>",
    "javascript:alert(1)",
    "</title></style></script><b>",
    "${alert(1)}{{7*7}}&lt;&#60;&amp;",
];

#[tokio::test(flavor = "multi_thread")]
async fn values_are_text_and_nothing_else() {
    let program = Program::with(Dashboard::without_auth, |builder| {
        let everything = Recorder::named("<b>a cache</b>");
        builder.cache(everything)
    });
    let tab = open(&program).await;
    let before = tab
        .run("return document.querySelectorAll('script, img, svg, b, iframe').length;")
        .await;
    for value in HOSTILE {
        // The name of a site may be anything. It is not configured, so it is in the errors, too.
        let page = Target::url("/a").unwrap().at_site(value);
        program.roan.purge(page).unwrap();
    }
    for value in HOSTILE {
        let shown = format!(
            "document.querySelector('#purge-table tbody').textContent.includes({})",
            json!(value)
        );
        tab.until("the value itself", &shown).await;
    }
    tab.write("#page-form input[name=text]", HOSTILE[0]).await;
    tab.click("#page-form button").await;
    // Such a tag is refused, and the refusal shows it.
    tab.until(
        "an answer",
        "document.getElementById('page-note').textContent.includes('<script>alert(1)')",
    )
    .await;
    let after = tab
        .run("return document.querySelectorAll('script, img, svg, b, iframe').length;")
        .await;
    assert_eq!(before, after, "a value became an element");
    let console = tab.console().await;
    let refused = console
        .iter()
        .filter(|entry| !entry.contains("status of 400"));
    assert_eq!(refused.count(), 0, "{console:#?}");
    tab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_works_by_keyboard() {
    let (program, tab) = busy().await;
    tab.press(TAB).await;
    let focused = async || {
        tab.run("return document.activeElement.id || document.activeElement.innerText;")
            .await
    };
    assert_eq!(focused().await, "Skip to the content");
    tab.press(ENTER).await;
    tab.until("the content", "document.activeElement.id === 'main'")
        .await;
    // All that can be used is reached by Tab, in the order of the page, and shows that it has the focus.
    let expected = tab
        .run(
            "const usable = 'a[href], button:enabled, input, select, summary, [tabindex=\"0\"]';
             const all = Array.from(document.querySelectorAll('main ' + usable.replaceAll(', ', ', main ')));
             return all.filter(one => one.checkVisibility()).length;",
        )
        .await;
    let mut reached = 0;
    for _ in 0..200 {
        tab.press(TAB).await;
        let at = tab
            .run(
                "const at = document.activeElement;
                 if (!at.closest('main')) return null;
                 return getComputedStyle(at).outlineStyle;",
            )
            .await;
        if at.is_null() {
            break;
        }
        assert_ne!(at, "none", "the focus is not seen at {}", focused().await);
        reached += 1;
    }
    assert_eq!(expected, reached);
    // The question about a drop is a dialog: it takes the focus, and Escape is no.
    tab.run("document.querySelector('#dead-table tbody input').focus();")
        .await;
    tab.press(SPACE).await;
    tab.run("document.getElementById('drop-chosen').focus();")
        .await;
    tab.press(ENTER).await;
    tab.until("the question", "document.activeElement.id === 'confirm-no'")
        .await;
    tab.press(ESCAPE).await;
    tab.until("the page", "!document.getElementById('confirm').open")
        .await;
    assert_eq!(program.roan.outbox().dead(10).await.unwrap().len(), 3);
    tab.close().await;
}

/// <https://www.w3.org/TR/webdriver2/#keyboard-actions>
const TAB: &str = "\u{e004}";
const ENTER: &str = "\u{e007}";
const ESCAPE: &str = "\u{e00c}";
const SPACE: &str = " ";

#[tokio::test(flavor = "multi_thread")]
async fn updates_go_on_over_the_end_of_a_stream_and_without_streams() {
    let program = Program::start();
    let tab = open(&program).await;
    tab.until(
        "the next stream",
        "performance.getEntriesByType('resource').filter(one => one.name.endsWith('/api/live')).length >= 1
            && events !== null && document.getElementById('connection').textContent === 'Live'",
    )
    .await;
    program.roan.purge("/after-the-first-stream").unwrap();
    tab.until(
        "the purge",
        &row_with("/after-the-first-stream", "purge-table"),
    )
    .await;
    program.dashboard.close();
    tab.until(
        "asking",
        "document.getElementById('connection').textContent === 'Every 5 seconds'",
    )
    .await;
    program.roan.purge("/without-streams").unwrap();
    tab.until("the purge", &row_with("/without-streams", "purge-table"))
        .await;
    tab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_page_stays_as_it_is() {
    let (program, tab) = busy().await;
    tab.click("#freeze").await;
    let pressed = tab
        .run("return document.getElementById('freeze').getAttribute('aria-pressed');")
        .await;
    assert_eq!(pressed, "true");
    program.roan.purge("/unseen").unwrap();
    wait::for_purges(&program.roan).await;
    tab.settle().await;
    assert_eq!(tab.run("return events;").await, serde_json::Value::Null);
    let table = tab.text("#purge-table").await;
    assert!(!table.contains("/unseen"));
    tab.click("#freeze").await;
    tab.until("the purge", &row_with("/unseen", "purge-table"))
        .await;
    tab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_works_under_any_prefix_and_with_a_slash_at_its_end() {
    let program = Program::start();
    let tab = tab().await;
    for path in [
        "/roan",
        "/roan/",
        "/admin/caches/roan",
        "/admin/caches/roan/",
    ] {
        tab.go(&program.url(path)).await;
        live(&tab).await;
    }
    assert_quiet(&tab, &program).await;
    tab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_page_has_no_buttons_that_change_anything() {
    let program = Program::with(
        |dashboard| dashboard.read_only().without_auth(),
        |builder| builder,
    );
    let tab = open(&program).await;
    program.roan.purge("/refused").unwrap();
    tab.until("a dead purge", &row_with("/refused", "dead-table"))
        .await;
    let shown = "Array.from(document.querySelectorAll('main button, main input[type=checkbox]'))
        .filter(one => one.checkVisibility()).map(one => one.id || one.innerText)";
    let buttons = tab.run(&format!("return {shown};")).await;
    assert_eq!(
        buttons,
        json!([
            "purge-newest",
            "purge-older",
            "dead-first",
            "dead-next",
            "Look"
        ])
    );
    axe::check(&tab, "read-only").await;
    assert_quiet(&tab, &program).await;
    tab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_paused_and_resumed() {
    let program = Program::start();
    let tab = open(&program).await;
    tab.click("#node-table tbody button").await;
    tab.until(
        "it is paused",
        "document.querySelector('#node-table tbody').innerText.includes('❚ paused')",
    )
    .await;
    program.roan.purge("/later").unwrap();
    tab.until("it waits", &row_with("… waiting", "purge-table"))
        .await;
    axe::check(&tab, "a node is paused").await;
    assert_eq!(program.node.count(), 0);
    tab.click("#node-table tbody button").await;
    tab.until("it is purged", &row_with("✓ purged", "purge-table"))
        .await;
    assert_quiet(&tab, &program).await;
    tab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_goes_down_is_said() {
    let program = Program::start();
    let tab = open(&program).await;
    program.node.set(Behaviour::Close);
    for number in 0..20 {
        program.roan.purge(format!("/{number}")).unwrap();
    }
    tab.until(
        "it is down",
        "document.querySelector('#node-table tbody').innerText.includes('✕ down')",
    )
    .await;
    let said = tab.text("#said").await;
    assert!(said.contains("is down now"), "{said}");
    let node = tab.text("#node-table tbody tr").await;
    assert!(node.contains("connection"), "{node}");
    axe::check(&tab, "a node is down").await;
    tab.close().await;
}
