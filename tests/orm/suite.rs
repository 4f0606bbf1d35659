//! Runs the cases with a library on a database.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use roan::Roan;
use roan::outbox::{Dialect, Outbox};
use roan::testing::Recorder;
use roan_tests::{Connection, Database, lock, wait};

use crate::case::{Case, End, ROWS, Step, post};
use crate::cases::{cases, outside_of_transactions};

const LONG: Duration = Duration::from_secs(30);

/// A writer that uses one library. Asynchronous ones bring a runtime of their own, so that a writer
/// may wait for another in the middle of a transaction.
pub(crate) trait Writer: Sized {
    /// Whether the steps for many rows, and for a stale one, begin a transaction of the program's own.
    const BEGINS: bool = false;

    /// Opens one connection to the database; hooks go to the given dispatcher.
    fn connect(database: &Database, roan: &Roan) -> Self;

    /// Takes the steps, up to the first that fails. [`Step::Open`], [`Step::Await`] and
    /// [`Step::CutOff`] are for [`Stage::step`].
    fn run(&mut self, steps: &[Step], stage: &Stage<'_>) -> Result<(), String>;
}

/// What the writers of a case share.
pub(crate) struct Stage<'a> {
    database: &'a Database,
    open: Mutex<HashSet<&'static str>>,
    opened: Condvar,
}

impl<'a> Stage<'a> {
    fn new(database: &'a Database) -> Self {
        Self {
            database,
            open: Mutex::default(),
            opened: Condvar::new(),
        }
    }

    /// Takes a step that is not the library's.
    ///
    /// # Panics
    ///
    /// When it is the library's, and when a gate stays closed for too long.
    pub(crate) fn step(&self, step: &Step) {
        match step {
            Step::Open(gate) => {
                self.gates().insert(gate);
                self.opened.notify_all();
            }
            Step::Await(gate) => {
                let open = self.gates();
                let closed = |open: &mut HashSet<&str>| !open.contains(gate);
                let waited = self.opened.wait_timeout_while(open, LONG, closed);
                let (open, _) = waited.unwrap_or_else(PoisonError::into_inner);
                assert!(open.contains(gate), "nobody opened {gate:?}");
            }
            // The thread may be one of a runtime already.
            Step::CutOff => thread::scope(|scope| {
                let done = scope.spawn(|| block_on(self.cut_off())).join();
                done.expect("the administrator does not panic");
            }),
            other => panic!("{other:?} is for the library"),
        }
    }

    fn gates(&self) -> std::sync::MutexGuard<'_, HashSet<&'static str>> {
        lock(&self.open)
    }

    async fn cut_off(&self) {
        let mut admin = self.database.connect().await;
        match admin.dialect() {
            Dialect::Postgres => {
                let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity \
                           WHERE state = 'idle in transaction' AND datname = current_database()";
                let ended = admin.numbers(sql).await.expect("an administrator");
                assert_eq!(ended, [[1]], "one session is in a transaction");
            }
            Dialect::MySql => {
                let sql = "SELECT trx_mysql_thread_id FROM information_schema.innodb_trx \
                           JOIN information_schema.processlist ON id = trx_mysql_thread_id \
                           WHERE trx_rows_modified > 0 AND db = database()";
                let ids = admin.numbers(sql).await.expect("an administrator");
                assert_eq!(ids.len(), 1, "one session is in a transaction");
                let kill = format!("KILL {}", ids[0][0]);
                admin.run(&kill).await.expect("an administrator");
            }
            other => panic!("{other} has no sessions"),
        }
    }
}

pub(crate) fn block_on<F: Future>(work: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(work)
}

/// Some of the cases, on a database of their own, and how many fail.
type Share<'a> = &'a (dyn Fn(&[Case]) -> Vec<String> + Sync);

/// Runs shares of so many cases at once, and lists all failures.
fn in_shares(dialect: Dialect, size: usize, cases: &[Case], share: Share<'_>) {
    let failed: Vec<String> = thread::scope(|scope| {
        let shares = cases.chunks(size).map(|cases| scope.spawn(|| share(cases)));
        let shares: Vec<_> = shares.collect();
        let failed = shares
            .into_iter()
            .map(|share| share.join().expect("a share does not panic"));
        failed.flatten().collect()
    });
    assert!(failed.is_empty(), "{dialect}:\n{}", failed.join("\n"));
}

