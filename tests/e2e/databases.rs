//! The databases of the harness, without Roan: what these tests show is the basis of the tests of
//! saves.

use std::collections::HashSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use roan_tests::{MariaDb, Postgres, PostgresOptions, SqliteFile, wait};
use sqlx::{Connection, PgConnection, SqliteConnection};

const CREATE: &str = "CREATE TABLE posts (id INT PRIMARY KEY, title TEXT NOT NULL)";

macro_rules! tests_of_a_server {
    ($module:ident, $server:ident, $connection:ident) => {
        mod $module {
            use roan_tests::$server;
            use sqlx::{Connection, $connection};

            use super::*;

            async fn connect(server: &$server) -> $connection {
                $connection::connect(&server.url()).await.unwrap()
            }

            async fn with_table() -> $server {
                let server = $server::start();
                run(&mut connect(&server).await, CREATE).await;
                server
            }

            async fn run(connection: &mut $connection, sql: &'static str) {
                sqlx::query(sql).execute(connection).await.unwrap();
            }

            async fn titles(server: &$server) -> Vec<String> {
                sqlx::query_scalar("SELECT title FROM posts ORDER BY id")
                    .fetch_all(&mut connect(server).await)
                    .await
                    .unwrap()
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn two_at_once_keep_rows_of_their_own() {
                let (one, two) = (with_table().await, with_table().await);
                assert_ne!(one.addr(), two.addr());
                let title = "INSERT INTO posts VALUES (1, 'café 🦀')";
                run(&mut connect(&one).await, title).await;
                assert_eq!(titles(&one).await, ["café 🦀"]);
                assert!(titles(&two).await.is_empty());
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn what_is_committed_survives_a_kill_and_a_stop() {
                let mut server = with_table().await;
                let url = server.url();
                let mut connection = connect(&server).await;
                run(&mut connection, "INSERT INTO posts VALUES (1, 'kept')").await;
                let mut open = connection.begin().await.unwrap();
                run(&mut open, "INSERT INTO posts VALUES (2, 'lost')").await;
                server.kill();
                assert!(TcpStream::connect(server.addr()).is_err());
                assert!(open.commit().await.is_err());

                server.restart();
                assert_eq!(server.url(), url);
                assert_eq!(titles(&server).await, ["kept"]);

                // A client that stays does not hold up a stop.
                let idle = connect(&server).await;
                server.stop();
                assert!(TcpStream::connect(server.addr()).is_err());
                server.restart();
                assert_eq!(titles(&server).await, ["kept"]);
                server.restart();
                assert_eq!(titles(&server).await, ["kept"]);
                drop(idle);
            }

            #[tokio::test(flavor = "multi_thread")]
            async fn a_suspended_one_answers_when_it_is_resumed() {
                let mut server = with_table().await;
                let mut connection = connect(&server).await;
                server.suspend();
                let insert = "INSERT INTO posts VALUES (1, 'late')";
                let asking = tokio::spawn(async move { run(&mut connection, insert).await });
                assert!(TcpStream::connect(server.addr()).is_ok());
                // "Nothing happens" is not an event: this can only miss a fault.
                tokio::time::sleep(Duration::from_millis(100)).await;
                assert!(!asking.is_finished());
                server.resume();
                asking.await.unwrap();
                assert_eq!(titles(&server).await, ["late"]);

                server.suspend();
                server.restart();
                assert_eq!(titles(&server).await, ["late"]);
                server.suspend();
                server.kill();
                server.restart();
                assert_eq!(titles(&server).await, ["late"]);
            }
        }
    };
}

tests_of_a_server!(postgres, Postgres, PgConnection);
tests_of_a_server!(mariadb, MariaDb, MySqlConnection);

#[tokio::test(flavor = "multi_thread")]
async fn postgres_waits_for_the_disk_unless_told_otherwise() {
    let hasty = PostgresOptions {
        fsync: false,
        ..PostgresOptions::default()
    };
    for (server, expected) in [
        (Postgres::start(), "on"),
        (Postgres::start_with(&hasty), "off"),
    ] {
        let mut connection = PgConnection::connect(&server.url()).await.unwrap();
        let fsync: String = sqlx::query_scalar("SHOW fsync")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(fsync, expected);
    }
}

#[tokio::test]
async fn an_sqlite_file_is_made_and_removed() {
    let file = SqliteFile::new();
    for (title, count) in [("first", 1), ("second", 2)] {
        let mut connection = SqliteConnection::connect(&file.url()).await.unwrap();
        sqlx::query("CREATE TABLE IF NOT EXISTS posts (title TEXT)")
            .execute(&mut connection)
            .await
            .unwrap();
        sqlx::query("INSERT INTO posts VALUES (?)")
            .bind(title)
            .execute(&mut connection)
            .await
            .unwrap();
        let rows: Vec<String> = sqlx::query_scalar("SELECT title FROM posts")
            .fetch_all(&mut connection)
            .await
            .unwrap();
        assert_eq!(rows.len(), count);
        connection.close().await.unwrap();
    }
    let folder = file.folder().to_owned();
    drop(file);
    assert!(!folder.exists());
}

/// A PostgreSQL with a process that does not look whether the first one lives.
struct Busy {
    postgres: Postgres,
    /// The process of the client's session.
    pid: u32,
    shared_memory: String,
}

impl Busy {
    async fn start() -> Self {
        let postgres = Postgres::start();
        let mut connection = PgConnection::connect(&postgres.url()).await.unwrap();
        let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        tokio::spawn(async move {
            let forever = sqlx::query("DO $$ BEGIN LOOP END LOOP; END $$");
            forever.execute(&mut connection).await
        });
        let active = tokio::time::timeout(wait::LONG, until_active(&postgres, pid));
        active.await.expect("the loop to begin before long");
        let lock = fs::read_to_string(postgres.folder().join("data/postmaster.pid")).unwrap();
        let words = lock.lines().nth(6).unwrap().split_whitespace();
        Self {
            pid: pid.try_into().unwrap(),
            shared_memory: words.last().unwrap().to_owned(),
            postgres,
        }
    }
}

async fn until_active(postgres: &Postgres, pid: i32) {
    let mut connection = PgConnection::connect(&postgres.url()).await.unwrap();
    let mut state: Option<String> = None;
    while state.as_deref() != Some("active") {
        state = sqlx::query_scalar("SELECT state FROM pg_stat_activity WHERE pid = $1")
            .bind(pid)
            .fetch_one(&mut connection)
            .await
            .unwrap();
    }
}

fn lives(pid: u32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(") ").next().unwrap().starts_with('Z'))
}

fn shared_memory() -> HashSet<String> {
    let table = fs::read_to_string("/proc/sysvipc/shm").unwrap();
    let number = |line: &str| line.split_whitespace().nth(1).map(str::to_owned);
    table.lines().filter_map(number).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_of_postgres_leaves_none_of_its_processes() {
    let mut busy = Busy::start().await;
    assert!(lives(busy.pid) && shared_memory().contains(&busy.shared_memory));
    busy.postgres.kill();
    assert!(!lives(busy.pid));
    assert!(!shared_memory().contains(&busy.shared_memory));

    busy.postgres.restart();
    let folder = busy.postgres.folder().to_owned();
    drop(busy.postgres);
    assert!(!folder.exists());
}

/// Set in the process that [`after_the_death_of_the_test_process`] starts and kills.
const VICTIM: &str = "ROAN_TESTS_VICTIM_WITH_DATABASES";

#[test]
fn after_the_death_of_the_test_process() {
    let folder = tempfile::tempdir().unwrap();
    // The servers may run as another user, who has to pass through it.
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let mut victim = Command::new(std::env::current_exe().unwrap())
        .args(["databases::victim", "--exact", "--nocapture"])
        .env(VICTIM, "1")
        .env("TMPDIR", folder.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let told = BufReader::new(victim.stdout.take().unwrap())
        .lines()
        .find_map(|line| Some(line.unwrap().strip_prefix("victim: ")?.to_owned()))
        .unwrap();
    let told: Vec<&str> = told.split(' ').collect();
    let &[postgres, mariadb, pid, segment] = told.as_slice() else {
        panic!("four words: {told:?}");
    };
    let addrs: [SocketAddr; 2] = [postgres, mariadb].map(|addr| addr.parse().unwrap());
    let pid = pid.parse().unwrap();
    // Two servers, and what each has been made from.
    assert_eq!(entries(folder.path()).len(), 4);
    assert!(lives(pid) && shared_memory().contains(segment));

    victim.kill().unwrap();
    victim.wait().unwrap();
    wait::until(wait::LONG, "everything to be gone", || {
        addrs.iter().all(|addr| TcpStream::connect(addr).is_err())
            && entries(folder.path()).is_empty()
            && !lives(pid)
            && !shared_memory().contains(segment)
    });
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// Starts one of each and waits to be killed; does nothing as a test of its own.
#[tokio::test(flavor = "multi_thread")]
async fn victim() {
    if std::env::var_os(VICTIM).is_some() {
        let busy = Busy::start().await;
        let mariadb = MariaDb::start();
        // The runner has begun the line with the name of the test.
        println!(
            "\nvictim: {} {} {} {}",
            busy.postgres.addr(),
            mariadb.addr(),
            busy.pid,
            busy.shared_memory
        );
        std::io::stdin().lines().for_each(drop);
    }
}
