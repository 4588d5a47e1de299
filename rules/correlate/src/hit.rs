//! Hit: one observation as a window keeps it.

use std::cmp::Ordering;
use std::sync::Arc;

use crate::bytes::Reader;
use crate::fired::key;

/// What travels with a hit for those who look at it later: the values of the fields that its
/// correlation carries ([`crate::definition::Definition::carried`]), in their order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Carried(Arc<Box<[u8]>>);

impl Carried {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self(Arc::new(bytes.into()))
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// Whether it is the same one, not only alike.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Writes the next value, behind its length and one; 0 where there is none.
    pub(crate) fn write(out: &mut Vec<u8>, value: Option<&str>) {
        let length = value.map_or(0, |value| u16::try_from(value.len() + 1).unwrap_or(0));
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(value.filter(|_| length > 0).unwrap_or_default().as_bytes());
    }

    /// Returns the value of a field, by the names of those carried.
    pub(crate) fn get(&self, names: &[Arc<str>], name: &str) -> Option<&str> {
        let mut rest = self.bytes();
        for known in names {
            let (length, behind) = rest.split_first_chunk::<2>()?;
            let there = usize::from(u16::from_le_bytes(*length)).checked_sub(1);
            let (value, behind) = behind.split_at_checked(there.unwrap_or(0))?;
            if **known == *name {
                return there.and_then(|_| std::str::from_utf8(value).ok());
            }
            rest = behind;
        }
        None
    }

    /// Returns the bytes it takes: the counts of the Arc, the box in it, the values.
    pub(crate) fn size(&self) -> u16 {
        let bytes = 16 + size_of::<Box<[u8]>>() + self.bytes().len();
        u16::try_from(bytes).unwrap_or(u16::MAX)
    }
}

/// An event id in 17 bytes: a hit is to fill one line of the processor's cache.
///
/// Ours are 32 hexadecimal digits. Other texts are kept whole up to 16 bytes; of a longer one
/// only a digest is, in the same form as ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId {
    bytes: [u8; 16],
    /// The length of a text; [`HEX`] for digits.
    kind: u8,
}

/// The kind of ids that are digits.
pub(crate) const HEX: u8 = u8::MAX;

impl EventId {
    /// Of an event without an identity.
    pub const NONE: Self = Self { bytes: [0; 16], kind: 0 };

    /// The id that these bytes are the digits of.
    #[must_use]
    pub fn of_digits(bytes: [u8; 16]) -> Self {
        Self { bytes, kind: HEX }
    }

    /// The id that is written so.
    #[must_use]
    pub fn new(text: &str) -> Self {
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

    /// Returns it as it is written.
    #[must_use]
    pub fn text(&self) -> String {
        match self.bytes.get(..usize::from(self.kind)) {
            Some(text) => String::from_utf8_lossy(text).into_owned(),
            None => hex::encode(self.bytes),
        }
    }

    /// The bytes, and how many of them are a text ([`HEX`]: digits).
    pub(crate) fn parts(&self) -> ([u8; 16], u8) {
        (self.bytes, self.kind)
    }

    /// Writes it as bytes.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.push(self.kind);
        let kept = if self.kind == HEX { self.bytes.len() } else { usize::from(self.kind) };
        out.extend_from_slice(self.bytes.get(..kept).unwrap_or_default());
    }

    /// Reads what [`Self::write`] wrote.
    pub fn read(from: &mut Reader<'_>) -> Option<Self> {
        let kind = from.byte()?;
        let length = if kind == HEX { 16 } else { usize::from(kind) };
        let mut bytes = [0; 16];
        bytes.get_mut(..length)?.copy_from_slice(from.take(length)?);
        Some(Self { bytes, kind })
    }

    pub(crate) fn of_parts(bytes: [u8; 16], kind: u8) -> Self {
        Self { bytes, kind }
    }

    /// An event without an identity cannot be recognised when it comes again.
    #[must_use]
    pub fn is_empty(&self) -> bool {
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
    /// The order of hits in a window where rules follow each other: those of one moment stand in the
    /// order of the rules.
    pub(crate) fn order(&self, other: &Self) -> Ordering {
        let key = |hit: &Self| (hit.time, hit.place, hit.id);
        key(self).cmp(&key(other))
    }

    /// The time as a link: order is kept.
    pub(crate) fn stamp(time: i64) -> u64 {
        (time as u64) ^ (1 << 63)
    }
}

/// A hit on its way to a group.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fresh<'a> {
    pub(crate) time: i64,
    pub(crate) id: EventId,
    pub(crate) value: u64,
    pub(crate) weight: u32,
    pub(crate) place: u8,
    /// See [`Carried`].
    pub(crate) carried: Option<&'a [u8]>,
}

impl Fresh<'_> {
    /// Makes it one of a window, where the hit before carries this.
    pub(crate) fn hit(&self, before: Option<&Carried>) -> Hit {
        let (mut carried, mut elsewhere) = (None, 0);
        if let Some(bytes) = self.carried {
            // Most often it is the same.
            let same = before.filter(|before| before.bytes() == bytes);
            carried = Some(same.cloned().unwrap_or_else(|| Carried::new(bytes)));
            if same.is_none() {
                elsewhere = carried.as_ref().map_or(0, Carried::size);
            }
        }
        Hit {
            time: self.time,
            id: self.id,
            value: self.value,
            link: NEVER,
            carried,
            weight: self.weight,
            level: 0,
            place: self.place,
            end: false,
            counted: [false; 2],
            elsewhere,
        }
    }
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
