//! `roan why` and `roan watch`, on each kind of database.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::Request;
use roan::dashboard::Dashboard;
use roan::outbox::Dialect;
use roan::testing::Recorder;
use roan::{Nginx, Roan, Target, purge_on};
use roan_tests::{Behaviour, Faulty, wait};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::outbox::{Place, on_each_database};
use crate::support::{Ran, roan, run};

on_each_database!(
    why_says_when_by_which_rule_and_how_each_node_answered,
    the_command_the_dashboard_and_the_guide_have_one_form_of_a_purge,
    why_says_what_it_may_mean_that_nothing_is_found,
    watch_prints_purges_as_they_happen,
    what_is_below_a_path_is_found,
    answers_name_their_targets_and_what_is_asked_again,
);

#[purge_on(save, delete, url = "/posts")]
#[purge_on(save, delete, url = "/posts/{0}")]
struct Post(&'static str);

fn command(place: &Place, arguments: &[&str]) -> Command {
    let mut command = roan(arguments);
    command
        .env("ROAN_OUTBOX", &place.url)
        .env("ROAN_OUTBOX_PREFIX", &place.prefix);
    command
}

#[track_caller]
fn why(place: &Place, arguments: &[&str]) -> Ran {
    let ran = run(command(place, &[&["why"], arguments].concat()));
    ran.assert_code(0);
    ran
}

/// Inserts the purges of hooks.
async fn write(place: &mut Place, roan: &Roan, hooks: impl FnOnce()) {
    let statement = roan.outbox().statement(hooks).expect("a row");
    let payload = statement.params[0].replace('\'', "''");
    assert!(!payload.contains('\\'));
    place
        .sql(&format!(
            "INSERT INTO {{}}outbox (payload) VALUES ('{payload}')"
        ))
        .await;
    roan.outbox().committed();
}

async fn why_says_when_by_which_rule_and_how_each_node_answered(mut place: Place) {
    let node = Faulty::start(Behaviour::AnswerSome("hello".to_owned(), 403));
    let app = Roan::builder()
        .cache(Nginx::at(&node.purge_url()).unwrap())
        .cache(Recorder::named("second"))
        .rebound(None)
        .outbox(place.outbox.clone())
        .build()
        .unwrap();
    write(&mut place, &app, || {
        roan::updated(&Post("hello"), &Post("hello"));
    })
    .await;
    write(&mut place, &app, || roan::deleted(&Post("other"))).await;
    place
        .wait_for_count("SELECT count(*) FROM {}outbox WHERE state IN (2, 4)", 2)
        .await;
    let ran = why(
        &place,
        &["https://www.example.org//posts/hello/?utm_source=x"],
    );
    let place_of_rule = format!("by the rule at {}:", file!());
    ran.assert_says(&[
        "update of Post, ",
        &place_of_rule,
        "purges   /posts/hello (and 1 other targets of the write)",
        "dead after",
        "refused: status 403",
        "second recorder  purged (key verified)",
    ]);
    assert!(!ran.stdout.contains("delete of Post"), "{ran:#?}");
    // Of two rules, the one of this page alone.
    assert_eq!(ran.stdout.matches("because").count(), 1, "{ran:#?}");
    // The purges, without the summary.
    let listed = |arguments: &[&str]| {
        let mut listed = why(&place, &[arguments, &["--format", "json"]].concat()).json();
        let summary = listed.pop().unwrap();
        assert_eq!(summary["summary"]["listed"], listed.len(), "{summary}");
        listed
    };
    let found = listed(&["/posts"]);
    assert_eq!(found.len(), 2);
    assert_eq!(found[0]["causes"][0]["events"], "delete");
    assert_eq!(found[0]["causes"][0]["model"], "Post");
    assert_eq!(found[0]["causes"][0]["file"], file!());
    assert_eq!(found[1]["state"], "dead");
    assert_eq!(found[1]["found"], json!([0]));
    let targets = |found: &Value| found["targets"].as_array().unwrap().len();
    assert_eq!((targets(&found[0]), targets(&found[1])), (2, 2));
    let newest = found[0]["id"].to_string();
    let older = listed(&["/posts", "--before", &newest]);
    assert_eq!(older, found[1..]);
    let refused = listed(&["/posts", "--result", "refused"]);
    assert_eq!(refused, found[1..]);
    let first = why(&place, &["/posts", "--limit", "1", "--node", "second"]);
    first.assert_says(&["delete of Post", "there may be more: add --before"]);
    drop(app);
}

/// What the dashboard of the program answers to its page.
async fn dashboard(app: &Roan, path: &str) -> Value {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let dashboard = Dashboard::new(app).behind_auth();
    let response = dashboard.oneshot(request).await.unwrap();
    let bytes = to_bytes(Body::new(response.into_body()), usize::MAX);
    serde_json::from_slice(&bytes.await.unwrap()).unwrap()
}

/// The objects without what time has changed meanwhile.
fn ageless(rows: &[Value]) -> Vec<Value> {
    let mut rows = rows.to_vec();
    for row in &mut rows {
        let row = row.as_object_mut().unwrap();
        for time in ["age_ms", "due_in_ms"] {
            row.remove(time);
        }
    }
    rows
}

/// The keys of an object and of those in it, with the kind of a value.
fn shape(value: &Value, place: &str, keys: &mut BTreeMap<String, &'static str>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                shape(value, &format!("{place}.{key}"), keys);
            }
        }
        Value::Array(list) => {
            keys.insert(place.to_owned(), "list");
            let objects = list.iter().filter(|one| one.is_object());
            objects.for_each(|one| shape(one, place, keys));
        }
        Value::Null => drop(keys.entry(place.to_owned()).or_insert("null")),
        Value::Bool(_) => drop(keys.insert(place.to_owned(), "flag")),
        Value::Number(_) => drop(keys.insert(place.to_owned(), "number")),
        Value::String(_) => drop(keys.insert(place.to_owned(), "text")),
    }
}

