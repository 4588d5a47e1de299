//! State: all that a correlator remembers, as bytes, and taken over from them.
//!
//! Written for the host's own disk: what is saved is bound to the correlations that saved it. Each is
//! known by its id and by a fingerprint of all that decides; one that was changed meanwhile begins
//! anew, the others go on as if nothing had happened.

use std::hash::{BuildHasher, Hasher};

use crate::alert::Alert;
use crate::bytes::{Reader, write_bytes, write_signed, write_unsigned};
use crate::chain::Chains;
use crate::correlator::Correlator;
use crate::definition::Definition;
use crate::group::{Group, Values};
use crate::hit::{Carried, EventId, Hit, NEVER};
use crate::judge;
use crate::key::decode;
use crate::life::Life;
use crate::sketch::Sketch;
use crate::tally::Tally;
use crate::window::{Extra, Window};

/// The form below. Another one is not understood.
const VERSION: u8 = 3;

/// What a hit has, bit by bit.
const END: u8 = 1;
const COUNTED: [u8; 2] = [2, 4];
const VALUE: u8 = 8;
const LINK: u8 = 16;
/// It carries what the hit before carries, or something of its own.
const CARRIES_SAME: u8 = 32;
const CARRIES: u8 = 64;

/// In place of its progress: a group is young.
const YOUNG: u8 = u8::MAX;

/// What a window has.
const LATE: u8 = 1;
const ESTIMATED: u8 = 2;
const SKETCH: u8 = 4;
const CHAINS: u8 = 8;
const TALLY: u8 = 16;

impl Correlator {
    /// Returns all that it remembers: see [`Self::load`].
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        let mut out = vec![VERSION];
        write_signed(&mut out, self.newest);
        write_unsigned(&mut out, self.tick);
        write_unsigned(&mut out, self.definitions.list.len() as u64);
        for definition in &self.definitions.list {
            write_bytes(&mut out, definition.id.as_bytes());
            out.extend_from_slice(&definition.fingerprint);
        }
        // In the order in which they were hit: they leave in about that order.
        let mut all: Vec<_> = self.table.iter().collect();
        all.sort_unstable_by_key(|held| held.touched);
        write_unsigned(&mut out, all.len() as u64);
        for held in all {
            write_unsigned(&mut out, u64::from(held.definition));
            write_bytes(&mut out, &held.key);
            write_signed(&mut out, held.seen_at);
            match &held.life {
                Life::Young(young) => {
                    out.push(YOUNG);
                    Life::save_young(young, &mut out);
                }
                Life::Grown(group) => save_group(&mut out, group),
            }
        }
        out
    }

    /// Takes over what another correlator saved, as far as its correlations are those of this one,
    /// and returns how many groups that were. This one must not have observed anything yet.
    ///
    /// `None` when the bytes are none that [`Self::save`] wrote; what was understood up to there is
    /// remembered.
    pub fn load(&mut self, saved: &[u8]) -> Option<usize> {
        let mut from = Reader::new(saved);
        if from.byte()? != VERSION {
            return None;
        }
        self.newest = self.newest.max(from.signed()?);
        self.tick = self.tick.max(from.unsigned()?);
        let mut known = Vec::new();
        for _ in 0..from.count()? {
            let (id, fingerprint) = (from.text()?, from.array()?);
            let same = |it: &Definition| it.id == id && it.fingerprint == fingerprint;
            known.push(self.definitions.list.iter().position(same));
        }
        let mut taken = 0;
        for _ in 0..from.count()? {
            let place = *known.get(usize::try_from(from.unsigned()?).ok()?)?;
            let (key, seen_at) = (from.bytes()?, from.signed()?);
            let definition = place.and_then(|place| self.definitions.list.get(place));
            let values = || definition.map(|definition| decode(definition, key));
            let life = match from.byte()? {
                YOUNG => Life::load_young(&mut from, definition)?,
                progress => {
                    Life::Grown(Box::new(load_group(&mut from, progress, definition, values)?))
                }
            };
            if let Some(place) = place {
                self.take_over(place, key, seen_at, life);
                taken += 1;
            }
        }
        Some(taken)
    }

    fn take_over(&mut self, place: usize, key: &[u8], seen_at: i64, life: Life) {
        let mut hash = self.hasher.build_hasher();
        hash.write_usize(place);
        hash.write(key);
        self.tick += 1;
        let number = u32::try_from(place).unwrap_or(u32::MAX);
        let handle = self.table.find(number, key, hash.finish(), self.tick);
        let definition = &self.definitions.list[place];
        let Some(held) = self.table.get(handle) else { return };
        held.life = life;
        let due = match definition.plan.waits() {
            true => held.life.grown().and_then(|group| judge::due(group, definition)),
            false => None,
        };
        self.table.changed(handle, self.tick, seen_at, definition.kept(), due);
        self.table.settle(self.tick, self.limits.groups_max, self.limits.bytes_max);
    }
}

fn save_group(out: &mut Vec<u8>, group: &Group) {
    out.push(group.progress.index() as u8);
    write_unsigned(out, group.windows.len() as u64);
    for window in &group.windows {
        save_window(out, window);
    }
    write_unsigned(out, group.alerts().len() as u64);
    group.alerts().iter().for_each(|alert| alert.save(out));
}

