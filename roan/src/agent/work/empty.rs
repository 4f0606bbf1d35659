//! Makes the cache clean when nobody knows whether it is: the consumer first, then the emptying, then the messages.
//!
//! No other order is safe. What is published before the emptying is covered by it, and the consumer has what is published
//! after it was made. Before both, the heartbeat says that the cache is being emptied: whatever ends the agent in between, its
//! next start begins here again.

use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::process::Command;

use super::look::LOOK_FOR_OPERATOR;
use super::{EMPTY_AGAIN, EMPTY_AGAIN_AT_MOST, Emptying, PEACE, Work};
use crate::agent::link::Trouble;
use crate::agent::position::Position;
use crate::agent::shared::AgentPhase;
use crate::base::backoff::Backoff;
use crate::base::created::Created;
use crate::base::history::Asking;
use crate::base::log::{emit, loudly, loudly_at_times, warn_loudly};
use crate::base::target::Target;
use crate::dispatcher::tickets::Row;
use crate::fleet::heartbeat::AgentState;

/// Between attempts.
const SHORTEST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// After an attempt that failed, the consumer is made anew if it is older than this: a cache that was down for long need not
/// be purged of all that it has missed, since it is emptied.
const OLD: Duration = Duration::from_secs(30);

/// A command that takes longer has failed.
const LONGEST_COMMAND: Duration = Duration::from_secs(5 * 60);

impl Work {
    pub(super) async fn empty(&mut self, why: &str) -> Result<(), Trouble> {
        let node = self.agent.node.clone();
        self.must_empty = Some(why.to_owned());
        self.consumer = None;
        self.forget();
        self.shared
            .set_phase(AgentPhase::Emptying, Some(why.to_owned()));
        let link = self.link()?;
        let mut pauses = Backoff::new(SHORTEST_PAUSE, LONGEST_PAUSE);
        let mut failures: u32 = 0;
        let mut made = None;
        let mut made_at = Instant::now();
        loop {
            let is_said = self.say_emptying(why).await? | std::mem::take(&mut self.said_emptied);
            if made.is_none() || made_at.elapsed() > OLD {
                let last = link.last().await?;
                made = Some(link.make_consumer(last).await?);
                made_at = Instant::now();
                self.position = Position::after(last);
            } else if is_said {
                self.is_clean_by_hand();
                break;
            }
            if !self.can_empty() {
                self.wait_for_operator(why).await?;
                break;
            }
            if failures == 0 {
                warn_loudly(format_args!("the cache of {node} is emptied: {why}"));
            }
            let Err(problem) = self.empty_once().await else {
                break;
            };
            failures += 1;
            loudly_at_times(
                failures.into(),
                format_args!(
                    "the cache of {node} cannot be emptied (attempt {failures}): {problem}"
                ),
                || tracing::error!(target: "roan", node, problem, "the cache cannot be emptied"),
            );
            let failure = format!("attempt {failures}: {problem}");
            let shown = format!("{why}; {failure}");
            self.shared.set_phase(AgentPhase::Emptying, Some(shown));
            self.failure = Some(failure);
            // If this fails, it is said before the next attempt, which needs the servers.
            self.said_emptied |= self.say_emptying(why).await.unwrap_or(false);
            tokio::time::sleep(pauses.after(failures).max(SHORTEST_PAUSE)).await;
        }
        (self.unclean, self.failure) = (None, None);
        self.doubt = self.doubt_of_nodes();
        let (state, doubt) = self.state();
        self.say(state, doubt).await?;
        let now = Instant::now();
        self.empty_again = match self.last_emptied {
            Some(last) if now < last + PEACE => (2 * self.empty_again).min(EMPTY_AGAIN_AT_MOST),
            _ => EMPTY_AGAIN,
        };
        self.last_emptied = Some(now);
        self.shared.emptied.fetch_add(1, Ordering::Relaxed);
        self.consumer = made;
        self.must_empty = None;
        emit(|| tracing::info!(target: "roan", node, "the cache is empty, and the agent consumes"));
        Ok(())
    }

    async fn say_emptying(&mut self, why: &str) -> Result<bool, Trouble> {
        self.say(AgentState::Emptying, Some(why.to_owned())).await
    }

