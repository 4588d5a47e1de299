//! The hot path: one event through the plans of its logsource.
//!
//! Fields are looked up once; the texts of those that an index watches are folded once and searched
//! once. Only rules whose witness was seen are decided, leaf by leaf, each leaf at most once an event.

use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;

use regex::Regex;
use rules_event::Value;
use rules_sigma::Cidr;

use crate::Copies;
use crate::assemble::{PROOF, SLOT_WORDS, asked_at, decode_copies, head, plan_at};
use crate::compile::EVERYWHERE;
use crate::encode::{EncodedPieces, GATED, check, comparison, join, node, time_part};
use rules_event::ValueRef;

use crate::fields::Fields;
use crate::glob::{Anchor, match_pieces};
use crate::matcher::Matcher;
use crate::naive::{self, with_text};
use crate::scratch::{Candidates, Found, Scratch, Texts};
use crate::textset::{TextSet, hash_name, spread};

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// Appends the rules of the plans that match the event, ascending.
pub(crate) fn run(
    matcher: &Matcher,
    plans: impl Iterator<Item = u32>,
    event: &impl Fields,
    out: &mut Vec<usize>,
) {
    SCRATCH.with_borrow_mut(|scratch| {
        let image = &matcher.image;
        let (words, pool) = (image.words(), image.pool());
        let slots = words[head::SLOT_COUNT] as usize;
        scratch.begin(matcher.number, slots, words[head::LEAF_COUNT] as usize, event.len());
        let mut run = Run { matcher, words, pool, event, scratch };
        run.fill();
        for plan in plans {
            run.plan(plan, out);
        }
    });
    out.sort_unstable();
    // A rule of a wide logsource may be served by two plans.
    out.dedup();
}

struct Run<'m, 's, E> {
    matcher: &'m Matcher,
    words: &'m [u32],
    pool: &'m [u8],
    event: &'s E,
    scratch: &'s mut Scratch,
}

