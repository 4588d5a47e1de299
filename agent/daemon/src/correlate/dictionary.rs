//! Dictionary: which rules' hits are counted, what is read in them, and a hit in few bytes.
//!
//! A hit travels from the threads that find it to the one that counts it, and to disk, as little more
//! than its time, its id and the values of some fields.

use std::borrow::Cow;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use rules_correlate::bytes::{Reader, write_bytes, write_signed, write_unsigned};
use rules_correlate::{EventId, Noted, REPEAT_COUNT, Wanted, text_of};
use rules_event::{Event, Timestamp, ValueRef, field, intern};
use sha2::{Digest as _, Sha256};

/// What is the same in all events of an agent: not written with each hit.
pub(super) const CONSTANTS: [&str; 3] =
    [field::AGENT_ID, field::AGENT_HOST, field::ORGANIZATION_ID];
/// A value longer than this is cut. The correlator tells group values apart by their first 256 bytes
/// and a digest of the rest; who needs more than this to be told apart is told apart by nobody.
const VALUE_BYTES_MAX: usize = 2_048;
/// An id of ours: so many bytes.
const ID_BYTES: usize = 16;

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
    by_id: HashMap<String, u16, BuildHasherDefault<OfIds>>,
    pub(super) digest: Digest,
}

/// Hashes ids of rules, eight bytes at a time. Nobody gains by making two of our own rules alike to it.
#[derive(Debug, Default)]
struct OfIds(u64);

impl Hasher for OfIds {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        let mut last = [0; 8];
        last[..rest.len()].copy_from_slice(rest);
        for word in words.iter().chain([&last]) {
            let mixed = self.0.rotate_left(5) ^ u64::from_le_bytes(*word);
            self.0 = mixed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        }
    }

    fn finish(&self) -> u64 {
        self.0 ^ self.0 >> 32
    }
}

/// Fields that were written with one hit, so that none is written twice for a second rule.
#[derive(Debug, Clone, Copy, Default)]
struct Written(u128);

