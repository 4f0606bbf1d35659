//! What is ready to leave, by what may share a request.

use std::collections::VecDeque;
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::super::throttle::Throttle;
use crate::base::target::{Target, TargetKind};

/// What may share a request: targets of one kind and one site. Where a request has one target, it is what shares a limit.
#[derive(Debug, Default)]
pub(super) struct Classes {
    /// The group of limits of each class.
    groups: Vec<usize>,
    /// Of those whose requests have several targets.
    of: HashTable<(TargetKind, Option<Box<str>>, u32)>,
    hasher: DefaultHashBuilder,
}

impl Classes {
    pub(super) fn new(groups: usize) -> Self {
        Self {
            groups: (0..groups).collect(),
            ..Self::default()
        }
    }

    /// The class of a target.
    pub(super) fn of(&mut self, target: &Target, throttle: &Throttle) -> u32 {
        let (kind, site) = (target.kind(), target.site());
        let group = throttle.group(kind);
        // There are as many of these as groups, and few of the others.
        let number = |class: usize| u32::try_from(class).unwrap_or_default();
        if throttle.batch(group) == 1 {
            return number(group);
        }
        let hash = self.hasher.hash_one((kind, site));
        let is_it = |known: &(TargetKind, Option<Box<str>>, u32)| {
            known.0 == kind && known.1.as_deref() == site
        };
        if let Some((.., class)) = self.of.find(hash, is_it) {
            return *class;
        }
        let class = number(self.groups.len());
        self.groups.push(group);
        let hasher = &self.hasher;
        let known = (kind, site.map(Box::from), class);
        self.of.insert_unique(hash, known, |(kind, site, _)| {
            hasher.hash_one((*kind, site.as_deref()))
        });
        class
    }

    /// The group of limits of a class.
    pub(super) fn group(&self, class: u32) -> usize {
        self.groups[class as usize]
    }
}

/// Places in the queue, by their class. The classes take turns, so that one of which many wait holds up no other; within
/// a class the longest waiting is first.
#[derive(Debug, Default)]
pub(super) struct Lane {
    waiting: Vec<VecDeque<u32>>,
    /// The classes of which some wait, the one whose turn is next first.
    turns: VecDeque<u32>,
    /// The class to which a place was added last.
    newest: u32,
    /// Of each class, whether the newest place had its turn last.
    took_newest: Vec<bool>,
}

impl Lane {
    pub(super) fn push(&mut self, class: u32, place: u32) {
        let index = class as usize;
        if index >= self.waiting.len() {
            self.waiting.resize_with(index + 1, VecDeque::new);
            // The longest waiting begins.
            self.took_newest.resize(index + 1, true);
        }
        let waiting = &mut self.waiting[index];
        if waiting.is_empty() {
            self.turns.push_back(class);
        }
        waiting.push_back(place);
        self.newest = class;
    }

    /// The next class whose requests may leave. `may` takes a class, and how many of it wait.
    pub(super) fn next(&self, mut may: impl FnMut(u32, usize) -> bool) -> Option<u32> {
        let may = |class: &u32| may(*class, self.count(*class));
        self.turns.iter().copied().find(may)
    }

    /// The same, but the class of the newest place is asked first.
    pub(super) fn newest(&self, mut may: impl FnMut(u32, usize) -> bool) -> Option<u32> {
        let count = self.count(self.newest);
        if count > 0 && may(self.newest, count) {
            return Some(self.newest);
        }
        self.next(may)
    }

    /// The longest waiting place of a class, or the newest.
    pub(super) fn peek(&self, class: u32, newest: bool) -> Option<u32> {
        let waiting = self.waiting.get(class as usize)?;
        if newest {
            waiting.back()
        } else {
            waiting.front()
        }
        .copied()
    }

    /// Takes the longest waiting place of a class, or the newest.
    pub(super) fn pop(&mut self, class: u32, newest: bool) -> Option<u32> {
        let waiting = self.waiting.get_mut(class as usize)?;
        let place = if newest {
            waiting.pop_back()
        } else {
            waiting.pop_front()
        }?;
        if waiting.is_empty() {
            self.turns.retain(|other| *other != class);
        }
        Some(place)
    }

    /// A request of that class leaves: it is the turn of others.
    pub(super) fn had_its_turn(&mut self, class: u32) {
        if self.turns.len() > 1
            && let Some(position) = self.turns.iter().position(|other| *other == class)
        {
            self.turns.remove(position);
            self.turns.push_back(class);
        }
    }

    /// Whether it is the turn of the newest place of a class: each second time if they are to take turns.
    pub(super) fn alternates(&mut self, class: u32, take_turns: bool) -> bool {
        let took_newest = &mut self.took_newest[class as usize];
        *took_newest = take_turns && !*took_newest;
        *took_newest
    }

    pub(super) fn retain(&mut self, mut stays: impl FnMut(u32) -> bool) {
        for waiting in &mut self.waiting {
            waiting.retain(|place| stays(*place));
        }
        let waiting = &self.waiting;
        self.turns
            .retain(|class| !waiting[*class as usize].is_empty());
    }

    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.turns.iter().map(|class| self.count(*class)).sum()
    }

    /// How many of a class wait.
    pub(super) fn count(&self, class: u32) -> usize {
        self.waiting.get(class as usize).map_or(0, VecDeque::len)
    }

    /// The classes of which some wait, with how many.
    pub(super) fn classes(&self) -> impl Iterator<Item = (u32, usize)> {
        self.turns.iter().map(|class| (*class, self.count(*class)))
    }

    #[cfg(test)]
    pub(super) fn places(&self) -> impl Iterator<Item = u32> {
        self.waiting.iter().flatten().copied()
    }
}
