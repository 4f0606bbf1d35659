//! Looks at the stream and the consumer while the agent consumes, and says where it is.
//!
//! A heartbeat that cannot be written does not hold up purges: what is acknowledged without it comes again after a restart. Only
//! what was given up waits for it.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::Work;
use super::consume::Underway;
use super::twin::Twin;
use crate::agent::beats::Beats;
use crate::agent::link::{Look, Trouble};
use crate::agent::proof::Asked;
use crate::base::log::{loudly, warn_loudly};
use crate::fleet::heartbeat::AgentState;
use crate::fleet::stream::Judgement;

/// While the cache is unclean, the agent looks this often whether somebody has emptied it.
pub(super) const LOOK_FOR_OPERATOR: Duration = Duration::from_secs(1);

/// After so many looks that failed while there is a connection, everything is found anew; after so many heartbeats, the bucket.
const MOST_FAILED: u32 = 5;

/// The time to find the bucket again: looks wait for it.
const REOPENING: Duration = Duration::from_secs(5);

/// What has become of a look and of the heartbeat after it.
pub(super) struct Looked {
    pub(super) beats: Beats,
    /// What it has found, if there was one.
    look: Result<Option<Look>, Trouble>,
    /// Whether somebody has said that the cache is empty; `None` without a heartbeat.
    beat: Option<Result<bool, Trouble>>,
}

/// One on its way.
pub(super) type Looking = JoinHandle<Looked>;

impl Work {
    /// Says where the agent is; before that, if `looks`, it looks at the consumer and the stream.
    pub(super) fn start_look(&mut self, underway: &mut Underway, looks: bool) {
        let now = Instant::now();
        let (state, why) = self.state();
        underway.said_at = now;
        if looks {
            self.look_at = match state {
                AgentState::Unclean => now + LOOK_FOR_OPERATOR,
                _ => now + self.every(),
            };
        }
        let (Some(link), Some(mut beats)) = (self.link.clone(), self.beats.take()) else {
            return;
        };
        beats.set_twin(self.is_only_twin(), self.has_twin_run());
        underway.said.clone_from(&self.given_up);
        let heartbeat = self.heartbeat(state, why);
        underway.saying_floor = heartbeat.acknowledged;
        let (taken, lacks) = (self.position.taken(), self.position.lacks());
        let reopens = underway.failed_beats >= MOST_FAILED;
        let (agent, shared) = (self.agent.clone(), Arc::clone(&self.shared));
        underway.looking = Some(tokio::spawn(async move {
            let look = match looks {
                true => link.look_for(taken, lacks).await.map(Some),
                false => Ok(None),
            };
            if let Ok(Some(_)) = &look {
                shared.answered(Asked::Look);
            }
            if look.is_err() {
                let beat = None;
                return Looked { beats, look, beat };
            }
            if reopens {
                // The bucket may be gone. If not, this says nothing new.
                let reopening = beats.reopen(&agent, &link);
                let _ = tokio::time::timeout(REOPENING, reopening).await;
            }
            let beat = Some(beats.write(&heartbeat).await);
            if let (Ok(Some(look)), Some(Ok(_))) = (&look, &beat) {
                beats.copy_as_often(look.copies).await;
            }
            Looked { beats, look, beat }
        }));
    }