/// The guide's example of a purge.
fn example() -> Value {
    let guide = include_str!("../../roan/src/guide/command.md");
    let (_, example) = guide.split_once("```json\n").expect("an example");
    let (example, _) = example.split_once("```").expect("its end");
    serde_json::from_str(example).unwrap()
}

async fn the_command_the_dashboard_and_the_guide_have_one_form_of_a_purge(mut place: Place) {
    let node = Faulty::start(Behaviour::AnswerSome("hello".to_owned(), 403));
    let second = Recorder::named("second");
    let app = Roan::builder()
        .cache(Nginx::at(&node.purge_url()).unwrap())
        .cache(second)
        .rebound(None)
        .outbox(place.outbox.clone())
        .build()
        .unwrap();
    let trace: roan::history::Trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        .parse()
        .unwrap();
    roan::history::set_trace_source(move || Some(trace));
    write(&mut place, &app, || {
        roan::updated(&Post("hello"), &Post("hello"));
    })
    .await;
    write(&mut place, &app, || app.purge(Target::host()).unwrap()).await;
    place
        .wait_for_count("SELECT count(*) FROM {}outbox WHERE state IN (2, 3, 4)", 2)
        .await;
    // Which of a purge's targets is looked for is for `why` alone to say.
    let unfound = |mut purge: Value| {
        purge["found"] = json!([]);
        purge
    };
    let mut printed = why(&place, &["/posts/hello", "--format", "json"]).json();
    let summary = printed.pop().unwrap();
    assert_eq!(summary, json!({ "summary": { "listed": 2, "next": null } }));
    let printed: Vec<_> = printed.into_iter().map(unfound).collect();
    let shown = dashboard(&app, "/api/purges").await;
    assert_eq!(shown["purges"], json!(printed));

    let (mut keys, mut documented) = (BTreeMap::new(), BTreeMap::new());
    shape(&printed[1], "", &mut keys);
    shape(&example(), "", &mut documented);
    let names = |keys: &BTreeMap<String, _>| keys.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&keys), names(&documented));
    for (place, kind) in &documented {
        let is = keys[place];
        assert!(
            is == *kind || [is, kind].contains(&"null"),
            "{place}: {is}, and not {kind}"
        );
    }

    for (list, path) in [("dead", "/api/dead"), ("list", "/api/waiting")] {
        if list == "list" {
            place
                .sql(
                    "INSERT INTO {}delivery (purge_id, cache, node, target, created_ms, attempts, error, due_ms) \
                     VALUES (1, 'gone', 'gone', '{\"tag\":\"a\",\"site\":\"shop\"}', 1, 2, 'timed out', 9000000000000)",
                )
                .await;
            place
                .sql("INSERT INTO {}outbox (payload, state) VALUES ('{\"v\":9,\"purge\":[]}', 5)")
                .await;
        }
        let order: &[_] = if list == "dead" { &["--newest"] } else { &[] };
        let arguments = [&["outbox", list, "--format", "json"], order].concat();
        let ran = run(command(&place, &arguments));
        let mut printed = ran.json();
        printed.pop();
        assert!(!printed.is_empty(), "{ran:#?}");
        let shown = dashboard(&app, path).await;
        let shown = shown[list.replace("list", "waiting")].as_array().unwrap();
        assert_eq!(ageless(shown), ageless(&printed), "{list}");
    }
    drop(app);
}