/// Runs every case, and lists all failures.
pub(crate) fn run<W: Writer>(dialect: Dialect) {
    run_with::<W>(dialect, Waiting::InTable);
}

/// As [`run`] without an outbox table, for a library whose connections hold the purges.
pub(crate) fn run_in_memory<W: Writer>(dialect: Dialect) {
    run_with::<W>(dialect, Waiting::InMemory);
}

/// Where purges wait for the commit.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waiting {
    InTable,
    InMemory,
}

fn run_with<W: Writer>(dialect: Dialect, waiting: Waiting) {
    let cases = cases();
    let size = match waiting {
        Waiting::InTable => cases.len(),
        // Many wait for a second purge, which comes a second later.
        Waiting::InMemory => 5,
    };
    in_shares(dialect, size, &cases, &|cases| {
        run_share::<W>(dialect, waiting, cases)
    });
}

fn run_share<W: Writer>(dialect: Dialect, waiting: Waiting, cases: &[Case]) -> Vec<String> {
    let database = Database::create(dialect);
    let recorder = Recorder::new();
    let roan = block_on(async {
        make_tables(&mut database.connect().await).await;
        let mut builder = Roan::builder().cache(recorder.clone()).rebound(None);
        if waiting == Waiting::InTable {
            let outbox = Outbox::at(database.url()).expect("a URL");
            let outbox = outbox.poll(Duration::from_millis(20));
            outbox.migrate().await.expect("tables");
            builder = builder.outbox(outbox);
        }
        builder.build().expect("a dispatcher")
    });
    let mut failed = Vec::new();
    for case in cases {
        // Without a table nobody knows whether that commit arrived: its purges leave in any case.
        let is_unknown = waiting == Waiting::InMemory && case.name == "a connection that is lost";
        if case.not_on.contains(&dialect) || is_unknown {
            continue;
        }
        recorder.clear();
        if let Err(told) = run_case::<W>(case, &database, &roan, &recorder) {
            failed.push(format!("{}: {told}", case.name));
        }
    }
    assert_eq!(roan.shutdown_blocking(LONG).pending(), 0);
    failed
}

/// One writer alone never fails on SQLite, however it opens its connection. With an outbox, the relay
/// writes to the same file all the time.
pub(crate) fn save_beside_the_relay<W: Writer>() {
    let database = Database::create(Dialect::Sqlite);
    let roan = block_on(async {
        make_tables(&mut database.connect().await).await;
        let outbox = Outbox::at(database.url()).expect("a URL");
        let outbox = outbox.poll(Duration::from_millis(10));
        outbox.migrate().await.expect("tables");
        let builder = Roan::builder().cache(Recorder::new()).rebound(None);
        builder.outbox(outbox).build().expect("a dispatcher")
    });
    let stage = Stage::new(&database);
    let mut writer = W::connect(&database, &roan);
    for round in 0..100 {
        let title = if round % 2 == 0 { "even" } else { "odd" };
        let again = Step::Update {
            id: 7,
            slug: Some("x"),
            title: Some(title),
        };
        let steps = [
            Step::Create(post(7, "a", 1)),
            Step::Update {
                id: 7,
                slug: Some("b"),
                title: Some(title),
            },
            Step::UpdateMany {
                author_id: 1,
                title,
            },
            Step::CreateMany(vec![post(8, "c", 2), post(9, "d", 2)]),
            Step::Delete(7),
            Step::Transaction(vec![Step::Create(post(7, "a", 1)), again], End::Commit),
            Step::DeleteMany { author_id: 2 },
            Step::DeleteMany { author_id: 1 },
        ];
        let done = writer.run(&steps, &stage);
        assert_eq!(done, Ok(()), "round {round}");
    }
    assert_eq!(roan.shutdown_blocking(LONG).pending(), 0);
}

