//! Dictionary: which rules' hits are counted, what is read in them, and a hit in few bytes.
//!
//! A hit travels from the threads that find it to the one that counts it, and to disk, as little more
//! than its time, its id and the values of some fields.

use std::borrow::Cow;
use std::collections::HashMap;

use rules_correlate::bytes::{Reader, write_bytes, write_signed, write_unsigned};
use rules_correlate::{REPEAT_COUNT, Wanted, text_of};
use rules_event::{Event, Timestamp, ValueRef, field, intern};
use sha2::{Digest as _, Sha256};

/// What is the same in all events of an agent: not written with each hit.
pub(super) const CONSTANTS: [&str; 3] =
    [field::AGENT_ID, field::AGENT_HOST, field::ORGANIZATION_ID];
/// A value longer than this is cut. The correlator tells group values apart by their first 256 bytes
/// and a digest of the rest; who needs more than this to be told apart is told apart by nobody.
const VALUE_BYTES_MAX: usize = 2_048;
/// An id of ours: so many hexadecimal digits.
const ID_DIGITS: usize = 32;

/// How an id stands in a hit: the lowest two bits in front of it.
const ID_TEXT: u64 = 0;
const ID_OURS: u64 = 1;
const ID_NONE: u64 = 2;

/// Names a dictionary on disk.
pub(super) type Digest = [u8; 8];

/// See the head of the file.
#[derive(Debug, Default)]
pub(super) struct Dictionary {
    pub(super) rules: Vec<Counted>,
    fields: Vec<Cow<'static, str>>,
    by_id: HashMap<String, u16>,
    pub(super) digest: Digest,
}

/// A rule whose hits are counted.
#[derive(Debug)]
pub(super) struct Counted {
    pub(super) id: String,
    /// Places in the dictionary's list of fields.
    fields: Vec<u16>,
    /// Its hits are kept with their ids: see [`Wanted::by_name`].
    by_name: bool,
}

impl Dictionary {
    pub(super) fn new(wanted: &[Wanted]) -> Self {
        let mut made = Self::default();
        for rule in wanted {
            let mut fields = Vec::new();
            for name in rule.fields.iter().filter(|name| !CONSTANTS.contains(&name.as_str())) {
                let place = made.fields.iter().position(|known| known == name);
                let place = place.unwrap_or_else(|| {
                    made.fields.push(intern(name));
                    made.fields.len() - 1
                });
                fields.push(u16::try_from(place).unwrap_or(u16::MAX));
            }
            made.rules.push(Counted { id: rule.rule.clone(), fields, by_name: rule.by_name });
        }
        made.finish()
    }

