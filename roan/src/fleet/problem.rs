//! What is wrong at a node by the words of its agent, and what to do: as `roan agent --check`, `roan fleet status` and the dashboard
//! say it.

use super::heartbeat::AgentState;
#[cfg(feature = "agent")]
use super::heartbeat::Heartbeat;

/// What an agent says of its cache.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said<'a> {
    /// The name of the node.
    pub(crate) node: &'a str,
    /// Why its cache may have stale pages.
    pub(crate) unclean: Option<&'a str>,
    /// What makes it clean again, or ends that it is emptied again and again.
    pub(crate) cure: Option<&'a str>,
    /// Why the last attempt to empty it has failed.
    pub(crate) failure: Option<&'a str>,
}

#[cfg(feature = "agent")]
impl<'a> Said<'a> {
    pub(crate) fn by(node: &'a str, heartbeat: &'a Heartbeat) -> Self {
        Self {
            node,
            unclean: heartbeat.unclean.as_deref(),
            cure: heartbeat.cure.as_deref(),
            failure: heartbeat.failure.as_deref(),
        }
    }
}

impl Said<'_> {
    /// What is wrong in this state. `None` while the agent consumes, or empties the cache and all that it can do is to wait.
    pub(crate) fn problem(self, state: AgentState) -> Option<String> {
        let Self {
            node,
            unclean,
            cure,
            failure,
        } = self;
        let why = unclean.unwrap_or("for a reason that its agent does not give");
        match state {
            AgentState::Consuming => None,
            AgentState::Emptying => match (failure, cure) {
                (Some(failure), _) => Some(format!(
                    "its cache cannot be emptied, so its pages may be stale, {why}: {failure}: mend that, and its agent, which goes \
                     on trying, consumes"
                )),
                (None, Some(cure)) => Some(format!("its cache is being emptied, {why}: {cure}")),
                (None, None) => None,
            },
            AgentState::WaitingForOperator => Some(format!(
                "its agent cannot empty the cache, which may have stale pages, {why}: empty it, then type \
                 `roan agent --node {node} --emptied`; or give the agent `--empty-with`"
            )),
            AgentState::Unclean => Some(match cure {
                Some(cure) => format!("its pages may be stale, {why}: {cure}"),
                None => format!(
                    "its pages may be stale, {why}: empty its cache, then type `roan agent --node {node} --emptied`"
                ),
            }),
        }
    }
}