/// Reads a group; one that nobody wants is read as well, for what stands behind it.
fn load_group(
    from: &mut Reader<'_>,
    progress: u8,
    definition: Option<&Definition>,
    values: impl Fn() -> Option<Values>,
) -> Option<Group> {
    let mut group = Group::new();
    group.progress = crate::group::Progress::from_index(progress)?;
    for _ in 0..from.count()? {
        group.windows.push(load_window(from, definition)?);
    }
    let alerts = from.count()?;
    let values = if alerts > 0 { values() } else { None };
    for _ in 0..alerts {
        group.take_alert(Alert::load(from, definition, values.as_deref())?);
    }
    Some(group)
}

fn save_window(out: &mut Vec<u8>, window: &Window) {
    let extra = window.extra.as_deref();
    let sketch = extra.and_then(|extra| extra.sketch.as_ref());
    let chains = extra.and_then(|extra| extra.chains.as_ref());
    let tally = extra.and_then(|extra| extra.tally.as_ref());
    let has = |what: bool, bit: u8| if what { bit } else { 0 };
    out.push(
        has(window.late, LATE)
            | has(window.estimated, ESTIMATED)
            | has(sketch.is_some(), SKETCH)
            | has(chains.is_some(), CHAINS)
            | has(tally.is_some(), TALLY),
    );
    write_signed(out, window.head);
    write_unsigned(out, window.touched);
    write_unsigned(out, window.low as u64);
    write_unsigned(out, u64::from(window.thin_at));
    write_signed(out, window.seen_at);
    write_unsigned(out, window.hits.len() as u64);
    let (mut time, mut carried) = (0, None);
    for hit in &window.hits {
        write_signed(out, hit.time.wrapping_sub(time));
        time = hit.time;
        save_hit(out, hit, carried);
        carried = hit.carried.as_ref();
    }
    if let Some(sketch) = sketch {
        sketch.save(out);
    }
    if let Some(chains) = chains {
        chains.save(out);
    }
    if let Some(tally) = tally {
        tally.save(out);
    }
}

fn load_window(from: &mut Reader<'_>, definition: Option<&Definition>) -> Option<Window> {
    let has = from.byte()?;
    let (head, touched, low) = (from.signed()?, from.unsigned()?, from.unsigned()?);
    let (thin_at, seen_at) = (u32::try_from(from.unsigned()?).ok()?, from.signed()?);
    let mut window = Window {
        hits: std::collections::VecDeque::new(),
        head,
        touched,
        low: 0,
        gone: 0,
        elsewhere: 0,
        thin_at,
        seen_at,
        late: has & LATE != 0,
        estimated: has & ESTIMATED != 0,
        extra: None,
    };
    let hits = from.count()?;
    window.hits.reserve_exact(hits);
    let mut time = 0_i64;
    for _ in 0..hits {
        time = time.wrapping_add(from.signed()?);
        let before = window.hits.back().and_then(|hit| hit.carried.clone());
        let hit = load_hit(from, time, before)?;
        window.elsewhere += usize::from(hit.elsewhere);
        window.hits.push_back(hit);
    }
    window.low = usize::try_from(low).ok().filter(|low| *low <= hits)?;
    if has & (SKETCH | CHAINS | TALLY) != 0 {
        let mut extra = Extra::default();
        if has & SKETCH != 0 {
            extra.sketch = Some(Sketch::load(from)?);
        }
        if has & CHAINS != 0 {
            extra.chains = Some(Chains::load(from)?);
        }
        if has & TALLY != 0 {
            extra.tally = Tally::load(from, definition, &window.hits)?;
        }
        window.extra = Some(Box::new(extra));
    }
    Some(window)
}

fn save_hit(out: &mut Vec<u8>, hit: &Hit, before: Option<&Carried>) {
    let same = match (&hit.carried, before) {
        (Some(carried), Some(before)) => carried.is(before),
        _ => false,
    };
    let has = |what: bool, bit: u8| if what { bit } else { 0 };
    out.push(
        has(hit.end, END)
            | has(hit.counted[0], COUNTED[0])
            | has(hit.counted[1], COUNTED[1])
            | has(hit.value != 0, VALUE)
            | has(hit.link != NEVER, LINK)
            | has(same, CARRIES_SAME)
            | has(hit.carried.is_some() && !same, CARRIES),
    );
    hit.id.write(out);
    write_unsigned(out, u64::from(hit.weight));
    write_unsigned(out, u64::from(hit.level));
    out.push(hit.place);
    if hit.value != 0 {
        out.extend_from_slice(&hit.value.to_le_bytes());
    }
    if hit.link != NEVER {
        out.extend_from_slice(&hit.link.to_le_bytes());
    }
    if let Some(carried) = hit.carried.as_ref().filter(|_| !same) {
        write_bytes(out, carried.bytes());
    }
}

fn load_hit(from: &mut Reader<'_>, time: i64, before: Option<Carried>) -> Option<Hit> {
    let has = from.byte()?;
    let id = EventId::read(from)?;
    let weight = u32::try_from(from.unsigned()?).ok()?;
    let level = u32::try_from(from.unsigned()?).ok()?;
    let place = from.byte()?;
    let value = if has & VALUE != 0 { u64::from_le_bytes(from.array()?) } else { 0 };
    let link = if has & LINK != 0 { u64::from_le_bytes(from.array()?) } else { NEVER };
    let mut carried = if has & CARRIES_SAME != 0 { before } else { None };
    let mut elsewhere = 0;
    if has & CARRIES != 0 {
        let new = Carried::new(from.bytes()?);
        elsewhere = new.size();
        carried = Some(new);
    }
    let counted = COUNTED.map(|bit| has & bit != 0);
    let end = has & END != 0;
    Some(Hit { time, id, value, link, carried, weight, level, place, end, counted, elsewhere })
}
