//! Assembly, second half of compilation: many expressions into one image with an index per logsource.

use std::collections::BTreeMap;

use rules_event::field;
use rules_sigma::{Logsource, Rule};

use crate::Copies;
use crate::alternatives::alternatives;
use crate::compile::{Check, EVERYWHERE, Expr, Slot, Slots};
use crate::encode::Encoder;
use crate::glob::Anchor;
use crate::image::{Image, Text, Writer, word};
use crate::literal::AnyOf;
use crate::naming::Naming;
use crate::rarity::Rarity;
use crate::taxonomy::{self, Source};
use crate::textset::{self, SetBuilder, Use};
use crate::witness::{self, Key, Needs};

/// Words at the start of an image's content, by place.
pub(crate) mod head {
    pub(crate) const NAMING: usize = 0;
    pub(crate) const SLOTS: usize = 1;
    pub(crate) const SLOT_COUNT: usize = 2;
    /// Hash table from field name to slot + 1.
    pub(crate) const SLOT_TABLE: usize = 3;
    pub(crate) const RULES: usize = 4;
    pub(crate) const RULE_COUNT: usize = 5;
    pub(crate) const PLANS: usize = 6;
    pub(crate) const PLAN_COUNT: usize = 7;
    pub(crate) const LEAVES: usize = 8;
    pub(crate) const LEAF_COUNT: usize = 9;
    pub(crate) const REGEXES: usize = 10;
    pub(crate) const REGEX_COUNT: usize = 11;
    /// Text: identity of the set.
    pub(crate) const IDENTITY: usize = 12;
    pub(crate) const WORDS: usize = 14;
}

/// Words of a slot: name (2), copies.
pub(crate) const SLOT_WORDS: usize = 3;
/// Words of a regular expression: source (2), flags.
pub(crate) const REGEX_WORDS: usize = 3;

/// Words of a rule, by place.
pub(crate) mod rule_at {
    pub(crate) const ID: usize = 0;
    pub(crate) const NAME: usize = 2;
    pub(crate) const TITLE: usize = 4;
    pub(crate) const LEVEL: usize = 6;
    /// 1: its events are held back.
    pub(crate) const QUARANTINE: usize = 7;
    /// Seconds for which equal alerts are held back after one; 0: they are not.
    pub(crate) const SUPPRESS: usize = 8;
    /// Text: the fields that must be equal, each followed by a line end.
    pub(crate) const SUPPRESS_BY: usize = 9;
    pub(crate) const WORDS: usize = 11;
}

/// Words of a plan, by place. A plan serves the rules of one logsource.
pub(crate) mod plan_at {
    /// Three texts; a length of `u32::MAX` stands for absent.
    pub(crate) const CATEGORY: usize = 0;
    pub(crate) const PRODUCT: usize = 2;
    pub(crate) const SERVICE: usize = 4;
    /// List of (rule, expression): each rule's alternatives one behind the other.
    pub(crate) const RULES: usize = 6;
    /// For each slot where what is asked of its field lies ([`super::asked_at`]), or 0.
    pub(crate) const FIELDS: usize = 7;
    /// The set of texts that may stand in any field, or 0.
    pub(crate) const ANYWHERE: usize = 8;
    /// List of places in RULES: candidates always.
    pub(crate) const ALWAYS: usize = 9;
    /// List of words: a bit for each rule that needs a second witness, low words first.
    pub(crate) const SECONDS: usize = 10;
    pub(crate) const WORDS: usize = 11;
}

/// Words of what a plan asks of a field, by place.
pub(crate) mod asked_at {
    /// Its text set, or 0.
    pub(crate) const SET: usize = 0;
    /// 1 if numbers are looked for | 2 × (slot + 1) of a field whose own set holds what may stand anywhere
    /// in this one.
    pub(crate) const FLAGS: usize = 1;
    /// How many places in RULES follow: candidates when the field is there.
    pub(crate) const PRESENT: usize = 2;
    pub(crate) const WORDS: usize = 3;
}

/// Marks a payload as one of a second witness.
pub(crate) const SECOND: u32 = 1 << 31;

/// Marks a payload as the number of a leaf whose gate was seen.
pub(crate) const LEAF: u32 = 1 << 30;

/// Marks a payload as the number of a leaf that holds where the text was found.
pub(crate) const PROOF: u32 = 1 << 29;

/// An absent part of a logsource.
pub(crate) const NO_TEXT: u32 = u32::MAX;

/// A rule and what it was compiled to.
pub(crate) struct Compiled<'r> {
    pub(crate) rule: &'r Rule,
    pub(crate) expr: Expr,
}

