//! Two versions of one app run at once, as in each deploy and each roll back: two programs, whose rules differ as those
//! of two builds do.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread::JoinHandle;

use roan::outbox::Dialect;
use roan_tests::{Behaviour, Connection, Database, Faulty};

pub(crate) const OLD: &str = env!("CARGO_BIN_EXE_roan-tests-old");
const NEW: &str = env!("CARGO_BIN_EXE_roan-tests-new");

pub(crate) const LONG_MS: u32 = 3_600_000;

/// A running version of the app.
pub(crate) struct App {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    stderr: JoinHandle<String>,
}

impl App {
    pub(crate) fn run(program: &str, site: &Site, grace_ms: u32, rebound_ms: u32) -> Self {
        let mut child = Command::new(program)
            .args([site.database.url(), &site.node.purge_url()])
            .args([grace_ms.to_string(), rebound_ms.to_string()])
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be run");
        let mut stderr = child.stderr.take().expect("it is piped");
        let read = move || {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text);
            text
        };
        Self {
            commands: child.stdin.take().expect("it is piped"),
            answers: BufReader::new(child.stdout.take().expect("it is piped")),
            stderr: std::thread::spawn(read),
            child,
        }
    }

    /// Gives a command, and waits until it is done.
    pub(crate) fn tell(&mut self, command: &str) {
        writeln!(self.commands, "{command}").expect("it reads");
        let mut answer = String::new();
        let _ = self.answers.read_line(&mut answer);
        assert_eq!(answer, "done\n", "{command}");
    }

    /// As `kill -9`. Returns what it has logged.
    pub(crate) fn kill(mut self) -> String {
        self.child.kill().expect("it runs");
        let _ended = self.child.wait();
        self.stderr.join().expect("it does not panic")
    }
}

/// What both versions share.
pub(crate) struct Site {
    node: Faulty,
    pub(crate) connection: Connection,
    database: Database,
}

impl Site {
    pub(crate) async fn start(dialect: Dialect) -> Self {
        let database = Database::create(dialect);
        let mut connection = database.connect().await;
        for table in ["posts", "notes"] {
            let sql = format!("CREATE TABLE {table} (slug varchar(100) NOT NULL)");
            connection.run(&sql).await.expect("a table");
        }
        Self {
            node: Faulty::start(Behaviour::Purged),
            connection,
            database,
        }
    }

    /// Writes as another program does, which only triggers see.
    async fn write(&mut self, table: &str, slug: &str) {
        let sql = format!("INSERT INTO {table} (slug) VALUES ('{slug}')");
        self.connection.run(&sql).await.expect("a row");
    }

    async fn wait_for(&mut self, states: &str, wanted: i64) {
        let sql = format!("SELECT count(*) FROM roan_outbox WHERE state IN ({states})");
        self.connection.wait_for_count(&sql, wanted).await;
    }

    fn is_purged(&self, host: &str, page: &str) -> bool {
        let target = format!("/purge{page}");
        let requests = self.node.requests();
        let mut requests = requests.iter();
        requests.any(|request| request.target == target && request.header("Host") == Some(host))
    }

    /// That every page of a post of the new version was purged.
    fn assert_all_pages(&self, slug: &str) {
        for (host, page) in [
            ("www.test", format!("/posts/{slug}")),
            ("www.test", format!("/feeds/{slug}")),
            ("shop.test", format!("/{slug}")),
        ] {
            assert!(self.is_purged(host, &page), "{host}{page} was not purged");
        }
    }

    fn assert_note(&self, slug: &str) {
        let page = format!("/notes/{slug}");
        assert!(self.is_purged("www.test", &page), "{page} was not purged");
    }
}

roan_tests::on_each_database!(
    crate::deploys::Site::start;
    a_deploy_loses_no_page_of_a_new_rule_site_or_table,
    a_deploy_without_triggers_loses_no_page,
    a_roll_back_does_what_the_old_version_can_and_says_what_it_cannot,
);

const DONE: &str = "2, 4";

