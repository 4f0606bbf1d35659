//! `roan purge` before a real nginx.

use std::fmt::Write as _;
use std::process::Command;
use std::thread;
use std::time::Duration;

use roan_tests::{Behaviour, Faulty, Nginx, Options, Origin, SECRET, wait};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{ended, roan, run, run_with};

/// An origin with one nginx.
fn site() -> (Origin, Nginx) {
    let origin = Origin::start();
    let nginx = Nginx::start(&origin, &Options::default());
    (origin, nginx)
}

fn purge(nginx: &Nginx, arguments: &[&str]) -> Command {
    let mut command = roan(&[&["purge"], arguments].concat());
    command
        .env("ROAN_PURGE_URL", nginx.purge_url())
        .env("ROAN_SITE", "http://site.test");
    command
}

#[test]
fn pages_are_purged_by_url_and_by_path_under_all_spellings() {
    let (_origin, nginx) = site();
    let browser = nginx.browser();
    let pages = ["/posts", "/list?page=2", "/tags/C%2B%2B", "/tags/C++"];
    pages.iter().for_each(|page| drop(browser.warm(page)));
    let ran = run(purge(
        &nginx,
        &[
            "http://site.test/posts",
            "/list?page=2",
            "/tags/C%2B%2B",
            "/never",
            "--no-rebound",
        ],
    ));
    ran.assert_code(0).assert_says(&[
        &format!("purged      /posts at nginx {}", nginx.addr()),
        "purged      /list?page=2",
        "purged      /tags/C++",
        "not cached  /never",
        "4 targets: 4 purged, 1 not cached",
    ]);
    assert_eq!(ran.stderr, "");
    pages
        .iter()
        .for_each(|page| drop(browser.assert_miss(page)));

    let ran = run(purge(
        &nginx,
        &["/tags/C%2B%2B", "--exact", "--no-rebound", "--format=json"],
    ));
    assert_eq!(ran.assert_code(0).summary()["purged"], 1);
    browser.assert_hit("/tags/C++");
    let answer = &ran.json()[0];
    let target = serde_json::json!({"kind": "url", "text": "/tags/C%2B%2B", "site": null});
    assert_eq!(
        (&answer["target"], &answer["cache"]),
        (&target, &"nginx".into())
    );
    assert_eq!(
        (&answer["result"], &answer["error"]),
        (&"purged".into(), &serde_json::Value::Null)
    );
}

#[test]
fn each_purge_is_sent_again_after_the_rebound() {
    let (_origin, nginx) = site();
    nginx.browser().warm("/posts");
    let mut command = purge(&nginx, &["/posts", "--format", "json"]);
    command.env("ROAN_REBOUND", "10ms");
    let ran = run(command);
    let summary = ran.assert_code(0).summary();
    assert_eq!(
        (&summary["purged"], &summary["rebounds"]),
        (&1.into(), &1.into()),
        "{summary}"
    );
}

#[test]
fn standard_input_and_files_are_read_line_by_line() {
    let (_origin, nginx) = site();
    let browser = nginx.browser();
    let pages = ["/1", "/2", "/3"];
    pages.iter().for_each(|page| drop(browser.warm(page)));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("urls");
    std::fs::write(
        &file,
        "# the last ones\n\n  /3 \r\nhttps://other.test/x\nnonsense\n",
    )
    .unwrap();
    let file = file.to_str().unwrap();
    let long = format!("/{}", "x".repeat(20_000));
    let input = format!("/1\nhttp://site.test/2\n{long}\n");
    let ran = run_with(
        purge(
            &nginx,
            &["-", "--file", file, "--no-rebound", "--format=json"],
        ),
        &input,
    );
    let summary = ran.assert_code(4).summary();
    for (name, count) in [
        ("targets", 3),
        ("purged", 3),
        ("other_hosts", 1),
        ("not_urls", 2),
    ] {
        assert_eq!(summary[name], count, "{name}: {ran:#?}");
    }
    pages
        .iter()
        .for_each(|page| drop(browser.assert_miss(page)));
}

#[test]
fn the_site_is_that_of_the_first_url_where_none_is_configured() {
    let (_origin, nginx) = site();
    nginx.browser().warm("/posts");
    let purge_url = nginx.purge_url();
    let arguments = ["purge", "-", "--purge-url", &purge_url, "--no-rebound"];
    let ran = run_with(roan(&arguments), "http://site.test/posts\n");
    ran.assert_code(0).assert_says(&["purged      /posts"]);
    assert_eq!(ran.stderr, "", "nothing warns of a missing site");
    nginx.browser().assert_miss("/posts");
}

