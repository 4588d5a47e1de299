//! Scratch: memory reused from event to event, so that matching does not allocate.

use std::io::Write;
use std::rc::Rc;

use regex::Regex;
use rules_sigma::{Number, fold};

use crate::assemble::{LEAF, PROOF, SECOND};
use crate::witness::canonical;
use crate::{Copies, CopyBuffers};
use rules_event::ValueRef;

/// Memory for folded texts kept after an event: one huge line must not hold memory for ever.
const ARENA_KEPT_BYTES_MAX: usize = 256 * 1024;

/// A stamp says of which event something is; what bears another stamp is not there.
pub(crate) type Stamp = u32;

/// Names whose slots are remembered; a power of two.
const NAMES: usize = 256;

/// A name that lives as long as the program: where it lies tells it from every other.
#[derive(Clone, Default)]
struct Name {
    address: usize,
    len: usize,
    /// Slot + 1; 0 when no rule asks for it.
    slot: u32,
}

/// As many as there are places, so that none is looked up behind the end.
struct Names([Name; NAMES]);

impl Default for Names {
    fn default() -> Self {
        Self(std::array::from_fn(|_| Name::default()))
    }
}

impl Name {
    /// Where a name is remembered; of two that share a place the last one is.
    #[inline]
    fn place(name: &'static str) -> usize {
        let address = name.as_ptr().addr();
        (address ^ address >> 7 ^ name.len() << 3) & (NAMES - 1)
    }
}

/// A slot, and the field of the event that it stands for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Found {
    pub(crate) slot: u32,
    pub(crate) index: u32,
}

/// Working memory of one thread.
#[derive(Default)]
pub(crate) struct Scratch {
    /// Whose slots and names these are.
    matcher: u64,
    names: Box<Names>,
    pub(crate) stamp: Stamp,
    /// Per slot: stamp, and the index of the field in the event.
    pub(crate) slots: Vec<(Stamp, u32)>,
    /// The slots that have a field, with it.
    pub(crate) found: Vec<Found>,
    /// The same of fields that events keep, see [`crate::Fields::kept`], and the number that stands for
    /// those.
    kept: Vec<Found>,
    kept_by: u64,
    /// Per field of the event: its folded texts, once somebody asked for them.
    pub(crate) texts: Vec<Texts>,
    /// One bit per rule of a plan.
    pub(crate) candidates: Candidates,
    pub(crate) store: Store,
    /// Per field of the event: the copies of its value, not folded, once somebody asked for them.
    pub(crate) copies: Vec<Texts>,
    pub(crate) copied: Store,
    /// By number: this thread's copies of the matcher's regular expressions.
    pub(crate) regexes: Vec<Option<Rc<Regex>>>,
}

/// Rules of a plan whose witnesses were seen, one bit each.
#[derive(Default)]
pub(crate) struct Candidates {
    first: Vec<u64>,
    /// The same of second witnesses; set from the start where none is needed.
    second: Vec<u64>,
    /// Per leaf: twice the stamp, plus the verdict.
    pub(crate) leaves: Vec<u64>,
    /// Per leaf: the stamp of the last event that showed a text of its gate.
    gates: Vec<Stamp>,
    stamp: Stamp,
}

impl Candidates {
    /// Starts with none seen; `seconds` has a bit for each rule that needs a second witness.
    #[inline]
    pub(crate) fn begin(&mut self, seconds: &[u32]) {
        self.first.clear();
        self.first.resize(seconds.len() / 2, 0);
        self.second.clear();
        let words = seconds.as_chunks::<2>().0.iter();
        self.second.extend(words.map(|[low, high]| !(u64::from(*low) | u64::from(*high) << 32)));
    }

