//! The systemd unit and the container file of the guide: what they start is what the command takes.

use std::fs;
use std::process::Command;

const GUIDE: &str = include_str!("../../roan/src/guide/fleet.md");
const UNIT: &str = include_str!("../conf/fleet/roan-agent.service");
const CONTAINER: &str = include_str!("../conf/fleet/Containerfile");
const AGENT_TOML: &str = include_str!("../conf/fleet/agent.toml");
const MANIFEST: &str = include_str!("../../roan/Cargo.toml");
const PROGRAM: &str = env!("CARGO_BIN_EXE_roan-tests-command");

fn help() -> String {
    let output = Command::new(PROGRAM).args(["agent", "--help"]).output();
    String::from_utf8(output.unwrap().stdout).unwrap()
}

/// The value of a key of the unit.
#[track_caller]
fn value(key: &str) -> &'static str {
    let mut values = UNIT
        .lines()
        .filter_map(|line| line.strip_prefix(key)?.strip_prefix('='));
    values.next().unwrap_or_else(|| panic!("{key} is missing"))
}

/// The words after `roan` name the subcommand and flags of it.
#[track_caller]
fn assert_flags_exist(words: &[&str]) {
    let help = help();
    assert_eq!(words.first(), Some(&"agent"), "{words:?}");
    for flag in words.iter().filter(|word| word.starts_with("--")) {
        let is_known = help.lines().any(|line| {
            let line = line.trim_start();
            line.strip_prefix(flag)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        });
        assert!(is_known, "{flag} is missing in:\n{help}");
    }
}

#[test]
fn the_unit_starts_the_agent_of_the_guide() {
    let words: Vec<_> = value("ExecStart").split(' ').collect();
    assert_eq!(words[0], "/usr/local/bin/roan");
    assert!(GUIDE.contains("install -m 755 ~/.cargo/bin/roan /usr/local/bin/roan\n"));
    assert_flags_exist(&words[1..]);
    // The file that the guide says to write, whose password belongs to the user of the unit.
    assert_eq!(words[2..], ["--config", "/etc/roan/agent.toml"]);
    let user = value("User");
    assert!(GUIDE.contains(&format!("-o {user} /dev/stdin /etc/roan/agent.password")));
    // It may write where it empties, and nowhere else.
    let folder = value("ReadWritePaths");
    assert!(AGENT_TOML.contains(&format!("empty_with = \"find {folder} ")));
}

/// Where systemd is installed.
#[test]
fn systemd_takes_the_unit() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("roan-agent.service");
    let unit = UNIT.replace("/usr/local/bin/roan", PROGRAM);
    let verify = |unit: &str| {
        fs::write(&file, unit).unwrap();
        let mut command = Command::new("systemd-analyze");
        command.args(["verify", "--man=no"]).arg(&file).output()
    };
    let Ok(output) = verify(&unit) else {
        println!("systemd-analyze is not installed: the unit is not verified");
        return;
    };
    let said = |output: &std::process::Output| {
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        // It may complain of other units of this machine.
        let ours = text.lines().filter(|line| line.contains("roan-agent"));
        ours.collect::<Vec<_>>().join("\n")
    };
    assert_eq!(said(&output), "");
    assert!(output.status.success(), "{output:?}");
    // It complains of what it does not know.
    let output = verify(&unit.replace("ProtectSystem=", "ProtectSytem="));
    let said = said(&output.unwrap());
    assert!(said.contains("ProtectSytem"), "{said}");
}

/// An image cannot be built here: see that each of its lines says what exists.
#[test]
fn the_container_file_builds_and_starts_the_agent() {
    let line = |begin: &str| {
        let mut lines = CONTAINER.lines().filter(|line| line.starts_with(begin));
        let line = lines.next();
        line.unwrap_or_else(|| panic!("{begin} is missing"))
    };
    let install = line("RUN cargo install");
    let (_, features) = install.split_once("--features ").unwrap();
    let features = features.split(' ').next().unwrap();
    // The command needs the first, and `agent` the second.
    assert_eq!(features, "cli,agent");
    for feature in features.split(',') {
        assert!(MANIFEST.contains(&format!("\n{feature} = [")), "{feature}");
    }
    assert!(install.contains("--path roan --"), "{install}");
    let copied = line("COPY --from=build");
    assert_eq!(
        copied,
        "COPY --from=build /out/bin/roan /usr/local/bin/roan"
    );
    assert!(install.ends_with("--root /out"), "{install}");
    let entry: Vec<String> =
        serde_json::from_str(&line("ENTRYPOINT")["ENTRYPOINT ".len()..]).unwrap();
    let words: Vec<&str> = entry.iter().map(String::as_str).collect();
    assert_eq!(words[0], "roan");
    assert_flags_exist(&words[1..]);
    let port = words.last().unwrap().rsplit_once(':').unwrap().1;
    assert_eq!(line("EXPOSE"), format!("EXPOSE {port}"));
    assert!(GUIDE.contains(&format!("`GET /` at port {port} is the readiness probe")));
}
