//! What `#[purge_on]` costs at compile time, compared with `#[derive(serde::Serialize)]`.
//!
//! `cargo bench -p roan-tests --bench expansion` writes crates of 500 structs to a temporary folder, builds
//! what they depend on, and then times the compiler on each of them alone. The crates are compiled in
//! turns, so that a busy machine disturbs both alike.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use std::{env, fs, io};

const STRUCTS: usize = 500;
const ROUNDS: usize = 7;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> Result<()> {
    let bench = Bench::in_temporary_folder()?;
    let leaves = [
        bench.leaf("plain", "", |_| String::new())?,
        bench.leaf("with_serde", SERDE, |_| {
            "#[derive(serde::Serialize)]\n".to_owned()
        })?,
        bench.leaf("with_purge_on", &roan_dependency(), two_rules)?,
    ];
    println!(
        "{STRUCTS} structs of five fields, {ROUNDS} rounds, seconds of the leaf crate alone\n"
    );
    println!(
        "{:<22}{:<16}{:>8}{:>9}{:>9}",
        "command", "crate", "min", "median", "ratio"
    );
    for command in [&["check"][..], &["build"], &["build", "--release"]] {
        bench.compare(command, &leaves)?;
    }
    println!("\nratio: median compared with `with_serde`\n");
    println!("{:<38}{:>8}{:>9}", "clean build", "crates", "seconds");
    bench.clean_build("bare_reqwest", REQWEST)?;
    bench.clean_build("default_roan", &roan_dependency())?;
    fs::remove_dir_all(&bench.folder)?;
    Ok(())
}

const SERDE: &str = "serde = { version = \"1\", features = [\"derive\"] }";
const REQWEST: &str = "reqwest = { version = \"0.13\", default-features = false }";

fn workspace() -> &'static Path {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap_or(tests)
}

fn roan_dependency() -> String {
    format!("roan = {{ path = {:?} }}", workspace().join("roan"))
}

fn two_rules(number: usize) -> String {
    format!(
        "#[roan::purge_on(save, delete, url = \"/rows{number}\")]\n\
         #[roan::purge_on(save, delete, url = \"/rows{number}/{{slug}}\")]\n"
    )
}

struct Bench {
    folder: PathBuf,
}

impl Bench {
    fn in_temporary_folder() -> io::Result<Self> {
        let folder = env::temp_dir().join(format!("roan-expansion-{}", std::process::id()));
        fs::create_dir_all(&folder)?;
        Ok(Self { folder })
    }

    /// A library of [`STRUCTS`] structs, each under what `attributes` gives for it.
    fn leaf(
        &self,
        name: &'static str,
        dependency: &str,
        attributes: impl Fn(usize) -> String,
    ) -> Result<&'static str> {
        let mut code = String::new();
        for number in 0..STRUCTS {
            write!(
                code,
                "{}pub struct Row{number} {{\n    pub id: u64,\n    pub slug: String,\n    pub title: String,\n    \
                 pub body: Option<String>,\n    pub published: bool,\n}}\n\n",
                attributes(number)
            )?;
        }
        self.package(name, dependency, &code)?;
        Ok(name)
    }

    fn package(&self, name: &str, dependency: &str, code: &str) -> Result<()> {
        let package = self.folder.join(name);
        fs::create_dir_all(package.join("src"))?;
        let manifest = format!(
            "[package]\nname = {name:?}\nversion = \"0.0.0\"\nedition = \"2024\"\n\n\
             [dependencies]\n{dependency}\n\n[workspace]\n"
        );
        fs::write(package.join("Cargo.toml"), manifest)?;
        fs::write(package.join("src/lib.rs"), code)?;
        // The versions of the workspace, which are on this machine already.
        fs::copy(workspace().join("Cargo.lock"), package.join("Cargo.lock"))?;
        self.cargo(name, &["fetch"])?;
        Ok(())
    }

    fn cargo(&self, name: &str, arguments: &[&str]) -> Result<String> {
        let package = self.folder.join(name);
        let output = Command::new(env!("CARGO"))
            .args(arguments)
            .current_dir(&package)
            .env("CARGO_TARGET_DIR", package.join("target"))
            .env("CARGO_INCREMENTAL", "0")
            .env_remove("RUSTFLAGS")
            .output()?;
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        if !output.status.success() {
            return Err(format!("cargo {arguments:?} in {}:\n{told}", package.display()).into());
        }
        Ok(told)
    }

    /// Times `command` on each leaf in turn, and prints a line for each.
    fn compare(&self, command: &[&str], leaves: &[&str]) -> Result<()> {
        let command = [command, &["--offline"]].concat();
        let mut times = vec![Vec::new(); leaves.len()];
        for leaf in leaves {
            self.cargo(leaf, &command)?;
        }
        for _ in 0..ROUNDS {
            for (leaf, times) in leaves.iter().zip(&mut times) {
                let source = self.folder.join(leaf).join("src/lib.rs");
                fs::File::open(source)?.set_modified(std::time::SystemTime::now())?;
                let begin = Instant::now();
                self.cargo(leaf, &command)?;
                times.push(begin.elapsed());
            }
        }
        for times in &mut times {
            times.sort_unstable();
        }
        let serde = median(&times[1]);
        for (leaf, times) in leaves.iter().zip(&times) {
            println!(
                "{:<22}{leaf:<16}{:>8.2}{:>9.2}{:>9.2}",
                format!("cargo {}", command[..command.len() - 1].join(" ")),
                times[0].as_secs_f64(),
                median(times).as_secs_f64(),
                median(times).as_secs_f64() / serde.as_secs_f64(),
            );
        }
        Ok(())
    }

    /// Builds everything that `dependency` needs, from nothing.
    fn clean_build(&self, name: &str, dependency: &str) -> Result<()> {
        self.package(name, dependency, "")?;
        let begin = Instant::now();
        let told = self.cargo(name, &["build", "--offline"])?;
        let seconds = begin.elapsed().as_secs_f64();
        let crates = told.matches("   Compiling ").count() - 1;
        println!("{name:<38}{crates:>8}{seconds:>9.1}");
        Ok(())
    }
}

fn median(sorted: &[Duration]) -> Duration {
    sorted[sorted.len() / 2]
}
