//! Triggers come, are compared with the rules, and go.

use std::process::{Command, Stdio};

use roan::ConfigError;
use roan::outbox::{Dialect, Outbox, OutboxError};
use roan::testing::Recorder;
use roan::triggers::{TriggerError, Triggers};
use roan_tests::Connection;

use crate::support::{Place, Watched, builder, on_each_database, run};

on_each_database!(
    triggers_that_are_right_stay_as_they_are,
    triggers_go_again,
    several_programs_install_at_once,
    what_is_missing_other_or_too_much_is_told_and_mended,
    the_text_does_the_same,
    a_column_that_is_not_there_is_told_before_it_can_harm,
    rules_that_are_left_to_hooks_yield_nothing,
    two_outboxes_of_one_database,
    a_table_that_a_transaction_holds_is_told,
);

pub(crate) const INSERT: &str = "INSERT INTO posts (id, slug, title) VALUES (1, 'a', 'A')";

/// What a start in strict mode complains of.
pub(crate) fn drift(place: &Place, outbox: &Outbox) -> Vec<String> {
    let outbox = outbox.clone().triggers(place.wanted().strict());
    let started = builder(&Recorder::new()).outbox(outbox).build();
    match started {
        Ok(_) => Vec::new(),
        Err(ConfigError::Outbox(OutboxError::Triggers(TriggerError::Drift(told)))) => told,
        Err(other) => panic!("{other}"),
    }
}

/// Changes whenever a trigger is made.
pub(crate) async fn identity(client: &mut Connection) -> Vec<String> {
    let sql = match client.dialect() {
        Dialect::Postgres => "SELECT oid::text || xmin FROM pg_trigger ORDER BY oid",
        Dialect::MySql => {
            "SELECT CONCAT(trigger_name, created) FROM information_schema.triggers \
             WHERE trigger_schema = DATABASE() ORDER BY 1"
        }
        _ => "SELECT rowid || sql FROM sqlite_schema WHERE type = 'trigger' ORDER BY rowid",
    };
    client.texts(sql).await.expect("texts")
}

async fn triggers_that_are_right_stay_as_they_are(place: Place) {
    let outbox = place.triggered().await;
    let mut client = place.connect().await;
    let first = identity(&mut client).await;
    assert!(first.len() > 10, "{first:?}");
    outbox.install_triggers_blocking().unwrap();
    assert_eq!(identity(&mut client).await, first);
    assert_eq!(drift(&place, &outbox), [""; 0]);
}

async fn triggers_go_again(place: Place) {
    let outbox = place.triggered().await;
    outbox.drop_triggers().await.unwrap();
    let mut client = place.connect().await;
    run(&mut client, "DROP TABLE roan_outbox").await;
    run(&mut client, INSERT).await;
    if place.dialect == Dialect::Postgres {
        let left = "SELECT count(*) FROM pg_proc WHERE proname LIKE 'roan%'";
        assert_eq!(client.numbers(left).await.unwrap(), [[0]]);
    }
}

async fn several_programs_install_at_once(place: Place) {
    let outbox = place.outbox().await;
    let installing: Vec<_> = (0..4)
        .map(|_| {
            let outbox = outbox.clone();
            tokio::spawn(async move { outbox.install_triggers().await })
        })
        .collect();
    for one in installing {
        one.await.unwrap().unwrap();
    }
    assert_eq!(drift(&place, &outbox), [""; 0]);
}

async fn what_is_missing_other_or_too_much_is_told_and_mended(place: Place) {
    let outbox = place.outbox().await;
    let told = drift(&place, &outbox);
    assert!(
        told[0].ends_with("on table \"Plain Things\" is missing"),
        "{told:?}"
    );
    // It is a warning where nobody asked for an error.
    drop(Watched::start(outbox.clone()));

    outbox.install_triggers().await.unwrap();
    let mut client = place.connect().await;
    let on_posts = match place.dialect {
        Dialect::Postgres => " ON posts",
        _ => "",
    };
    run(
        &mut client,
        &format!("DROP TRIGGER roan_posts_insert{on_posts}"),
    )
    .await;
    let mut wanted = vec![
        "trigger \"roan_posts_insert\" on table \"posts\" is missing",
        "trigger \"roan_posts_delete\" on table \"posts\" differs from the rules: it was changed by hand",
    ];
    match place.dialect {
        Dialect::Postgres => {
            run(
                &mut client,
                "ALTER TABLE posts DISABLE TRIGGER roan_posts_update",
            )
            .await;
            wanted.push("trigger \"roan_posts_update\" on table \"posts\" is disabled");
            let change = "DO $$ BEGIN EXECUTE (SELECT replace(replace(pg_get_functiondef(oid), 'post', 'poster'), 'posters_delete\"', 'posts_delete\"') FROM pg_proc WHERE proname = 'roan_posts_delete'); END $$";
            run(
                &mut client,
                &change.replace("'post', 'poster'", "'\"slug\"', '\"title\"'"),
            )
            .await;
        }
        _ => {
            let sql = place.wanted().sql(place.dialect).unwrap();
            let mut pieces = sql.split(";\n\n");
            let create = pieces
                .find(|sql| sql.starts_with("CREATE TRIGGER") && sql.contains("roan_posts_delete"));
            let create = create
                .expect("it is made")
                .replace("OLD.\"slug\"", "OLD.\"title\"");
            let other = create.replace("OLD.`slug`", "OLD.`title`");
            run(&mut client, "DROP TRIGGER roan_posts_delete").await;
            run(&mut client, other.trim_end_matches(';')).await;
        }
    }
    wanted.sort_unstable();
    let mut told = drift(&place, &outbox);
    told.sort_unstable();
    assert_eq!(told, wanted);
    outbox.install_triggers().await.unwrap();
    assert_eq!(drift(&place, &outbox), [""; 0]);

    let fewer = place.wanted().without("posts");
    outbox
        .clone()
        .triggers(fewer)
        .install_triggers()
        .await
        .unwrap();
    run(&mut client, INSERT).await;
    assert_eq!(
        client
            .numbers("SELECT count(*) FROM roan_outbox")
            .await
            .unwrap(),
        [[0]]
    );
    outbox.install_triggers().await.unwrap();
    let too_many = outbox
        .clone()
        .triggers(place.wanted().without("posts").strict());
    let error = builder(&Recorder::new())
        .outbox(too_many)
        .build()
        .unwrap_err();
    assert!(
        error.to_string().contains("no longer belongs to any rule"),
        "{error}"
    );
}