async fn why_says_what_it_may_mean_that_nothing_is_found(mut place: Place) {
    let app = Roan::builder()
        .cache(Recorder::new())
        .rebound(None)
        .outbox(place.outbox.clone())
        .build()
        .unwrap();
    let never = why(&place, &["/posts/hello-world"]);
    never.assert_says(&[
        "no purge of /posts/hello-world was found",
        "`roan outbox status`",
        "No rule yields it",
    ]);
    write(&mut place, &app, || roan::saved(&Post("hello-world"))).await;
    write(&mut place, &app, || app.purge(Target::host()).unwrap()).await;
    place
        .wait_for_count("SELECT count(*) FROM {}outbox WHERE state IN (2, 3)", 2)
        .await;
    let other = why(&place, &["/en/posts/hello-world", "--result", "waiting"]);
    other.assert_says(&[
        "leave --node, --result",
        "Purged were: /posts/hello-world.",
        "longer ago than",
    ]);
    assert_eq!(other.stdout, "");
    let called = why(&place, &["/any", "--since", "1h"]);
    called.assert_says(&["called at", file!(), "purges   host"]);
    let tag = why(&place, &["--tag", "post-7", "--site", "shop"]);
    tag.assert_says(&["no purge of tag post-7 at site shop", "leave --site out"]);
    for (arguments, words) in [
        (&["why"][..], "required"),
        (&["why", "posts"], "neither a URL nor a path"),
        (&["why", "/a b"], "must be written `%20`"),
        (&["why", "/a", "--tag", "b"], "cannot be used with"),
        (&["why", "/a", "--result", "gone"], "write `waiting`"),
        (&["watch", "--every", "1ms"], "write `50ms` or longer"),
    ] {
        let ran = run(command(&place, arguments));
        ran.assert_code(2).assert_says(&[words]);
    }
}

/// `roan watch`, which ends with the test.
struct Watching(Child);

impl Watching {
    fn start(place: &Place, arguments: &[&str]) -> Self {
        let mut watch = command(place, &[&["watch", "--format", "json"], arguments].concat());
        Self(watch.stderr(Stdio::inherit()).spawn().unwrap())
    }

    fn lines(&mut self) -> Lines<BufReader<ChildStdout>> {
        BufReader::new(self.0.stdout.take().unwrap()).lines()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where apps announce their purges, and the command looks once an hour.
#[tokio::test(flavor = "multi_thread")]
async fn on_postgresql_watch_hears_of_purges() {
    let mut place = Place::start(Dialect::Postgres).await;
    let app = Roan::builder()
        .cache(Recorder::new())
        .rebound(None)
        .outbox(place.outbox.clone().notify())
        .build()
        .unwrap();
    let mut watch = Watching::start(&place, &["--every", "1h"]);
    let lines = watch.lines();
    let (sender, printed) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        lines
            .map_while(Result::ok)
            .try_for_each(|line| sender.send(line))
    });
    let listening = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE query = 'LISTEN \"{}outbox\"'",
        place.prefix
    );
    // The relay of the app does, too.
    place.wait_for_count(&listening, 2).await;
    // Before it began to listen it has looked, and has looked once more since then.
    for number in 0..4 {
        let url = format!("/heard/{number}");
        write(&mut place, &app, || app.purge(&*url).unwrap()).await;
        let line = printed.recv_timeout(wait::LONG).expect("it is printed");
        let purge: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            (&purge["targets"][0]["text"], &purge["state"]),
            (&json!(url), &json!("done"))
        );
    }
}

