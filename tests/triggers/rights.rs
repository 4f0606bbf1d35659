//! Triggers that are there and cannot work.

use roan::outbox::{Dialect, Outbox, OutboxError};
use roan::testing::Recorder;
use roan::triggers::TriggerError;

use crate::installing::{INSERT, drift};
use crate::support::{Place, builder, run};

const GRANTS: &str = "INSERT INTO mysql.db (Host, Db, User, Select_priv, Insert_priv, Update_priv, Delete_priv, Create_priv,
        Drop_priv, Lock_tables_priv, Trigger_priv, References_priv)
    VALUES ('127.0.0.1', DATABASE(), '{user}', 'Y', 'Y', 'Y', 'Y', 'Y', 'Y', 'Y', 'Y', 'Y'); FLUSH PRIVILEGES";

/// Triggers that this user has made, of the outbox as it sees it.
async fn triggered_by(place: &Place, user: &str) -> Outbox {
    let mut client = place.connect().await;
    let create = format!("CREATE USER {user}@'127.0.0.1' IDENTIFIED BY 'x'");
    run(&mut client, &create).await;
    run(&mut client, &GRANTS.replace("{user}", user)).await;
    let url = place.url.replace("roan:roan@", &format!("{user}:x@"));
    let theirs = Outbox::at(&url).unwrap().triggers(place.wanted());
    theirs.install_triggers().await.unwrap();
    theirs
}