/// Through the programs that come with the databases, as a migration would.
async fn the_text_does_the_same(place: Place) {
    let outbox = place.outbox().await;
    let sql = place.wanted().sql(place.dialect).unwrap();
    for _ in 0..2 {
        let mut program = match place.dialect {
            Dialect::Postgres => {
                let mut psql = Command::new("psql");
                psql.args(["-v", "ON_ERROR_STOP=1", "-q", &place.url]);
                psql
            }
            Dialect::MySql => {
                let (server, database) = place.url.rsplit_once('/').unwrap();
                let port = server.rsplit_once(':').unwrap().1;
                let mut mariadb = Command::new("mariadb");
                mariadb.args(["-h127.0.0.1", "-uroan", "-proan", "-P", port, database]);
                mariadb
            }
            _ => {
                run(&mut place.connect().await, &sql).await;
                continue;
            }
        };
        let mut child = program
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), sql.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success());
    }
    let left = drift(&place, &outbox);
    if place.dialect == Dialect::MySql {
        // A text made without a database knows of no foreign key.
        assert!(
            left.len() == 1 && left[0].contains("comments_by_"),
            "{left:?}"
        );
    } else {
        assert_eq!(left, [""; 0]);
    }
    let mut client = place.connect().await;
    run(
        &mut client,
        &place.wanted().drop_sql(place.dialect).unwrap(),
    )
    .await;
    run(&mut client, INSERT).await;
    assert_eq!(
        client
            .numbers("SELECT count(*) FROM roan_outbox")
            .await
            .unwrap(),
        [[0]]
    );
}

async fn a_column_that_is_not_there_is_told_before_it_can_harm(place: Place) {
    let outbox = place.outbox().await;
    let mut client = place.connect().await;
    run(&mut client, "ALTER TABLE posts RENAME COLUMN slug TO path").await;
    let error = outbox.install_triggers().await.unwrap_err().to_string();
    assert!(error.contains("slug"), "{error}");
    run(&mut client, &INSERT.replace("slug", "path")).await;
}

async fn rules_that_are_left_to_hooks_yield_nothing(place: Place) {
    let outbox = place.outbox().await;
    let all = match place.dialect {
        Dialect::Postgres => Triggers::new(),
        _ => Triggers::new().without("blog.pages"),
    };
    let error = outbox
        .clone()
        .triggers(all.clone())
        .install_triggers()
        .await
        .unwrap_err();
    let OutboxError::Triggers(TriggerError::Rules(refused)) = error else {
        panic!("{error}");
    };
    for (refusal, words) in refused.iter().zip([
        "`when = self.shown` needs a value of the type",
        "`urls = Self::pages` needs a value of the type",
        "`{id()}` needs a value of the type: write `from_row` in a `#[purge_on(...)]` of `Draft`",
        "the database's text of `shown` may differ from that of its `Display`",
    ]) {
        assert!(refusal.contains(words), "{refusal}");
        assert!(refusal.contains("tests/triggers/models.rs:"), "{refusal}");
    }
    assert_eq!(refused.len(), 4, "{refused:?}");
    let outbox = outbox.triggers(all.leave_to_hooks().strict());
    outbox.install_triggers().await.unwrap();
    let watched = Watched::start(outbox);
    let mut client = place.connect().await;
    let insert = "INSERT INTO drafts VALUES (1, true)";
    assert_eq!(watched.after(&mut client, insert).await, ["/drafts/1"]);
}

async fn two_outboxes_of_one_database(place: Place) {
    let one = place.triggered().await;
    let other = one.clone().prefix("x_");
    other.migrate().await.unwrap();
    other.install_triggers().await.unwrap();
    assert_eq!(drift(&place, &one), [""; 0]);
    assert_eq!(drift(&place, &other), [""; 0]);
    let (one, other) = (Watched::start(one), Watched::start(other));
    let mut client = place.connect().await;
    run(&mut client, INSERT).await;
    let pages = ["/feed/1", "/posts", "/posts/a"];
    assert_eq!(
        (one.purged().await, other.purged().await),
        (
            pages.map(str::to_owned).to_vec(),
            pages.map(str::to_owned).to_vec()
        )
    );
}

async fn a_table_that_a_transaction_holds_is_told(place: Place) {
    if place.dialect == Dialect::Sqlite {
        return; // whose file has one lock
    }
    let outbox = place.outbox().await;
    let mut holder = place.connect().await;
    run(&mut holder, "BEGIN").await;
    run(&mut holder, INSERT).await;
    let error = outbox.install_triggers().await.unwrap_err().to_string();
    for words in ["has locked a table for 5 s", "try again after its end"] {
        assert!(error.contains(words), "{error}");
    }
    run(&mut holder, "ROLLBACK").await;
    outbox.install_triggers().await.unwrap();
}