async fn watch_prints_purges_as_they_happen(mut place: Place) {
    let node = Faulty::start(Behaviour::Answer(503, Vec::new()));
    let short = Duration::from_millis(20);
    let app = Roan::builder()
        .cache(Nginx::at(&node.purge_url()).unwrap())
        .rebound(None)
        .backoff(short, short)
        .outbox(place.outbox.clone())
        .build()
        .unwrap();
    let mut watch = Watching::start(&place, &["--every", "50ms", "--text", "watched"]);
    let mut lines = watch.lines();
    let mut next = || -> Value {
        let line = lines.next().expect("it goes on").unwrap();
        serde_json::from_str(&line).unwrap()
    };
    write(&mut place, &app, || app.purge("/before").unwrap()).await;
    // It begins to watch at some time: what is written again and again is seen then.
    let mut writes = 0;
    let (sender, first) = std::sync::mpsc::channel();
    let first = std::thread::scope(|scope| {
        scope.spawn(|| sender.send(next()));
        loop {
            if let Ok(first) = first.recv_timeout(Duration::from_millis(200)) {
                break first;
            }
            writes += 1;
            assert!(writes < 100, "nothing is printed");
            let write = write(&mut place, &app, || app.purge("/watched").unwrap());
            tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(write));
        }
    });
    assert_eq!(first["state"], "waiting");
    assert_eq!(first["targets"][0]["text"], "/watched");
    assert_eq!(first["answers"][0]["error"], "status 503");
    assert_eq!(first["causes"][0]["kind"], "call");
    node.set(Behaviour::Purged);
    let last = loop {
        let seen = next();
        if seen["id"] == first["id"] && seen["state"] == "done" {
            break seen;
        }
    };
    assert_eq!(last["answers"][0]["result"], "purged");
    assert!(
        last["answers"][0]["attempts"].as_u64().unwrap() > 1,
        "{last}"
    );
    let process = rustix::process::Pid::from_child(&watch.0);
    rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
    assert_eq!(watch.0.wait().unwrap().code(), Some(0));
}

async fn what_is_below_a_path_is_found(mut place: Place) {
    for url in [
        "/posts/hello",
        "/posts/",
        "//posts//a?b=c",
        "/p%6fsts/b",
        "/posts",
        "/postscript",
        "/other",
    ] {
        place.write(url).await;
    }
    for payload in [
        r#"{"v":2,"purge":[{"prefix":"/posts/2026/"}]}"#,
        r#"{"v":1,"purge":[{"url":"/posts/c","site":"shop"}]}"#,
        r#"{"v":2,"purge":[{"host":true}]}"#,
        r#"{"v":1,"purge":["\/posts\/d"]}"#,
    ] {
        // To MySQL alone it is an escape in SQL, too.
        let payload = match place.dialect {
            Dialect::MySql => payload.replace('\\', "\\\\"),
            _ => payload.to_owned(),
        };
        place
            .sql(&format!(
                "INSERT INTO {{}}outbox (payload) VALUES ('{payload}')"
            ))
            .await;
    }
    let found = why(&place, &["--below", "/posts/", "--format", "json"]).json();
    let mut texts: Vec<_> = found
        .iter()
        .filter(|line| line.get("summary").is_none())
        .map(|purge| purge["targets"][0]["text"].as_str().unwrap_or_default())
        .collect();
    texts.sort_unstable();
    let wanted = [
        "",
        "//posts//a?b=c",
        "/p%6fsts/b",
        "/posts/",
        "/posts/2026/",
        "/posts/c",
        "/posts/d",
        "/posts/hello",
    ];
    assert_eq!(texts, wanted, "{found:#?}");
}

/// A row whose purges `nginx n` has answered in part.
async fn half_answered(place: &mut Place, state: i64) {
    let now = place.now();
    let by = "[{\"call\":\"a\u{202e}b.rs:1\"},{\"call\":\"second.rs:2\"}]";
    place
        .sql(&format!(
            "INSERT INTO {{}}outbox (id, payload, state, ended_ms, history) VALUES (7001, \
             '{{\"v\":1,\"purge\":[\"/x/a\",\"/x/b\",\"/x/c\"],\"by\":{by}}}', {state}, {now}, \
             '{{\"cache\":\"nginx\",\"node\":\"n\",\"result\":\"purged\",\"of\":[0]}}\n')"
        ))
        .await;
    for target in ["/x/a", "/x/b", "/x/c"] {
        place
            .sql(&format!(
                "INSERT INTO {{}}delivery (purge_id, cache, node, target, created_ms) \
                 VALUES (7001, 'nginx', 'n', '\"{target}\"', 1)"
            ))
            .await;
    }
    place
        .sql("INSERT INTO {}outbox (id, payload) VALUES (7002, '{\"v\":1,\"purge\":[\"/x/\"]}')")
        .await;
}

