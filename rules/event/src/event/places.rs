//! Places: where the fields of an event are found by name.

/// Finds fields by name: without it every field set would be compared with all before it.
///
/// For each place 0, or one more than the number of a field whose name has it: the last one set.
#[derive(Clone, Copy)]
pub(super) struct Places([u8; PLACES]);

const PLACES: usize = 1 << PLACES_LOG2;
/// Fields are some 30; one look in twenty for a name that is not there meets one that is.
const PLACES_LOG2: u32 = 9;

/// Where a name stands among [`Places`]. Known when compiling, for a constant.
#[inline(always)]
pub(super) fn place(name: &str) -> u16 {
    let bytes = name.as_bytes();
    let number = match (bytes.first_chunk::<8>(), bytes.last_chunk::<8>()) {
        (Some(first), Some(last)) => {
            u64::from_le_bytes(*first).rotate_left(23) ^ u64::from_le_bytes(*last)
        }
        _ => bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)),
    };
    // The top bits depend on all of them. Spec: Knuth, TAOCP 6.4, multiplicative hashing.
    let hash = (number ^ bytes.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (hash >> (u64::BITS - PLACES_LOG2)) as u16
}

impl Default for Places {
    fn default() -> Self {
        Self([0; PLACES])
    }
}

impl Places {
    #[inline(always)]
    pub(super) fn get(&self, place: u16) -> u8 {
        self.0[usize::from(place) % PLACES]
    }

    /// Notes the field with this number; those from the 255th on share one.
    #[inline(always)]
    pub(super) fn set(&mut self, place: u16, index: usize) {
        self.0[usize::from(place) % PLACES] = (index + 1).min(usize::from(u8::MAX)) as u8;
    }
}