/// Outside of a transaction a write stays whether the outbox takes its purges or not, and they leave from memory. In a
/// transaction of the program's own, it learns of it.
pub(crate) fn write_past_the_outbox<W: Writer>(dialect: Dialect) {
    // Each waits for a second purge, which comes a second later.
    in_shares(dialect, 3, &outside_of_transactions(), &|cases| {
        share_past_the_outbox::<W>(dialect, cases)
    });
}

fn share_past_the_outbox<W: Writer>(dialect: Dialect, cases: &[Case]) -> Vec<String> {
    let database = Database::create(dialect);
    let recorder = Recorder::new();
    let roan = block_on(async {
        let mut connection = database.connect().await;
        make_tables(&mut connection).await;
        let outbox = Outbox::at(database.url()).expect("a URL");
        outbox.migrate().await.expect("tables");
        let builder = Roan::builder().cache(recorder.clone()).rebound(None);
        let roan = builder.outbox(outbox).build().expect("a dispatcher");
        refuse_rows(&mut connection).await;
        roan
    });
    let may_begin = |step: &Step| {
        matches!(
            step,
            Step::UpdateMany { .. }
                | Step::DeleteMany { .. }
                | Step::Upsert(_)
                | Step::UpdateStale { .. }
                | Step::Rekey { .. }
        )
    };
    let mut failed = Vec::new();
    for mut case in cases.iter().cloned() {
        let steps = case.writers[0].clone();
        if W::BEGINS && steps.iter().any(may_begin) {
            continue;
        }
        // Diesel refuses it there, so its writer begins one, too.
        if dialect == Dialect::MySql && steps.iter().any(|step| matches!(step, Step::Rekey { .. }))
        {
            continue;
        }
        for inside in [false, true] {
            if inside && case.purged.is_empty() {
                continue;
            }
            if inside {
                case.writers = vec![vec![Step::Transaction(steps.clone(), End::Commit)]];
                case.purged = &[];
                case.failing = 1;
            }
            recorder.clear();
            let before = roan.stats().not_stored;
            if let Err(told) = run_case::<W>(&case, &database, &roan, &recorder) {
                failed.push(format!("{} (inside: {inside}): {told}", case.name));
            }
            let has_counted = roan.stats().not_stored > before;
            let wanted = !inside && !case.purged.is_empty();
            if has_counted != wanted {
                failed.push(format!("{} (inside: {inside}): counted", case.name));
            }
            let is_there = block_on(async { is_as_before(database.connect().await).await });
            if inside && !is_there {
                failed.push(format!("{}: it is committed", case.name));
            }
        }
    }
    recorder.clear();
    block_on(async {
        let mut connection = database.connect().await;
        let gone = "ALTER TABLE roan_outbox RENAME TO roan_gone";
        connection.run(gone).await.expect("a table");
    });
    let stage = Stage::new(&database);
    let mut writer = W::connect(&database, &roan);
    let done = writer.run(&[Step::Create(post(9, "gone", 1))], &stage);
    assert_eq!(done, Ok(()), "{dialect}: without the table");
    wait::until(LONG, "the purge of a row without its outbox", || {
        let requests = recorder.requests();
        requests.iter().any(|url| url.to_string() == "/posts/gone")
    });
    failed
}

