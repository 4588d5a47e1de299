//! Life: a group from its first hit on. While it is far from firing its hits are only written down.
//!
//! Most groups are hit a few times and never again. What the windows of a group cost, in time and in
//! memory, is worth it only for those that may fire: until then a group is **young**, a few bytes for
//! each hit in the order they came. Before it could fire it **grows up**: its hits are observed, one after
//! the other, as they would have been when they came. Nothing that can be told differs.

use crate::bytes::{Reader, write_bytes, write_signed};
use crate::definition::Definition;
use crate::group::{Group, Outcome, Progress, Surroundings};
use crate::hit::{EventId, Fresh};

/// A group with this many hits grows up whatever its threshold: looking through them with each further
/// one costs more than windows do.
const YOUNG_MAX: usize = 8;
/// A hit in bytes, without what only some have: time, kind of id, id, weight.
const ENTRY_BYTES: usize = 8 + 1 + 16 + 2;

/// Beside the progress of a group that is saved: its hits came late.
const LATE: u8 = 0x80;

/// The hits of one group.
#[derive(Debug)]
pub(crate) enum Life {
    Young(Young),
    Grown(Box<Group>),
}

/// Few hits, none of which can have fired, near each other in time.
#[derive(Debug)]
pub(crate) struct Young {
    /// The hits as they came.
    entries: Vec<u8>,
    /// Time of the newest hit.
    head: i64,
    /// All came later than the bound, or none did.
    late: bool,
    progress: Progress,
}

impl Life {
    pub(crate) fn new() -> Self {
        let (entries, progress) = (Vec::new(), Progress::NONE);
        Self::Young(Young { entries, head: i64::MIN, late: false, progress })
    }

    pub(crate) fn grown(&mut self) -> Option<&mut Group> {
        match self {
            Self::Young(_) => None,
            Self::Grown(group) => Some(group),
        }
    }

    pub(crate) fn progress(&self) -> Progress {
        match self {
            Self::Young(young) => young.progress,
            Self::Grown(group) => group.progress,
        }
    }

    /// Returns the time of the newest hit.
    pub(crate) fn head(&self) -> i64 {
        match self {
            Self::Young(young) => young.head,
            Self::Grown(group) => group.head(),
        }
    }

    /// Returns until when hits may add to what it has fired for.
    pub(crate) fn told_until(&self, definition: &Definition) -> Option<i64> {
        match self {
            Self::Young(_) => None,
            Self::Grown(group) => group.told_until(definition),
        }
    }

    /// Returns the bytes it holds, beside itself.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Young(young) => young.entries.capacity(),
            Self::Grown(group) => size_of::<Group>() + group.bytes(),
        }
    }

    /// Reads what the next hit will need: see [`crate::table::Table::expect`].
    pub(crate) fn expect(&self) {
        match self {
            Self::Young(young) => {
                std::hint::black_box(young.entries.first());
            }
            Self::Grown(group) => group.expect(),
        }
    }

    /// Takes a hit and writes down what it did. `late` says that it came later than the bound.
    pub(crate) fn observe(
        &mut self,
        fresh: &Fresh<'_>,
        late: bool,
        around: &Surroundings<'_>,
        outcome: &mut Outcome,
    ) {
        if let Self::Young(young) = self {
            if young.take(fresh, late, around.definition) {
                return;
            }
            let mut group = Group::new();
            young.replay(around.definition, |fresh| {
                group.observe(fresh, young.late, around, outcome);
            });
            *self = Self::Grown(Box::new(group));
        }
        if let Self::Grown(group) = self {
            group.observe(fresh, late, around, outcome);
        }
    }

    pub(crate) fn save_young(young: &Young, out: &mut Vec<u8>) {
        out.push(young.progress.index() as u8 | if young.late { LATE } else { 0 });
        write_signed(out, young.head);
        write_bytes(out, &young.entries);
    }

    /// Reads what was saved; `None` when these are no hits of the definition.
    pub(crate) fn load_young(
        from: &mut Reader<'_>,
        definition: Option<&Definition>,
    ) -> Option<Self> {
        let first = from.byte()?;
        let (progress, late) = (Progress::from_index(first & !LATE)?, first & LATE != 0);
        let (head, entries) = (from.signed()?, from.bytes()?);
        let young = Young { entries: entries.into(), head, late, progress };
        if let Some(definition) = definition {
            let mut rest = young.entries.as_slice();
            while !rest.is_empty() {
                rest = entry(rest, definition)?.1;
            }
        }
        Some(Self::Young(young))
    }
}