    /// Empties it, and once more after the rebound: a page that was being rendered may have been stored meanwhile.
    async fn empty_once(&mut self) -> Result<(), String> {
        let Some(command) = self.agent.empty_with.clone() else {
            return self.purge_everything().await;
        };
        self.run_command(&command).await?;
        if let Some(rebound) = self.policy.rebound {
            self.wait_saying(rebound).await;
            self.run_command(&command).await?;
        }
        Ok(())
    }

    /// The dispatcher sees to the rebound.
    async fn purge_everything(&mut self) -> Result<(), String> {
        let engine = Arc::clone(&self.engine);
        self.last_number += 1;
        let (id, now) = (self.last_number, Instant::now());
        self.emptying = Some((id, Emptying::Underway));
        let ticket = engine
            .tickets
            .open_noting(Row::Purge(id), Created::now(), None, None);
        let asking = Asking::of(now, &[]);
        engine.accept_message(&Target::everything(), asking, ticket, now);
        engine.tickets.handed_over(ticket);
        engine.handed_over();
        loop {
            self.take_news(Instant::now());
            match &self.emptying {
                Some((_, Emptying::Underway)) => {}
                Some((_, Emptying::Failed(problem))) => return Err(problem.clone()),
                Some((_, Emptying::Done)) | None => return Ok(()),
            }
            tokio::select! {
                () = engine.tickets.changed() => {}
                () = self.wait_saying(Duration::from_secs(3600)) => {}
            }
        }
    }

    /// Lets some time pass. The heartbeat goes on.
    async fn wait_saying(&mut self, time: Duration) {
        let until = Instant::now() + time;
        loop {
            let next = (Instant::now() + self.every()).min(until);
            tokio::time::sleep_until(next.into()).await;
            if next == until {
                return;
            }
            let why = self.must_empty.clone().unwrap_or_default();
            // If it fails, it is said again before the next attempt, which needs the servers.
            self.said_emptied |= self.say_emptying(&why).await.unwrap_or(false);
        }
    }

    async fn run_command(&mut self, command: &str) -> Result<(), String> {
        let (shell, option) = if cfg!(windows) {
            ("cmd", "/C")
        } else {
            ("sh", "-c")
        };
        let mut running = Command::new(shell);
        running
            .args([option, command])
            .stdin(Stdio::null())
            .kill_on_drop(true);
        let running = tokio::time::timeout(LONGEST_COMMAND, running.output());
        let running = async {
            match running.await {
                Ok(Ok(output)) => succeeded(command, &output),
                Ok(Err(error)) => Err(format!("cannot run `{shell} {option} {command}`: {error}")),
                Err(_) => Err(format!("`{command}` has not ended in {LONGEST_COMMAND:?}")),
            }
        };
        tokio::select! {
            result = running => result,
            () = self.wait_saying(2 * LONGEST_COMMAND) => Err("no end".to_owned()),
        }
    }

    /// Waits until somebody says that the cache is empty.
    pub(super) async fn wait_for_operator(&mut self, why: &str) -> Result<(), Trouble> {
        let node = self.agent.node.clone();
        loudly(format_args!(
            "the agent of {node} cannot empty its cache, and does not consume until you have: {why}. Empty the cache (for nginx: \
             `find FOLDER -type f -delete`), then type `roan agent --node {node} --emptied`; or give the agent \
             `empty_with` (`--empty-with`), the command that does it"
        ));
        self.shared
            .set_phase(AgentPhase::WaitingForOperator, Some(why.to_owned()));
        loop {
            let said = self.say(AgentState::WaitingForOperator, Some(why.to_owned()));
            match said.await {
                Ok(true) => {
                    self.is_clean_by_hand();
                    return Ok(());
                }
                Ok(false) => self.shared.set_connected(true),
                // Its consumer has the messages, so it must not begin anew.
                Err(Trouble::Server(_) | Trouble::NoConsumer) => self.shared.set_connected(false),
                Err(fatal) => return Err(fatal),
            }
            tokio::time::sleep(LOOK_FOR_OPERATOR).await;
        }
    }

    /// Somebody has emptied the cache.
    pub(super) fn is_clean_by_hand(&mut self) {
        let node = &self.agent.node;
        warn_loudly(format_args!(
            "the cache of {node} is taken for empty: an operator has said so"
        ));
    }
}

fn succeeded(command: &str, output: &Output) -> Result<(), String> {
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rfind(|line| !line.trim().is_empty());
    let last = last.map(|line| format!(": {}", line.trim()));
    let (status, last) = (output.status, last.unwrap_or_default());
    Err(format!("`{command}` has ended with {status}{last}"))
}
