//! What proves that an agent gets what the stream has: the answers of the servers. A connection proves nothing: a server that hangs,
//! is cut off from the others or has denied a request keeps it open.

use std::time::{Duration, Instant};

/// What the servers must answer again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// The look at the stream, by its leader, and at the consumer.
    Look,
    /// The request for messages.
    Messages,
    /// The heartbeat.
    Heartbeat,
}

/// When they last did.
#[derive(Debug, Clone, Default)]
pub(super) struct Proofs {
    /// One for each of what is asked.
    each: [Proof; 3],
}

#[derive(Debug, Clone, Default)]
struct Proof {
    /// `None` for never.
    answered: Option<Instant>,
    trouble: Option<String>,
}

impl Proofs {
    pub(super) fn answered(&mut self, asked: Asked) {
        self.each[asked as usize] = Proof {
            answered: Some(Instant::now()),
            trouble: None,
        };
    }

    pub(super) fn failed(&mut self, asked: Asked, trouble: String) {
        self.each[asked as usize].trouble = Some(trouble);
    }

    /// Whether the last one was answered.
    pub(super) fn is_well(&self, asked: Asked) -> bool {
        let proof = &self.each[asked as usize];
        proof.answered.is_some() && proof.trouble.is_none()
    }

    /// The next one shows whether they answer.
    pub(super) fn ask_again(&mut self, asked: Asked) {
        let proof = &mut self.each[asked as usize];
        proof.trouble.get_or_insert_default();
    }

    /// The time since the oldest of the last answers, `None` if one has never come; and the trouble.
    pub(super) fn oldest(&self) -> (Option<Duration>, Option<String>) {
        // `None` is less than any time.
        let oldest = self.each.iter().map(|proof| proof.answered).min().flatten();
        let mut troubles = self.each.iter().filter_map(|proof| proof.trouble.as_ref());
        let trouble = troubles.find(|trouble| !trouble.is_empty()).cloned();
        (oldest.map(|since| since.elapsed()), trouble)
    }
}
