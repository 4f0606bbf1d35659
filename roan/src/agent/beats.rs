//! The heartbeat of an agent, in a bucket of the servers.

use std::time::Duration;

use async_nats::jetstream::kv::{self, UpdateErrorKind};
use async_nats::jetstream::stream;
use serde_json::Value;

use super::link::{Link, Trouble};
use super::{Agent, AgentError};
use crate::base::log::warn_loudly;
use crate::fleet::heartbeat::{BUCKET, BUCKET_STREAM, Heartbeat, few_copies};
use crate::fleet::stream::is_missing;
use crate::fleet::token::token;
use crate::fleet::{Connection, leader};

/// The heartbeat of an agent. What it says of the cache outlives the agent: one that was being emptied, or is unclean, is not
/// clean after a restart.
pub(super) struct Beats {
    connection: Connection,
    store: kv::Store,
    key: String,
    /// Another one for each agent, so that two of one name find each other.
    instance: u64,
    /// One more than that of the agent before it.
    generation: u64,
    /// Of what was last read or written.
    pub(super) revision: u64,
    /// Whether it has written since its start: then what it knows is the last that was said.
    pub(super) has_written: bool,
    /// When somebody has said that the cache is empty, as far as this agent knows.
    emptied: u64,
    /// The caches of the agent: see [`Found`].
    pub(super) caches: Option<String>,
    /// Whether another agent of this name has run beside this one, which that one has said before it ended.
    pub(super) had_twin: bool,
    /// Whether the agent ends with what it says next.
    pub(super) ends: bool,
    /// Whether it calls the cache unclean only because another agent may run beside it.
    only_twin: bool,
    /// Whether another agent of this name has run beside this one lately.
    twins: bool,
    /// The bucket has at least so many copies. 0 if that is not known.
    copies: usize,
    /// What was said of them.
    told: Option<String>,
}

/// What was last written under the name of the node.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) heartbeat: Heartbeat,
    instance: u64,
    /// An agent that has found out that it is the older one of two, and ends. 0 for none.
    twin: u64,
    /// 0 if an older version wrote it.
    generation: u64,
    /// Whether that agent has ended with it.
    ended: bool,
    /// Whether it called the cache unclean only because another agent might run beside it.
    pub(super) only_twin: bool,
    /// Whether another agent of this name had run beside that one. Older versions neither write nor read it.
    twins: bool,
    /// In Unix milliseconds; 0 for never.
    emptied: u64,
    /// The caches of the agent with their nodes. `None` if an older version wrote it, or if somebody has said that the cache is
    /// empty, whichever it is.
    pub(super) caches: Option<String>,
}

impl Beats {
    /// Finds the bucket, or makes it, and reads what was last said of this node.
    pub(super) async fn open(
        agent: &Agent,
        link: &Link,
        instance: u64,
    ) -> Result<(Self, Option<Found>), Trouble> {
        let store = store(agent, link).await?;
        let mut beats = Self::new(agent, link, store, instance);
        let found = beats.read().await?;
        if let Some(found) = &found {
            beats.emptied = found.emptied;
            beats.generation = found.generation + u64::from(found.instance != instance);
        }
        Ok((beats, found))
    }

    /// Reads what was last said of the node, and changes nothing.
    pub(super) async fn find(agent: &Agent, link: &Link) -> Result<Option<Heartbeat>, Trouble> {
        let jetstream = link.connection().jetstream();
        let bucket = match jetstream.get_stream(BUCKET_STREAM).await {
            Ok(bucket) => bucket,
            Err(error) if is_missing(&error.kind()) => return Ok(None),
            Err(error) => {
                return Err(link.server("cannot find the bucket of the heartbeats", &error));
            }
        };
        // A server that is cut off has those of before.
        if let Some(doubt) = leader::doubt(bucket.cached_info()) {
            return Err(link.server("cannot read the heartbeats", &doubt));
        }
        let store = jetstream.get_key_value(BUCKET).await;
        let store = store.map_err(|error| link.server("cannot find the bucket", &error))?;
        let mut beats = Self::new(agent, link, store, 0);
        Ok(beats.read().await?.map(|found| found.heartbeat))
    }

    fn new(agent: &Agent, link: &Link, store: kv::Store, instance: u64) -> Self {
        Self {
            connection: link.connection().clone(),
            store,
            key: token(&agent.node).into_owned(),
            instance,
            generation: 1,
            revision: 0,
            has_written: false,
            emptied: 0,
            caches: None,
            had_twin: false,
            ends: false,
            only_twin: false,
            twins: false,
            copies: 0,
            told: None,
        }
    }

    /// Whether another agent has written this, and may still run.
    pub(super) fn is_of_another(&self, found: &Found) -> bool {
        found.instance != self.instance && !found.ended
    }

