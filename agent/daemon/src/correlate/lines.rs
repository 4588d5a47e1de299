//! Lines: the last original lines of each counted rule, for those who read an alert.

use std::collections::HashMap;

use rules_correlate::EventId;
use rules_correlate::bytes::{Reader, write_bytes, write_unsigned};
use rules_correlate::told::{LINE_BYTES_MAX, LINES_MAX};

use super::dictionary::Dictionary;

/// Lines kept of each rule. With all 40 rules that the shipped correlations count, 640 KiB at most;
/// most lines are a third of their bound.
const KEPT: usize = 32;
/// Of an alert's lines, so many are the first that led to it; the others are the last.
const FIRST: usize = LINES_MAX / 2;

/// The last lines of one rule.
#[derive(Debug, Default)]
struct Ring {
    rule: String,
    /// Event id and line, oldest first once it is full and `next` is where the oldest lies.
    lines: Vec<(EventId, String)>,
    next: usize,
    /// So many of the newest are not on disk yet.
    fresh: usize,
    /// Hits of the block being counted, by their place in it: newer than all lines.
    newer: Vec<u32>,
}

/// The lines of a block's hits, and whose they are.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Origin<'a> {
    pub(super) ids: &'a [EventId],
    pub(super) lines: &'a str,
    pub(super) ends: &'a [usize],
}

impl<'a> Origin<'a> {
    /// Returns the line of a hit; empty if it is not to be shown.
    pub(super) fn line(&self, hit: usize) -> &'a str {
        let end = |hit: usize| self.ends.get(hit).copied();
        let start = hit.checked_sub(1).and_then(end).unwrap_or(0);
        self.lines.get(start..end(hit).unwrap_or(start)).unwrap_or_default()
    }
}

impl Ring {
    fn push(&mut self, id: EventId, line: &str) {
        let line = &line[..line.floor_char_boundary(LINE_BYTES_MAX)];
        self.fresh = (self.fresh + 1).min(KEPT);
        if self.lines.len() < KEPT {
            self.lines.push((id, line.to_owned()));
            return;
        }
        let (known_id, known) = &mut self.lines[self.next];
        self.next = (self.next + 1) % KEPT;
        *known_id = id;
        known.clear();
        known.push_str(line);
    }

    /// Returns the lines, oldest first.
    fn iter(&self) -> impl Iterator<Item = &(EventId, String)> {
        let (new, old) = self.lines.split_at(self.next);
        old.iter().chain(new)
    }

    /// Calls `each` with the lines that are kept, oldest first, and whose they are.
    fn each<'a>(&'a self, origin: Origin<'a>, each: &mut impl FnMut(EventId, &'a str)) {
        let over = (self.lines.len() + self.newer.len()).saturating_sub(KEPT);
        for (id, line) in self.iter().skip(over) {
            each(*id, line);
        }
        for hit in &self.newer[self.newer.len().saturating_sub(KEPT)..] {
            let hit = *hit as usize;
            if let Some(id) = origin.ids.get(hit) {
                each(*id, origin.line(hit));
            }
        }
    }
}

/// By place in the dictionary.
#[derive(Debug, Default)]
pub(super) struct Lines(Vec<Ring>);

impl Lines {
    /// Arranges them by another dictionary; lines of rules that it does not have are gone.
    pub(super) fn arrange(&mut self, dictionary: &Dictionary) {
        let mut before = std::mem::take(&mut self.0);
        self.0 = dictionary
            .rules
            .iter()
            .map(|rule| match before.iter().position(|ring| ring.rule == rule.id) {
                Some(place) => before.swap_remove(place),
                None => Ring { rule: rule.id.clone(), ..Ring::default() },
            })
            .collect();
    }

    /// Notes that a rule hit at a place in the block that is being counted. Most lines are pushed out by
    /// others of the same block, so none is copied before its end.
    pub(super) fn note(&mut self, rule: u16, hit: usize) {
        if let Some(ring) = self.0.get_mut(usize::from(rule)) {
            ring.newer.push(u32::try_from(hit).unwrap_or(u32::MAX));
        }
    }

    /// Keeps the lines of a block that is counted.
    pub(super) fn keep(&mut self, origin: Origin<'_>) {
        for ring in &mut self.0 {
            let mut newer = std::mem::take(&mut ring.newer);
            for hit in newer.drain(newer.len().saturating_sub(KEPT)..) {
                let hit = hit as usize;
                ring.push(origin.ids.get(hit).copied().unwrap_or(EventId::NONE), origin.line(hit));
            }
            newer.clear();
            ring.newer = newer;
        }
    }

    /// Returns lines for an alert, as far as they are kept: those of its first events, the newest ones
    /// of the others, and that of the event by which it fired.
    pub(super) fn of(
        &self,
        event_ids: &[String],
        by: Option<EventId>,
        origin: Origin<'_>,
    ) -> Vec<String> {
        let ids: Vec<EventId> = event_ids.iter().map(|id| EventId::new(id)).collect();
        // One look at all lines, however many events are asked for.
        let mut lines: HashMap<EventId, Option<&str>> =
            ids.iter().copied().chain(by).map(|id| (id, None)).collect();
        for ring in &self.0 {
            ring.each(origin, &mut |id, line| {
                if let Some(found) = lines.get_mut(&id) {
                    found.get_or_insert(line);
                }
            });
        }
        let line = |id: EventId| lines.get(&id).copied().flatten().map(str::to_owned);
        let others = || ids.iter().copied().filter(|id| Some(*id) != by);
        let mut found: Vec<String> = others().filter_map(line).take(FIRST).collect();
        let rest = others().count().saturating_sub(found.len());
        let last = by.and_then(line);
        let room = LINES_MAX - found.len() - usize::from(last.is_some());
        let mut newest: Vec<String> =
            others().rev().take(rest).filter_map(line).take(room).collect();
        newest.reverse();
        // What is among the first and among the last is there once.
        newest.retain(|line| !found.contains(line));
        found.extend(newest);
        found.extend(last);
        found
    }