/// What a check says of the trigger for inserts of posts.
fn told_of_insert(place: &Place, outbox: &Outbox) -> String {
    let told = drift(place, outbox);
    let line = "trigger \"roan_posts_insert\" on table \"posts\" ";
    let told = told.iter().find_map(|told| told.strip_prefix(line));
    told.map(str::to_owned).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definer_that_is_gone() {
    let place = Place::new(Dialect::MySql).await;
    let outbox = place.outbox().await;
    let mut client = place.connect().await;
    drop(triggered_by(&place, "deployer").await);
    assert_eq!(told_of_insert(&place, &outbox), "");
    run(&mut client, INSERT).await;

    // A user that may not look into the accounts cannot know.
    let other = triggered_by(&place, "looker").await;
    let looker = other.triggers(place.wanted().strict());
    drop(
        builder(&Recorder::new())
            .outbox(looker.clone())
            .build()
            .unwrap(),
    );

    run(&mut client, "DROP USER deployer@'127.0.0.1'").await;
    let second = INSERT.replace("(1,", "(2,");
    assert!(client.run(&second).await.is_err());
    assert_eq!(
        told_of_insert(&place, &outbox),
        "fails, and every write with it: its definer 'deployer'@'127.0.0.1' does not exist"
    );
    drop(builder(&Recorder::new()).outbox(looker).build().unwrap());
    outbox.install_triggers().await.unwrap();
    run(&mut client, &second).await;
    assert_eq!(drift(&place, &outbox), [""; 0]);
    run(&mut client, "DROP USER looker@'127.0.0.1'").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definer_that_has_lost_a_right() {
    let place = Place::new(Dialect::MySql).await;
    let outbox = place.outbox().await;
    let mut client = place.connect().await;
    drop(triggered_by(&place, "poorer").await);
    let database = place.url.rsplit_once('/').unwrap().1;
    let account = "'poorer'@'127.0.0.1'";
    for (right, column, table) in [
        ("INSERT", "Insert_priv", "roan_outbox"),
        ("TRIGGER", "Trigger_priv", "posts"),
        ("SELECT", "Select_priv", "posts"),
    ] {
        let set = |value: &str| {
            format!(
                "UPDATE mysql.db SET {column} = '{value}' WHERE User = 'poorer'; FLUSH PRIVILEGES"
            )
        };
        run(&mut client, &set("N")).await;
        assert!(client.run(INSERT).await.is_err(), "{right}");
        assert_eq!(
            told_of_insert(&place, &outbox),
            format!(
                "fails, and every write with it: its definer lacks a privilege (`GRANT {right} ON {database}.{table} TO {account}`)"
            )
        );
        // A role may give it.
        run(&mut client, "CREATE ROLE helpers").await;
        let give = "INSERT INTO mysql.roles_mapping (Host, User, Role) VALUES ('127.0.0.1', 'poorer', 'helpers'); FLUSH PRIVILEGES";
        run(&mut client, give).await;
        assert_eq!(told_of_insert(&place, &outbox), "");
        run(&mut client, "DROP ROLE helpers").await;
        run(&mut client, &set("Y")).await;
    }
    run(
        &mut client,
        "UPDATE mysql.db SET Insert_priv = 'N' WHERE User = 'poorer'; FLUSH PRIVILEGES",
    )
    .await;
    outbox.install_triggers().await.unwrap();
    run(&mut client, INSERT).await;
    run(&mut client, "DROP USER poorer@'127.0.0.1'").await;
    assert_eq!(drift(&place, &outbox), [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installer_without_a_right() {
    let place = Place::new(Dialect::MySql).await;
    let outbox = place.outbox().await;
    let mut client = place.connect().await;
    let theirs = triggered_by(&place, "weaker").await;
    outbox.drop_triggers().await.unwrap();
    let without = |column: &str| {
        format!("UPDATE mysql.db SET {column} = 'N' WHERE User = 'weaker'; FLUSH PRIVILEGES")
    };
    run(&mut client, &without("Trigger_priv")).await;
    let error = theirs.install_triggers().await.unwrap_err();
    let OutboxError::Triggers(TriggerError::Refused { statement, .. }) = &error else {
        panic!("{error}");
    };
    assert!(statement.contains("TRIGGER"), "{error}");
    let words = "the privileges TRIGGER and LOCK TABLES";
    assert!(error.to_string().contains(words), "{error}");
    // It does not see the triggers of others either.
    outbox.install_triggers().await.unwrap();
    let strict = theirs.clone().triggers(place.wanted().strict());
    let error = builder(&Recorder::new())
        .outbox(strict)
        .build()
        .unwrap_err();
    let words = "does not see the triggers of these tables";
    assert!(error.to_string().contains(words), "{error}");
    assert!(error.to_string().contains("\n  - posts"), "{error}");
    outbox.drop_triggers().await.unwrap();
    run(&mut client, &without("Insert_priv")).await;
    let error = theirs.install_triggers().await.unwrap_err();
    assert!(matches!(error, OutboxError::Rights(_)), "{error}");
    run(&mut client, INSERT).await;
    run(&mut client, "DROP USER weaker@'127.0.0.1'").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trigger_that_fires_at_another_time() {
    let place = Place::new(Dialect::MySql).await;
    let outbox = place.triggered().await;
    let mut client = place.connect().await;
    let sql = place.wanted().sql(place.dialect).unwrap();
    let create = "CREATE TRIGGER `roan_posts_insert` AFTER INSERT";
    let create = sql.split(";\n\n").find(|sql| sql.starts_with(create));
    let create = create.unwrap().replacen("AFTER", "BEFORE", 1);
    run(&mut client, "DROP TRIGGER roan_posts_insert").await;
    client.run(&create).await.unwrap();
    let told = "differs from the rules: it was changed by hand";
    assert_eq!(told_of_insert(&place, &outbox), told);
    outbox.install_triggers().await.unwrap();
    assert_eq!(drift(&place, &outbox), [""; 0]);
}

/// A start names each, and `install_triggers` mends it.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_befalls_a_trigger_of_postgres() {
    let place = Place::new(Dialect::Postgres).await;
    let outbox = place.triggered().await;
    let mut client = place.connect().await;
    let function = "FUNCTION roan_posts_insert()";
    let trigger = "TRIGGER roan_posts_insert";
    run(&mut client, "DROP ROLE IF EXISTS poor").await;
    let poor = "CREATE ROLE poor; GRANT SELECT, INSERT ON posts TO poor; GRANT CREATE ON SCHEMA public TO poor";
    run(&mut client, poor).await;
    let by_hand = "differs from the rules: it was changed by hand";
    let lacks_insert = "fails, and every write with it: its owner lacks a privilege (`GRANT INSERT ON public.roan_outbox TO poor`)";
    for (what, told, fails) in [
        (
            format!("ALTER TABLE posts DISABLE {trigger}"),
            "is disabled",
            false,
        ),
        (
            "ALTER TABLE posts DISABLE TRIGGER USER".to_owned(),
            "is disabled",
            false,
        ),
        (
            format!("ALTER TABLE posts ENABLE REPLICA {trigger}"),
            "fires only for a replica (`ENABLE REPLICA TRIGGER`)",
            false,
        ),
        (
            format!("ALTER {function} SECURITY INVOKER"),
            "runs with the privileges of each writer (its function is not `SECURITY DEFINER`)",
            false,
        ),
        (
            format!("ALTER {function} OWNER TO poor"),
            lacks_insert,
            true,
        ),
        (
            format!("ALTER {function} RESET search_path"),
            by_hand,
            false,
        ),
        (
            format!(
                "CREATE OR REPLACE {function} RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'"
            ),
            by_hand,
            false,
        ),
        (
            format!(
                "CREATE OR REPLACE {trigger} AFTER INSERT ON posts REFERENCING NEW TABLE AS n FOR EACH STATEMENT WHEN (false) EXECUTE {function}"
            ),
            by_hand,
            false,
        ),
        (
            format!(
                "CREATE OR REPLACE {trigger} AFTER DELETE ON posts REFERENCING OLD TABLE AS n FOR EACH STATEMENT EXECUTE {function}"
            ),
            by_hand,
            false,
        ),
        (format!("DROP {trigger} ON posts"), "is missing", false),
    ] {
        run(&mut client, &what).await;
        assert_eq!(told_of_insert(&place, &outbox), told, "{what}");
        let written = client.run(INSERT).await;
        assert_eq!(written.is_err(), fails, "{what}: {written:?}");
        outbox.install_triggers().await.unwrap();
        run(&mut client, "DELETE FROM posts; DELETE FROM roan_outbox").await;
        run(&mut client, INSERT).await;
        let rows = client.numbers("SELECT count(*) FROM roan_outbox").await;
        assert_eq!(rows.unwrap(), [[1]], "{what}");
        run(&mut client, "DELETE FROM posts").await;
        assert_eq!(drift(&place, &outbox), [""; 0], "{what}");
    }
    run(&mut client, "DROP OWNED BY poor; DROP ROLE poor").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outbox_in_a_schema_that_the_owner_may_not_use() {
    let place = Place::new(Dialect::Postgres).await;
    let mut client = place.connect().await;
    run(&mut client, "DROP ROLE IF EXISTS outsider").await;
    run(&mut client, "CREATE SCHEMA jobs; CREATE ROLE outsider").await;
    let outbox = place.outbox().await.prefix("jobs.roan_");
    outbox.migrate().await.unwrap();
    outbox.install_triggers().await.unwrap();
    let sql = "GRANT INSERT ON jobs.roan_outbox TO outsider; GRANT CREATE ON SCHEMA jobs TO outsider; \
               ALTER FUNCTION jobs.roan_posts_insert() OWNER TO outsider; REVOKE ALL ON SCHEMA jobs FROM outsider";
    run(&mut client, sql).await;
    assert!(client.run(INSERT).await.is_err());
    assert_eq!(
        told_of_insert(&place, &outbox),
        "fails, and every write with it: its owner lacks a privilege (`GRANT USAGE ON SCHEMA jobs TO outsider`)"
    );
    outbox.install_triggers().await.unwrap();
    run(&mut client, INSERT).await;
    run(&mut client, "DROP OWNED BY outsider; DROP ROLE outsider").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_fires_no_triggers() {
    let place = Place::new(Dialect::Postgres).await;
    let outbox = place.triggered().await;
    let database = place.url.rsplit_once('/').unwrap().1;
    let set = format!("ALTER DATABASE {database} SET session_replication_role = replica");
    run(&mut place.connect().await, &set).await;
    let strict = outbox.clone().triggers(place.wanted().strict());
    let started = builder(&Recorder::new()).outbox(strict).build();
    let Err(roan::ConfigError::Outbox(OutboxError::Triggers(error))) = started else {
        panic!("{started:?}");
    };
    assert_eq!(error, TriggerError::Replica);

    let mut client = place.connect().await;
    let always = "DO $$ DECLARE t record; BEGIN \
        FOR t IN SELECT tgrelid::regclass AS posts, tgname FROM pg_trigger WHERE tgname LIKE 'roan%' LOOP \
            EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', t.posts, t.tgname); \
        END LOOP; END $$";
    run(&mut client, always).await;
    assert_eq!(drift(&place, &outbox), [""; 0]);
    // It is still so after they are replaced.
    let change = "ALTER FUNCTION roan_posts_insert() SECURITY INVOKER";
    run(&mut client, change).await;
    outbox.install_triggers().await.unwrap();
    assert_eq!(drift(&place, &outbox), [""; 0]);
    run(&mut client, INSERT).await;
    let rows = client.numbers("SELECT count(*) FROM roan_outbox").await;
    assert_eq!(rows.unwrap(), [[1]]);
}
