//! Tally: counts every numbered line that arrived, after the collector's rule for repeated batches.
//!
//! The rule (`collector/ingest`, `Chain::offer` and `Judged::batch`): of every agent, lane and epoch,
//! a batch is taken if its number was not taken before; if it was, it is dropped as a repeat when its
//! hash is the one that was taken, and is a fork otherwise. It is written here a second time on
//! purpose: a count that shared the collector's code would share its mistakes.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use agent_wire::{AgentId, Hash, Lane, Record};
use anyhow::Result;
use rules_event::field;

/// What stands before a line's number.
pub const MARK: &[u8] = b"seq=";
/// A line's number has so many digits.
pub const DIGITS: usize = 9;
/// At most so many complaints are kept; the first tell the most.
const COMPLAINTS_MAX: usize = 20;

type ChainId = (AgentId, Lane, u64);

/// See the head of the file.
#[derive(Debug, Default)]
pub struct Tally {
    /// How often each line was counted, by its number.
    counts: Vec<u8>,
    /// Lines seen at least once.
    distinct: u64,
    /// No line below this one is missing.
    prefix: u64,
    /// Lines that were readable nowhere from some moment on: not waited for.
    excused: BTreeSet<u64>,
    /// By chain and number: the hash of the batch before, and its own.
    chains: HashMap<ChainId, BTreeMap<u64, (Hash, Hash)>>,
    /// Events that carry no number: lines that were cut, and what the agent says of itself.
    unnumbered: u64,
    repeats: u64,
    complaints: Vec<String>,
}

/// What a tally comes to.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// Lines that were written and never arrived.
    pub lost: Vec<u64>,
    /// As `lost`, of lines that were excused.
    pub unreadable: u64,
    /// Lines counted more than once, and lines that nobody wrote.
    pub duplicated: u64,
    /// Batches that arrived again and were dropped.
    pub repeats: u64,
    /// Batches taken, by lane.
    pub batches: BTreeMap<&'static str, u64>,
    /// Chains, that is epochs of lanes.
    pub chains: u64,
    /// Events without a number.
    pub unnumbered: u64,
    /// Everything else that is not as it must be: gaps, forks, signatures, contents.
    pub complaints: Vec<String>,
}

impl Tally {
    /// Takes a batch as it arrived.
    pub fn take(&mut self, record: &Record) {
        if record.header.lane == Lane::Heartbeats {
            return;
        }
        if let Err(error) = self.try_take(record) {
            let header = &record.header;
            self.complain(format!("{} batch {}: {error:#}", header.lane, header.seq));
        }
    }

    fn try_take(&mut self, record: &Record) -> Result<()> {
        record.verify()?;
        let header = &record.header;
        let chain = self.chains.entry((header.agent, header.lane, header.epoch)).or_default();
        let hash = record.hash();
        if let Some((_, taken)) = chain.get(&header.seq) {
            anyhow::ensure!(*taken == hash, "a fork: another batch has this number");
            self.repeats += 1;
            return Ok(());
        }
        chain.insert(header.seq, (header.prev, hash));
        for event in record.events()? {
            match event.get_str(field::EVENT_ORIGINAL).and_then(|line| number(line.as_bytes())) {
                Some(number) => self.count(number),
                None => self.unnumbered += 1,
            }
        }
        Ok(())
    }

    fn count(&mut self, number: u64) {
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        if index >= self.counts.len() {
            self.counts.resize(index + 1, 0);
        }
        let count = &mut self.counts[index];
        self.distinct += u64::from(*count == 0);
        *count = count.saturating_add(1);
        self.advance();
    }

    fn advance(&mut self) {
        let has = |number: u64| {
            self.counts.get(number as usize).is_some_and(|count| *count > 0)
                || self.excused.contains(&number)
        };
        self.prefix += (self.prefix..).take_while(|number| has(*number)).count() as u64;
    }

    /// Waits no longer for lines that were readable nowhere from some moment on.
    pub fn excuse(&mut self, lines: &BTreeSet<u64>) {
        self.excused.extend(lines);
        self.advance();
    }

    /// Notes something that must not be.
    pub fn complain(&mut self, what: String) {
        if self.complaints.len() < COMPLAINTS_MAX {
            self.complaints.push(what);
        }
    }

    /// Returns how many different lines arrived.
    #[must_use]
    pub fn distinct(&self) -> u64 {
        self.distinct
    }

    /// Returns the first line that has not arrived: all before it have.
    #[must_use]
    pub fn prefix(&self) -> u64 {
        self.prefix
    }