    /// Writes the lines that are not on disk yet, or all.
    pub(super) fn write(&self, out: &mut Vec<u8>, all: bool) {
        for ring in &self.0 {
            let count = if all { ring.lines.len() } else { ring.fresh };
            if count == 0 {
                continue;
            }
            write_bytes(out, ring.rule.as_bytes());
            write_unsigned(out, count as u64);
            for (id, line) in ring.iter().skip(ring.lines.len() - count) {
                id.write(out);
                write_bytes(out, line.as_bytes());
            }
        }
    }

    /// Notes that all are on disk.
    pub(super) fn stored(&mut self) {
        self.0.iter_mut().for_each(|ring| ring.fresh = 0);
    }

    /// Reads lines behind those there are.
    pub(super) fn read(&mut self, from: &mut Reader<'_>) -> Option<()> {
        while !from.is_empty() {
            let rule = from.text()?;
            let place = self.0.iter().position(|ring| ring.rule == rule).unwrap_or_else(|| {
                self.0.push(Ring { rule: rule.to_owned(), ..Ring::default() });
                self.0.len() - 1
            });
            for _ in 0..from.count()? {
                let (id, line) = (EventId::read(from)?, from.text()?);
                self.0[place].push(id, line);
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines() -> Lines {
        Lines(vec![Ring::default(), Ring { rule: "b".to_owned(), ..Ring::default() }])
    }

    fn push(lines: &mut Lines, rule: u16, id: &str, line: &str) {
        lines.note(rule, 0);
        let ids = [EventId::new(id)];
        lines.keep(Origin { ids: &ids, lines: line, ends: &[line.len()] });
    }

    fn of(lines: &Lines, ids: &[String], by: &str) -> Vec<String> {
        lines.of(ids, Some(EventId::new(by)), Origin::default())
    }

    #[test]
    fn an_alert_shows_how_it_began_and_how_it_ended() {
        let mut lines = lines();
        let ids: Vec<String> = (0..20).map(|n| format!("e{n}")).collect();
        for id in &ids {
            push(&mut lines, 1, id, &format!("line of {id}"));
        }
        let expected = [0, 1, 2, 17, 18, 19].map(|n| format!("line of e{n}"));
        assert_eq!(of(&lines, &ids, "e19"), expected);
        assert_eq!(of(&lines, &ids[..2], "e1"), expected[..2]);
        assert_eq!(of(&lines, &ids, "gone").len(), LINES_MAX);
        assert_eq!(of(&lines, &["gone".to_owned()], "e5"), ["line of e5"]);
        // The oldest go.
        for n in 0..KEPT {
            push(&mut lines, 1, &format!("x{n}"), "x");
        }
        assert!(of(&lines, &ids, "e19").is_empty());
        push(&mut lines, 0, "long", &"ỳ".repeat(LINE_BYTES_MAX));
        assert!(of(&lines, &[], "long")[0].len() <= LINE_BYTES_MAX);
    }

    /// However many hits are counted in one go, and wherever among them one asks.
    #[test]
    fn a_block_shows_what_hits_one_by_one_would_show() {
        let text: String = (0..100).map(|n| format!("line {n:02}")).collect();
        let ends: Vec<usize> = (1..=100).map(|n| n * 7).collect();
        let ids: Vec<EventId> = (0..100).map(|n| EventId::new(&format!("e{n}"))).collect();
        let origin = Origin { ids: &ids, lines: &text, ends: &ends };
        for before in [0, 1, 31, 32, 33, 60] {
            let (mut one_by_one, mut at_once) = (lines(), lines());
            for hit in 0..100 {
                push(&mut one_by_one, 1, &format!("e{hit}"), &format!("line {hit:02}"));
                at_once.note(1, hit);
                for asked in 0..=hit {
                    let asked = EventId::new(&format!("e{asked}"));
                    let expected = one_by_one.of(&[], Some(asked), Origin::default());
                    assert_eq!(at_once.of(&[], Some(asked), origin), expected, "{before} {hit}");
                }
                if hit == before {
                    at_once.keep(origin);
                }
            }
            at_once.keep(origin);
            let (mut one, mut other) = (Vec::new(), Vec::new());
            one_by_one.write(&mut one, true);
            at_once.write(&mut other, true);
            assert_eq!(one, other);
        }
    }

    #[test]
    fn what_is_new_is_written_and_comes_back() {
        let mut before = lines();
        (0..40).for_each(|n| push(&mut before, 1, &format!("e{n}"), &format!("line {n}")));
        let (mut whole, mut change) = (Vec::new(), Vec::new());
        before.write(&mut whole, true);
        before.stored();
        push(&mut before, 1, "new", "newest");
        before.write(&mut change, false);
        assert!(change.len() < 40);
        let mut after = Lines::default();
        after.read(&mut Reader::new(&whole)).unwrap();
        after.read(&mut Reader::new(&change)).unwrap();
        let all = |lines: &Lines| -> Vec<(EventId, String)> {
            lines.0.iter().flat_map(|ring| ring.iter().cloned()).collect()
        };
        assert_eq!(all(&after), all(&before));
    }
}