    /// Whether it calls the cache unclean only because another agent may run beside it, and whether one has.
    pub(super) fn set_twin(&mut self, only_twin: bool, twins: bool) {
        (self.only_twin, self.twins) = (only_twin, twins);
    }

    /// Finds the bucket again, or makes it anew. What comes next is written after what this agent has said, as if nothing had
    /// happened.
    pub(super) async fn reopen(&mut self, agent: &Agent, link: &Link) -> Result<(), Trouble> {
        self.store = store(agent, link).await?;
        self.copies = 0;
        Ok(())
    }

    /// Gives the bucket as many copies as the stream has. With fewer of them the heartbeats end when a server is away without
    /// which the purges go on.
    pub(super) async fn copy_as_often(&mut self, copies: usize) {
        if copies == self.copies {
            return;
        }
        let jetstream = self.connection.jetstream();
        let Ok(bucket) = jetstream.get_stream(BUCKET_STREAM).await else {
            return;
        };
        let config = bucket.cached_info().config.clone();
        if let Some(few) = few_copies(config.num_replicas, copies) {
            let more = stream::Config {
                num_replicas: copies,
                ..config
            };
            if let Err(error) = jetstream.update_stream(more).await {
                let problem = self.connection.denied_or(&error);
                let warning = format!("{few}. The agent cannot do it: {problem}");
                if self.told.as_ref() != Some(&warning) {
                    warn_loudly(format_args!("{warning}"));
                }
                self.told = Some(warning);
                return;
            }
        }
        (self.copies, self.told) = (copies, None);
    }

    fn server(&self, what: &str, error: &dyn std::fmt::Display) -> Trouble {
        let mut problem = self.connection.denied_or(error);
        if problem.contains("no stream found") {
            "its bucket is gone, or has no leader at this moment".clone_into(&mut problem);
        }
        Trouble::Server(format!(
            "cannot {what} the heartbeat in {BUCKET}: {problem}"
        ))
    }

    /// Takes over what another connection has seen.
    pub(super) fn remember(&mut self, earlier: &Self) {
        self.emptied = earlier.emptied;
        self.had_twin = earlier.had_twin;
    }

    /// Reads what is there, to write after it.
    pub(super) async fn read(&mut self) -> Result<Option<Found>, Trouble> {
        let entry = self.store.entry(&self.key).await;
        let entry = entry.map_err(|error| self.server("read", &error))?;
        let Some(entry) = entry else {
            self.revision = 0;
            return Ok(None);
        };
        self.revision = entry.revision;
        if entry.operation != kv::Operation::Put {
            return Ok(None);
        }
        let value: Value = serde_json::from_slice(&entry.value).unwrap_or_default();
        let number = |key: &str| value.get(key).and_then(Value::as_u64);
        let is = |key: &str| value.get(key).and_then(Value::as_bool).unwrap_or_default();
        let caches = value.get("caches").and_then(Value::as_str);
        // What cannot be read says nothing of the cache.
        Ok(Heartbeat::read(&entry.value).ok().map(|heartbeat| Found {
            heartbeat,
            instance: number("instance").unwrap_or_default(),
            twin: number("twin").unwrap_or_default(),
            ended: is("ended"),
            only_twin: is("only_twin"),
            twins: is("twins"),
            generation: number("generation").unwrap_or_default(),
            emptied: number("emptied").unwrap_or_default(),
            caches: caches.map(str::to_owned),
        }))
    }

    /// Writes it, and returns whether somebody has said since the last time that the cache is empty.
    pub(super) async fn write(&mut self, heartbeat: &Heartbeat) -> Result<bool, Trouble> {
        let mut is_emptied = false;
        // Whoever else writes does so rarely.
        for _ in 0..8 {
            let value = Found {
                heartbeat: heartbeat.clone(),
                instance: self.instance,
                twin: 0,
                ended: self.ends,
                only_twin: self.only_twin,
                twins: self.twins || self.had_twin,
                generation: self.generation,
                emptied: self.emptied,
                caches: self.caches.clone(),
            };
            let value = value.to_json().into();
            match self.store.update(&self.key, value, self.revision).await {
                Ok(revision) => {
                    self.revision = revision;
                    self.has_written = true;
                    return Ok(is_emptied);
                }
                // What was read at the start was not the last: an agent before this one may have said more since.
                Err(error)
                    if error.kind() == UpdateErrorKind::WrongLastRevision && !self.has_written =>
                {
                    let problem = "the heartbeat has changed since it was read".to_owned();
                    return Err(Trouble::Server(problem));
                }
                Err(error) if error.kind() == UpdateErrorKind::WrongLastRevision => {
                    let Some(found) = self.read().await? else {
                        continue;
                    };
                    // nats-server 2.9 checks the revision before the copies agree, and may write what a killed agent has
                    // sent over what came after it. That is not a second agent, and what it says was true.
                    let is_ours = found.instance == self.instance;
                    if !is_ours && found.generation >= self.generation {
                        if self.caches.is_some() {
                            self.say_to_twin(found).await;
                        }
                        return Err(Trouble::Fatal(AgentError::SameName {
                            node: heartbeat.node.clone(),
                        }));
                    }
                    self.had_twin |= is_ours && found.twin != 0;
                    if found.emptied > self.emptied {
                        self.emptied = found.emptied;
                        is_emptied = true;
                    }
                }
                Err(error) => return Err(self.server("write", &error)),
            }
        }
        Err(Trouble::Server(format!(
            "cannot write the heartbeat into {BUCKET}: others write it all the time"
        )))
    }

