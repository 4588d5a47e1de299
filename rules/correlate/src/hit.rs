//! Hit: one observation as a window keeps it.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::fired::key;

/// Field names and values that travel with a hit for those who look at it later.
pub(crate) type Carried = Arc<Box<[(Arc<str>, String)]>>;

/// An event id in 17 bytes: a hit is to fill one line of the processor's cache.
///
/// Ours are 32 hexadecimal digits. Other texts are kept whole up to 16 bytes; of a longer one
/// only a digest is, in the same form as ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EventId {
    bytes: [u8; 16],
    /// The length of a text; [`HEX`] for digits.
    kind: u8,
}

/// The kind of ids that are digits.
pub(crate) const HEX: u8 = u8::MAX;

impl EventId {
    pub(crate) fn new(text: &str) -> Self {
        if let Some(bytes) = digits(text.as_bytes()) {
            return Self { bytes, kind: HEX };
        }
        let mut bytes = [0; 16];
        if let (Some(place), Ok(kind)) = (bytes.get_mut(..text.len()), u8::try_from(text.len())) {
            place.copy_from_slice(text.as_bytes());
            return Self { bytes, kind };
        }
        let digest = key(text, &[], 0);
        Self { bytes: digits(digest.as_bytes()).unwrap_or_default(), kind: HEX }
    }

    pub(crate) fn text(&self) -> String {
        match self.bytes.get(..usize::from(self.kind)) {
            Some(text) => String::from_utf8_lossy(text).into_owned(),
            None => hex::encode(self.bytes),
        }
    }

    /// The bytes, and how many of them are a text ([`HEX`]: digits).
    pub(crate) fn parts(&self) -> ([u8; 16], u8) {
        (self.bytes, self.kind)
    }

    pub(crate) fn of_parts(bytes: [u8; 16], kind: u8) -> Self {
        Self { bytes, kind }
    }

    /// An event without an identity cannot be recognised when it comes again.
    pub(crate) fn is_empty(&self) -> bool {
        self.kind == 0
    }
}

/// Reads 32 lower-case hexadecimal digits.
fn digits(text: &[u8]) -> Option<[u8; 16]> {
    let (pairs, rest) = text.as_chunks::<2>();
    let pairs: &[[u8; 2]; 16] = pairs.try_into().ok()?;
    // Bits above the low four say that some digit was none; looked at once, at the end.
    let mut wrong = rest.len() as u8;
    let bytes = pairs.map(|[high, low]| {
        let (high, low) = (DIGITS[usize::from(high)], DIGITS[usize::from(low)]);
        wrong |= (high | low) & 0xf0;
        high << 4 | low & 0x0f
    });
    (wrong == 0).then_some(bytes)
}

/// What each byte is worth as a digit; 255 if it is none.
const DIGITS: [u8; 256] = {
    let mut table = [u8::MAX; 256];
    let mut digit = 0;
    while digit < 16 {
        let byte = if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
        table[byte as usize] = digit;
        digit += 1;
    }
    table
};

/// One hit. Times are nanoseconds since the epoch.
#[derive(Debug, Clone)]
pub(crate) struct Hit {
    pub(crate) time: i64,
    pub(crate) id: EventId,
    /// What the correlation looks at: the hash of a value, or the bits of a number.
    pub(crate) value: u64,
    /// `value_count`: when the value is seen next. `temporal`: the rules in the window ending here.
    pub(crate) link: u64,
    /// What travels with it, if anybody asks for it.
    pub(crate) carried: Option<Carried>,
    /// Hits it stands for: itself as often as the log repeats it, and those put together with it.
    pub(crate) weight: u32,
    /// Hits, values or rules in the window that ends here.
    pub(crate) level: u32,
    /// Place of the rule in the correlation's list.
    pub(crate) place: u8,
    /// The window ending here satisfies the condition.
    pub(crate) end: bool,
    /// Counted in an alert of its own slot, and in one of the next.
    pub(crate) counted: [bool; 2],
    /// Bytes of what it carries, unless they are put down to another hit that carries the same.
    pub(crate) elsewhere: u16,
}

/// The link of a value that is not seen again.
pub(crate) const NEVER: u64 = u64::MAX;

impl Hit {
    /// The order of hits in a window. Where rules follow each other, those of one moment stand in
    /// the order of the rules.
    pub(crate) fn order(&self, other: &Self, by_place: bool) -> Ordering {
        let step = |hit: &Self| if by_place { hit.place } else { 0 };
        self.time
            .cmp(&other.time)
            .then_with(|| step(self).cmp(&step(other)))
            .then_with(|| self.id.cmp(&other.id))
            .then_with(|| self.place.cmp(&other.place))
    }

    /// The time as a link: order is kept.
    pub(crate) fn stamp(time: i64) -> u64 {
        (time as u64) ^ (1 << 63)
    }
}

/// Returns the bytes that what is carried takes.
pub(crate) fn bytes_of(carried: &Carried) -> u16 {
    let texts: usize = carried.iter().map(|(_, value)| value.capacity()).sum();
    // The counts of the Arc, and the box in it.
    let bytes = 16 + size_of_val(&**carried) + size_of_val(&***carried) + texts;
    u16::try_from(bytes).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_back_as_they_were() {
        let hex = "0123456789abcdef00112233445566ff";
        assert_eq!(EventId::new(hex).kind, HEX);
        let upper = hex.to_uppercase();
        for id in [hex, "e1", "", "sixteen bytes ok"] {
            assert_eq!(EventId::new(id).text(), id);
        }
        for long in [upper.as_str(), "seventeen bytes no", "0123456789abcdef00112233445566fg"] {
            assert!(EventId::new(long) != EventId::new(&format!("{long}x")));
            assert_eq!(EventId::new(long).text().len(), 32);
        }
        assert_eq!(size_of::<Hit>(), 64);
    }
}