    pub(super) fn looked(
        &mut self,
        underway: &mut Underway,
        ended: Option<Looked>,
    ) -> Result<(), Trouble> {
        underway.looking = None;
        let said = std::mem::take(&mut underway.said);
        let Some(Looked { beats, look, beat }) = ended else {
            return Err(Trouble::Server(
                "the look at the stream has panicked".to_owned(),
            ));
        };
        let had_twin = self.beats.insert(beats).take_twin();
        if had_twin {
            self.may_have_twin(Twin::of_now());
            let why = "another agent of the same name has run beside this one until now, and its cache may be another one";
            return self.must_empty(why.to_owned());
        }
        if !matches!(look, Ok(None)) {
            self.see_consumer(matches!(look, Err(Trouble::Mute(_))));
        }
        let has_looked = match look {
            Ok(Some(look)) => {
                underway.failed_looks = 0;
                let last = look.known.last;
                if last > self.position.taken() {
                    underway.awaited.get_or_insert((last, Instant::now()));
                }
                if let Some(why) = self.why_empty(&look) {
                    return self.must_empty(why);
                }
                self.see_max_age(look.max_age);
                self.see_settings(look.judgement);
                true
            }
            Ok(None) => false,
            Err(Trouble::NoConsumer) => {
                let why = "its consumer or the stream is gone: deleted, or not used for too long";
                return self.must_empty(why.to_owned());
            }
            Err(Trouble::Server(problem) | Trouble::Mute(problem)) => {
                self.tell_failure(underway, Asked::Look, &problem);
                underway.failed_looks += u32::from(underway.connected);
                return match underway.failed_looks {
                    MOST_FAILED.. => Err(Trouble::Server(problem)),
                    _ => Ok(()),
                };
            }
            Err(fatal) => return Err(fatal),
        };
        match beat {
            Some(Ok(is_emptied)) => {
                self.shared.answered(Asked::Heartbeat);
                underway.failed_beats = 0;
                underway.said_floor = underway.saying_floor;
                for id in &said {
                    self.acknowledge(*id);
                }
                self.given_up.retain(|id| !said.contains(id));
                if is_emptied && self.unclean.take().is_some() {
                    self.is_clean_by_hand();
                    self.look_at = Instant::now();
                }
            }
            Some(Err(Trouble::Server(problem))) => {
                self.tell_failure(underway, Asked::Heartbeat, &problem);
                underway.failed_beats += u32::from(underway.connected);
            }
            Some(Err(fatal)) => return Err(fatal),
            None => {}
        }
        self.show_phase();
        if has_looked {
            self.see_denial(underway.awaited.is_some());
            if self.warnings() != self.warnings.said {
                self.look_at = Instant::now();
            }
        }
        Ok(())
    }

    fn tell_failure(&mut self, underway: &Underway, asked: Asked, problem: &str) {
        if underway.connected && self.logs(asked) {
            let node = &self.agent.node;
            warn_loudly(format_args!("the agent of {node} tries again: {problem}"));
        }
        self.shared.failed(asked, problem.to_owned());
        self.look_at = Instant::now() + Duration::from_secs(1);
    }

    /// Why what a look has found makes it doubtful that the cache is clean.
    fn why_empty(&self, look: &Look) -> Option<String> {
        self.shared
            .note(|status| status.waiting_in_stream = look.pending);
        if let Some(lost) = self.position.compare(look.known) {
            return Some(lost.to_string());
        }
        let floor = self.position.was_passed(look.known)?;
        Some(format!(
            "the consumer has acknowledged message {floor}, which this agent has not had: another agent of the same name has run"
        ))
    }

    fn must_empty(&mut self, why: String) -> Result<(), Trouble> {
        self.must_empty = Some(why);
        Ok(())
    }

    /// Notices that somebody has changed the settings of the stream.
    fn see_settings(&mut self, judgement: Judgement) {
        self.warn(judgement.warnings);
        let unfit = judgement.unfit.map(|unfit| unfit.to_string());
        if unfit == self.unfit {
            return;
        }
        let node = &self.agent.node;
        if let Some(why) = &unfit {
            loudly(format_args!("the agent of {node} is not ready: {why}"));
        }
        // Nobody knows what was dropped until now.
        if let Some(was) = self.unfit.take() {
            let why = format!("purges may be lost: until it was changed, {was}");
            self.unclean.get_or_insert(why);
        }
        self.unfit = unfit;
        self.look_at = Instant::now();
        self.show_phase();
    }

    /// Notices that a server has denied something: it does not answer the requests for messages of a user who may not ask.
    fn see_denial(&mut self, awaits: bool) {
        let Some(connection) = self.link.as_ref().map(|link| link.connection()) else {
            return;
        };
        let taken = self.shared.taken.load(Ordering::Relaxed);
        let denied = connection.denied();
        self.warnings.see_denial(denied.as_deref());
        connection.all_is_well();
        if let Some(words) = denied {
            let is_due = self.logs(Asked::Messages) | self.warnings.is_new_denial(&words);
            let node = &self.agent.node;
            if is_due {
                loudly(format_args!("the agent of {node}: {words}"));
            }
            if words.contains(".MSG.NEXT.") {
                self.shared.failed(Asked::Messages, words.clone());
            }
            self.denied = Some((taken, words));
        }
        // What has come since was not denied.
        self.denied = self.denied.take().filter(|(then, _)| *then == taken);
        if let (Some((_, words)), true) = (&self.denied, awaits) {
            self.shared.note(|status| {
                status.why.get_or_insert_with(|| words.clone());
            });
        }
    }
}
