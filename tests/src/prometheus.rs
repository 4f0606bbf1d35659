//! A private Prometheus, and its tool.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::browser::Browser;
use crate::server::{Kind, Server, command, program, user};

/// A running Prometheus that scrapes one program. Dropping it kills it and removes its folder.
pub type Prometheus = Server<PrometheusKind>;

/// What one Prometheus is given.
#[derive(Debug, Clone)]
pub struct PrometheusKind {
    program: SocketAddr,
    rules: String,
}

impl Prometheus {
    /// Starts one that reads `/metrics` of a program five times a second, with these rules.
    ///
    /// # Panics
    ///
    /// When Prometheus is not installed, or when it does not start; the message has its log.
    #[must_use]
    #[track_caller]
    pub fn start_before(program: SocketAddr, rules: &str) -> Self {
        let rules = rules.to_owned();
        Self::launch(&PrometheusKind { program, rules })
    }

    /// What its API answers to a GET.
    ///
    /// # Panics
    ///
    /// If it answers no JSON.
    #[track_caller]
    pub fn api(&self, path: &str) -> Value {
        let answer = Browser::new(self.addr()).get(&format!("/api/v1/{path}"));
        serde_json::from_slice(&answer.body)
            .unwrap_or_else(|error| panic!("{path}: {error}: {}", answer.text()))
    }

    /// The samples of an expression.
    ///
    /// # Errors
    ///
    /// What Prometheus says of an expression that it does not take.
    pub fn query(&self, expression: &str) -> Result<Vec<Value>, String> {
        let encoded =
            percent_encoding::utf8_percent_encode(expression, percent_encoding::NON_ALPHANUMERIC);
        let answer = self.api(&format!("query?query={encoded}"));
        match answer["data"]["result"].as_array() {
            Some(samples) => Ok(samples.clone()),
            None => Err(answer["error"].to_string()),
        }
    }
}

/// `promtool`, with its arguments to come.
///
/// # Panics
///
/// When it is not installed.
#[must_use]
#[track_caller]
pub fn promtool() -> Command {
    Command::new(found("promtool"))
}

impl Kind for PrometheusKind {
    const NAME: &'static str = "prometheus";
    const LOG: &'static str = "prometheus.log";

    fn furnish(&self, folder: &Path, _port: u16) {
        let program = self.program;
        let conf = format!(
            "global: {{ scrape_interval: 200ms, evaluation_interval: 200ms }}\n\
             rule_files: [rules.yml]\n\
             scrape_configs:\n  \
             - {{ job_name: app, static_configs: [{{ targets: [\"{program}\"] }}] }}\n"
        );
        fs::write(folder.join("prometheus.yml"), conf).expect("a file in our own folder");
        fs::write(folder.join("rules.yml"), &self.rules).expect("a file in our own folder");
        user::hand_over(folder);
    }

    fn command(&self, folder: &Path, port: u16) -> Command {
        let mut command = command(&found("prometheus"));
        command
            .arg("--config.file=prometheus.yml")
            .arg("--storage.tsdb.path=data")
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .current_dir(folder);
        user::step_down(&mut command);
        command
    }

    fn answers(&self, addr: SocketAddr) -> bool {
        let ready = Browser::new(addr).try_send("GET", "/-/ready", &[]);
        ready.is_ok_and(|answer| answer.status == 200)
    }
}

#[track_caller]
fn found(name: &str) -> std::path::PathBuf {
    program::find(name).unwrap_or_else(|| panic!("{name} is needed: run ./tests/run"))
}
