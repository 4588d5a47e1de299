//! Inventory: what is installed, allowed and listening. Only differences are told.

mod certificates;
mod config;
mod files;
mod interfaces;
mod item;
mod packages;
pub(crate) mod ports;
#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

pub use self::config::InventoryConfig;
use self::item::{Item, Known, Turn, sample};
use self::packages::Packages;
use self::ports::Ports;
use crate::attend::Attendant;
use crate::state::{Delta, PACE, State, Table, parse_position, position};
use crate::{Chunk, Sample, clock};

/// Key of its position in the checkpoint, and name of its state.
pub(crate) const KEY: &str = "inventory";

/// Every kind of thing.
const KINDS: [&str; 13] = [
    "system",
    "interface",
    "package",
    "user",
    "group",
    "sudo_rule",
    "port",
    "service",
    "kernel_module",
    "job",
    "authorized_key",
    "mount",
    "certificate",
];

/// Group of the kinds that were taken once: of others nothing is new, only unknown.
const TAKEN: &[u8] = b"";

/// Most things of one kind.
const ITEMS_MAX: usize = 20_000;

/// Events of one chunk.
const CHUNK_EVENTS_MAX: usize = 512;

/// Takes the inventory until stopped.
pub(crate) fn run(config: InventoryConfig, dir: &Path, known: Option<&str>, attendant: &Attendant) {
    let mut table = Known::default();
    let opened = State::open(dir, KEY, known.and_then(parse_position), &mut table);
    let (state, notes) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            let text = format!("the inventory is not taken: {error}");
            attendant.wiring.report.problem(KEY, text);
            return;
        }
    };
    for note in notes {
        attendant
            .wiring
            .report
            .notice(KEY, format!("what was known of the host is damaged: {note}"));
    }
    let mut taker = Taker {
        attendant,
        table,
        state,
        packages: Packages::default(),
        ports: Ports::default(),
        delta: Delta::default(),
        samples: Vec::new(),
        in_trouble: false,
    };
    loop {
        for kind in KINDS {
            if !config.skip.iter().any(|skipped| skipped == kind) && !taker.take(kind, &config) {
                return;
            }
        }
        if !attendant.wait(Duration::from_secs(config.interval_s)) {
            return;
        }
    }
}

struct Taker<'a> {
    attendant: &'a Attendant,
    table: Known,
    state: State,
    packages: Packages,
    ports: Ports,
    delta: Delta,
    samples: Vec<Sample>,
    in_trouble: bool,
}

impl Taker<'_> {
    /// Takes one kind; false when it is time to end.
    fn take(&mut self, kind: &'static str, config: &InventoryConfig) -> bool {
        // `None`: it cannot be told now, which is no reason to call everything removed.
        let Some(mut items) = self.look(kind, config) else { return true };
        items.truncate(ITEMS_MAX);
        let is_first = !self.known(TAKEN, kind.as_bytes());
        let now = clock::now();
        let mut seen = HashSet::new();
        for item in items {
            let key = item.key.clone().into_bytes();
            if !seen.insert(key.clone()) {
                continue;
            }
            let stored = item.stored();
            let before = self.table.0.get(kind.as_bytes()).and_then(|keys| keys.get(&key));
            let turn = match before {
                Some(before) if *before == stored => continue,
                Some(_) => Turn::Changed,
                None if is_first => Turn::Baseline,
                None => Turn::Added,
            };
            let sample = sample(kind, turn, &item, before.map(Vec::as_slice), now);
            self.delta.put(kind.as_bytes(), &key, &stored);
            if !self.tell(sample) {
                return false;
            }
        }
        let keys = self.table.0.get(kind.as_bytes());
        let gone: Vec<_> = keys
            .into_iter()
            .flatten()
            .filter(|(key, _)| !seen.contains(*key))
            .map(|(key, stored)| (key.clone(), stored.clone()))
            .collect();
        for (key, stored) in gone {
            let item = Item::new(String::from_utf8_lossy(&key));
            let sample = sample(kind, Turn::Removed, &item, Some(&stored), now);
            self.delta.remove(kind.as_bytes(), &key);
            if !self.tell(sample) {
                return false;
            }
        }
        if is_first {
            self.delta.put(TAKEN, kind.as_bytes(), b"");
        }
        self.flush()
    }

    fn look(&mut self, kind: &str, config: &InventoryConfig) -> Option<Vec<Item>> {
        match kind {
            "system" => files::system(),
            "interface" => interfaces::look(),
            "package" => self.packages.look(&config.rpm, self.attendant),
            "user" => files::users(),
            "group" => files::groups(),
            "sudo_rule" => files::sudo_rules(),
            "port" => self.ports.look(),
            "service" => files::services(),
            "kernel_module" => files::kernel_modules(),
            "job" => files::jobs(),
            "authorized_key" => files::authorized_keys(),
            "mount" => files::mounts(),
            _ => certificates::look(&config.certificates, clock::now()),
        }
    }

    fn known(&self, group: &[u8], key: &[u8]) -> bool {
        self.table.0.get(group).is_some_and(|keys| keys.contains_key(key))
    }

    fn tell(&mut self, sample: Sample) -> bool {
        self.samples.push(sample);
        self.samples.len() < CHUNK_EVENTS_MAX || self.flush()
    }

    /// Makes what was found durable, then hands it on.
    fn flush(&mut self) -> bool {
        if self.delta.len() == 0 && self.samples.is_empty() {
            return !self.attendant.is_stopped();
        }
        let delta = std::mem::take(&mut self.delta);
        let samples = std::mem::take(&mut self.samples);
        let report = &self.attendant.wiring.report;
        let generation = match self.state.append(&delta, !samples.is_empty()) {
            Ok(generation) => generation,
            Err(error) => {
                // Not known yet, so the next look finds it again.
                let text =
                    format!("the inventory waits: {error}; free some room in the state folder");
                report.problem(KEY, text);
                self.in_trouble = true;
                return true;
            }
        };
        if std::mem::take(&mut self.in_trouble) {
            report.resolved(KEY);
        }
        delta.apply(&mut self.table as &mut dyn Table);
        if let Err(error) = self.state.compact(&self.table) {
            tracing::warn!(%error, "the inventory cannot be written anew");
        }
        let chunk = Chunk {
            items: samples.into_iter().map(crate::Item::Sample).collect(),
            positions: vec![(KEY.to_owned(), position(generation))],
            ..Chunk::default()
        };
        self.attendant.send(chunk) && self.attendant.wait(PACE)
    }
}
