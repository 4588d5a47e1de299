//! Key: how the group of a hit is named, and what a correlation looks at in it.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hasher, RandomState};

use crate::definition::{Definition, Subscription};
use crate::fired::shortened;
use crate::group::Values;
use crate::source::{GROUP_VALUE_BYTES_MAX, Source};

/// Writes the key of the group a hit belongs to, and returns its hash; `None` when the hit lacks a field.
pub(crate) fn find_key(
    key: &mut Vec<u8>,
    hasher: &RandomState,
    definition: &Definition,
    to: Subscription,
    source: Source<'_>,
) -> Option<u64> {
    key.clear();
    for field in &definition.group_by {
        let text = source.text(field, to.place)?;
        encode(key, &shortened(&text, GROUP_VALUE_BYTES_MAX));
    }
    let mut hash = hasher.build_hasher();
    hash.write_usize(to.definition);
    hash.write(key);
    Some(hash.finish())
}

/// Returns what a correlation looks at in a hit; `None` when the hit lacks it.
pub(crate) fn value_of(definition: &Definition, place: usize, source: Source<'_>) -> Option<u64> {
    if definition.plan.by_number() {
        return source.number(definition.fields.first()?, place).map(f64::to_bits);
    }
    if !definition.plan.by_value() {
        return Some(0);
    }
    // With keys that never change: a replay then finds the same. Tables of values add their own.
    let mut hash = BuildHasherDefault::<DefaultHasher>::default().build_hasher();
    for field in &definition.fields {
        let text = source.text(field, place)?;
        hash.write_usize(text.len());
        hash.write(text.as_bytes());
    }
    Some(hash.finish())
}

/// Writes a group value after its length, so that no two groups are written alike.
fn encode(key: &mut Vec<u8>, text: &str) {
    let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
    key.extend_from_slice(&length.to_le_bytes());
    key.extend_from_slice(text.as_bytes());
}

/// Reads a group's values back, with their names.
pub(crate) fn decode(definition: &Definition, mut key: &[u8]) -> Values {
    let mut values = Vec::with_capacity(definition.group_by.len());
    for field in &definition.group_by {
        let Some((length, rest)) = key.split_first_chunk::<2>() else { break };
        let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
        let (text, rest) = rest.split_at(length);
        values.push((field.name.clone(), String::from_utf8_lossy(text).into_owned()));
        key = rest;
    }
    values.into()
}