#[test]
fn caches_come_from_a_file_and_the_outbox_is_left_to_the_app() {
    let (_origin, nginx) = site();
    nginx.browser().warm("/posts");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("app.toml");
    let purge_url = nginx.purge_url();
    let own = format!(
        "site = 'http://site.test'\nrebound = 'off'\n[roan.outbox]\nurl = 'sqlite://none'\n\
         [[roan.caches]]\nkind = 'nginx'\nname = 'tier'\nnodes = ['{purge_url}']\n"
    );
    std::fs::write(&file, format!("listen = 'x'\n[roan]\n{own}")).unwrap();
    let mut command = roan(&["purge", "/posts", "--config", file.to_str().unwrap()]);
    command.env("ROAN_PURGE_URL", "http://127.0.0.1:1/purge");
    run(command)
        .assert_code(0)
        .assert_says(&["purged      /posts at tier"]);

    std::fs::write(&file, "sight = 'x'").unwrap();
    let ran = run(roan(&[
        "purge",
        "/posts",
        "--config",
        file.to_str().unwrap(),
    ]));
    ran.assert_code(2)
        .assert_says(&["app.toml", "unknown field `sight`"]);

    let mut command = purge(&nginx, &["/posts", "--no-rebound"]);
    command.env("ROAN_OUTBOX", "sqlite://none");
    run(command).assert_code(0);
}

#[test]
fn pages_are_refreshed_where_the_cache_is_set_up_so() {
    let origin = Origin::start();
    let nginx = Nginx::start(&origin, &Options::default().refresh());
    let browser = nginx.browser();
    origin.set("/posts", "old");
    browser.warm("/posts");
    origin.set("/posts", "new");
    let mut command = purge(&nginx, &["/posts", "--refresh", "--no-rebound"]);
    command
        .env("ROAN_PURGE_URL", nginx.url())
        .env("ROAN_REFRESH_SECRET", SECRET);
    run(command)
        .assert_code(0)
        .assert_says(&["purged      /posts"]);
    assert_eq!(browser.assert_hit("/posts").text(), "new");
}

#[test]
fn a_refused_purge_and_a_dead_one_are_listed_with_their_reason() {
    let endpoint = Faulty::start(Behaviour::AnswerSome("/2".to_owned(), 403));
    let mut command = roan(&["purge", "/1", "/2", "--site", "site.test", "--no-rebound"]);
    command.env("ROAN_PURGE_URL", endpoint.purge_url());
    run(command).assert_code(1).assert_says(&[
        "purged      /1",
        "refused     /2",
        "`allow` this machine's address",
        "2 targets: 1 purged, 1 refused",
    ]);
    endpoint.set(Behaviour::Close);
    let mut command = roan(&["purge", "/1", "--site", "site.test", "--max-age", "100ms"]);
    command.env("ROAN_PURGE_URL", endpoint.purge_url());
    run(command)
        .assert_code(1)
        .assert_says(&["dead        /1", "connection lost"]);
}

#[test]
fn an_unreachable_cache_ends_the_run_and_not_each_url() {
    let input: String = (0..30_000).map(|number| format!("/{number}\n")).collect();
    let mut command = roan(&[
        "purge",
        "-",
        "--site",
        "site.test",
        "--max-age",
        "200ms",
        "--format=json",
    ]);
    command.env("ROAN_PURGE_URL", "http://127.0.0.1:1/purge");
    let ran = run_with(command, &input);
    ran.assert_code(3)
        .assert_says(&["no cache answers", "was not sent"]);
    let sent = ran.summary()["targets"].as_u64().unwrap();
    assert!(sent < 30_000, "{sent}");
}

#[test]
fn a_node_that_is_down_does_not_keep_the_others_waiting() {
    let endpoint = Faulty::start(Behaviour::Purged);
    let input: String = (0..3000).map(|number| format!("/{number}\n")).collect();
    let urls = format!("http://127.0.0.1:1/purge,{}", endpoint.purge_url());
    let mut command = roan(&[
        "purge",
        "-",
        "--site",
        "site.test",
        "--max-age",
        // Long enough for the node that answers, where the processors are busy.
        "10s",
        "--no-rebound",
        "--format=json",
    ]);
    command.env("ROAN_PURGE_URL", urls);
    let ran = run_with(command, &input);
    let summary = ran.assert_code(1).summary();
    assert_eq!(summary["purged"], 3000);
    assert_eq!(summary["dead"], 3000);
}

