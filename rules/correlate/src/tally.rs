//! Tally: what a window holds, kept up while it slides over hits that are certain.

use std::collections::{HashMap, VecDeque};
use std::hash::RandomState;

use crate::bytes::{Reader, write_signed};
use crate::chain::Chains;
use crate::definition::Definition;
use crate::hit::Hit;
use crate::plan::{Counted, Measure, Plan};

/// Numbers are summed as whole multiples of this part of one, so that sums do not depend on what
/// was added and taken away before.
const PARTS_OF_ONE: f64 = 4_294_967_296.0;
/// Numbers beyond this are taken for this: nothing that is logged is larger.
const NUMBER_MAX: f64 = 1e24;

/// The running totals of the window that ends at the last hit judged.
#[derive(Debug)]
pub(crate) struct Tally {
    /// Hits up to this time are judged.
    pub(crate) judged: i64,
    /// Hits from this time on are in the totals.
    low: i64,
    hits: u64,
    by_place: Box<[u32]>,
    values: HashMap<u64, u64, RandomState>,
    sum: i128,
    /// Sorted, with weights.
    numbers: Vec<(f64, u32)>,
    chains: Option<Chains>,
    by_value: bool,
    by_number: bool,
    sorted: bool,
}

impl Tally {
    pub(crate) fn new(definition: &Definition) -> Self {
        let plan = &definition.plan;
        let sorted = matches!(plan, Plan::Measured { measure: Measure::Percentile(_), .. });
        Self {
            judged: i64::MIN,
            low: i64::MIN,
            hits: 0,
            by_place: vec![0; if plan.by_rule() { definition.rules } else { 0 }].into(),
            values: HashMap::default(),
            sum: 0,
            numbers: Vec::new(),
            chains: match plan {
                Plan::CertainOrdered(ways) => Some(Chains::new(ways)),
                _ => None,
            },
            by_value: plan.by_value(),
            by_number: plan.by_number(),
            sorted,
        }
    }

    pub(crate) fn save(&self, out: &mut Vec<u8>) {
        write_signed(out, self.judged);
        write_signed(out, self.low);
        out.push(u8::from(self.chains.is_some()));
        if let Some(chains) = &self.chains {
            chains.save(out);
        }
    }

    /// Reads where it stood, and counts the hits that it held; `None` in it without a definition.
    pub(crate) fn load(
        from: &mut Reader<'_>,
        definition: Option<&Definition>,
        hits: &VecDeque<Hit>,
    ) -> Option<Option<Self>> {
        let (judged, low) = (from.signed()?, from.signed()?);
        let chains = if from.byte()? != 0 { Some(Chains::load(from)?) } else { None };
        let Some(definition) = definition else { return Some(None) };
        let mut tally = Self { judged, low, chains, ..Self::new(definition) };
        for hit in hits.iter().filter(|hit| hit.time >= low && hit.time <= judged) {
            tally.change(hit, true);
        }
        Some(Some(tally))
    }

    pub(crate) fn bytes(&self) -> usize {
        self.by_place.len() * 4
            + self.values.capacity() * 20
            + self.numbers.capacity() * 16
            + self.chains.as_ref().map_or(0, Chains::bytes)
    }

    /// Takes in the hits of one moment, which is the next; those a timespan older leave.
    pub(crate) fn slide(
        &mut self,
        hits: &VecDeque<Hit>,
        moment: std::ops::Range<usize>,
        timespan: i64,
    ) {
        let Some(time) = hits.get(moment.start).map(|hit| hit.time) else { return };
        let start = time.saturating_sub(timespan);
        let (low, judged) = (self.low, self.judged);
        let from = hits.partition_point(|hit| hit.time < low);
        for hit in hits.range(from..).take_while(|hit| hit.time < start && hit.time <= judged) {
            self.change(hit, false);
        }
        self.low = start;
        for hit in hits.range(moment) {
            self.change(hit, true);
        }
        self.judged = time;
    }

    /// Forgets a hit that the window lets go.
    pub(crate) fn let_go(&mut self, hit: &Hit) {
        if hit.time >= self.low && hit.time <= self.judged {
            self.change(hit, false);
        }
    }

