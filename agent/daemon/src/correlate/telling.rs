//! Telling: when a firing is worth an alert event, and when it was told already.
//!
//! While an attack goes on its correlation fires with every hit. It is told when it begins, when its
//! count has doubled, and while it grows four times a slot or so: some 15 events in the first hour
//! of a million hits, instead of a million.

use std::collections::HashMap;
use std::time::Duration;

use rules_correlate::Fired;
use rules_correlate::bytes::{Reader, write_bytes, write_signed, write_unsigned};
use rules_event::Timestamp;

/// So many firings are told at a time, some 400 KiB: more attackers than anybody looks at in an hour.
/// Further ones wait until some are over; they are counted, and the collector, where it gets the
/// events themselves, knows them all.
pub(super) const FIRINGS_MAX: usize = 4_096;
/// A firing that grows is told again after this much event time, even if it grows slowly: a quarter
/// of the shortest slot.
const AGAIN_AFTER: Duration = Duration::from_secs(15 * 60);
/// A slot has at least this length; see `rules/correlate`.
const SLOT_MIN: Duration = Duration::from_secs(3_600);

/// What was told of one firing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Told {
    revision: u64,
    count: u64,
    /// Event time when it was told last.
    at: i64,
    /// Nothing more can come of it from then on.
    until: i64,
    /// Not on disk yet.
    is_fresh: bool,
}

/// What was told, by key.
#[derive(Debug, Default)]
pub(super) struct Telling(HashMap<String, Told>);

/// What to do with a firing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Tell it, as the so-manieth word on it.
    Tell(u64),
    /// It was told, and little is new.
    Known,
    /// There is no room to remember that it was told.
    Withheld,
}

impl Telling {
    /// Judges a firing. `newest` is how far time has come.
    pub(super) fn judge(&mut self, fired: &Fired, timespan: Duration, newest: i64) -> Verdict {
        let nanos = |span: Duration| i64::try_from(span.as_nanos()).unwrap_or(i64::MAX);
        let slot = nanos(SLOT_MIN).max(nanos(timespan).saturating_mul(4));
        // The slot it lies in, the lateness, and once more for what comes later still.
        let until = fired.last.as_nanos().saturating_add(slot.saturating_mul(2));
        if let Some(told) = self.0.get_mut(&fired.key) {
            let is_due = newest.saturating_sub(told.at) >= nanos(AGAIN_AFTER);
            if fired.count < told.count.saturating_mul(2) && !(is_due && fired.count > told.count) {
                return Verdict::Known;
            }
            let revision = told.revision + 1;
            *told = Told { revision, count: fired.count, at: newest, until, is_fresh: true };
            return Verdict::Tell(revision);
        }
        if self.0.len() >= FIRINGS_MAX {
            self.0.retain(|_, told| told.until >= newest);
        }
        if self.0.len() >= FIRINGS_MAX {
            return Verdict::Withheld;
        }
        let told = Told { revision: 0, count: fired.count, at: newest, until, is_fresh: true };
        self.0.insert(fired.key.clone(), told);
        Verdict::Tell(0)
    }

    /// Returns before which count, and until when, nothing more will be told of a firing; `None` where that
    /// cannot be said.
    pub(super) fn rest(&self, key: &str) -> Option<(u64, Timestamp)> {
        let told = self.0.get(key)?;
        let at = Timestamp::from_nanos(told.at);
        Some((told.count.saturating_mul(2), at.saturating_add(AGAIN_AFTER)))
    }

    /// Writes what is not on disk yet, or all.
    pub(super) fn write(&self, out: &mut Vec<u8>, all: bool) {
        for (key, told) in self.0.iter().filter(|(_, told)| all || told.is_fresh) {
            write_bytes(out, key.as_bytes());
            write_unsigned(out, told.revision);
            write_unsigned(out, told.count);
            write_signed(out, told.at);
            write_signed(out, told.until);
        }
    }

    /// Notes that all is on disk.
    pub(super) fn stored(&mut self) {
        self.0.values_mut().for_each(|told| told.is_fresh = false);
    }

    /// Reads what was told; what is known of the same firing is replaced.
    pub(super) fn read(&mut self, from: &mut Reader<'_>) -> Option<()> {
        while !from.is_empty() {
            let key = from.text()?.to_owned();
            let (revision, count) = (from.unsigned()?, from.unsigned()?);
            let (at, until) = (from.signed()?, from.signed()?);
            if self.0.len() < FIRINGS_MAX || self.0.contains_key(&key) {
                self.0.insert(key, Told { revision, count, at, until, is_fresh: false });
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60 * 1_000_000_000;

    fn fired(key: &str, count: u64, at: i64) -> Fired {
        Fired {
            correlation_id: "c".to_owned(),
            group: Vec::new().into(),
            first: Timestamp::from_nanos(at),
            last: Timestamp::from_nanos(at),
            count,
            values: 0,
            measure: None,
            estimated: false,
            error: 0.0,
            event_ids: Vec::new().into(),
            witness: rules_correlate::Witness::default(),
            key: key.to_owned(),
        }
    }

    #[test]
    fn a_long_attack_is_told_a_few_times() {
        let mut telling = Telling::default();
        let span = Duration::from_secs(120);
        let mut told = 0;
        for n in 0..1_000_000_i64 {
            let at = n * 60 * MINUTE / 1_000_000;
            if let Verdict::Tell(revision) = telling.judge(&fired("k", n as u64 + 10, at), span, at)
            {
                assert_eq!(revision, told);
                told += 1;
            }
        }
        assert!((15..=22).contains(&told), "{told} times");
        assert_eq!(telling.judge(&fired("other", 10, 0), span, 0), Verdict::Tell(0));
        assert_eq!(telling.judge(&fired("other", 10, 0), span, 20 * MINUTE), Verdict::Known);
        assert_eq!(telling.judge(&fired("other", 11, 0), span, 20 * MINUTE), Verdict::Tell(1));
    }

    #[test]
    fn too_many_are_withheld_until_some_are_over() {
        let mut telling = Telling::default();
        let span = Duration::from_secs(60);
        for n in 0..FIRINGS_MAX {
            assert_eq!(telling.judge(&fired(&n.to_string(), 5, 0), span, 0), Verdict::Tell(0));
        }
        assert_eq!(telling.judge(&fired("one more", 5, 0), span, 0), Verdict::Withheld);
        let later = 121 * MINUTE;
        assert_eq!(telling.judge(&fired("one more", 5, later), span, later), Verdict::Tell(0));
        assert_eq!(telling.0.len(), 1);
    }

    #[test]
    fn what_was_told_is_remembered() {
        let (mut telling, mut after) = (Telling::default(), Telling::default());
        let span = Duration::from_secs(60);
        telling.judge(&fired("a", 5, 0), span, 0);
        let (mut whole, mut change) = (Vec::new(), Vec::new());
        telling.write(&mut whole, true);
        telling.stored();
        telling.judge(&fired("a", 10, 0), span, 0);
        telling.judge(&fired("b", 5, 0), span, 0);
        telling.write(&mut change, false);
        after.read(&mut Reader::new(&whole)).unwrap();
        after.read(&mut Reader::new(&change)).unwrap();
        assert_eq!(after.judge(&fired("a", 19, 0), span, 0), Verdict::Known);
        assert_eq!(after.judge(&fired("a", 20, 0), span, 0), Verdict::Tell(2));
        assert_eq!(after.judge(&fired("b", 9, 0), span, 0), Verdict::Known);
    }
}
