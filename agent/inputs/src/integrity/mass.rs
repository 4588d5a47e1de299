//! Mass: many changes within a minute, as encryption or a careless script makes them.

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, Instant};

use rules_event::{Timestamp, Value};

use super::event::{Change, notice, text};
use crate::Sample;

const WINDOW: Duration = Duration::from_secs(60);

/// Most endings and folders counted in a window; the common ones are among the first.
const KINDS_MAX: usize = 256;

/// Counts changes by the minute.
#[derive(Debug)]
pub(super) struct Mass {
    max: u64,
    began: Instant,
    total: u64,
    actions: HashMap<&'static str, u64>,
    endings: HashMap<String, u64>,
    folders: HashMap<String, u64>,
    is_told: bool,
}

impl Mass {
    pub(super) fn new(max: u64) -> Self {
        Self {
            max,
            began: Instant::now(),
            total: 0,
            actions: HashMap::new(),
            endings: HashMap::new(),
            folders: HashMap::new(),
            is_told: false,
        }
    }

    /// Counts a change; returns an event when it is the one too many of this minute.
    pub(super) fn count(&mut self, path: &Path, change: &Change, now: Timestamp) -> Option<Sample> {
        if self.began.elapsed() >= WINDOW {
            *self = Self::new(self.max);
        }
        self.total += 1;
        *self.actions.entry(change.action()).or_default() += 1;
        let ending = path.extension().map(|ending| text(Path::new(ending))).unwrap_or_default();
        bump(&mut self.endings, ending);
        bump(&mut self.folders, path.parent().map(text).unwrap_or_default());
        if self.total < self.max || self.is_told {
            return None;
        }
        self.is_told = true;
        let message = format!("{} files changed within a minute", self.total);
        let mut sample = notice("mass_change", now, message);
        let event = &mut sample.event;
        event.set("vonglau.file.mass.count", i64::try_from(self.total).unwrap_or(i64::MAX));
        for (action, name) in [
            ("created", "vonglau.file.mass.created"),
            ("modified", "vonglau.file.mass.modified"),
            ("renamed", "vonglau.file.mass.renamed"),
            ("deleted", "vonglau.file.mass.deleted"),
        ] {
            let count = self.actions.get(action).copied().unwrap_or_default();
            event.set(name, i64::try_from(count).unwrap_or(i64::MAX));
        }
        for (counts, name) in [(&self.endings, "file.extension"), (&self.folders, "file.directory")]
        {
            if let Some((most, _)) = counts.iter().max_by_key(|(_, count)| **count) {
                event.set(name, Value::text(most));
            }
        }
        Some(sample)
    }
}

fn bump(counts: &mut HashMap<String, u64>, key: String) {
    if counts.len() < KINDS_MAX || counts.contains_key(&key) {
        *counts.entry(key).or_default() += 1;
    }
}
