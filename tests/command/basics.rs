//! Help, completions, the manual page, colours, and the way that output ends.

use std::io::Read;
use std::process::{Command, Stdio};

use crate::support::{ended, roan, run};

#[test]
fn help_and_manual_have_the_exit_codes() {
    let guide = include_str!("../../roan/src/guide/command.md");
    for arguments in [&["--help"][..], &["purge", "--help"], &["man"]] {
        let ran = run(roan(arguments));
        ran.assert_code(0).assert_says(&["Exit codes", "130"]);
    }
    let help = run(roan(&["--help"])).stdout;
    let (_, table) = help.split_once("Exit codes:").unwrap();
    for line in table.lines().filter(|line| !line.trim().is_empty()) {
        let (code, meaning) = line.trim().split_once(' ').unwrap();
        let row = format!("| {code} | {} |", meaning.trim());
        assert!(guide.contains(&row), "the guide does not have {row}");
    }
}

#[test]
fn completions_are_made_for_each_shell_and_bash_takes_them() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = run(roan(&["completions", shell]));
        ran.assert_code(0).assert_says(&["purge", "doctor", "init"]);
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("roan.bash");
    std::fs::write(&file, run(roan(&["completions", "bash"])).stdout).unwrap();
    let script = "source \"$1\"; COMP_WORDS=(roan pu); COMP_CWORD=1; _roan roan pu roan; echo \"${COMPREPLY[*]}\"";
    let mut bash = Command::new("bash");
    bash.args(["-c", script, "bash"]).arg(&file);
    let output = bash.output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "purge");
}

#[test]
fn a_mistake_on_the_command_line_is_named_with_code_2() {
    for (arguments, words) in [
        (&["purg"][..], "purge"),
        (&["purge"], "required"),
        (
            &["purge", "/a", "--max-age", "soon"],
            "write a number and its unit",
        ),
        (&["purge", "posts"], "neither a URL nor a path"),
        (&["purge", "/a b"], "' ' at byte 2 must be written `%20`"),
        (
            &["purge", "/a", "--purge-url", "localhost/purge"],
            "--purge-url: \"localhost/purge\" is not a URL",
        ),
        (
            &["doctor", "www.example.org/posts?a=b"],
            "\"www.example.org/posts?a=b\" is not the URL of a page",
        ),
        (
            &["doctor", "https://www.example.org/a b"],
            "\"https://www.example.org/a b\" is not the URL of a page",
        ),
        (&["doctor", "https://me:pw@x/a b"], "\"***\" is not the URL"),
        (&["purge", "/a", "--site", "a b"], "--site"),
        (&["purge", "/a", "--config", "/none.toml"], "/none.toml"),
        (&["purge", "--file", "/none"], "--file /none"),
        (&["purge", "--sitemap", "/none.xml"], "--sitemap /none.xml"),
        (&["purge", "--tag", "news"], "cannot purge by tag"),
        (&["purge", "--prefix", "docs"], "prefix"),
        (&["purge", "--host"], "cannot purge by host"),
        (&["purge", "--everything"], "add --yes"),
        (
            &["purge", "/a", "--soft"],
            "--soft: the cache nginx is not set up",
        ),
        (&["purge", "/a", "--refresh"], "set ROAN_REFRESH_SECRET"),
        (
            &["purge", "https://a.test/x", "https://b.test/x"],
            "https://b.test/x is a page of another site than https://a.test",
        ),
    ] {
        let ran = run(roan(arguments));
        ran.assert_code(2).assert_says(&[words]);
        assert_eq!(ran.stdout, "", "{arguments:?}");
    }
}

#[test]
fn the_cache_in_another_program_is_out_of_reach() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "[[roan.caches]]\nkind = 'embedded'\n").unwrap();
    let mut by_variable = roan(&["purge", "/a"]);
    by_variable.env("ROAN_CACHE", "embedded");
    let config = file.path().to_str().unwrap();
    for command in [by_variable, roan(&["purge", "/a", "--config", config])] {
        let ran = run(command);
        let words = "the cache `embedded` is in the program that serves the pages";
        ran.assert_code(2)
            .assert_says(&[words, "`roan::Roan::purge`"]);
    }
}

#[test]
fn variables_that_a_file_takes_the_place_of_are_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = "[[caches]]\nkind = 'nginx'\nnodes = ['http://127.0.0.1:1/purge']\nheaders = { A = 'ROAN_TOKEN' }";
    std::fs::write(file.path(), text).unwrap();
    let config = file.path().to_str().unwrap();
    let purge = |variables: &[(&str, &str)]| {
        let mut command = roan(&["purge", "/a", "--max-age", "1ms", "--config", config]);
        command.envs(variables.iter().copied());
        run(command).stderr
    };
    let own = [("ROAN_TOKEN", "t"), ("ROAN_OUTBOX", "sqlite:x")];
    assert!(!purge(&own).contains("in place of the environment"));
    let others = [("ROAN_SITE", "https://b.test"), ("ROAN_CACHE", "varnish")];
    let words = format!(
        "roan: --config {config} is read in place of the environment, so ROAN_CACHE, ROAN_SITE have no effect; for another \
         site write `--site`"
    );
    let stderr = purge(&others);
    assert!(stderr.contains(&words), "{stderr}");
}

#[test]
fn a_reader_that_leaves_early_is_not_an_error() {
    let mut child = roan(&["man"]).spawn().unwrap();
    let mut stdout = child.stdout.take().unwrap();
    let _ = stdout.read(&mut [0]);
    drop(stdout);
    let ran = ended(child);
    ran.assert_code(0);
    assert_eq!(ran.stderr, "");
}

/// Runs the command in a terminal, which `script` of util-linux makes.
fn in_a_terminal(variables: &[(&str, &str)]) -> String {
    let program = env!("CARGO_BIN_EXE_roan-tests-command");
    let output = Command::new("script")
        .args([
            "-qec",
            &format!("{program} purge /a --max-age 50ms"),
            "/dev/null",
        ])
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("TERM", "xterm")
        .env("ROAN_PURGE_URL", "http://127.0.0.1:1/purge")
        .env("ROAN_SITE", "site.test")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn colours_are_for_terminals_and_not_with_no_color() {
    const RED: &str = "\u{1b}[31mdead";
    let coloured = in_a_terminal(&[]);
    assert!(coloured.contains(RED), "{coloured:?}");
    let plain = in_a_terminal(&[("NO_COLOR", "1")]);
    assert!(
        plain.contains("dead ") && !plain.contains("\u{1b}[3"),
        "{plain:?}"
    );
    let mut piped = roan(&["purge", "/a", "--max-age", "50ms"]);
    piped.env("ROAN_PURGE_URL", "http://127.0.0.1:1/purge");
    let piped = run(piped);
    piped
        .assert_code(3)
        .assert_says(&["dead  ", "cannot connect"]);
    assert!(!piped.stdout.contains('\u{1b}'), "{piped:?}");
}
