//! The page over a durable outbox.

use roan::dashboard::Dashboard;
use roan::outbox::{Filter, Outbox};
use roan_tests::{Behaviour, Connection, SqliteFile, wait};

use crate::page::{assert_quiet, open, row_with};
use crate::support::{Post, Program};

/// A program whose purges wait in a file.
async fn program(file: &SqliteFile) -> Program {
    let outbox = Outbox::at(&file.url()).unwrap();
    outbox.migrate().await.unwrap();
    Program::with(Dashboard::without_auth, |builder| builder.outbox(outbox))
}

/// Writes a row with the purges of a post, as a transaction of the program would.
async fn save(program: &Program, file: &SqliteFile, slug: &str) {
    let mut connection = Connection::open(&file.url()).await.unwrap();
    let roan = program.roan.clone();
    let post = Post::new(slug);
    connection.purge(&roan, || roan.saved(&post)).await.unwrap();
    program.roan.outbox().committed();
    connection.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_is_shown_with_its_rule_and_its_row() {
    let file = SqliteFile::new();
    let program = program(&file).await;
    let tab = open(&program).await;
    save(&program, &file, "stored").await;
    tab.until(
        "the answer",
        "document.querySelector('#purge-table tbody').innerText.includes('✓ purged')",
    )
    .await;
    let row = tab.text("#purge-table tbody tr").await;
    for part in [
        "/posts/stored",
        "of Post, by the rule at",
        "support.rs:",
        "write 1",
    ] {
        assert!(row.contains(part), "{row}");
    }
    assert_quiet(&tab, &program).await;
    tab.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_write_with_many_targets_the_first_are_shown_and_the_others_counted() {
    let file = SqliteFile::new();
    let program = program(&file).await;
    let targets: Vec<_> = (0..25).map(|number| format!("\"/{number}\"")).collect();
    let mut connection = Connection::open(&file.url()).await.unwrap();
    connection
        .run(&format!(
            "INSERT INTO roan_outbox (payload, state, ended_ms) VALUES ('{{\"v\":1,\"purge\":[{}]}}', 2, unixepoch() * 1000)",
            targets.join(",")
        ))
        .await
        .unwrap();
    let answer = reqwest::get(program.url("/roan/api/purges")).await.unwrap();
    let found: serde_json::Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
    let purge = &found["purges"][0];
    assert_eq!(purge["targets"].as_array().unwrap().len(), 20);
    assert_eq!(purge["more_targets"], 5);
    assert!(purge.get("more_answers").is_none(), "{purge}");
    let tab = open(&program).await;
    tab.until("the purge", &row_with("and 5 targets more", "purge-table"))
        .await;
    tab.close().await;
    connection.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_a_node_is_that_of_all_processes() {
    let file = SqliteFile::new();
    let program = program(&file).await;
    let node = &program.roan.stats().nodes[0];
    let mut connection = Connection::open(&file.url()).await.unwrap();
    // Another process has taken them, and holds them.
    connection
        .run(&format!(
            "WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 7000)
             INSERT INTO roan_delivery (purge_id, cache, node, target, created_ms, attempts, due_ms)
             SELECT n, '{}', '{}', '\"/' || n || '\"', unixepoch() * 1000, 1, (unixepoch() + 3600) * 1000 FROM number",
            node.cache, node.node
        ))
        .await
        .unwrap();
    let tab = open(&program).await;
    tab.until(
        "what waits",
        "document.querySelector('#node-table tbody').innerText.includes('7,000')",
    )
    .await;
    let figures = tab.text("#figures").await;
    assert!(
        figures.contains("7,000") && !figures.contains("Asked for"),
        "{figures}"
    );
    assert_quiet(&tab, &program).await;
    tab.close().await;
    connection.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_is_paused_and_what_waits_for_it_is_listed() {
    let file = SqliteFile::new();
    let program = program(&file).await;
    let tab = open(&program).await;
    let button = "#node-table tbody button";
    assert_eq!(tab.text(button).await, "Pause");
    tab.click(button).await;
    tab.until(
        "it is paused",
        "document.querySelector('#node-table tbody').innerText.includes('❚ paused')",
    )
    .await;
    let said = tab.text("#said").await;
    assert!(said.contains("paused"), "{said}");
    let before = program.node.count();
    save(&program, &file, "later").await;
    tab.click("#waiting-details summary").await;
    tab.until("the purge", &row_with("/posts/later", "waiting-table"))
        .await;
    crate::axe::check(&tab, "what waits").await;
    assert_eq!(program.node.count(), before, "the node is paused");
    tab.click(button).await;
    tab.until(
        "nothing waits",
        "document.querySelectorAll('#waiting-table tbody tr').length === 0",
    )
    .await;
    wait::for_purges(&program.roan).await;
    assert!(program.node.count() > before);
    assert_eq!(tab.text(button).await, "Pause");
    assert_quiet(&tab, &program).await;
    tab.close().await;
}

const MANY: u32 = 100_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_thousand_dead_purges_come_in_pages() {
    let file = SqliteFile::new();
    let program = program(&file).await;
    let mut connection = Connection::open(&file.url()).await.unwrap();
    connection
        .run(&format!(
            "WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {MANY})
             INSERT INTO roan_delivery (purge_id, cache, node, target, created_ms, state, attempts, error)
             SELECT n, 'nginx', CASE n % 2 WHEN 0 THEN 'even' ELSE 'odd' END, '\"/posts/' || n || '\"', 0, 3, 7,
                    'status 50' || (n % 5) FROM number"
        ))
        .await
        .unwrap();
    let client = reqwest::Client::new();
    let get = async |path: &str| {
        let answer = client.get(program.url(path)).send().await.unwrap();
        let text = answer.text().await.unwrap();
        assert!(text.len() < 100_000, "{path}: {} bytes", text.len());
        serde_json::from_str::<serde_json::Value>(&text).unwrap()
    };
    let first = get("/roan/api/dead?limit=1000000").await;
    let rows = first["dead"].as_array().unwrap();
    assert_eq!((rows.len(), &first["more"]), (200, &true.into()));
    assert_eq!(rows[0]["targets"][0]["text"], "/posts/100000");
    let last = &rows[199]["id"];
    let second = get(&format!("/roan/api/dead?after={last}")).await;
    assert_eq!(second["dead"][0]["targets"][0]["text"], "/posts/99800");

    let found = get("/roan/api/dead?error=503&limit=1").await;
    assert_eq!(
        found["dead"][0]["targets"][0]["text"], "/posts/99998",
        "{found}"
    );

    let tab = open(&program).await;
    tab.until("dead purges", &row_with("/posts/100000", "dead-table"))
        .await;
    assert_eq!(tab.texts("#dead-table tbody tr").await.len(), 50);
    tab.click("#dead-next").await;
    tab.until("the next page", &row_with("/posts/99950", "dead-table"))
        .await;
    assert_eq!(tab.texts("#dead-table tbody tr").await.len(), 50);

    tab.write("#dead-filter input[name=error]", "503").await;
    tab.until("the filter", &row_with("/posts/99998", "dead-table"))
        .await;
    tab.click("#drop-all").await;
    tab.until("the question", "document.getElementById('confirm').open")
        .await;
    let question = tab.text("#confirm-text").await;
    assert!(
        question.starts_with("Drop 20,000 dead purges?"),
        "{question}"
    );
    tab.click("#confirm-yes").await;
    tab.until(
        "it is done",
        "document.getElementById('said').innerText === '20,000 purges dropped.'",
    )
    .await;
    let left = program.roan.outbox().count_dead(Filter::new()).await;
    assert_eq!(left, Ok(80_000));
    assert_quiet(&tab, &program).await;
    tab.close().await;
    connection.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_gone_is_said() {
    let file = SqliteFile::new();
    let program = program(&file).await;
    let tab = open(&program).await;
    let mut connection = Connection::open(&file.url()).await.unwrap();
    connection.run("DROP TABLE roan_delivery").await.unwrap();
    program.node.set(Behaviour::Close);
    save(&program, &file, "lost").await;
    tab.until(
        "the trouble",
        "document.getElementById('troubles').innerText.includes('roan_delivery')",
    )
    .await;
    crate::axe::check(&tab, "a database that is gone").await;
    tab.close().await;
    connection.close().await.unwrap();
}