impl Young {
    /// Takes a hit, if the group cannot fire by it.
    fn take(&mut self, fresh: &Fresh<'_>, late: bool, definition: &Definition) -> bool {
        let silent = u64::from(definition.silent);
        let Ok(weight) = u16::try_from(fresh.weight) else { return false };
        let is_first = self.entries.is_empty();
        if silent == 0 || (late != self.late && !is_first) {
            return false;
        }
        let head = self.head.max(fresh.time);
        let oldest = head.saturating_sub(definition.kept());
        // Another stretch of time: one that is over makes room for it, late ones stand side by side.
        if fresh.time < oldest || (late && !is_first && self.head < oldest) {
            return false;
        }
        let start = fresh.time.saturating_sub(definition.timespan);
        let (by_value, by_rule) = (definition.plan.by_value(), definition.plan.by_rule());
        let (mut hits, mut total, mut reached, mut is_over) =
            (1, u64::from(fresh.weight), 0_u64, false);
        let (mut values, mut places) = ([0; YOUNG_MAX], 1_u64 << (fresh.place & 63));
        let mut distinct = 1;
        values[0] = fresh.value;
        let mut rest = self.entries.as_slice();
        while let Some((known, behind)) = entry(rest, definition) {
            rest = behind;
            if known.time < oldest {
                is_over = true;
                continue;
            }
            let is_same = known.time == fresh.time
                && known.id == fresh.id
                && (!by_value || known.value == fresh.value)
                && (!by_rule || known.place == fresh.place);
            if is_same && !fresh.id.is_empty() {
                return true;
            }
            hits += 1;
            total += u64::from(known.weight);
            if known.time < start {
                continue;
            }
            reached += u64::from(known.weight);
            places |= 1 << (known.place & 63);
            if by_value && distinct < YOUNG_MAX && !values[..distinct].contains(&known.value) {
                values[distinct] = known.value;
                distinct += 1;
            }
        }
        let counts_hits = definition.plan.counts_hits();
        if hits > YOUNG_MAX || (if counts_hits { total } else { hits as u64 }) > silent {
            return false;
        }
        if is_over {
            self.forget_before(oldest, definition);
        }
        let room = ENTRY_BYTES + extra_bytes(fresh, definition);
        if self.entries.capacity() - self.entries.len() < room {
            // The first by itself: many groups stay with one.
            self.entries.reserve_exact(if is_first { room } else { 2 * room });
        }
        write_entry(&mut self.entries, fresh, weight, definition);
        (self.head, self.late) = (head, late);
        let reached = match (counts_hits, by_value) {
            (true, _) => reached + u64::from(fresh.weight),
            (_, true) => distinct as u64,
            _ => u64::from(places.count_ones()),
        };
        self.progress = Progress::of(reached, definition.plan.need(definition.rules));
        true
    }

    #[cold]
    fn forget_before(&mut self, oldest: i64, definition: &Definition) {
        let mut kept = Vec::new();
        let mut rest = self.entries.as_slice();
        while let Some((known, behind)) = entry(rest, definition) {
            if known.time >= oldest {
                kept.extend_from_slice(&rest[..rest.len() - behind.len()]);
            }
            rest = behind;
        }
        self.entries = kept;
    }

    /// Hands on its hits as they came.
    fn replay(&self, definition: &Definition, mut take: impl FnMut(&Fresh<'_>)) {
        let mut rest = self.entries.as_slice();
        while let Some((known, behind)) = entry(rest, definition) {
            take(&known);
            rest = behind;
        }
    }
}

/// The bytes of a hit that only hits of some correlations have.
fn extra_bytes(fresh: &Fresh<'_>, definition: &Definition) -> usize {
    let value = if definition.plan.by_value() { 8 } else { 0 };
    let place = usize::from(definition.plan.by_rule());
    let carried = if definition.carried.is_empty() { 0 } else { 2 };
    value + place + carried + fresh.carried.map_or(0, <[u8]>::len)
}

fn write_entry(out: &mut Vec<u8>, fresh: &Fresh<'_>, weight: u16, definition: &Definition) {
    let (id, kind) = fresh.id.parts();
    out.extend_from_slice(&fresh.time.to_le_bytes());
    out.push(kind);
    out.extend_from_slice(&id);
    out.extend_from_slice(&weight.to_le_bytes());
    if definition.plan.by_value() {
        out.extend_from_slice(&fresh.value.to_le_bytes());
    }
    if definition.plan.by_rule() {
        out.push(fresh.place);
    }
    if !definition.carried.is_empty() {
        let length = fresh.carried.map_or(0, |carried| carried.len() + 1);
        out.extend_from_slice(&u16::try_from(length).unwrap_or(0).to_le_bytes());
        out.extend_from_slice(
            fresh.carried.filter(|_| length <= usize::from(u16::MAX)).unwrap_or(&[]),
        );
    }
}

/// Reads the first hit, and what stands behind it.
fn entry<'a>(bytes: &'a [u8], definition: &Definition) -> Option<(Fresh<'a>, &'a [u8])> {
    let (time, rest) = bytes.split_first_chunk()?;
    let (kind, rest) = rest.split_first()?;
    let (id, rest) = rest.split_first_chunk()?;
    let (weight, mut rest) = rest.split_first_chunk()?;
    let (mut value, mut place, mut carried) = (0, 0, None);
    if definition.plan.by_value() {
        let (bytes, behind) = rest.split_first_chunk()?;
        (value, rest) = (u64::from_le_bytes(*bytes), behind);
    }
    if definition.plan.by_rule() {
        let (first, behind) = rest.split_first()?;
        (place, rest) = (*first, behind);
    }
    if !definition.carried.is_empty() {
        let (length, behind) = rest.split_first_chunk()?;
        rest = behind;
        if let Some(length) = usize::from(u16::from_le_bytes(*length)).checked_sub(1) {
            let (bytes, behind) = rest.split_at_checked(length)?;
            (carried, rest) = (Some(bytes), behind);
        }
    }
    let fresh = Fresh {
        time: i64::from_le_bytes(*time),
        id: EventId::of_parts(*id, *kind),
        value,
        weight: u32::from(u16::from_le_bytes(*weight)),
        place,
        carried,
    };
    Some((fresh, rest))
}
