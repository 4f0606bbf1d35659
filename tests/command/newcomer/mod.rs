//! A newcomer with an axum app types what `roan init` prints, line by line, and nothing else.

mod libraries;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use roan_tests::{Browser, DebianNginx, Origin, Varnish, VarnishOptions, free_port, wait};
use rustix::process::{Pid, Signal, kill_process_group};

use crate::support::{Ran, roan, run};

/// What is printed for a step: the lines that are indented below it.
fn step(printed: &str, number: usize) -> Vec<String> {
    let begin = format!("{number}. ");
    let below = printed
        .lines()
        .skip_while(|line| !line.starts_with(&begin))
        .skip(2);
    let lines = below.take_while(|line| line.is_empty() || line.starts_with("    "));
    lines
        .map(|line| line.trim().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

/// The source without its layout and comments.
fn bare(source: &str) -> String {
    let lines = source
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default());
    let text = lines.collect::<String>();
    text.chars()
        .filter(|letter| !letter.is_whitespace() && *letter != ',')
        .collect()
}

/// A crate in a folder of its own, and the programs that its owner types.
struct Desk {
    folder: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let desk = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        let manifest = "[package]\nname = 'blog'\n[dependencies]\naxum = '0.8'\n";
        fs::write(desk.path().join("Cargo.toml"), manifest).unwrap();
        fs::create_dir(desk.path().join("bin")).unwrap();
        // The harness is not root on a Debian of its own.
        desk.program("sudo", "exec \"$@\"");
        desk.program("apt", "exit 0");
        desk
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn program(&self, name: &str, script: &str) {
        let file = self.path().join("bin").join(name);
        fs::write(&file, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn shell(&self, line: &str) -> Command {
        let mut command = Command::new("/bin/sh");
        let path = format!(
            "{}/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            self.path().display()
        );
        command
            .args(["-c", line])
            .current_dir(self.path())
            .env_clear()
            .env("PATH", path)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    #[track_caller]
    fn types(&self, line: &str) -> Ran {
        run(self.shell(line))
    }

    /// Types a line whose program goes on in the background.
    fn starts(&self, line: &str) -> Running {
        let mut command = self.shell(line);
        command
            .process_group(0)
            .stdout(Stdio::null())
            .stderr(Stdio::inherit());
        Running(command.spawn().expect("a shell"))
    }

    fn init(&self, app: &str, arguments: &[&str]) -> String {
        let mut command = roan(&["init", "--site=http://site.test", "--app", app]);
        command.args(arguments).current_dir(self.path());
        let ran = run(command);
        ran.assert_code(0);
        ran.stdout
    }
}

/// A program in the background, with all that it has started.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let group = Pid::from_child(&self.0);
        // It may have ended by itself.
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.0.wait();
    }
}

/// The lines of code that are printed are those of the app that the tests compile.
#[track_caller]
fn assert_code_is_compiled(printed: &str) {
    let app = bare(include_str!("app.rs"));
    let lines: Vec<_> = [2, 3]
        .into_iter()
        .flat_map(|number| step(printed, number))
        .collect();
    assert!(lines.len() >= 6, "{printed}");
    for line in lines {
        assert!(
            app.contains(&bare(&line)),
            "{line:?} is not in the app: {printed}"
        );
    }
}

/// Types what starts the app and what asks the doctor, and then changes a post.
fn start_and_prove(desk: &Desk, printed: &str, app: &str, browser: &Browser, header: &str) {
    let program = env!("CARGO_BIN_EXE_roan-tests-newcomer");
    desk.program(
        "cargo",
        &format!("test \"$*\" = run && exec {program} {app}"),
    );
    let command = env!("CARGO_BIN_EXE_roan-tests-command");
    desk.program("roan", &format!("exec {command} \"$@\""));
    let [start] = &*step(printed, 5) else {
        panic!("one line starts the app: {printed}");
    };
    let _app = desk.starts(start);
    let browser = browser.at_host("site.test");
    // Debian's default site answers until nginx has read the new one.
    wait::until(wait::LONG, "the app", || {
        browser.get("/").text().contains("Blog")
    });
    for line in step(printed, 6) {
        desk.types(&line)
            .assert_code(0)
            .assert_says(&["0 faults, 0 warnings"]);
    }
    let cached = |page: &str| browser.get(page).header(header).map(str::to_owned);
    cached("/posts/a");
    assert_eq!(cached("/posts/a").as_deref(), Some("HIT"));
    assert_eq!(browser.put("/posts/a", "New").status, 200);
    wait::until(wait::LONG, "the purge", || {
        cached("/posts/a").as_deref() != Some("HIT")
    });
}

#[test]
fn the_printed_lines_lead_to_a_doctor_that_passes_before_nginx() {
    let nginx = DebianNginx::start_without_site();
    let desk = Desk::new();
    let app = nginx.app().to_string();
    let printed = desk.init(&app, &[]);
    assert_code_is_compiled(&printed);

    // The harness has its own folder and port.
    let addr = nginx.addr().to_string();
    let here = |line: &str| {
        let line = line.replace(
            "/etc/nginx",
            &format!("{}/etc/nginx", nginx.folder().display()),
        );
        line.replace("http://127.0.0.1/", &format!("http://{addr}/"))
    };
    let printed = here(&printed);
    desk.program("nginx", &format!("exec {} \"$@\"", nginx.command_line()));
    let conf = run(roan(&[
        "nginx-conf",
        "--site=http://site.test",
        "--app",
        &app,
    ]));
    let conf = nginx.here(&conf.assert_code(0).stdout);
    fs::write(desk.path().join("for-harness.conf"), conf).unwrap();
    desk.program(
        "roan",
        &format!(
            "test \"$*\" = 'nginx-conf --site http://site.test --app {app}' && cat for-harness.conf"
        ),
    );
    let lines = step(&printed, 4);
    assert_eq!(lines.len(), 4, "{printed}");
    for line in lines {
        desk.types(&line).assert_code(0);
    }
    start_and_prove(
        &desk,
        &printed,
        &app,
        &Browser::new(nginx.addr()),
        "X-Cache-Status",
    );
}

#[test]
fn the_printed_lines_lead_to_a_doctor_that_passes_before_varnish() {
    let desk = Desk::new();
    let app = format!("127.0.0.1:{}", free_port());
    let printed = desk.init(&app, &["--cache=varnish"]);
    assert_code_is_compiled(&printed);

    // The harness has its own folder and port, and no service manager.
    let etc = desk.path().join("etc-varnish");
    fs::create_dir(&etc).unwrap();
    let printed = printed.replace("/etc/varnish", &etc.display().to_string());
    desk.program("systemctl", "test \"$*\" = 'reload varnish'");
    let command = env!("CARGO_BIN_EXE_roan-tests-command");
    desk.program("roan", &format!("exec {command} \"$@\""));
    let lines = step(&printed, 4);
    assert_eq!(lines.len(), 4, "{printed}");
    for line in lines {
        desk.types(&line).assert_code(0);
    }
    let vcl = fs::read_to_string(etc.join("default.vcl")).unwrap();
    // Its address is in the file: this one is for the harness alone.
    let origin = Origin::start();
    let varnish = Varnish::start(&origin, &VarnishOptions::default().complete(&vcl));
    let printed = printed.replace("http://127.0.0.1:6081", &varnish.url());
    start_and_prove(&desk, &printed, &app, &varnish.browser(), "X-Cache");
}