    /// Returns how many batches arrived again so far.
    #[must_use]
    pub fn repeats(&self) -> u64 {
        self.repeats
    }

    /// Says what it comes to when lines 0 to `written` were written.
    #[must_use]
    pub fn verdict(&self, written: u64) -> Verdict {
        let count = |number: u64| self.counts.get(number as usize).copied().unwrap_or(0);
        let missing = (0..written).filter(|number| count(*number) == 0);
        let (excused, lost): (Vec<u64>, Vec<u64>) =
            missing.partition(|number| self.excused.contains(number));
        let again: u64 =
            (0..written).map(|number| u64::from(count(number).saturating_sub(1))).sum();
        let unwritten: u64 =
            (written..self.counts.len() as u64).map(|number| u64::from(count(number))).sum();
        let mut verdict = Verdict {
            lost,
            unreadable: excused.len() as u64,
            duplicated: again + unwritten,
            repeats: self.repeats,
            unnumbered: self.unnumbered,
            chains: self.chains.len() as u64,
            complaints: self.complaints.clone(),
            ..Verdict::default()
        };
        for ((_, lane, epoch), chain) in &self.chains {
            *verdict.batches.entry(lane.as_str()).or_default() += chain.len() as u64;
            verdict.complaints.extend(broken(chain).map(|what| format!("{lane} {epoch}: {what}")));
        }
        verdict
    }
}

/// Says what is wrong with a chain: a gap, or a batch that does not name the one before it.
fn broken(chain: &BTreeMap<u64, (Hash, Hash)>) -> Option<String> {
    let mut before = (0, Hash::default());
    for (seq, (prev, own)) in chain {
        if *seq != before.0 + 1 {
            return Some(format!("batches {} to {} are missing", before.0 + 1, seq - 1));
        }
        if *prev != before.1 {
            return Some(format!("batch {seq} does not follow the batch before it"));
        }
        before = (*seq, *own);
    }
    None
}

/// Returns the number of a line.
fn number(line: &[u8]) -> Option<u64> {
    let finder = memchr::memmem::Finder::new(MARK);
    finder.find_iter(line).find_map(|at| {
        let digits = line.get(at + MARK.len()..at + MARK.len() + DIGITS)?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use agent_wire::{BatchBuilder, ChainHead, Identity};
    use rules_event::{Event, Timestamp, Value};

    use super::*;

    fn batch(identity: &Identity, head: &ChainHead, numbers: &[u64]) -> Record {
        let mut builder = BatchBuilder::default();
        for number in numbers {
            let mut event = Event::new(Timestamp::from_nanos(1), format!("id{number}"));
            let text = format!("a line seq={number:09}");
            event.set(field::EVENT_ORIGINAL, Value::text(&text));
            builder.push(&event).unwrap();
        }
        builder.seal(identity, Lane::Events, 7, head, Timestamp::from_nanos(2)).unwrap()
    }

    #[test]
    fn what_is_lost_doubled_repeated_or_broken_is_told_apart() {
        let identity = Identity::generate();
        let one = batch(&identity, &ChainHead::default(), &[0, 1, 2]);
        let two = batch(&identity, &one.head(), &[2, 4]);
        let three = batch(&identity, &two.head(), &[9]);
        let mut tally = Tally::default();
        for record in [&one, &two, &one] {
            tally.take(record);
        }
        let verdict = tally.verdict(6);
        assert_eq!((verdict.lost, verdict.duplicated, verdict.repeats), (vec![3, 5], 1, 1));
        assert!(verdict.complaints.is_empty(), "{:?}", verdict.complaints);
        assert_eq!((tally.prefix(), tally.distinct()), (3, 4));
        tally.excuse(&BTreeSet::from([3]));
        let verdict = tally.verdict(6);
        assert_eq!((verdict.lost, verdict.unreadable, tally.prefix()), (vec![5], 1, 5));
        // A batch left out, another content under a number, a changed byte, a line nobody wrote.
        let mut tally = Tally::default();
        tally.take(&one);
        tally.take(&three);
        tally.take(&batch(&identity, &ChainHead::default(), &[0]));
        let mut forged = two.clone();
        forged.value.push(0);
        tally.take(&forged);
        let verdict = tally.verdict(3);
        assert_eq!((verdict.lost.len(), verdict.duplicated), (0, 1));
        for word in ["fork", "signature", "2 to 2 are missing"] {
            assert!(verdict.complaints.iter().any(|said| said.contains(word)), "no {word}");
        }
    }
}