    /// Notes that a key was seen for which these rules wait.
    #[inline]
    pub(crate) fn mark(&mut self, places: &[u32]) {
        for place in places {
            if place & (LEAF | PROOF) != 0 {
                if place & LEAF != 0 {
                    self.gates[(place & !LEAF) as usize] = self.stamp;
                } else {
                    self.leaves[(place & !PROOF) as usize] = u64::from(self.stamp) << 1 | 1;
                }
                continue;
            }
            let at = (place & !SECOND) as usize;
            let side = if place & SECOND == 0 { &mut self.first } else { &mut self.second };
            side[at / 64] |= 1 << (at % 64);
        }
    }

    /// Says whether the field of a leaf showed a text of its gate.
    #[inline]
    pub(crate) fn is_open(&self, leaf: u32) -> bool {
        self.gates[leaf as usize] == self.stamp
    }

    /// Returns the rules, 64 of them, that have all they need.
    #[inline]
    pub(crate) fn block(&self, block: usize) -> u64 {
        self.first[block] & self.second[block]
    }
}

/// The folded texts of one field: a range of [`Store::spans`].
#[derive(Clone, Copy, Default)]
pub(crate) struct Texts {
    pub(crate) stamp: Stamp,
    pub(crate) first: u32,
    pub(crate) end: u32,
}

/// Texts one behind the other.
#[derive(Default)]
pub(crate) struct Store {
    arena: Vec<u8>,
    spans: Vec<(u32, u32)>,
    buffers: CopyBuffers,
}

impl Scratch {
    /// Starts a new event.
    pub(crate) fn begin(&mut self, matcher: u64, slots: usize, leaves: usize, fields: usize) {
        if self.stamp == Stamp::MAX {
            *self = Self::default();
        }
        if self.matcher != matcher {
            self.matcher = matcher;
            self.regexes.clear();
            self.kept_by = 0;
            *self.names = Names::default();
        }
        self.stamp += 1;
        if self.slots.len() < slots {
            self.slots.resize(slots, (0, 0));
        }
        if self.candidates.leaves.len() < leaves {
            self.candidates.leaves.resize(leaves, 0);
            self.candidates.gates.resize(leaves, 0);
        }
        self.candidates.stamp = self.stamp;
        if self.texts.len() < fields {
            self.texts.resize(fields, Texts::default());
            self.copies.resize(fields, Texts::default());
        }
        self.store.clear();
        self.copied.clear();
        self.found.clear();
    }

    /// Takes over what is known of the fields that an event keeps; says whether it is.
    #[inline]
    pub(crate) fn recall(&mut self, kept_by: u64) -> bool {
        if kept_by == 0 || self.kept_by != kept_by {
            return false;
        }
        for found in &self.kept {
            if let Some(place) = self.slots.get_mut(found.slot as usize) {
                *place = (self.stamp, found.index);
            }
        }
        self.found.extend_from_slice(&self.kept);
        true
    }

    /// Remembers what was found so far as what is known of the fields that an event keeps.
    pub(crate) fn remember_kept(&mut self, kept_by: u64) {
        self.kept.clear();
        self.kept.extend_from_slice(&self.found);
        self.kept_by = kept_by;
    }

    /// Notes which field a slot stands for. Of two with one name the first counts.
    #[inline]
    pub(crate) fn note(&mut self, slot: u32, index: u32) {
        if let Some(place) = self.slots.get_mut(slot as usize)
            && place.0 != self.stamp
        {
            *place = (self.stamp, index);
            self.found.push(Found { slot, index });
        }
    }

    /// Returns what is known of a name by its address: `None` if nothing is, `Some(None)` if no rule
    /// asks for it.
    #[inline]
    pub(crate) fn known_slot(&self, name: &'static str) -> Option<Option<u32>> {
        let known = &self.names.0[Name::place(name)];
        (known.address == name.as_ptr().addr() && known.len == name.len())
            .then_some(known.slot.checked_sub(1))
    }

    /// Remembers the slot of a name.
    pub(crate) fn remember_slot(&mut self, name: &'static str, slot: Option<u32>) {
        let (address, len) = (name.as_ptr().addr(), name.len());
        let slot = slot.map_or(0, |slot| slot + 1);
        self.names.0[Name::place(name)] = Name { address, len, slot };
    }

