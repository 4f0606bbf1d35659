//! A database with several outboxes.

use roan::outbox::Dialect;

use crate::assert_says;
use crate::deploys::{App, LONG_MS, OLD, Site};

#[tokio::test(flavor = "multi_thread")]
async fn a_second_outbox_that_a_writer_may_find_is_told() {
    let mut site = Site::start(Dialect::Postgres).await;
    let mut app = App::run(OLD, &site, LONG_MS, 300);
    app.tell("migrate");
    let sql = "CREATE SCHEMA \"Tenant\"; CREATE TABLE \"Tenant\".roan_outbox (payload text)";
    site.connection.run(sql).await.expect("a second table");
    app.tell("start");
    let words = [
        "the relay reads the table public.roan_outbox",
        r#"others of that name: "Tenant".roan_outbox"#,
        "write `INSERT INTO public.roan_outbox` there",
        r#"write `.prefix("public.roan_")` for this one"#,
    ];
    assert_says(&app.kill(), &words);
}