impl<'m, E: Fields> Run<'m, '_, E> {
    fn list(&self, at: u32, width: usize) -> &'m [u32] {
        let count = self.words[at as usize] as usize;
        &self.words[at as usize + 1..][..count * width]
    }

    fn text(&self, at: u32, len: u32) -> &'m [u8] {
        &self.pool[at as usize..][..len as usize]
    }

    fn set(&self, at: u32) -> TextSet<'m> {
        TextSet { words: self.words, pool: self.pool, at }
    }

    /// Notes for each slot which field of the event it is.
    fn fill(&mut self) {
        let (kept_by, kept) = self.event.kept();
        if !self.scratch.recall(kept_by) {
            self.note(0..kept);
            self.scratch.remember_kept(kept_by);
        }
        self.note(kept..self.event.len());
    }

    #[inline(always)]
    fn note(&mut self, fields: std::ops::Range<usize>) {
        for index in fields {
            let slot = match self.event.static_name(index) {
                Some(name) => match self.scratch.known_slot(name) {
                    Some(slot) => slot,
                    None => {
                        let slot = self.slot(name.as_bytes());
                        self.scratch.remember_slot(name, slot);
                        slot
                    }
                },
                None => match self.event.name(index) {
                    Some(name) => self.slot(name.as_bytes()),
                    None => break,
                },
            };
            if let Some(slot) = slot {
                self.scratch.note(slot, index as u32);
            }
        }
    }

    /// Finds the slot of a field name; `None` when no rule asks for it.
    fn slot(&self, name: &[u8]) -> Option<u32> {
        let table = self.words[head::SLOT_TABLE] as usize;
        let mask = self.words[table];
        let entries = &self.words[table + 1..][..(mask as usize + 1) * 2];
        let slots = self.words[head::SLOTS] as usize;
        let hash = hash_name(name);
        let mut at = spread(hash) & mask;
        loop {
            let (known, number) = (entries[at as usize * 2], entries[at as usize * 2 + 1]);
            let slot = number.checked_sub(1)?;
            if known == hash {
                let place = slots + slot as usize * SLOT_WORDS;
                if self.text(self.words[place], self.words[place + 1]) == name {
                    return Some(slot);
                }
            }
            at = (at + 1) & mask;
        }
    }

    fn copies(&self, slot: u32) -> Copies {
        let slots = self.words[head::SLOTS] as usize;
        decode_copies(self.words[slots + slot as usize * SLOT_WORDS + 2])
    }

    /// Folds the texts of a field, if that was not done yet.
    #[inline]
    fn texts(&mut self, index: u32, slot: u32) -> Texts {
        let known = self.scratch.texts[index as usize];
        if known.stamp == self.scratch.stamp {
            return known;
        }
        let copies = if slot == u32::from(EVERYWHERE) { Copies::None } else { self.copies(slot) };
        let first = self.scratch.store.spans();
        if let Some(value) = self.event.value_at(index as usize) {
            self.scratch.store.add_value(value, copies);
        }
        let end = self.scratch.store.spans();
        let texts = Texts { stamp: self.scratch.stamp, first, end };
        self.scratch.texts[index as usize] = texts;
        texts
    }

    fn plan(&mut self, plan: u32, out: &mut Vec<usize>) {
        let plan = &self.words[plan as usize..][..plan_at::WORDS];
        let (rules, _) = self.list(plan[plan_at::RULES], 2).as_chunks::<2>();
        let seconds = self.list(plan[plan_at::SECONDS], 1);
        self.scratch.candidates.begin(seconds);
        let fields = &self.words[plan[plan_at::FIELDS] as usize..];
        for number in 0..self.scratch.found.len() {
            let Some(&Found { slot, index }) = self.scratch.found.get(number) else { break };
            let at = fields[slot as usize] as usize;
            if at == 0 {
                continue;
            }
            let asked = &self.words[at..];
            let (set, flags) = (asked[asked_at::SET], asked[asked_at::FLAGS]);
            if set != 0 {
                self.search(index, slot, set, flags & 1 != 0, (flags >> 1).checked_sub(1));
            }
            let present = asked[asked_at::PRESENT] as usize;
            if present > 0 {
                self.scratch.candidates.mark(&asked[asked_at::WORDS..][..present]);
            }
        }
        if plan[plan_at::ANYWHERE] != 0 {
            self.search_everywhere(plan[plan_at::ANYWHERE]);
        }
        let always = self.list(plan[plan_at::ALWAYS], 1);
        self.scratch.candidates.mark(always);
        for block in 0..seconds.len() / 2 {
            let mut bits = self.scratch.candidates.block(block);
            while bits != 0 {
                let [rule, expr] = rules[block * 64 + bits.trailing_zeros() as usize];
                bits &= bits - 1;
                // The alternatives of a rule stand together: one is enough.
                let rule = rule as usize;
                if out.last() != Some(&rule) && self.expr(expr as usize).0 {
                    out.push(rule);
                }
            }
        }
    }

    /// Says whether a field is a part of another, and neither has copies: then nothing stands in it
    /// that does not stand in the other.
    #[inline]
    fn ends(&self, other: u32, index: u32) -> bool {
        let text = |index: u32| match self.event.value_at(index as usize) {
            Some(ValueRef::Str(text)) => Some(text),
            _ => None,
        };
        let Some(place) = self.scratch.field_of(other) else { return false };
        let Some(whole) = text(place) else { return false };
        (self.event.holds(place as usize, index as usize)
            || text(index).is_some_and(|end| whole.ends_with(end)))
            && whole.is_ascii()
            && self.copies(other).has_none(whole)
    }

    /// Searches a field for the literals of a set and marks the rules that wait for them; of one that
    /// ends another field (`cover`), only those bound to its start or end.
    fn search(&mut self, index: u32, slot: u32, set: u32, numbers: bool, cover: Option<u32>) {
        let set = self.set(set);
        let Some(value) = self.event.value_at(index as usize) else { return };
        if let ValueRef::Str(text) = value
            && let is_idle = set.passes_over(text.as_bytes())
            && (is_idle || text.is_ascii())
            && self.copies(slot).has_none(text)
        {
            let is_idle = is_idle || cover.is_some_and(|by| self.ends(by, index));
            let text = text.as_bytes();
            let candidates = &mut self.scratch.candidates;
            let each = &mut |payloads: &[u32]| marked(candidates, payloads);
            match is_idle {
                true => set.search_bound(text, each),
                false => set.search(text, each),
            };
        } else {
            let texts = self.texts(index, slot);
            let Scratch { store, candidates, .. } = &mut *self.scratch;
            for span in texts.first..texts.end {
                set.search(store.text(span), &mut |payloads| marked(candidates, payloads));
            }
        }
        if numbers {
            let Scratch { store, candidates, .. } = &mut *self.scratch;
            let first = store.spans();
            store.add_spellings(value);
            for span in first..store.spans() {
                // A spelling that is not the text itself proves nothing of it.
                set.search(store.text(span), &mut |payloads| {
                    payloads.iter().filter(|it| *it & PROOF == 0).for_each(|it| {
                        candidates.mark(std::slice::from_ref(it));
                    });
                    false
                });
            }
        }
    }

    /// Searches all fields for literals that may stand anywhere.
    fn search_everywhere(&mut self, set: u32) {
        let set = self.set(set);
        let (shortest, in_other_kinds) = set.inside();
        for index in 0..self.event.len() {
            if self.event.is_covered(index) {
                continue;
            }
            let Some(value) = self.event.value_at(index) else { break };
            match value {
                ValueRef::Str(text) if text.len() < shortest => {}
                ValueRef::Str(text) if text.is_ascii() => {
                    let candidates = &mut self.scratch.candidates;
                    let each = &mut |payloads: &[u32]| marked(candidates, payloads);
                    set.search_inside(text.as_bytes(), each);
                }
                ValueRef::Int(_) | ValueRef::Float(_) | ValueRef::Bool(_) | ValueRef::Null
                    if !in_other_kinds => {}
                _ => {
                    let texts = self.texts(index as u32, u32::from(EVERYWHERE));
                    let Scratch { store, candidates, .. } = &mut *self.scratch;
                    for span in texts.first..texts.end {
                        let each = &mut |payloads: &[u32]| marked(candidates, payloads);
                        set.search_inside(store.text(span), each);
                    }
                }
            }
        }
    }

    /// Decides an expression; returns the verdict and where the next one begins.
    fn expr(&mut self, at: usize) -> (bool, usize) {
        let words = self.words;
        match words[at] {
            node::LEAF => (self.leaf(words[at + 1]), at + 2),
            node::NOT => {
                let (held, next) = self.expr(at + 1);
                (!held, next)
            }
            kind => {
                let end = words[at + 1] as usize;
                let decided = kind == node::ANY;
                let mut next = at + 2;
                while next < end {
                    let (held, after) = self.expr(next);
                    if held == decided {
                        return (decided, end);
                    }
                    next = after;
                }
                (!decided, end)
            }
        }
    }

    fn leaf(&mut self, id: u32) -> bool {
        let stamp = u64::from(self.scratch.stamp) << 1;
        let known = self.scratch.candidates.leaves[id as usize];
        if known & !1 == stamp {
            return known & 1 != 0;
        }
        let at = self.words[self.words[head::LEAVES] as usize + id as usize] as usize;
        let (slot, count) = (self.words[at] & !GATED, self.words[at + 1] as usize);
        let checks = &self.words[at + 2..][..count * check::WORDS];
        let held = if self.words[at] & GATED != 0 && !self.scratch.candidates.is_open(id) {
            false
        } else if slot == u32::from(EVERYWHERE) {
            (0..self.event.len() as u32).any(|index| self.checks(checks, slot, Some(index)))
        } else {
            let index = self.scratch.field_of(slot);
            self.checks(checks, slot, index)
        };
        self.scratch.candidates.leaves[id as usize] = stamp | u64::from(held);
        held
    }

    fn checks(&mut self, checks: &[u32], slot: u32, index: Option<u32>) -> bool {
        let event = self.event;
        let value = index.and_then(|index| event.value_at(index as usize));
        let there = !matches!(value, None | Some(ValueRef::Null));
        checks.chunks_exact(check::WORDS).any(|it| {
            let kind = it[0] & 0xff;
            match (kind, index, value) {
                (check::ABSENT, ..) => !there,
                (check::EXISTS, ..) => value.is_some() == (it[1] != 0),
                (_, Some(index), Some(value)) if there => match kind {
                    check::ANYTHING | check::LITERAL | check::GLOB if it[0] & check::CASED != 0 => {
                        self.on_written((index, slot), value, |run, text| run.text_holds(it, text))
                    }
                    check::ANYTHING | check::LITERAL | check::GLOB | check::SET => {
                        let texts = self.texts(index, slot);
                        (texts.first..texts.end)
                            .any(|span| self.text_holds(it, self.scratch.store.text(span)))
                    }
                    check::REGEX => match self.regex(it[1]) {
                        Some(regex) => self.on_written((index, slot), value, |_, text| {
                            std::str::from_utf8(text).is_ok_and(|text| regex.is_match(text))
                        }),
                        None => false,
                    },
                    check::FIELD => {
                        let other = self.scratch.field_of(it[1]);
                        let other = other.and_then(|index| event.value_at(index as usize));
                        other.is_some_and(|other| {
                            let place = place(it[2]);
                            naive::fields_agree(value, other, place, it[0] & check::CASED != 0)
                        })
                    }
                    _ => match value {
                        ValueRef::List(values) => {
                            values.iter().any(|one| self.scalar_holds(it, one.into()))
                        }
                        scalar => self.scalar_holds(it, scalar),
                    },
                },
                _ => false,
            }
        })
    }

    /// Says whether something holds on the text of a value as written, or on one of its copies.
    fn on_written(
        &mut self,
        (index, slot): (u32, u32),
        value: ValueRef<'_>,
        holds: impl Fn(&Self, &[u8]) -> bool,
    ) -> bool {
        let mut held = false;
        let mut on_scalar = |scalar: ValueRef<'_>| {
            with_text(scalar, |text| held = held || holds(self, text.as_bytes()));
        };
        match value {
            ValueRef::List(values) => values.iter().for_each(|one| on_scalar(one.into())),
            scalar => on_scalar(scalar),
        }
        if held || slot == u32::from(EVERYWHERE) {
            return held;
        }
        let copies = self.written_copies(index, slot, value);
        (copies.first..copies.end).any(|span| holds(self, self.scratch.copied.text(span)))
    }

    /// Makes the copies of a field's value, not folded, if that was not done yet.
    fn written_copies(&mut self, index: u32, slot: u32, value: ValueRef<'_>) -> Texts {
        let known = self.scratch.copies[index as usize];
        if known.stamp == self.scratch.stamp {
            return known;
        }
        let copies = self.copies(slot);
        let store = &mut self.scratch.copied;
        let first = store.spans();
        match value {
            ValueRef::Str(text) => store.add_copies(text, copies),
            ValueRef::List(values) => {
                values.iter().filter_map(Value::as_str).for_each(|it| store.add_copies(it, copies));
            }
            // Neither numbers nor Booleans hold anything to decode.
            _ => {}
        }
        let texts = Texts { stamp: self.scratch.stamp, first, end: store.spans() };
        self.scratch.copies[index as usize] = texts;
        texts
    }

    fn text_holds(&self, it: &[u32], text: &[u8]) -> bool {
        match it[0] & 0xff {
            check::ANYTHING => true,
            check::LITERAL => {
                anchor(it[0] >> check::ANCHOR_SHIFT).holds(text, self.text(it[1], it[2]))
            }
            check::GLOB => self.pieces_hold(it[1], text),
            _ => self.set(it[1]).search(text, &mut |payloads| {
                payloads.iter().any(|pieces| *pieces == 0 || self.pieces_hold(*pieces, text))
            }),
        }
    }

    fn pieces_hold(&self, at: u32, text: &[u8]) -> bool {
        match_pieces(&EncodedPieces { words: self.words, pool: self.pool, at }, text)
    }

    fn scalar_holds(&self, it: &[u32], value: ValueRef<'_>) -> bool {
        match it[0] & 0xff {
            check::NUMBER => naive::equals_number(value, join(it[0], it[1], it[2])),
            check::BOOL => naive::equals_bool(value, it[1] != 0),
            check::COMPARE => naive::compares(value, comparison(it[3]), join(it[0], it[1], it[2])),
            check::TIME_PART => {
                let part = time_part(it[0] >> check::ANCHOR_SHIFT);
                let bound = u64::from(it[2]) << 32 | u64::from(it[1]);
                naive::time_compares(value, part, comparison(it[3]), bound as i64)
            }
            check::CIDR => match value {
                ValueRef::Str(text) => text
                    .parse::<IpAddr>()
                    .is_ok_and(|address| self.cidr(it[1]).is_some_and(|it| it.contains(address))),
                _ => false,
            },
            _ => false,
        }
    }

    /// Returns this thread's own copy of a regular expression: its working memory is then at hand, where
    /// that of one shared by several threads is behind a lock.
    fn regex(&mut self, number: u32) -> Option<Rc<Regex>> {
        let known = self.scratch.regexes.get(number as usize).cloned().flatten();
        known.or_else(|| {
            let own = Rc::new(self.matcher.regex(number)?.clone());
            let regexes = &mut self.scratch.regexes;
            if regexes.len() <= number as usize {
                regexes.resize(number as usize + 1, None);
            }
            regexes[number as usize] = Some(Rc::clone(&own));
            Some(own)
        })
    }

    fn cidr(&self, at: u32) -> Option<Cidr> {
        let &[a, b, c, d, prefix, version] = &self.words[at as usize..][..6] else { return None };
        let bits = [d, c, b, a].iter().fold(0_u128, |bits, part| bits << 32 | u128::from(*part));
        let address = match version {
            4 => IpAddr::V4((bits as u32).into()),
            _ => IpAddr::V6(bits.into()),
        };
        Cidr::new(address, prefix as u8)
    }
}

/// Marks and asks for more.
fn marked(candidates: &mut Candidates, places: &[u32]) -> bool {
    candidates.mark(places);
    false
}

fn anchor(encoded: u32) -> Anchor {
    match encoded {
        0 => Anchor::Whole,
        1 => Anchor::Start,
        2 => Anchor::End,
        _ => Anchor::Inside,
    }
}

fn place(encoded: u32) -> rules_sigma::Place {
    match anchor(encoded) {
        Anchor::Whole => rules_sigma::Place::Whole,
        Anchor::Start => rules_sigma::Place::Start,
        Anchor::End => rules_sigma::Place::End,
        Anchor::Inside => rules_sigma::Place::Inside,
    }
}