/// Makes the image of a set of rules.
pub(crate) fn assemble(
    rules: &[Compiled<'_>],
    slots: &Slots,
    naming: Naming,
    identity: &str,
) -> Image {
    let rarity = Rarity::new(slots.names.iter().map(|(name, _)| name.as_str()));
    let slot = |name: &str| {
        let place = slots.names.iter().position(|(known, _)| known == name)?;
        Slot::try_from(place).ok()
    };
    let [message, record] = match naming {
        Naming::Ecs => [slot(field::MESSAGE), slot(field::EVENT_ORIGINAL)],
        Naming::Sigma => [None, None],
    };
    let slot_count = slots.names.len();
    let mut assembler =
        Assembler { writer: Writer::default(), rarity, message, record, slots: slot_count };
    assembler.writer.extend([0; head::WORDS]);
    assembler.learn(rules);
    let mut encoder = Encoder::default();
    let exprs: Vec<u32> = rules
        .iter()
        .map(|it| encoder.expr(&it.expr, &mut assembler.writer, &assembler.rarity))
        .collect();
    let plans = assembler.plans(rules, &encoder, &exprs, naming);
    let writer = &mut assembler.writer;
    let rule_words: Vec<u32> = rules
        .iter()
        .flat_map(|it| {
            let id = writer.text(it.rule.id.as_bytes());
            let name = optional(it.rule.name.as_deref(), writer);
            let title = writer.text(it.rule.title.as_bytes());
            let level = u32::from(it.rule.level.rank());
            let custom = &it.rule.custom;
            let (mut seconds, mut by) = (0, String::new());
            if let Some(suppress) = &custom.suppress {
                seconds = u32::try_from(suppress.span.as_secs()).unwrap_or(u32::MAX).max(1);
                suppress.by.iter().for_each(|field| by.extend([field, "\n"]));
            }
            let by = writer.text(by.as_bytes());
            let texts = [id.at, id.len, name.at, name.len, title.at, title.len];
            let rest = [level, u32::from(custom.quarantine), seconds, by.at, by.len];
            texts.into_iter().chain(rest)
        })
        .collect();
    let slot_words: Vec<u32> = slots
        .names
        .iter()
        .flat_map(|(name, copies)| {
            let name = writer.text(name.as_bytes());
            [name.at, name.len, encode_copies(*copies)]
        })
        .collect();
    let regex_words: Vec<u32> = encoder
        .regexes
        .iter()
        .flat_map(|(source, flags)| {
            let source = writer.text(source.as_bytes());
            let bits = u32::from(flags.ignore_case)
                | u32::from(flags.multi_line) << 1
                | u32::from(flags.dot_all) << 2;
            [source.at, source.len, bits]
        })
        .collect();
    let identity = writer.text(identity.as_bytes());
    let slot_table = write_slot_table(slots, writer);
    let mut heads = [0; head::WORDS];
    heads[head::NAMING] = u32::from(naming == Naming::Sigma);
    heads[head::SLOTS] = writer.put(&slot_words);
    heads[head::SLOT_COUNT] = word(slots.names.len());
    heads[head::SLOT_TABLE] = slot_table;
    heads[head::RULES] = writer.put(&rule_words);
    heads[head::RULE_COUNT] = word(rules.len());
    heads[head::PLANS] = writer.put(&plans.concat());
    heads[head::PLAN_COUNT] = word(plans.len());
    heads[head::LEAVES] = writer.put(&encoder.leaves);
    heads[head::LEAF_COUNT] = word(encoder.leaves.len());
    heads[head::REGEXES] = writer.put(&regex_words);
    heads[head::REGEX_COUNT] = word(encoder.regexes.len());
    heads[head::IDENTITY] = identity.at;
    heads[head::IDENTITY + 1] = identity.len;
    for (at, value) in (0..).zip(heads) {
        writer.set(at, value);
    }
    assembler.writer.finish()
}

fn optional(text: Option<&str>, writer: &mut Writer) -> Text {
    text.map_or(Text { at: 0, len: NO_TEXT }, |text| writer.text(text.as_bytes()))
}

fn encode_copies(copies: Copies) -> u32 {
    match copies {
        Copies::None => 0,
        Copies::Text => 1,
        Copies::Url => 2,
    }
}

pub(crate) fn decode_copies(encoded: u32) -> Copies {
    match encoded {
        1 => Copies::Text,
        2 => Copies::Url,
        _ => Copies::None,
    }
}

fn write_slot_table(slots: &Slots, writer: &mut Writer) -> u32 {
    let entries: Vec<(u32, u32)> = (1..)
        .zip(&slots.names)
        .map(|(number, (name, _))| (textset::hash_name(name.as_bytes()), number))
        .collect();
    textset::write_slots(writer, &entries)
}

/// Which events a logsource speaks of.
pub(crate) struct Kind {
    logsource: Logsource,
    /// Under our own names only.
    source: Option<Source>,
}

impl Kind {
    pub(crate) fn new(parts: &[Option<String>; 3], naming: Naming) -> Self {
        let [category, product, service] = parts.clone();
        let logsource = Logsource { category, product, service, ..Logsource::default() };
        let source = (naming == Naming::Ecs).then(|| taxonomy::source(&logsource));
        Self { logsource, source }
    }

    /// Says whether every event that `narrower` speaks of is one that this speaks of.
    pub(crate) fn covers(&self, narrower: &Self) -> bool {
        match (&self.source, &narrower.source) {
            (Some(wide), Some(narrow)) => {
                wide.covers(narrow) || self.logsource == narrower.logsource
            }
            _ => {
                let fits = |wide: &Option<String>, narrow: &Option<String>| {
                    wide.is_none() || wide == narrow
                };
                fits(&self.logsource.category, &narrower.logsource.category)
                    && fits(&self.logsource.product, &narrower.logsource.product)
                    && fits(&self.logsource.service, &narrower.logsource.service)
            }
        }
    }

    /// Takes the parts out.
    pub(crate) fn into_parts(self) -> (Logsource, Option<Source>) {
        (self.logsource, self.source)
    }
}

/// An alternative of a rule: where it lies, and what it waits for.
struct Part<'e> {
    at: u32,
    gates: Vec<(u32, Slot, &'e AnyOf)>,
    /// What it can be decided by, of what is looked for anyway.
    proofs: Vec<(u32, Slot, Anchor, &'e [u8])>,
    needs: Option<Needs>,
}

struct Assembler {
    writer: Writer,
    rarity: Rarity,
    /// The slots of the message and of the record it was taken from.
    message: Option<Slot>,
    record: Option<Slot>,
    /// How many slots there are.
    slots: usize,
}

impl Assembler {
    /// Learns which grams the rules themselves use often.
    fn learn(&mut self, rules: &[Compiled<'_>]) {
        fn walk(expr: &Expr, rarity: &mut Rarity) {
            match expr {
                Expr::All(children) | Expr::Any(children) => {
                    children.iter().for_each(|child| walk(child, rarity));
                }
                Expr::Not(child) => walk(child, rarity),
                Expr::Leaf(leaf) => {
                    for check in &leaf.checks {
                        let Check::Text { glob, .. } = check else { continue };
                        for (_, text) in glob.literals() {
                            rarity.learn(text.as_bytes(), 1);
                        }
                    }
                }
            }
        }
        for it in rules {
            walk(&it.expr, &mut self.rarity);
        }
    }

    /// Writes a plan for each logsource. It also serves the rules of every wider logsource, so that an
    /// event is searched once for all that speak of it.
    fn plans(
        &mut self,
        rules: &[Compiled<'_>],
        encoder: &Encoder,
        exprs: &[u32],
        naming: Naming,
    ) -> Vec<[u32; plan_at::WORDS]> {
        let mut by_source: BTreeMap<[Option<String>; 3], Vec<usize>> = BTreeMap::new();
        for (index, it) in rules.iter().enumerate() {
            let it = &it.rule.logsource;
            let parts = [it.category.clone(), it.product.clone(), it.service.clone()];
            by_source.entry(parts).or_default().push(index);
        }
        let kinds: Vec<Kind> = by_source.keys().map(|parts| Kind::new(parts, naming)).collect();
        let own: Vec<&Vec<usize>> = by_source.values().collect();
        let parts: Vec<Vec<Part<'_>>> =
            rules.iter().zip(exprs).map(|(it, at)| self.parts(&it.expr, *at, encoder)).collect();
        let mut plans = Vec::with_capacity(kinds.len());
        for (kind, logsource) in kinds.iter().zip(by_source.keys()) {
            let wider = kinds.iter().zip(&own).filter(|(other, _)| other.covers(kind));
            let mut members: Vec<usize> = wider.flat_map(|(_, own)| own.iter().copied()).collect();
            members.sort_unstable();
            let [rules, fields, anywhere, always, seconds] = self.index(&parts, &members);
            let [category, product, service] =
                logsource.each_ref().map(|part| optional(part.as_deref(), &mut self.writer));
            plans.push([
                category.at,
                category.len,
                product.at,
                product.len,
                service.at,
                service.len,
                rules,
                fields,
                anywhere,
                always,
                seconds,
            ]);
        }
        plans
    }

    /// Returns what each alternative of a rule waits for. Asked once for a rule, as the rules of a wide
    /// logsource stand in many plans.
    fn parts<'e>(&self, expr: &'e Expr, at: u32, encoder: &'e Encoder) -> Vec<Part<'e>> {
        // Alternatives wait for witnesses of their own: one may be rare where the whole rule is not.
        let found = alternatives(expr, at, &self.writer).into_iter();
        let part = |(expr, at): (&'e Expr, u32)| Part {
            at,
            gates: encoder.gates(expr),
            proofs: encoder.proofs(expr),
            needs: witness::choose(expr, &self.rarity),
        };
        found.map(part).collect()
    }

    /// Writes the lists of one plan.
    fn index(&mut self, all: &[Vec<Part<'_>>], members: &[usize]) -> [u32; 5] {
        let mut sets: BTreeMap<Slot, (SetBuilder, bool)> = BTreeMap::new();
        let mut present: BTreeMap<Slot, Vec<u32>> = BTreeMap::new();
        let mut always = Vec::new();
        let of = |&member: &usize| all[member].iter().map(move |part| (member, part));
        let parts: Vec<(usize, &Part<'_>)> = members.iter().flat_map(of).collect();
        let mut seconds = vec![0_u32; parts.len().div_ceil(64) * 2];
        for (place, (_, part)) in (0_u32..).zip(&parts) {
            for (leaf, slot, texts) in &part.gates {
                let set = &mut sets.entry(*slot).or_default().0;
                texts.iter().for_each(|(anchor, text)| set.add(*anchor, text, leaf | LEAF));
            }
            let Some(needs) = &part.needs else {
                always.push(place);
                continue;
            };
            let first = needs.first.keys.iter().map(|key| (key, place));
            let second = needs.second.as_ref().map_or(&[][..], |second| &second.keys);
            if !second.is_empty() {
                let block = place as usize / 64 * 2 + place as usize % 64 / 32;
                seconds[block] |= 1 << (place % 32);
            }
            let second = second.iter().map(|key| (key, place | SECOND));
            for (key, place) in first.chain(second) {
                match key {
                    Key::Present(EVERYWHERE) => always.push(place),
                    Key::Present(slot) => present.entry(*slot).or_default().push(place),
                    Key::Literal(slot, anchor, text) => {
                        sets.entry(*slot).or_default().0.add(*anchor, text, place);
                    }
                    Key::Number(slot, text) => {
                        let (set, numbers) = sets.entry(*slot).or_default();
                        set.add(Anchor::Whole, text.as_bytes(), place);
                        *numbers = true;
                    }
                }
            }
        }
        // What is looked for anyway and is all that a leaf asks for decides it: it is not looked at again.
        for (_, part) in &parts {
            for (leaf, slot, anchor, text) in &part.proofs {
                if let Some((set, _)) = sets.get_mut(slot) {
                    set.add_if_there(*anchor, text, leaf | PROOF);
                }
            }
        }
        // A message is mostly the end of its record: what is looked for in it is looked for in the
        // record as well, so that one search serves both.
        let twins = self.message.zip(self.record);
        let message = twins.and_then(|(message, _)| sets.remove(&message));
        if let (Some((set, numbers)), Some((message, record))) = (message, twins) {
            if let Some((wider, _)) = sets.get_mut(&record) {
                wider.add_inside(&set);
            }
            sets.insert(message, (set, numbers));
        }
        let mut fields = vec![0_u32; self.slots];
        let mut anywhere = 0;
        for (slot, (set, numbers)) in &sets {
            let set = set.write(&mut self.writer, &self.rarity, Use::Index);
            if *slot == EVERYWHERE {
                anywhere = set;
                continue;
            }
            let record = self
                .record
                .filter(|record| self.message == Some(*slot) && sets.contains_key(record));
            let record = record.map_or(0, |record| u32::from(record) + 1);
            let mut places = present.remove(slot).unwrap_or_default();
            places.dedup();
            let head = [set, u32::from(*numbers) | record << 1, word(places.len())];
            if let Some(field) = fields.get_mut(usize::from(*slot)) {
                *field = self.writer.put(&head);
                self.writer.extend(places);
            }
        }
        for (slot, mut places) in present {
            places.dedup();
            if let Some(field) = fields.get_mut(usize::from(slot)) {
                *field = self.writer.put(&[0, 0, word(places.len())]);
                self.writer.extend(places);
            }
        }
        let parts: Vec<u32> =
            parts.iter().flat_map(|(member, part)| [word(*member), part.at]).collect();
        [
            self.list(parts.len() / 2, &parts),
            self.writer.put(&fields),
            anywhere,
            self.list(always.len(), &always),
            self.list(seconds.len(), &seconds),
        ]
    }

    fn list(&mut self, count: usize, items: &[u32]) -> u32 {
        let at = self.writer.put(&[word(count)]);
        self.writer.extend(items.iter().copied());
        at
    }
}
