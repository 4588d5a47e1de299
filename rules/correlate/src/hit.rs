//! Hit: one observation as a window keeps it.

use std::cmp::Ordering;
use std::sync::Arc;

/// Field names and values that travel with a hit for those who look at it later.
pub(crate) type Carried = Arc<[(Arc<str>, String)]>;

/// Bytes of an event id that are kept; a longer one is cut, with a digest in place of the rest.
const ID_BYTES_MAX: usize = 64;

/// An event id in little room: ours are 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EventId {
    Hex([u8; 16]),
    Text(Box<str>),
}

impl EventId {
    pub(crate) fn new(text: &str) -> Self {
        let mut bytes = [0; 16];
        if text.len() == 32 && hex::decode_to_slice(text, &mut bytes).is_ok() && is_lower(text) {
            return Self::Hex(bytes);
        }
        Self::Text(crate::fired::shortened(text, ID_BYTES_MAX).into_owned().into_boxed_str())
    }

    pub(crate) fn text(&self) -> String {
        match self {
            Self::Hex(bytes) => hex::encode(bytes),
            Self::Text(text) => text.clone().into_string(),
        }
    }

    /// An event without an identity cannot be recognised when it comes again.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Text(text) if text.is_empty())
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Self::Hex(_) => 0,
            Self::Text(text) => text.len(),
        }
    }
}

fn is_lower(text: &str) -> bool {
    !text.bytes().any(|byte| byte.is_ascii_uppercase())
}

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

    pub(crate) fn heap_bytes(&self) -> usize {
        let carried = self.carried.as_ref().map_or(0, |carried| {
            let texts: usize = carried.iter().map(|(_, value)| value.capacity()).sum();
            16 + carried.len() * size_of::<(Arc<str>, String)>() + texts
        });
        self.id.heap_bytes() + carried
    }
}
