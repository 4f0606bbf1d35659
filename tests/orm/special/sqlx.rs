//! sqlx: a connection to whichever database the URL names.

use roan::orm::sqlx::PurgeConnection as _;
use roan::outbox::Dialect;
use roan::purge_on;
use sqlx::{AnyConnection, Connection as _};

use super::site::Site;

const NOTES: &str = "CREATE TABLE notes ({id}, slug varchar(100) NOT NULL)";

#[purge_on(save, delete, url = "/notes/{slug}")]
struct Note {
    slug: &'static str,
}

#[test]
fn an_any_connection_writes_to_the_outbox_of_its_database() {
    sqlx::any::install_default_drivers();
    for dialect in [Dialect::Sqlite, Dialect::Postgres, Dialect::MySql] {
        crate::suite::block_on(async {
            let site = Site::new(dialect, &[NOTES], true).await;
            let mut connection = AnyConnection::connect(site.database.url()).await.unwrap();
            for (note, commits) in [(Note { slug: "a" }, true), (Note { slug: "b" }, false)] {
                let mut tx = connection.begin().await.unwrap();
                let insert = sqlx::query("INSERT INTO notes (slug) VALUES ('a')");
                insert.execute(&mut *tx).await.unwrap();
                tx.run_hooks(Some(&site.roan), || roan::created(&note))
                    .await
                    .unwrap();
                assert!(site.purged().await.is_empty(), "{dialect}");
                if commits {
                    tx.commit().await.unwrap();
                    assert_eq!(site.purged().await, ["/notes/a"], "{dialect}");
                } else {
                    tx.rollback().await.unwrap();
                    assert!(site.purged().await.is_empty(), "{dialect}");
                }
            }
            let note = Note { slug: "c" };
            let done = connection.run_hooks(Some(&site.roan), || roan::deleted(&note));
            done.await.unwrap();
            assert_eq!(site.purged().await, ["/notes/c"], "{dialect}");
            assert_eq!(site.roan.stats().not_stored, 0, "{dialect}");
        });
    }
}