    /// Says to the other agent of this name that this one has run beside it: what one of them has acknowledged was not purged at
    /// the cache of the other, and the other may have begun where this one was.
    async fn say_to_twin(&mut self, mut found: Found) {
        // The other one may write meanwhile.
        for _ in 0..3 {
            found.twin = self.instance;
            let value = found.to_json().into();
            if (self.store.update(&self.key, value, self.revision).await).is_ok() {
                return;
            }
            match self.read().await {
                Ok(Some(again)) => found = again,
                _ => return,
            }
        }
    }

    /// Whether another agent of this name has run beside this one, and has ended. It says so once.
    pub(super) fn take_twin(&mut self) -> bool {
        std::mem::take(&mut self.had_twin)
    }

    /// Says in place of the agent, of which this is the last heartbeat, that its cache is empty.
    pub(super) async fn note_emptied(
        &mut self,
        found: &Found,
        heartbeat: &Heartbeat,
        now: u64,
    ) -> Result<(), Trouble> {
        (self.instance, self.generation) = (found.instance, found.generation);
        (self.ends, self.only_twin, self.twins) = (found.ended, found.only_twin, found.twins);
        // The agent may write at any time.
        self.has_written = true;
        self.emptied = now.max(self.emptied + 1);
        self.write(heartbeat).await.map(|_| ())
    }
}

impl Found {
    /// Whether two agents of this name had run beside each other.
    pub(super) fn knows_of_two(&self) -> bool {
        self.twins || self.twin != 0
    }

    /// The heartbeat with what the agents of one name need of each other.
    fn to_json(&self) -> String {
        let mut value = self.heartbeat.to_json();
        value["instance"] = self.instance.into();
        value["generation"] = self.generation.into();
        value["emptied"] = self.emptied.into();
        value["caches"] = self.caches.clone().into();
        if self.twin != 0 {
            value["twin"] = self.twin.into();
        }
        for (key, is) in [
            ("ended", self.ended),
            ("only_twin", self.only_twin),
            ("twins", self.twins),
        ] {
            if is {
                value[key] = true.into();
            }
        }
        value.to_string()
    }
}

/// Finds the bucket, or makes it.
async fn store(agent: &Agent, link: &Link) -> Result<kv::Store, Trouble> {
    let jetstream = link.connection().jetstream();
    if let Ok(store) = jetstream.get_key_value(BUCKET).await {
        return Ok(store);
    }
    // If another agent was faster, the bucket is there.
    let made = jetstream.create_stream(bucket(agent, link)).await;
    let store = jetstream.get_key_value(BUCKET).await;
    store.map_err(|error| match made {
        Err(error) => link.server("cannot make the bucket", &error),
        Ok(_) => link.server("cannot find the bucket", &error),
    })
}

/// The stream of the bucket. async-nats would ask for the limits of the account first, and does not understand the answer of
/// nats-server 2.9.
fn bucket(agent: &Agent, link: &Link) -> stream::Config {
    stream::Config {
        name: BUCKET_STREAM.to_owned(),
        description: Some("the agents of a fleet, by Roan".to_owned()),
        subjects: vec![format!("$KV.{BUCKET}.>")],
        max_messages_per_subject: 1,
        max_age: agent.inactive_threshold,
        duplicate_window: agent.inactive_threshold.min(Duration::from_secs(120)),
        storage: stream::StorageType::File,
        num_replicas: link.copies(),
        allow_rollup: true,
        deny_delete: true,
        // A replica that lags could say that a cache is clean, when the leader knows better.
        allow_direct: false,
        discard: stream::DiscardPolicy::New,
        max_messages: -1,
        max_bytes: -1,
        max_consumers: -1,
        max_message_size: -1,
        ..stream::Config::default()
    }
}