impl Written {
    /// Notes a field; false if it is there already. Fields beyond the bits are written again.
    fn add(&mut self, place: u16) -> bool {
        let bit = 1_u128.checked_shl(u32::from(place)).unwrap_or(0);
        let is_new = self.0 & bit == 0;
        self.0 |= bit;
        is_new
    }
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
        let mut written = Written::default();
        for rule in rules {
            write_unsigned(out, u64::from(*rule));
            let Some(counted) = dictionary.rules.get(usize::from(*rule)) else { continue };
            for place in counted.fields.iter().filter(|place| written.add(**place)) {
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

/// So many hits are handed on at a time: what counts them reads memory for all of them at once.
const TOGETHER: usize = 32;

/// A hit that was read: all but its fields and rules, which stand in lists of all hits.
struct Read {
    time: Timestamp,
    id: EventId,
    repeats: i64,
    fields_until: usize,
    places_until: usize,
}

/// Reads hits back. `take` gets a few at a time, with the places of their rules. `kept` gets the hits as they
/// are to be kept on disk: without the ids that nobody needs, most of their bytes. `None` when the bytes
/// are no hits of this dictionary.
pub(super) fn each_hit(
    dictionary: &Dictionary,
    bytes: &[u8],
    mut kept: Option<&mut Vec<u8>>,
    mut take: impl FnMut(&[(Noted<'_>, &[u16])]),
) -> Option<()> {
    let mut from = Reader::new(bytes);
    let (mut all, mut places, mut fields) = (Vec::new(), Vec::new(), Vec::new());
    let mut time = 0_i64;
    while !from.is_empty() {
        let start = from.rest();
        time = time.wrapping_add(from.signed()?);
        let before_head = from.rest();
        let head = from.unsigned()?;
        let id = match head & 3 {
            ID_OURS => EventId::of_digits(from.array::<ID_BYTES>()?),
            ID_TEXT => EventId::new(from.text()?),
            _ => EventId::NONE,
        };
        let behind_id = from.rest();
        let repeats = from.signed()?;
        let (mut by_name, mut written) = (false, Written::default());
        for _ in 0..head >> 2 {
            let place = u16::try_from(from.unsigned()?).ok()?;
            let counted = dictionary.rules.get(usize::from(place))?;
            places.push(place);
            by_name |= counted.by_name;
            for field in counted.fields.iter().filter(|field| written.add(**field)) {
                let name = dictionary.fields.get(usize::from(*field))?;
                let Some(length) = from.unsigned()?.checked_sub(1) else { continue };
                let text = from.take(usize::try_from(length).ok()?)?;
                fields.push((&**name, std::str::from_utf8(text).ok()?));
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
        let time = Timestamp::from_nanos(time);
        let (fields_until, places_until) = (fields.len(), places.len());
        all.push(Read { time, id, repeats, fields_until, places_until });
        if all.len() == TOGETHER {
            hand_on(&all, &fields, &places, &mut take);
            all.clear();
            fields.clear();
            places.clear();
        }
    }
    hand_on(&all, &fields, &places, &mut take);
    Some(())
}

fn hand_on(
    all: &[Read],
    fields: &[(&str, &str)],
    places: &[u16],
    take: &mut impl FnMut(&[(Noted<'_>, &[u16])]),
) {
    let (mut field, mut place) = (0, 0);
    let hits = all.iter().map(|read| {
        let Read { time, id, repeats, fields_until, places_until } = *read;
        let hit = (
            Noted { time, id, repeats, fields: &fields[field..fields_until] },
            &places[place..places_until],
        );
        (field, place) = (fields_until, places_until);
        hit
    });
    let hits: Vec<_> = hits.collect();
    if !hits.is_empty() {
        take(&hits);
    }
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
        let (mut seen, mut kept) = (Vec::new(), Vec::new());
        let bytes = hits.finish().to_vec();
        let of = |noted: &Noted<'_>, name: &str| {
            let field = noted.fields.iter().find(|(known, _)| *known == name);
            field.map(|(_, text)| (*text).to_owned())
        };
        each_hit(&read, &bytes, Some(&mut kept), |hits| {
            hits.iter().for_each(|(noted, places)| {
                let fields = [field::AGENT_HOST, field::SOURCE_IP, "source.bytes", field::MESSAGE];
                let texts = fields.map(|name| of(noted, name));
                let user = of(noted, field::USER_NAME);
                seen.push((
                    noted.id.text(),
                    noted.time,
                    noted.repeats,
                    places.to_vec(),
                    texts,
                    user,
                ));
            })
        })
        .unwrap();
        assert_eq!((seen.len(), hits.count), (2, 2));
        let some = |text: &str| Some(text.to_owned());
        let texts = [None, some("203.0.113.9"), some("4096"), None];
        assert_eq!(seen[0], (first.id.clone(), first.time, 3, vec![0, 1], texts, None));
        let user = some("nguyễn");
        assert_eq!(seen[1], ("odd".to_owned(), second.time, 1, vec![1], [const { None }; 4], user));
        // On disk an id is kept where a rule wants it: of the first, which both hit, and the second.
        assert_eq!(kept, bytes);
        let mut third = Hits::default();
        third.push(&dictionary, &first, &[0]);
        let (third, mut stripped) = (third.finish().to_vec(), Vec::new());
        each_hit(&read, &third, Some(&mut stripped), |hits| {
            assert_eq!(hits[0].0.id.text(), first.id);
        })
        .unwrap();
        assert_eq!(stripped.len(), third.len() - 16);
        each_hit(&read, &stripped, None, |hits| {
            let (noted, places) = &hits[0];
            assert_eq!((noted.id.is_empty(), noted.time, *places), (true, first.time, &[0][..]));
            assert_eq!(of(noted, field::SOURCE_IP), some("203.0.113.9"));
        })
        .unwrap();
        for cut in 1..bytes.len() {
            each_hit(&read, &bytes[..cut], None, |_| {});
        }
        assert_eq!(each_hit(&Dictionary::default(), &bytes, None, |_| {}), None);
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
        each_hit(&dictionary, hits.finish(), None, |hits| {
            repeats.extend(hits.iter().map(|(noted, _)| noted.repeats));
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