    /// Returns the index of the field that a slot stands for, if the event has it.
    #[inline]
    pub(crate) fn field_of(&self, slot: u32) -> Option<u32> {
        let (stamp, field) = self.slots[slot as usize];
        (stamp == self.stamp).then_some(field)
    }
}

impl Store {
    fn clear(&mut self) {
        self.arena.clear();
        self.spans.clear();
        if self.arena.capacity() > ARENA_KEPT_BYTES_MAX {
            self.arena = Vec::new();
            self.buffers = CopyBuffers::default();
        }
    }

    pub(crate) fn spans(&self) -> u32 {
        self.spans.len() as u32
    }

    /// Returns a text by its number.
    #[inline]
    pub(crate) fn text(&self, span: u32) -> &[u8] {
        let (start, end) = self.spans[span as usize];
        &self.arena[start as usize..end as usize]
    }

    fn end(&mut self, start: usize) {
        self.spans.push((start as u32, self.arena.len() as u32));
    }

    /// Adds a text, folded, and its copies.
    pub(crate) fn add(&mut self, text: &str, copies: Copies) {
        self.fold(text);
        if !copies.has_none(text) {
            let mut buffers = std::mem::take(&mut self.buffers);
            copies.of_in(&mut buffers, text, |copy| self.fold(copy));
            self.buffers = buffers;
        }
    }

    /// Adds the copies of a text, not folded.
    pub(crate) fn add_copies(&mut self, text: &str, copies: Copies) {
        let mut buffers = std::mem::take(&mut self.buffers);
        copies.of_in(&mut buffers, text, |copy| {
            let start = self.arena.len();
            self.arena.extend_from_slice(copy.as_bytes());
            self.end(start);
        });
        self.buffers = buffers;
    }

    fn fold(&mut self, text: &str) {
        let start = self.arena.len();
        if text.is_ascii() {
            self.arena.extend_from_slice(text.as_bytes());
            self.arena[start..].make_ascii_lowercase();
        } else {
            let mut buffer = [0; 4];
            for c in text.chars() {
                self.arena.extend_from_slice(fold(c).encode_utf8(&mut buffer).as_bytes());
            }
        }
        self.end(start);
    }

    /// Adds the texts of a value; a list has those of its elements.
    pub(crate) fn add_value(&mut self, value: ValueRef<'_>, copies: Copies) {
        let start = self.arena.len();
        match value {
            ValueRef::Str(text) => self.add(text, copies),
            ValueRef::List(values) => {
                for one in values {
                    if !matches!(one, rules_event::Value::List(_)) {
                        self.add_value(one.into(), copies);
                    }
                }
            }
            ValueRef::Bool(flag) => self.fold(if flag { "true" } else { "false" }),
            ValueRef::Int(number) => {
                self.arena.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
                self.end(start);
            }
            ValueRef::Float(number) => {
                // Writing to memory cannot fail.
                drop(write!(self.arena, "{number}"));
                self.end(start);
            }
            ValueRef::Null => {}
        }
    }

    /// Adds the usual spellings of numbers that a value spells otherwise (`4688.0`, `1e3`).
    pub(crate) fn add_spellings(&mut self, value: ValueRef<'_>) {
        match value {
            ValueRef::Str(text) => {
                if text.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E'))
                    && let Some(number @ Number::Float(_)) = Number::parse(text)
                {
                    self.fold(&canonical(number));
                } else if text == "-0" {
                    self.fold("0");
                }
            }
            ValueRef::Float(number) => self.fold(&canonical(Number::Float(number))),
            ValueRef::List(values) => values.iter().for_each(|one| {
                if !matches!(one, rules_event::Value::List(_)) {
                    self.add_spellings(one.into());
                }
            }),
            ValueRef::Null | ValueRef::Bool(_) | ValueRef::Int(_) => {}
        }
    }
}