    fn finish(mut self) -> Self {
        // More rules than this are in no rule set of ours.
        self.rules.truncate(usize::from(u16::MAX));
        let places = (0..).zip(&self.rules);
        self.by_id = places.map(|(place, rule)| (rule.id.clone(), place)).collect();
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        self.digest.copy_from_slice(&Sha256::digest(&bytes)[..size_of::<Digest>()]);
        self
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Returns the place of a rule, if its hits are counted.
    pub(super) fn place(&self, rule: &str) -> Option<u16> {
        self.by_id.get(rule).copied()
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        write_unsigned(out, self.fields.len() as u64);
        self.fields.iter().for_each(|name| write_bytes(out, name.as_bytes()));
        write_unsigned(out, self.rules.len() as u64);
        for rule in &self.rules {
            write_bytes(out, rule.id.as_bytes());
            write_unsigned(out, rule.fields.len() as u64);
            rule.fields.iter().for_each(|place| write_unsigned(out, u64::from(*place)));
            out.push(u8::from(rule.by_name));
        }
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Option<Self> {
        let mut made = Self::default();
        for _ in 0..from.count()? {
            made.fields.push(intern(from.text()?));
        }
        for _ in 0..from.count()? {
            let id = from.text()?.to_owned();
            let mut fields = Vec::new();
            for _ in 0..from.count()? {
                fields.push(u16::try_from(from.unsigned()?).ok()?);
            }
            let by_name = from.byte()? != 0;
            made.rules.push(Counted { id, fields, by_name });
        }
        Some(made.finish())
    }
}

/// So many hits that are all alike, moment and values, are written one by one; of further ones only how
/// many they are. They count the same, and nobody wants to read the twentieth like line of a second. Web
/// servers write whole seconds: without this, sorting a flood of one address would take longer the more of
/// it lies in one second.
const ALIKE_MAX: u64 = 16;
/// A hit stands for at most this many: the bound of the correlator for one event.
const REPEATS_MAX: i64 = 1_000;

/// Hits, one behind the other.
#[derive(Debug, Default)]
pub(super) struct Hits {
    bytes: Vec<u8>,
    /// Events counted.
    pub(super) count: usize,
    /// Time of the last written.
    last: i64,
    /// The hit at hand, not written yet: its time, its head (id), for how many it stands, its values.
    time: i64,
    head: Vec<u8>,
    repeats: i64,
    body: Vec<u8>,
    /// The values of the next one.
    next: Vec<u8>,
    /// So many alike were seen in a row.
    alike: u64,
}

impl Hits {
    /// Adds the hit of an event by these rules (places in the dictionary).
    /// Returns whether it is written by itself, and not put together with the one before.
    pub(super) fn push(&mut self, dictionary: &Dictionary, event: &Event, rules: &[u16]) -> bool {
        self.count += 1;
        let time = event.time.as_nanos();
        let repeats = event.get(REPEAT_COUNT).and_then(ValueRef::as_int).unwrap_or(1).max(1);
        let out = &mut self.next;
        out.clear();
        for rule in rules {
            write_unsigned(out, u64::from(*rule));
            let Some(counted) = dictionary.rules.get(usize::from(*rule)) else { continue };
            for place in &counted.fields {
                let name = dictionary.fields.get(usize::from(*place));
                match name.and_then(|name| text_of(event, name)) {
                    Some(text) => {
                        let text = &text[..text.floor_char_boundary(VALUE_BYTES_MAX)];
                        write_unsigned(out, text.len() as u64 + 1);
                        out.extend_from_slice(text.as_bytes());
                    }
                    None => out.push(0),
                }
            }
        }
        if self.repeats > 0 && time == self.time && self.next == self.body {
            self.alike += 1;
            if self.alike > ALIKE_MAX && self.repeats.saturating_add(repeats) <= REPEATS_MAX {
                self.repeats += repeats;
                return false;
            }
        } else {
            self.alike = 1;
        }
        self.flush();
        let id = event.binary_id();
        let kind = if id.is_some() { ID_OURS } else { ID_TEXT };
        write_unsigned(&mut self.head, (rules.len() as u64) << 2 | kind);
        match id {
            Some(id) => self.head.extend_from_slice(&id),
            None => write_bytes(&mut self.head, event.id.as_bytes()),
        }
        (self.time, self.repeats) = (time, repeats);
        std::mem::swap(&mut self.body, &mut self.next);
        true
    }

    /// Writes the hit at hand.
    fn flush(&mut self) {
        if self.repeats == 0 {
            return;
        }
        write_signed(&mut self.bytes, self.time.wrapping_sub(self.last));
        self.last = self.time;
        self.bytes.append(&mut self.head);
        write_signed(&mut self.bytes, self.repeats);
        self.bytes.extend_from_slice(&self.body);
        self.repeats = 0;
    }

    /// Returns all of them as bytes.
    pub(super) fn finish(&mut self) -> &[u8] {
        self.flush();
        &self.bytes
    }
}

/// Reads hits back one by one: `event` becomes each in turn, keeping its constant fields. `take` gets
/// it with the places and the ids of its rules. `kept` gets the hits as they are to be kept on disk: without
/// the ids that nobody needs, most of their bytes. `None` when the bytes are no hits of this dictionary.
pub(super) fn each_hit<'d>(
    dictionary: &'d Dictionary,
    bytes: &[u8],
    event: &mut Event,
    mut kept: Option<&mut Vec<u8>>,
    mut take: impl FnMut(&Event, &[u16], &[&'d str]),
) -> Option<()> {
    let mut from = Reader::new(bytes);
    let (mut places, mut ids) = (Vec::new(), Vec::new());
    let mut time = 0_i64;
    while !from.is_empty() {
        let start = from.rest();
        time = time.wrapping_add(from.signed()?);
        let before_head = from.rest();
        event.reset(Timestamp::from_nanos(time));
        let head = from.unsigned()?;
        if head & 3 == ID_OURS {
            let mut digits = [0; ID_DIGITS];
            hex::encode_to_slice(from.take(ID_DIGITS / 2)?, &mut digits).ok()?;
            event.id.push_str(std::str::from_utf8(&digits).ok()?);
        } else if head & 3 == ID_TEXT {
            event.id.push_str(from.text()?);
        }
        let behind_id = from.rest();
        let repeats = from.signed()?;
        if repeats != 1 {
            event.set(REPEAT_COUNT, repeats);
        }
        places.clear();
        ids.clear();
        let mut by_name = false;
        for _ in 0..head >> 2 {
            let place = u16::try_from(from.unsigned()?).ok()?;
            let counted = dictionary.rules.get(usize::from(place))?;
            places.push(place);
            ids.push(counted.id.as_str());
            by_name |= counted.by_name;
            for field in &counted.fields {
                let name = dictionary.fields.get(usize::from(*field))?;
                let Some(length) = from.unsigned()?.checked_sub(1) else { continue };
                let text = from.take(usize::try_from(length).ok()?)?;
                event.set_text(name.clone(), std::str::from_utf8(text).ok()?);
            }
        }
        if let Some(kept) = &mut kept {
            let until = |from_there: &[u8], to: &[u8]| from_there.len() - to.len();
            if by_name {
                kept.extend_from_slice(&start[..until(start, from.rest())]);
            } else {
                kept.extend_from_slice(&start[..until(start, before_head)]);
                write_unsigned(kept, head & !3 | ID_NONE);
                kept.extend_from_slice(&behind_id[..until(behind_id, from.rest())]);
            }
        }
        take(event, &places, &ids);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dictionary() -> Dictionary {
        let wanted = |rule: &str, fields: &[&str]| Wanted {
            rule: rule.to_owned(),
            fields: fields.iter().map(ToString::to_string).collect(),
            by_name: rule == "b",
        };
        Dictionary::new(&[
            wanted("a", &[field::AGENT_HOST, field::SOURCE_IP]),
            wanted("b", &["source.bytes", field::SOURCE_IP, field::USER_NAME]),
        ])
    }

    #[test]
    fn hits_come_back_with_what_is_counted_of_them() {
        let dictionary = dictionary();
        let mut first = Event::new(Timestamp::from_seconds(1_795_248_600), "0f".repeat(16));
        first.set_text(field::SOURCE_IP, "203.0.113.9");
        first.set_text(field::MESSAGE, "not counted");
        first.set("source.bytes", 4_096_i64);
        first.set(REPEAT_COUNT, 3_i64);
        let mut second = Event::new(Timestamp::from_seconds(1_795_248_599), "odd".to_owned());
        second.set_text(field::USER_NAME, "nguyễn");
        let mut hits = Hits::default();
        hits.push(&dictionary, &first, &[0, 1]);
        hits.push(&dictionary, &second, &[1]);
        let mut written = Vec::new();
        dictionary.write(&mut written);
        let read = Dictionary::read(&mut Reader::new(&written)).unwrap();
        assert_eq!(read.digest, dictionary.digest);
        let mut scratch = Event::default();
        scratch.set_text(field::AGENT_HOST, "web");
        scratch.keep();
        let (mut seen, mut kept) = (Vec::new(), Vec::new());
        let bytes = hits.finish().to_vec();
        each_hit(&read, &bytes, &mut scratch, Some(&mut kept), |event, places, ids| {
            seen.push((event.clone(), places.to_vec(), ids.join(",")));
        })
        .unwrap();
        assert_eq!((seen.len(), hits.count), (2, 2));
        let (event, places, ids) = &seen[0];
        assert_eq!((&event.id, event.time), (&first.id, first.time));
        assert_eq!((places.as_slice(), ids.as_str()), (&[0, 1][..], "a,b"));
        assert_eq!(event.get_str(field::AGENT_HOST), Some("web"));
        assert_eq!(event.get_str(field::SOURCE_IP), Some("203.0.113.9"));
        assert_eq!(event.get_str("source.bytes"), Some("4096"));
        assert_eq!(event.get(REPEAT_COUNT).and_then(ValueRef::as_int), Some(3));
        assert_eq!(event.get(field::MESSAGE), None);
        let (event, _, ids) = &seen[1];
        assert_eq!((event.id.as_str(), event.time, ids.as_str()), ("odd", second.time, "b"));
        assert_eq!(event.get_str(field::USER_NAME), Some("nguyễn"));
        assert_eq!(event.get(field::SOURCE_IP), None);
        assert_eq!(event.get(REPEAT_COUNT), None);
        // On disk an id is kept where a rule wants it: of the first, which both hit, and the second.
        assert_eq!(kept, bytes);
        let mut third = Hits::default();
        third.push(&dictionary, &first, &[0]);
        let (third, mut stripped) = (third.finish().to_vec(), Vec::new());
        each_hit(&read, &third, &mut scratch, Some(&mut stripped), |event, _, _| {
            assert_eq!(event.id, first.id);
        })
        .unwrap();
        assert_eq!(stripped.len(), third.len() - 16);
        each_hit(&read, &stripped, &mut scratch, None, |event, places, _| {
            assert_eq!((event.id.as_str(), event.time, places), ("", first.time, &[0][..]));
            assert_eq!(event.get_str(field::SOURCE_IP), Some("203.0.113.9"));
        })
        .unwrap();
        for cut in 1..bytes.len() {
            each_hit(&read, &bytes[..cut], &mut scratch, None, |_, _, _| {});
        }
        assert_eq!(
            each_hit(&Dictionary::default(), &bytes, &mut scratch, None, |_, _, _| {}),
            None
        );
    }
    #[test]
    fn a_flood_of_one_moment_is_put_together_and_counts_the_same() {
        let dictionary = dictionary();
        let hit = |number: u64, second: i64, ip: &str| {
            let at = Timestamp::from_seconds(1_795_248_600 + second);
            let mut event = Event::new(at, format!("{number:032x}"));
            event.set_text(field::SOURCE_IP, ip);
            event
        };
        let mut hits = Hits::default();
        let mut written = 0;
        for number in 0..5_000 {
            written += u64::from(hits.push(&dictionary, &hit(number, 0, "203.0.113.9"), &[0]));
        }
        // Another moment, and another address: each is what it is.
        hits.push(&dictionary, &hit(5_000, 1, "203.0.113.9"), &[0]);
        hits.push(&dictionary, &hit(5_001, 1, "203.0.113.8"), &[0]);
        let mut repeats = Vec::new();
        each_hit(&dictionary, hits.finish(), &mut Event::default(), None, |event, _, _| {
            repeats.push(event.get(REPEAT_COUNT).and_then(ValueRef::as_int).unwrap_or(1));
        })
        .unwrap();
        assert_eq!(repeats.iter().sum::<i64>(), 5_002);
        assert_eq!(hits.count, 5_002);
        assert_eq!(written + 2, repeats.len() as u64);
        assert!(repeats.len() < 30, "{repeats:?}");
        assert!(repeats[..15].iter().all(|count| *count == 1), "the first ones are themselves");
        assert!(repeats.iter().all(|count| *count <= REPEATS_MAX));
    }
}