/// A full disk, or a user without the rights.
async fn refuse_rows(connection: &mut Connection) {
    let statements: &[&str] = match connection.dialect() {
        Dialect::Postgres => &[
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql
                 AS 'BEGIN RAISE EXCEPTION ''the disk is full''; END'",
            "CREATE TRIGGER refuse BEFORE INSERT ON roan_outbox
                 FOR EACH ROW EXECUTE FUNCTION refuse()",
        ],
        Dialect::MySql => &[
            "CREATE TRIGGER refuse BEFORE INSERT ON roan_outbox FOR EACH ROW
                 SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'the disk is full'",
        ],
        _ => &["CREATE TRIGGER refuse BEFORE INSERT ON roan_outbox
                 BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"],
    };
    for sql in statements {
        connection.run(sql).await.expect("a trigger");
    }
}

/// Whether the posts are those that each case begins with.
async fn is_as_before(mut connection: Connection) -> bool {
    let list = ROWS.map(|post| {
        format!(
            "(id = {} AND slug = '{}' AND title = '{}')",
            post.id, post.slug, post.title
        )
    });
    let same = format!("SELECT count(*) FROM posts WHERE {}", list.join(" OR "));
    let all = connection.numbers("SELECT count(*) FROM posts").await;
    let same = connection.numbers(&same).await;
    let rows = i64::try_from(ROWS.len()).expect("few rows");
    all.expect("a table") == [[rows]] && same.expect("a table") == [[rows]]
}

/// The same load of several writers at once, with a relay at work and without one: no save fails with it that does
/// not fail without.
pub(crate) fn save_together<W: Writer>(dialect: Dialect) {
    let with = failures::<W>(dialect, Waiting::InTable);
    if !with.is_empty() {
        let without = failures::<W>(dialect, Waiting::InMemory);
        panic!("{dialect}: with a relay {with:?}; without one {without:?}");
    }
}

const WRITERS: i64 = 4;
const ROUNDS: i64 = 15;

fn failures<W: Writer>(dialect: Dialect, waiting: Waiting) -> Vec<String> {
    let database = Database::create(dialect);
    // Its second purges and its records come all the time.
    let roan = block_on(async {
        let mut connection = database.connect().await;
        make_tables(&mut connection).await;
        for number in 0..WRITERS {
            let sql = format!("INSERT INTO authors (id) VALUES ({})", 10 + number);
            connection.run(&sql).await.expect("an author");
        }
        put_rows(connection).await;
        let rebound = Duration::from_millis(20);
        let mut builder = Roan::builder().cache(Recorder::new()).rebound(rebound);
        if waiting == Waiting::InTable {
            let outbox = Outbox::at(database.url()).expect("a URL");
            let outbox = outbox.poll(Duration::from_millis(10));
            outbox.migrate().await.expect("tables");
            builder = builder.outbox(outbox);
        }
        builder.build().expect("a dispatcher")
    });
    let stage = Stage::new(&database);
    let update = |id, title| Step::Update {
        id,
        slug: None,
        title: Some(title),
    };
    let write = |number: i64| {
        let mut writer = W::connect(&database, &roan);
        let (first, author_id) = (100 * (number + 1), 10 + number);
        let mut failed = Vec::new();
        if dialect == Dialect::Sqlite {
            // Without one, they would fail for each other.
            let wait = [Step::Raw("PRAGMA busy_timeout = 10000")];
            assert_eq!(writer.run(&wait, &stage), Ok(()));
        }
        for round in 0..ROUNDS {
            let title = if round % 2 == 0 { "even" } else { "odd" };
            let steps = [
                Step::Create(post(first, "x", author_id)),
                update(first, title),
                Step::CreateMany(vec![post(first + 1, "y", author_id)]),
                // The rows that all share, in one order. SQLite's lock comes with the first write.
                Step::Transaction(
                    vec![
                        Step::Create(post(first + 2, "z", author_id)),
                        update(1, title),
                        update(2, title),
                        update(3, title),
                    ],
                    End::Commit,
                ),
                Step::UpdateMany { author_id, title },
                Step::Delete(first),
                Step::DeleteMany { author_id },
            ];
            for step in steps {
                failed.extend(writer.run(&[step], &stage).err());
            }
        }
        failed
    };
    let failed = thread::scope(|scope| {
        let write = &write;
        let writers: Vec<_> = (0..WRITERS)
            .map(|number| scope.spawn(move || write(number)))
            .collect();
        let failed = writers
            .into_iter()
            .map(|writer| writer.join().expect("it does not panic"));
        failed.flatten().collect()
    });
    assert_eq!(roan.shutdown_blocking(LONG).pending(), 0);
    failed
}

/// On PostgreSQL an update waits for no insert of a row that refers to the one it changes: it has locked the row no more
/// than the statement itself does.
pub(crate) fn update_beside_a_reference<W: Writer>() {
    let database = Database::create(Dialect::Postgres);
    let (roan, child) = block_on(async {
        let mut connection = database.connect().await;
        make_tables(&mut connection).await;
        for sql in [
            "CREATE TABLE comments (post_id bigint NOT NULL REFERENCES posts (id))",
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET lock_timeout = ''3s''', current_database()); END $$",
        ] {
            connection.run(sql).await.expect("a table");
        }
        put_rows(connection).await;
        let outbox = Outbox::at(database.url()).expect("a URL");
        outbox.migrate().await.expect("tables");
        let builder = Roan::builder().cache(Recorder::new()).rebound(None);
        let mut child = database.connect().await;
        let sql = "BEGIN; INSERT INTO comments (post_id) VALUES (1)";
        child.run(sql).await.expect("a comment");
        (builder.outbox(outbox).build().expect("a dispatcher"), child)
    });
    let stage = Stage::new(&database);
    let steps = [
        Step::Update {
            id: 1,
            slug: Some("other"),
            title: Some("new"),
        },
        Step::UpdateMany {
            author_id: 1,
            title: "newer",
        },
    ];
    let done = W::connect(&database, &roan).run(&steps, &stage);
    assert_eq!(done, Ok(()));
    drop(child);
    assert_eq!(roan.shutdown_blocking(LONG).pending(), 0);
}

fn run_case<W: Writer>(
    case: &Case,
    database: &Database,
    roan: &Roan,
    recorder: &Recorder,
) -> Result<(), String> {
    block_on(async { put_rows(database.connect().await).await });
    let stage = Stage {
        database,
        open: Mutex::default(),
        opened: Condvar::new(),
    };
    let write = |steps: &Vec<Step>| {
        let write = || W::connect(database, roan).run(steps, &stage);
        catch_unwind(AssertUnwindSafe(write)).unwrap_or_else(|_| Err("it panicked".to_owned()))
    };
    let ended: Vec<_> = thread::scope(|scope| {
        let writers: Vec<_> = case
            .writers
            .iter()
            .map(|steps| scope.spawn(|| write(steps)))
            .collect();
        let ended = writers.into_iter().map(|writer| writer.join());
        ended
            .map(|ended| ended.expect("panics are caught"))
            .collect()
    });
    let failed: Vec<_> = ended.into_iter().filter_map(Result::err).collect();
    if failed.len() != case.failing {
        return Err(format!(
            "{} writers failed, not {}: {failed:?}",
            failed.len(),
            case.failing
        ));
    }
    let purged = block_on(purged(roan, recorder));
    if purged == case.purged {
        return Ok(());
    }
    Err(format!("purged {purged:?}, not {:?}", case.purged))
}

/// The targets that have left, each once.
async fn purged(roan: &Roan, recorder: &Recorder) -> Vec<String> {
    wait::for_purges(roan).await;
    let targets = recorder.purges();
    targets.targets().iter().map(ToString::to_string).collect()
}

async fn make_tables(connection: &mut Connection) {
    // MariaDB has no deferred constraints.
    let deferred = match connection.dialect() {
        Dialect::MySql => "",
        _ => "DEFERRABLE INITIALLY DEFERRED",
    };
    let posts = format!(
        "CREATE TABLE posts (
            id bigint PRIMARY KEY,
            slug varchar(100) NOT NULL,
            title varchar(100) NOT NULL,
            author_id bigint NOT NULL,
            FOREIGN KEY (author_id) REFERENCES authors (id) {deferred}
        )"
    );
    for sql in ["CREATE TABLE authors (id bigint PRIMARY KEY)", &posts] {
        connection.run(sql).await.expect("a table");
    }
    for id in [1, 2] {
        let sql = format!("INSERT INTO authors (id) VALUES ({id})");
        connection.run(&sql).await.expect("an author");
    }
}

async fn put_rows(mut connection: Connection) {
    connection
        .run("DELETE FROM posts")
        .await
        .expect("a table of posts");
    for post in ROWS {
        let sql = format!(
            "INSERT INTO posts (id, slug, title, author_id) VALUES ({}, '{}', '{}', {})",
            post.id, post.slug, post.title, post.author_id
        );
        connection.run(&sql).await.expect("a post");
    }
    connection.close().await.expect("it answers");
}