    fn change(&mut self, hit: &Hit, add: bool) {
        let weight = u64::from(hit.weight);
        let by = |total: u64| if add { total + weight } else { total.saturating_sub(weight) };
        self.hits = by(self.hits);
        if let Some(place) = self.by_place.get_mut(usize::from(hit.place)) {
            *place = if add { *place + 1 } else { place.saturating_sub(1) };
        }
        if self.by_value {
            let held = self.values.entry(hit.value).or_default();
            *held = by(*held);
            if *held == 0 {
                self.values.remove(&hit.value);
            }
        }
        if !self.by_number {
            return;
        }
        let number = f64::from_bits(hit.value);
        let parts = (number.clamp(-NUMBER_MAX, NUMBER_MAX) * PARTS_OF_ONE).round() as i128;
        let parts = parts * i128::from(hit.weight);
        self.sum = if add { self.sum + parts } else { self.sum - parts };
        if self.sorted {
            let at = self.numbers.partition_point(|(known, _)| known.total_cmp(&number).is_lt());
            let there = self.numbers.get_mut(at).filter(|(known, _)| *known == number);
            match (there, add) {
                (Some((_, held)), true) => *held += hit.weight,
                (Some((_, held)), false) if *held > hit.weight => *held -= hit.weight,
                (Some(_), false) => {
                    self.numbers.remove(at);
                }
                (None, true) => self.numbers.insert(at, (number, hit.weight)),
                (None, false) => {}
            }
        }
    }

    /// Returns the rules in the window, as bits.
    pub(crate) fn rules(&self) -> u64 {
        self.by_place
            .iter()
            .enumerate()
            .filter(|(_, held)| **held > 0)
            .fold(0, |bits, (place, _)| bits | 1 << place)
    }

    /// Returns how many distinct things the window holds; 0 for kinds that count none.
    pub(crate) fn level(&self) -> u64 {
        match self.by_value {
            true => self.values.len() as u64,
            false => u64::from(self.rules().count_ones()),
        }
    }

    /// Returns what a measure makes of the window, for a hit at its end.
    pub(crate) fn measure(&self, measure: Measure, hit: &Hit) -> f64 {
        match measure {
            Measure::Count(Counted::Hits) => self.hits as f64,
            Measure::Count(Counted::Values) => self.values.len() as f64,
            Measure::Count(Counted::Rules) => f64::from(self.rules().count_ones()),
            Measure::Sum => self.sum as f64 / PARTS_OF_ONE,
            Measure::Mean => self.sum as f64 / PARTS_OF_ONE / self.hits.max(1) as f64,
            Measure::Percentile(percent) => self.percentile(percent),
            Measure::Share => {
                let held = self.values.get(&hit.value).copied().unwrap_or_default();
                held as f64 * 100.0 / self.hits.max(1) as f64
            }
        }
    }

    /// Returns a percentile, between two numbers if need be, as SQL's `PERCENTILE_CONT` does: the
    /// 50th is the median.
    fn percentile(&self, percent: f64) -> f64 {
        let rank = percent / 100.0 * self.hits.saturating_sub(1) as f64;
        let (below, part) = (rank.floor() as u64, rank.fract());
        let nth = |wanted: u64| {
            let mut seen = 0;
            let found = self.numbers.iter().find(|(_, held)| {
                seen += u64::from(*held);
                seen > wanted
            });
            found.or(self.numbers.last()).map_or(0.0, |(number, _)| *number)
        };
        let low = nth(below);
        if part == 0.0 { low } else { low + (nth(below + 1) - low) * part }
    }

    /// Lets the chains go on with a hit of the moment just taken in; says whether one is complete.
    pub(crate) fn ordered(&mut self, hit: &Hit, ways: &[crate::plan::Way], timespan: i64) -> bool {
        let rules = self.rules();
        let Some(chains) = &mut self.chains else { return false };
        chains.advance(hit, ways, timespan, |way| way.without & rules == 0).0
    }
}