async fn answers_name_their_targets_and_what_is_asked_again(mut place: Place) {
    half_answered(&mut place, 4).await;
    let ran = why(&place, &["--below", "/x/"]);
    ran.assert_says(&[
        "nginx n  purged (for /x/a)",
        "nginx n  waiting (once more, after an answer) (for /x/a)",
        "nginx n  waiting (for /x/b, /x/c)",
        "answers  none is written down yet",
        "called at a\u{fffd}b.rs:1",
    ]);
    assert_eq!(ran.stdout.matches("nginx n").count(), 3, "{ran:#?}");
    // Of one page there is nothing to tell apart.
    why(&place, &["/x/b"]).assert_says(&["nginx n  waiting\n"]);
}

/// Reads what a `watch` prints until a line has the words. `write` runs again and again: it begins to watch at some time.
async fn watched_until(
    lines: &std::sync::mpsc::Receiver<String>,
    words: &str,
    mut write: impl AsyncFnMut(),
) -> String {
    for _ in 0..200 {
        write().await;
        while let Ok(line) = lines.recv_timeout(Duration::from_millis(100)) {
            if line.contains(words) {
                return line;
            }
        }
    }
    panic!("{words:?} was not printed");
}

impl Watching {
    /// Ends it as Ctrl-C does.
    fn interrupt(mut self) {
        let process = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
        assert_eq!(self.0.wait().unwrap().code(), Some(0));
    }
}

/// Starts to watch, and passes on the lines of both outputs.
fn watch(place: &Place) -> (Watching, std::sync::mpsc::Receiver<String>) {
    let mut watch = command(place, &["watch", "--every", "50ms"]);
    let mut watch = watch.stderr(Stdio::piped()).spawn().unwrap();
    let (sender, lines) = std::sync::mpsc::channel();
    let outputs: [Box<dyn std::io::Read + Send>; 2] = [
        Box::new(watch.stdout.take().unwrap()),
        Box::new(watch.stderr.take().unwrap()),
    ];
    for output in outputs {
        let sender = sender.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
    }
    (Watching(watch), lines)
}

#[tokio::test(flavor = "multi_thread")]
async fn watch_names_targets_all_causes_and_what_cannot_be_read() {
    let mut place = Place::start(Dialect::Sqlite).await;
    let (watch, lines) = watch(&place);
    let now = place.now();
    half_answered(&mut place, 0).await;
    let touched = watched_until(&lines, "row 7001 ", async || {
        place
            .sql(&format!(
                "UPDATE {{}}outbox SET state = 4, ended_ms = {now} WHERE id = 7001"
            ))
            .await;
    });
    let line = touched.await;
    for words in [
        "nginx n  purged (for /x/a); ",
        "nginx n  waiting (for /x/b, /x/c)",
        "called at second.rs:2",
    ] {
        assert!(line.contains(words), "{words:?} is missing in {line}");
    }
    assert!(!line.contains('\u{202e}'), "{line:?}");
    place
        .sql(&format!(
            "INSERT INTO {{}}outbox (payload, state, ended_ms, error) VALUES ('nonsense', 3, {now}, 'expected value')"
        ))
        .await;
    let line = watched_until(&lines, "expected value", async || {}).await;
    assert!(
        line.contains("not known: this version of `roan` cannot read the row"),
        "{line}"
    );
    watch.interrupt();
}

/// A database that restarts, or an administrator.
#[tokio::test(flavor = "multi_thread")]
async fn watch_goes_on_after_its_connection_was_lost() {
    let mut place = Place::start(Dialect::Postgres).await;
    let (watch, lines) = watch(&place);
    let now = place.now();
    let done = |number: i64| {
        format!(
            "INSERT INTO {{}}outbox (payload, state, ended_ms) \
             VALUES ('{{\"v\":1,\"purge\":[\"/before/{number}\"]}}', 2, {now})"
        )
    };
    let mut number = 0;
    watched_until(&lines, "/before/", async || {
        number += 1;
        place.sql(&done(number)).await;
    })
    .await;
    // Other tests use the server, too, and connect again.
    let lost = watched_until(
        &lines,
        "cannot connect to the outbox's database",
        async || {
            let end = "DO $$ BEGIN PERFORM pg_terminate_backend(pid) FROM pg_stat_activity \
                   WHERE query LIKE '%{}outbox%' AND pid <> pg_backend_pid(); END $$";
            place.sql(end).await;
        },
    );
    let lost = lost.await;
    assert!(
        lost.contains("goes on when the database can be reached again"),
        "{lost}"
    );
    watched_until(
        &lines,
        "can be reached again: what ended meanwhile",
        async || {},
    )
    .await;
    place.sql(&done(0).replace("/before/", "/after/")).await;
    watched_until(&lines, "/after/0", async || {}).await;
    watch.interrupt();
}