async fn a_deploy_loses_no_page_of_a_new_rule_site_or_table(mut site: Site) {
    let mut old = App::run(OLD, &site, LONG_MS, 300);
    for command in ["migrate", "install", "start"] {
        old.tell(command);
    }
    site.write("posts", "before").await;
    site.wait_for(DONE, 1).await;
    // The triggers come first, and the old version finds their rows.
    let mut new = App::run(NEW, &site, LONG_MS, 300);
    new.tell("install");
    for number in 0..10 {
        site.write("posts", &format!("early-{number}")).await;
        site.write("notes", &format!("early-{number}")).await;
    }
    old.tell("save early-hook");
    // By its hook and by the trigger.
    site.wait_for("5", 21).await;
    site.wait_for(DONE, 2).await;
    new.tell("start");
    site.wait_for(DONE, 23).await;
    // Now both share the work, until one is killed with rows in its hands.
    for number in 0..20 {
        site.write("posts", &format!("late-{number}")).await;
        site.write("notes", &format!("late-{number}")).await;
        let app = if number % 2 == 0 { &mut old } else { &mut new };
        app.tell(&format!("save hook-{number}"));
    }
    let told = old.kill();
    // Each of 20 turns has four rows.
    site.wait_for(DONE, 103).await;
    for number in 0..20 {
        site.assert_all_pages(&format!("late-{number}"));
        site.assert_all_pages(&format!("hook-{number}"));
        site.assert_note(&format!("late-{number}"));
    }
    for number in 0..10 {
        site.assert_all_pages(&format!("early-{number}"));
        site.assert_note(&format!("early-{number}"));
    }
    site.assert_all_pages("early-hook");
    for reason in [
        r#"the triggers of the table "posts" were made from other rules"#,
        r#"this program does not have a model with the table "notes""#,
    ] {
        let once = told.matches(reason).count();
        assert_eq!(once, 1, "{reason}\n{told}");
    }
    assert!(
        told.contains("waits up to 3600s for another version"),
        "{told}"
    );
    new.kill();
}

async fn a_deploy_without_triggers_loses_no_page(mut site: Site) {
    let mut old = App::run(OLD, &site, LONG_MS, 300);
    old.tell("migrate");
    old.tell("start");
    let mut new = App::run(NEW, &site, LONG_MS, 300);
    new.tell("start");
    for number in 0..20 {
        new.tell(&format!("save new-{number}"));
        old.tell(&format!("save old-{number}"));
    }
    old.kill();
    site.wait_for(DONE, 40).await;
    for number in 0..20 {
        site.assert_all_pages(&format!("new-{number}"));
        let page = format!("/posts/old-{number}");
        assert!(site.is_purged("www.test", &page), "{page} was not purged");
    }
    new.kill();
}

async fn a_roll_back_does_what_the_old_version_can_and_says_what_it_cannot(mut site: Site) {
    // It holds its rows until its second purge.
    let mut new = App::run(NEW, &site, LONG_MS, LONG_MS);
    for command in ["migrate", "install", "start"] {
        new.tell(command);
    }
    for number in 0..5 {
        site.write("posts", &format!("{number}")).await;
        site.write("notes", &format!("{number}")).await;
        new.tell(&format!("save hook-{number}"));
    }
    site.wait_for("1", 20).await;
    let mut old = App::run(OLD, &site, 1500, 300);
    old.tell("install");
    old.tell("start");
    new.kill();
    // Rows of posts are done by the old rules; those that name the site or the table are dead.
    site.wait_for("3", 10).await;
    site.wait_for(DONE, 10).await;
    for slug in (0..5).flat_map(|number| [format!("{number}"), format!("hook-{number}")]) {
        let page = format!("/purge/posts/{slug}");
        let requests = site.node.requests();
        let of_page = requests.iter().filter(|request| request.target == page);
        // One of the new version, and some of the old one.
        assert!(of_page.count() >= 2, "{page}");
    }
    let sql = "SELECT error FROM roan_outbox WHERE state = 3";
    let errors = site.connection.texts(sql).await.expect("texts");
    let count = |words: &str| errors.iter().filter(|error| error.contains(words)).count();
    assert_eq!(count(r#"site "shop" is not configured"#), 5, "{errors:?}");
    assert_eq!(count(r#"a model with the table "notes""#), 5, "{errors:?}");
    let told = old.kill();
    assert!(
        told.contains("waits up to 1.5s for another version"),
        "{told}"
    );
    let dead = told.matches("is dead, at least in part").count();
    assert_eq!(dead, 5, "{told}");
    assert!(told.contains("at site shop cannot be purged"), "{told}");
}
