//! View: the fields of one event that rules ask for, each looked up and folded at most once.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use rules_event::{Event, Value};
use rules_sigma::fold;

/// Number of a field among all that the rules of a set ask for.
pub(crate) type Slot = u16;

/// The names of the fields that a set of rules asks for.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    by_name: HashMap<Box<str>, Slot, BuildHasherDefault<Fnv>>,
}

impl Slots {
    /// Returns the slot of a field; `None` when there are more fields than slots.
    pub(crate) fn intern(&mut self, name: &str) -> Option<Slot> {
        if let Some(slot) = self.by_name.get(name) {
            return Some(*slot);
        }
        let slot = Slot::try_from(self.by_name.len()).ok()?;
        self.by_name.insert(name.into(), slot);
        Some(slot)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// Fills `values` (one place per slot) from an event.
    pub(crate) fn fill<'e>(&self, event: &'e Event, values: &mut [Option<&'e Value>]) {
        for (name, value) in event.fields() {
            if let Some(slot) = self.by_name.get(name) {
                values[usize::from(*slot)] = Some(value);
            }
        }
    }
}

/// FNV-1a: field names are short, and the names in the map are the rules' own, so that no event can
/// make look-ups slow.
#[derive(Debug)]
pub(crate) struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

/// Folded texts of the event at hand. Kept from event to event, so that matching does not allocate.
#[derive(Debug, Default)]
pub(crate) struct Folded {
    texts: Vec<String>,
    /// The event each text belongs to.
    seen: Vec<u64>,
    event: u64,
    /// For the elements of lists.
    element: String,
}

/// A folded text longer than this is not kept after its event: one huge line must not hold memory.
const KEPT_BYTES_MAX: usize = 64 * 1024;

impl Folded {
    /// Starts a new event.
    pub(crate) fn begin(&mut self, slots: usize) {
        self.event += 1;
        if self.texts.len() < slots {
            self.texts.resize_with(slots, String::new);
            self.seen.resize(slots, 0);
        }
    }

    /// Returns the folded text of a slot.
    pub(crate) fn get(&mut self, slot: Slot, text: &str) -> &str {
        let slot = usize::from(slot);
        let folded = &mut self.texts[slot];
        if self.seen[slot] != self.event {
            self.seen[slot] = self.event;
            if folded.capacity() > KEPT_BYTES_MAX {
                *folded = String::new();
            }
            fold_into(folded, text);
        }
        folded
    }

    /// Returns a text folded, until the next call.
    pub(crate) fn element(&mut self, text: &str) -> &str {
        if self.element.capacity() > KEPT_BYTES_MAX {
            self.element = String::new();
        }
        fold_into(&mut self.element, text);
        &self.element
    }
}

fn fold_into(folded: &mut String, text: &str) {
    folded.clear();
    if text.is_ascii() {
        folded.push_str(text);
        folded.make_ascii_lowercase();
    } else {
        folded.extend(text.chars().map(fold));
    }
}
