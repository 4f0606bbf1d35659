//! Another agent of the same name, on another machine, that may run beside this one.
//!
//! The older one of the two ends at its next heartbeat. Whatever starts agents may start it again at once, and then it is the newer one:
//! so each of them calls its cache unclean until it was alone for longer than it takes the other one to find out.

use std::time::{Duration, Instant};

use super::Work;
use crate::base::log::warn_loudly;
use crate::fleet::heartbeat::EVERY;

/// Another agent has ended by then: it has had a heartbeat, and the servers have answered.
const ALONE: Duration = EVERY.saturating_add(Duration::from_secs(5));

/// One that may run.
#[derive(Debug)]
pub(super) struct Twin {
    pub(super) why: String,
    /// Whether it is known that it has run.
    has_run: bool,
    /// When it has ended. `None` before it can know that it must.
    ended_at: Option<Instant>,
}

impl Twin {
    /// The last heartbeat does not say that its agent has ended.
    pub(super) fn of_the_start() -> Self {
        Self {
            why: "the agent before this one has not said that it ends, and may run on another machine"
                .to_owned(),
            has_run: false,
            ended_at: None,
        }
    }

    /// It has run, and may be started again.
    pub(super) fn of_now() -> Self {
        Self {
            why: "another agent of the same name has run beside this one".to_owned(),
            has_run: true,
            ended_at: None,
        }
    }

    fn cure(&self, node: &str) -> String {
        let left = match self.ended_at {
            Some(ended_at) => ended_at.saturating_duration_since(Instant::now()),
            None => ALONE,
        };
        let left = left.as_secs() + 1;
        match self.has_run {
            true => format!(
                "{}; the agent is ready when it was alone for {left} s more",
                cure_of_two(node)
            ),
            false => format!(
                "wait: the agent is ready when it was alone for {left} s more; if that does not end, give each machine a `node` of \
                 its own (`ROAN_NODE`, `--node`)"
            ),
        }
    }
}

fn cure_of_two(node: &str) -> String {
    format!(
        "two agents have the name {node}, and each empties its cache when it starts beside the other: give each machine a `node` of its \
         own (`ROAN_NODE`, `--node`), or stop one of them"
    )
}

impl Work {
    /// What to do about the other one, if the agent is unclean because of it alone.
    pub(super) fn cure_of_twin(&self) -> Option<String> {
        let twin = self.twin.as_ref().filter(|_| self.is_only_twin())?;
        Some(twin.cure(&self.agent.node))
    }

    /// What to do while the cache is emptied, if another one has run.
    pub(super) fn cure_of_emptying(&self) -> Option<String> {
        self.has_twin_run().then(|| cure_of_two(&self.agent.node))
    }

    pub(super) fn has_twin_run(&self) -> bool {
        self.twin.as_ref().is_some_and(|twin| twin.has_run)
    }

    pub(super) fn may_have_twin(&mut self, twin: Twin) {
        let (node, why) = (&self.agent.node, &twin.why);
        warn_loudly(format_args!(
            "the agent of {node} is not ready for {} s: {why}",
            ALONE.as_secs()
        ));
        self.twin = Some(twin);
    }

    /// The servers have a heartbeat of this agent, which the other one finds.
    pub(super) fn twin_can_know(&mut self) {
        if let Some(twin) = &mut self.twin {
            twin.ended_at.get_or_insert_with(|| Instant::now() + ALONE);
        }
    }

    /// Notices that this agent was alone for long enough.
    pub(super) fn see_alone(&mut self, now: Instant) {
        let is_alone = |twin: &Twin| twin.ended_at.is_some_and(|ended_at| now >= ended_at);
        if self.twin.as_ref().is_some_and(is_alone) {
            self.twin = None;
            self.look_at = now;
            self.show_phase();
        }
    }

    /// Whether nothing else is wrong.
    pub(super) fn is_only_twin(&self) -> bool {
        self.twin.is_some()
            && [&self.unfit, &self.unclean, &self.doubt]
                .into_iter()
                .all(Option::is_none)
    }
}
