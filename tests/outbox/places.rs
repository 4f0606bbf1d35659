//! A name without a schema may mean another table on the connection of a writer.

use roan::outbox::Dialect;
use roan::testing::Recorder;

use crate::poolers::{pool, transactions};
use crate::support::{Client, Database, Post, builder, flush, on_each_database, urls};

on_each_database!(
    hooks_write_to_the_table_that_the_relay_reads,
    hooks_need_no_outbox_in_their_own_schema,
);

/// Tables of the same names in another schema, or database, which the client then finds first.
async fn enter_tenant(client: &mut Client, dialect: Dialect, with_outbox: bool) -> bool {
    let (create, enter) = match dialect {
        Dialect::Postgres => ("CREATE SCHEMA {}tenant", "SET search_path = {}tenant"),
        Dialect::MySql => ("CREATE DATABASE {}tenant", "USE {}tenant"),
        _ => return false, // a file is what the connection has opened
    };
    client.run(create).await;
    let tables: &[&str] = if with_outbox {
        &["posts", "outbox"]
    } else {
        &["posts"]
    };
    for table in tables {
        let like = match dialect {
            Dialect::Postgres => {
                format!("CREATE TABLE {{}}tenant.{{}}{table} (LIKE {{}}{table} INCLUDING ALL)")
            }
            _ => format!("CREATE TABLE {{}}tenant.{{}}{table} LIKE {{}}{table}"),
        };
        client.run(&like).await;
    }
    client.run(enter).await;
    true
}

async fn purges_from_tenant(database: Database, with_outbox: bool) {
    let recorder = Recorder::new();
    let outbox = database.outbox().await;
    let mut tenant = database.client().await;
    if !enter_tenant(&mut tenant, database.dialect(), with_outbox).await {
        return;
    }
    let roan = builder(&recorder).outbox(outbox).build().unwrap();
    tenant.save(&roan, "a").await;
    // Several rows in one statement.
    let many = || {
        (0..600).for_each(|number| {
            roan::saved(&Post {
                slug: number.to_string(),
            });
        });
    };
    tenant.purge(&roan, many).await.unwrap();
    flush(&roan).await;
    let found = urls(&recorder);
    assert!(found.contains(&"/posts/a".to_owned()), "{found:?}");
    assert!(found.contains(&"/posts/599".to_owned()), "{found:?}");
}

async fn hooks_write_to_the_table_that_the_relay_reads(database: Database) {
    purges_from_tenant(database, true).await;
}

async fn hooks_need_no_outbox_in_their_own_schema(database: Database) {
    purges_from_tenant(database, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_path_that_a_client_left_at_a_pooler_is_not_the_relays() {
    let direct = Database::of(Dialect::Postgres);
    // All share one connection to the server.
    let (_pool, pooled) = pool(&direct, &transactions(1, "extra_float_digits"));
    drop(direct.outbox().await);
    let mut tenant = pooled.client().await;
    enter_tenant(&mut tenant, Dialect::Postgres, true).await;
    let recorder = Recorder::new();
    let roan = builder(&recorder)
        .outbox(pooled.bare_outbox())
        .build()
        .unwrap();
    let mut client = direct.client().await;
    client.save(&roan, "a").await;
    tenant.save(&roan, "b").await;
    flush(&roan).await;
    // `/posts` twice, if its first purge had left when the second was asked for.
    let mut purged = urls(&recorder);
    purged.dedup();
    assert_eq!(purged, ["/posts", "/posts/a", "/posts/b"]);
}