/// With their rebounds it needs longer than `--max-age`.
#[test]
fn no_purge_becomes_too_old_for_a_slow_node() {
    let endpoint = Faulty::start(Behaviour::Slow(Duration::from_millis(100)));
    let input: String = (0..700).map(|number| format!("/{number}\n")).collect();
    let mut command = roan(&["purge", "-", "--site", "site.test", "--format=json"]);
    command.env("ROAN_PURGE_URL", endpoint.purge_url());
    let summary = run_with(command, &input).assert_code(0).summary();
    assert_eq!(
        (&summary["purged"], &summary["rebounds"]),
        (&700.into(), &700.into())
    );
}

#[test]
fn ctrl_c_ends_cleanly_and_says_what_is_left() {
    let endpoint = Faulty::start(Behaviour::Purged);
    let mut command = roan(&["purge", "-", "--site", "site.test", "--format=json"]);
    command.env("ROAN_PURGE_URL", endpoint.purge_url());
    command.stdin(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, b"/1\n/2\n/3\n").unwrap();
    wait::until(wait::LONG, "three purges", || endpoint.count() >= 3);
    // Standard input stays open, as a terminal does.
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let ran = ended(child);
    ran.assert_code(130)
        .assert_says(&["ended by a signal", "read up to its entry 3"]);
    let summary = ran.summary();
    assert_eq!(summary["purged"], 3, "{ran:#?}");
    // The rebounds of 2 s were still to come.
    assert_eq!(summary["failed_rebounds"], 3, "{ran:#?}");
    drop(stdin);
}

#[test]
fn whoever_reads_the_results_may_leave_and_all_is_purged() {
    let endpoint = Faulty::start(Behaviour::Purged);
    let mut input = String::new();
    (0..3000).for_each(|number| writeln!(input, "/{number}").unwrap());
    let mut command = roan(&["purge", "-", "--site", "site.test", "--no-rebound"]);
    command.env("ROAN_PURGE_URL", endpoint.purge_url());
    command.stdin(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let mut stdin = child.stdin.take().unwrap();
    let writer = thread::spawn(move || std::io::Write::write_all(&mut stdin, input.as_bytes()));
    let ran = ended(child);
    writer.join().unwrap().unwrap();
    ran.assert_code(0);
    assert_eq!((endpoint.count(), &*ran.stderr), (3000, ""));
}

/// What waits is bounded, however long the input is: the peak of the memory does not grow with it.
#[test]
fn memory_does_not_grow_with_the_input() {
    let peak = |count: usize| {
        let endpoint = Faulty::start(Behaviour::Purged);
        let input: String = (0..count)
            .map(|number| format!("/pages/{number}\n"))
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("urls");
        std::fs::write(&file, input).unwrap();
        let program = env!("CARGO_BIN_EXE_roan-tests-command");
        let mut command = Command::new(program);
        command
            .args([
                "purge",
                "--site",
                "site.test",
                "--no-rebound",
                "--format=json",
                "--file",
            ])
            .arg(&file)
            .env_clear()
            .env("ROAN_PURGE_URL", endpoint.purge_url())
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped());
        let child = command.spawn().unwrap();
        let status = format!("/proc/{}/status", child.id());
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let watch = thread::spawn(move || {
            let mut peak = 0;
            while stopped.try_recv().is_err() {
                let text = std::fs::read_to_string(&status).unwrap_or_default();
                let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
                let kilobytes = line.and_then(|line| line.trim().split(' ').next()?.parse().ok());
                peak = kilobytes.unwrap_or(peak);
                thread::sleep(Duration::from_millis(2));
            }
            peak
        });
        let ran = ended(child);
        stop.send(()).unwrap();
        assert_eq!(ran.assert_code(0).summary()["purged"], count, "{count}");
        assert_eq!(ran.summary()["missed_results"], 0);
        watch.join().unwrap()
    };
    let (few, many): (usize, usize) = (peak(5_000), peak(100_000));
    assert!(many < few + 8 * 1024, "{few} kB and {many} kB");
}
