//! Table: all groups of all correlations, and which of them goes when there are too many.

use std::collections::{BTreeMap, HashMap};

use crate::group::{Group, Progress};

/// Expired groups removed for each new one while the table is more than half full.
const SWEPT_PER_GROUP: usize = 2;

/// Which group: definition, and the group values in order.
pub(crate) type GroupKey = (usize, Vec<String>);

/// Groups by key, and their order of departure.
#[derive(Debug, Default)]
pub(crate) struct Table {
    groups: HashMap<GroupKey, Held>,
    /// Least worth keeping first: by progress, then by the observation that hit it last.
    departure: BTreeMap<(Progress, u64), GroupKey>,
    hits: usize,
    evicted: u64,
    expired: u64,
}

#[derive(Debug)]
struct Held {
    group: Group,
    /// Its place in the order of departure.
    place: (Progress, u64),
    size: usize,
    /// It can no longer matter once events are this late.
    expires: i64,
}

impl Table {
    pub(crate) fn groups(&self) -> usize {
        self.groups.len()
    }

    pub(crate) fn evicted(&self) -> u64 {
        self.evicted
    }

    pub(crate) fn expired(&self) -> u64 {
        self.expired
    }

    /// Lets `change` work on the group of a key, made if absent. `tick` must be new.
    pub(crate) fn with<T>(
        &mut self,
        key: GroupKey,
        make: impl FnOnce() -> Group,
        tick: u64,
        timespan: i64,
        change: impl FnOnce(&mut Group) -> T,
    ) -> T {
        let held = self.groups.entry(key.clone()).or_insert_with(|| {
            let group = make();
            Held { place: (group.progress(), tick), group, size: 0, expires: i64::MIN }
        });
        let answer = change(&mut held.group);
        let place = (held.group.progress(), tick);
        let size = held.group.size();
        self.departure.remove(&held.place);
        self.departure.insert(place, key);
        self.hits = self.hits - held.size + size;
        held.place = place;
        held.size = size;
        held.expires = held.group.head().saturating_add(timespan.saturating_mul(2));
        answer
    }

    /// Brings the table within its bounds. `now` is the newest event time seen.
    pub(crate) fn settle(&mut self, now: i64, groups_max: usize, hits_max: usize) {
        if self.groups.len() > groups_max / 2 {
            for _ in 0..SWEPT_PER_GROUP {
                let Some(key) = self.first_expired(now) else { break };
                self.remove(&key);
                self.expired += 1;
            }
        }
        // The group just hit is the last to go, so at least one stays.
        while self.groups.len() > 1 && (self.groups.len() > groups_max || self.hits > hits_max) {
            if let Some(key) = self.first_expired(now) {
                self.remove(&key);
                self.expired += 1;
            } else if let Some((_, key)) = self.departure.first_key_value() {
                let key = key.clone();
                self.remove(&key);
                self.evicted += 1;
            } else {
                return;
            }
        }
    }

    /// Returns the least recently hit group of some progress, if its windows are over.
    fn first_expired(&self, now: i64) -> Option<GroupKey> {
        for progress in Progress::all() {
            let first = self.departure.range((progress, 0)..=(progress, u64::MAX)).next();
            if let Some((_, key)) = first
                && self.groups.get(key).is_some_and(|held| held.expires < now)
            {
                return Some(key.clone());
            }
        }
        None
    }

    fn remove(&mut self, key: &GroupKey) {
        if let Some(held) = self.groups.remove(key) {
            self.departure.remove(&held.place);
            self.hits -= held.size;
        }
    }
}
