//! Chains: hits that follow each other in the order of a correlation's rules.

use std::collections::VecDeque;

use crate::bytes::{Reader, write_signed, write_unsigned};
use crate::hit::{EventId, Hit};
use crate::plan::Way;

/// Hits that follow the steps of a way so far.
#[derive(Debug, Clone)]
struct Chain {
    start: i64,
    /// The last hit's event: one event cannot be two steps that follow each other.
    last: EventId,
}

/// For each step of each way: the chains with the latest starts that have got so far, whose last
/// hits are two different events.
///
/// A later start is never worse, so what has gone before needs no second look: a hit that comes in
/// time takes as many steps as there are in all ways.
#[derive(Debug)]
pub(crate) struct Chains {
    steps: Box<[[Option<Chain>; 2]]>,
}

impl Chains {
    pub(crate) fn new(ways: &[Way]) -> Self {
        let steps = ways.iter().map(|way| way.steps.len()).sum();
        Self { steps: vec![[const { None }; 2]; steps].into() }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.steps.len() * size_of::<[Option<Chain>; 2]>()
    }

    pub(crate) fn save(&self, out: &mut Vec<u8>) {
        write_unsigned(out, self.steps.len() as u64);
        for chain in self.steps.iter().flatten() {
            out.push(u8::from(chain.is_some()));
            if let Some(chain) = chain {
                write_signed(out, chain.start);
                chain.last.write(out);
            }
        }
    }

    pub(crate) fn load(from: &mut Reader<'_>) -> Option<Self> {
        let mut steps = Vec::new();
        for _ in 0..from.count()? {
            let mut pair = [const { None }; 2];
            for chain in &mut pair {
                if from.byte()? != 0 {
                    *chain = Some(Chain { start: from.signed()?, last: EventId::read(from)? });
                }
            }
            steps.push(pair);
        }
        Some(Self { steps: steps.into() })
    }

    /// Takes in the hit at `index`; see [`crate::level::raise`].
    pub(crate) fn take_in(
        &mut self,
        hits: &mut VecDeque<Hit>,
        index: usize,
        ways: &[Way],
        timespan: i64,
        ends: &mut Vec<usize>,
    ) -> u64 {
        if index + 1 == hits.len() {
            let (complete, most) = self.advance(&hits[index], ways, timespan, |_| true);
            if complete {
                ends.push(index);
            }
            return most;
        }
        // A late hit: walk through all again.
        self.steps.fill([const { None }; 2]);
        let time = hits[index].time;
        let mut highest = 0;
        for (at, hit) in hits.iter().enumerate() {
            let (complete, most) = self.advance(hit, ways, timespan, |_| true);
            if at >= index && hit.time <= time.saturating_add(timespan) {
                highest = highest.max(most);
                if complete {
                    ends.push(at);
                }
            }
        }
        highest
    }

    /// Lets the chains go on with a hit that comes after all others. Says whether a way that `may`
    /// hold is complete, and how many steps were taken within the timespan.
    pub(crate) fn advance(
        &mut self,
        hit: &Hit,
        ways: &[Way],
        timespan: i64,
        may: impl Fn(&Way) -> bool,
    ) -> (bool, u64) {
        let window = hit.time.saturating_sub(timespan);
        let (mut complete, mut most) = (false, 0);
        let mut base = 0;
        for way in ways {
            let from = base;
            base += way.steps.len();
            let Some(step) = way.steps.iter().position(|place| *place == hit.place) else {
                continue;
            };
            let other = |chain: &&Chain| chain.last != hit.id;
            let start = match step.checked_sub(1) {
                None => Some(hit.time),
                Some(before) => {
                    let before = self.steps[from + before].iter().flatten();
                    before.filter(other).map(|chain| chain.start).max()
                }
            };
            let Some(start) = start else { continue };
            let [best, second] = &mut self.steps[from + step];
            // An older start is not worth replacing a younger one.
            if best.as_ref().is_none_or(|known| known.start <= start) {
                if best.as_ref().is_some_and(|known| other(&known)) {
                    *second = best.take();
                }
                *best = Some(Chain { start, last: hit.id });
            } else if best.as_ref().is_some_and(|known| other(&known))
                && second.as_ref().is_none_or(|known| known.start <= start)
            {
                *second = Some(Chain { start, last: hit.id });
            }
            if start >= window {
                most = most.max(step as u64 + 1);
                complete |= step + 1 == way.steps.len() && may(way);
            }
        }
        (complete, most)
    }
}
