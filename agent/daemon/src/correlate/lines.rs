//! Lines: the last original lines of each counted rule, for those who read an alert.

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
    lines: Vec<(String, String)>,
    next: usize,
    /// So many of the newest are not on disk yet.
    fresh: usize,
}

impl Ring {
    fn push(&mut self, id: &str, line: &str) {
        let line = &line[..line.floor_char_boundary(LINE_BYTES_MAX)];
        self.fresh = (self.fresh + 1).min(KEPT);
        if self.lines.len() < KEPT {
            self.lines.push((id.to_owned(), line.to_owned()));
            return;
        }
        let (known_id, known) = &mut self.lines[self.next];
        self.next = (self.next + 1) % KEPT;
        known_id.clear();
        known_id.push_str(id);
        known.clear();
        known.push_str(line);
    }

    /// Returns the lines, oldest first.
    fn iter(&self) -> impl Iterator<Item = &(String, String)> {
        let (new, old) = self.lines.split_at(self.next);
        old.iter().chain(new)
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

    /// Keeps the line of a hit.
    pub(super) fn push(&mut self, rule: u16, id: &str, line: &str) {
        if let Some(ring) = self.0.get_mut(usize::from(rule)) {
            ring.push(id, line);
        }
    }

    /// Returns lines for an alert, as far as they are kept: those of its first events, the newest ones
    /// of the others, and that of the event by which it fired.
    pub(super) fn of(&self, event_ids: &[String], by: &str) -> Vec<String> {
        let line = |id: &str| {
            let all = self.0.iter().flat_map(Ring::iter);
            all.filter(|(known, _)| known == id).map(|(_, line)| line.clone()).next()
        };
        let others = || event_ids.iter().filter(|id| *id != by);
        let mut found: Vec<String> = others().filter_map(|id| line(id)).take(FIRST).collect();
        let rest = others().count().saturating_sub(found.len());
        let last = line(by);
        let room = LINES_MAX - found.len() - usize::from(last.is_some());
        let mut newest: Vec<String> =
            others().rev().take(rest).filter_map(|id| line(id)).take(room).collect();
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
                write_bytes(out, id.as_bytes());
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
                let (id, line) = (from.text()?, from.text()?);
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

    #[test]
    fn an_alert_shows_how_it_began_and_how_it_ended() {
        let mut lines = lines();
        let ids: Vec<String> = (0..20).map(|n| format!("e{n}")).collect();
        for id in &ids {
            lines.push(1, id, &format!("line of {id}"));
        }
        let expected = [0, 1, 2, 17, 18, 19].map(|n| format!("line of e{n}"));
        assert_eq!(lines.of(&ids, "e19"), expected);
        assert_eq!(lines.of(&ids[..2], "e1"), expected[..2]);
        assert_eq!(lines.of(&ids, "gone").len(), LINES_MAX);
        assert_eq!(lines.of(&["gone".to_owned()], "e5"), ["line of e5"]);
        // The oldest go.
        for n in 0..KEPT {
            lines.push(1, &format!("x{n}"), "x");
        }
        assert!(lines.of(&ids, "e19").is_empty());
        lines.push(0, "long", &"ỳ".repeat(LINE_BYTES_MAX));
        assert!(lines.of(&[], "long")[0].len() <= LINE_BYTES_MAX);
    }

    #[test]
    fn what_is_new_is_written_and_comes_back() {
        let mut before = lines();
        (0..40).for_each(|n| before.push(1, &format!("e{n}"), &format!("line {n}")));
        let (mut whole, mut change) = (Vec::new(), Vec::new());
        before.write(&mut whole, true);
        before.stored();
        before.push(1, "new", "newest");
        before.write(&mut change, false);
        assert!(change.len() < 40);
        let mut after = Lines::default();
        after.read(&mut Reader::new(&whole)).unwrap();
        after.read(&mut Reader::new(&change)).unwrap();
        let all = |lines: &Lines| -> Vec<(String, String)> {
            lines.0.iter().flat_map(|ring| ring.iter().cloned()).collect()
        };
        assert_eq!(all(&after), all(&before));
    }
}
