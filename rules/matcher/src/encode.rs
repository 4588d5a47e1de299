//! Encoding: leaves and expressions as words of an image.
//!
//! An expression is a run of nodes in prefix order, each group naming where it ends, so that deciding
//! early is a jump. Equal leaves are written once; their verdict is remembered while an event is
//! looked at.

use std::collections::HashMap;

use rules_sigma::{Comparison, Number, Place as Where, RegexFlags, TimePart};

use crate::compile::{Check, EVERYWHERE, Expr, Leaf, Slot};
use crate::glob::{Anchor, Glob, Parts, Pieces};
use crate::image::{Writer, word};
use crate::literal::AnyOf;
use crate::rarity::Rarity;
use crate::textset::{SetBuilder, Use};
use crate::witness;

/// Nodes of an expression.
pub(crate) mod node {
    /// `LEAF id`
    pub(crate) const LEAF: u32 = 0;
    /// `NOT child`
    pub(crate) const NOT: u32 = 1;
    /// `ALL end child …`
    pub(crate) const ALL: u32 = 2;
    /// `ANY end child …`
    pub(crate) const ANY: u32 = 3;
}

/// Checks of a leaf: four words each, the first being one of these plus flags above bit 8.
pub(crate) mod check {
    pub(crate) const ABSENT: u32 = 0;
    /// 1: there, 0: not there
    pub(crate) const EXISTS: u32 = 1;
    pub(crate) const ANYTHING: u32 = 2;
    /// text, length; anchor in the flags
    pub(crate) const LITERAL: u32 = 3;
    /// record of pieces
    pub(crate) const GLOB: u32 = 4;
    /// text set
    pub(crate) const SET: u32 = 5;
    /// low and high word; FLOAT in the flags
    pub(crate) const NUMBER: u32 = 6;
    pub(crate) const BOOL: u32 = 7;
    /// number of the regular expression
    pub(crate) const REGEX: u32 = 8;
    /// record: bits of the address (4 words), prefix, 4 or 6
    pub(crate) const CIDR: u32 = 9;
    /// low and high word, comparison; FLOAT in the flags
    pub(crate) const COMPARE: u32 = 10;
    /// slot, place
    pub(crate) const FIELD: u32 = 11;
    /// low and high word of the bound, comparison; the part in the flags
    pub(crate) const TIME_PART: u32 = 12;
    /// Upper and lower case differ.
    pub(crate) const CASED: u32 = 1 << 8;
    /// The number is a `f64`.
    pub(crate) const FLOAT: u32 = 1 << 9;
    /// Where the anchor stands among the flags.
    pub(crate) const ANCHOR_SHIFT: u32 = 16;
    /// Words of a check.
    pub(crate) const WORDS: usize = 4;
}

/// Marks the slot of a leaf that cannot hold before the index has seen a text of its gate.
pub(crate) const GATED: u32 = 1 << 31;

/// From this many texts on, one search for all of them beats one after the other.
const TOGETHER_MIN: usize = 12;

/// Writes expressions, leaves and what they refer to.
#[derive(Default)]
pub(crate) struct Encoder {
    known: HashMap<Vec<u8>, u32>,
    /// Where each leaf was written.
    pub(crate) leaves: Vec<u32>,
    /// Regular expressions by number.
    pub(crate) regexes: Vec<(String, RegexFlags)>,
    regex_numbers: HashMap<(String, RegexFlags), u32>,
    /// By leaf: texts of which its field must show one before the leaf can hold.
    gates: HashMap<u32, AnyOf>,
}

impl Encoder {
    /// Writes an expression and returns where it begins.
    pub(crate) fn expr(&mut self, expr: &Expr, writer: &mut Writer, rarity: &Rarity) -> u32 {
        // Leaves first: what they write must not come between the nodes.
        let mut nodes = Vec::new();
        self.nodes(expr, &mut nodes, writer, rarity);
        let at = writer.here();
        let mut index = 0;
        while let Some(kind) = nodes.get(index).copied() {
            index += match kind {
                node::LEAF => 2,
                node::NOT => 1,
                _ => {
                    if let Some(end) = nodes.get_mut(index + 1) {
                        *end += at;
                    }
                    2
                }
            };
        }
        writer.put(&nodes)
    }

    /// Returns the leaves of an expression that wait for a text of their field, by number.
    pub(crate) fn gates<'e>(&'e self, expr: &Expr) -> Vec<(u32, Slot, &'e AnyOf)> {
        fn walk<'e>(all: &'e Encoder, expr: &Expr, out: &mut Vec<(u32, Slot, &'e AnyOf)>) {
            match expr {
                Expr::All(children) | Expr::Any(children) => {
                    children.iter().for_each(|child| walk(all, child, out));
                }
                Expr::Not(child) => walk(all, child, out),
                Expr::Leaf(leaf) => {
                    let mut key = Vec::new();
                    leaf_key(leaf, &mut key);
                    let id = all.known.get(&key);
                    out.extend(id.and_then(|id| Some((*id, leaf.slot, all.gates.get(id)?))));
                }
            }
        }
        let mut found = Vec::new();
        walk(self, expr, &mut found);
        found
    }

    /// Returns the texts of which one alone decides a leaf of an expression: number and slot of the leaf, and
    /// where the text must stand.
    pub(crate) fn proofs<'x>(&self, expr: &'x Expr) -> Vec<(u32, Slot, Anchor, &'x [u8])> {
        fn walk<'x>(all: &Encoder, expr: &'x Expr, out: &mut Vec<(u32, Slot, Anchor, &'x [u8])>) {
            match expr {
                Expr::All(children) | Expr::Any(children) => {
                    children.iter().for_each(|child| walk(all, child, out));
                }
                Expr::Not(child) => walk(all, child, out),
                Expr::Leaf(leaf) if leaf.slot != EVERYWHERE => {
                    let mut key = Vec::new();
                    leaf_key(leaf, &mut key);
                    let Some(id) = all.known.get(&key) else { return };
                    out.extend(leaf.checks.iter().filter_map(|check| match check {
                        Check::Text { glob: Glob::Literal(anchor, text), cased: false } => {
                            Some((*id, leaf.slot, *anchor, text.as_bytes()))
                        }
                        _ => None,
                    }));
                }
                Expr::Leaf(_) => {}
            }
        }
        let mut found = Vec::new();
        walk(self, expr, &mut found);
        found
    }

    fn nodes(&mut self, expr: &Expr, nodes: &mut Vec<u32>, writer: &mut Writer, rarity: &Rarity) {
        match expr {
            Expr::Leaf(leaf) => {
                let id = self.leaf(leaf, writer, rarity);
                nodes.extend([node::LEAF, id]);
            }
            Expr::Not(child) => {
                nodes.push(node::NOT);
                self.nodes(child, nodes, writer, rarity);
            }
            Expr::All(children) | Expr::Any(children) => {
                let kind = if matches!(expr, Expr::All(_)) { node::ALL } else { node::ANY };
                let at = nodes.len();
                nodes.extend([kind, 0]);
                for child in children {
                    self.nodes(child, nodes, writer, rarity);
                }
                nodes[at + 1] = word(nodes.len());
            }
        }
    }

    fn leaf(&mut self, leaf: &Leaf, writer: &mut Writer, rarity: &Rarity) -> u32 {
        let mut key = Vec::new();
        leaf_key(leaf, &mut key);
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let checks = self.checks(leaf, writer, rarity);
        let id = word(self.leaves.len());
        let gate = witness::gate(leaf, rarity);
        let gated = if gate.is_some() { GATED } else { 0 };
        self.gates.extend(gate.map(|gate| (id, gate)));
        let at = writer.put(&[u32::from(leaf.slot) | gated, word(checks.len())]);
        writer.extend(checks.into_iter().flatten());
        self.leaves.push(at);
        self.known.insert(key, id);
        id
    }

    fn checks(
        &mut self,
        Leaf { slot, checks }: &Leaf,
        writer: &mut Writer,
        rarity: &Rarity,
    ) -> Vec<[u32; check::WORDS]> {
        let together =
            |it: &&Check| matches!(it, Check::Text { glob, cased: false } if searchable(glob));
        let set = checks.iter().filter(together).count() >= TOGETHER_MIN;
        let mut encoded = Vec::new();
        let mut builder = SetBuilder::default();
        for it in checks {
            match it {
                Check::Text { glob, cased: false } if set && searchable(glob) => {
                    let best = glob.literals().into_iter().min_by(|a, b| {
                        let chance = |(anchor, text): &(Anchor, &str)| {
                            rarity.chance(*slot, *anchor, text.as_bytes())
                        };
                        chance(a).total_cmp(&chance(b))
                    });
                    let payload = match glob {
                        Glob::Pieces(pieces) => write_pieces(pieces, writer),
                        Glob::Anything | Glob::Literal(..) => 0,
                    };
                    if let Some((anchor, text)) = best {
                        builder.add(anchor, text.as_bytes(), payload);
                    }
                }
                it => encoded.push(self.check(it, writer)),
            }
        }
        if !builder.is_empty() {
            encoded.push([check::SET, builder.write(writer, rarity, Use::Leaf), 0, 0]);
        }
        encoded
    }

    fn check(&mut self, it: &Check, writer: &mut Writer) -> [u32; check::WORDS] {
        match it {
            Check::Absent => [check::ABSENT, 0, 0, 0],
            Check::Exists(wanted) => [check::EXISTS, u32::from(*wanted), 0, 0],
            Check::Text { glob, cased } => {
                let flags = if *cased { check::CASED } else { 0 };
                match glob {
                    Glob::Anything => [check::ANYTHING | flags, 0, 0, 0],
                    Glob::Literal(anchor, text) => {
                        let text = writer.text(text.as_bytes());
                        let anchor = (*anchor as u32) << check::ANCHOR_SHIFT;
                        [check::LITERAL | flags | anchor, text.at, text.len, 0]
                    }
                    Glob::Pieces(pieces) => {
                        [check::GLOB | flags, write_pieces(pieces, writer), 0, 0]
                    }
                }
            }
            Check::Number(number) => {
                let (flags, [low, high]) = split(*number);
                [check::NUMBER | flags, low, high, 0]
            }
            Check::Bool(flag) => [check::BOOL, u32::from(*flag), 0, 0],
            Check::Regex { source, flags } => {
                let regexes = &mut self.regexes;
                let key = (source.clone(), *flags);
                let number = *self.regex_numbers.entry(key).or_insert_with_key(|key| {
                    regexes.push(key.clone());
                    word(regexes.len() - 1)
                });
                [check::REGEX, number, 0, 0]
            }
            Check::Cidr(cidr) => {
                let (bits, version) = match cidr.address {
                    std::net::IpAddr::V4(address) => (u128::from(address.to_bits()), 4),
                    std::net::IpAddr::V6(address) => (address.to_bits(), 6),
                };
                let [a, b, c, d] = [0, 32, 64, 96].map(|shift| (bits >> shift) as u32);
                let record = writer.put(&[a, b, c, d, u32::from(cidr.prefix), version]);
                [check::CIDR, record, 0, 0]
            }
            Check::Compare { op, bound } => {
                let (flags, [low, high]) = split(*bound);
                [check::COMPARE | flags, low, high, encode_comparison(*op)]
            }
            Check::TimePart { part, op, bound } => {
                let (_, [low, high]) = split(Number::Int(*bound));
                let part = encode_part(*part) << check::ANCHOR_SHIFT;
                [check::TIME_PART | part, low, high, encode_comparison(*op)]
            }
            Check::Field { slot, place, cased } => {
                let flags = if *cased { check::CASED } else { 0 };
                let place = match place {
                    Where::Whole => Anchor::Whole,
                    Where::Start => Anchor::Start,
                    Where::End => Anchor::End,
                    Where::Inside => Anchor::Inside,
                };
                [check::FIELD | flags, u32::from(*slot), place as u32, 0]
            }
        }
    }
}

/// Says whether a set can look for it: there is a literal to look for.
fn searchable(glob: &Glob) -> bool {
    !glob.literals().is_empty()
}

fn split(number: Number) -> (u32, [u32; 2]) {
    let (flags, bits) = match number {
        Number::Int(number) => (0, number as u64),
        Number::Float(number) => (check::FLOAT, number.to_bits()),
    };
    (flags, [bits as u32, (bits >> 32) as u32])
}

/// Reads a number back.
pub(crate) fn join(flags: u32, low: u32, high: u32) -> Number {
    let bits = u64::from(high) << 32 | u64::from(low);
    if flags & check::FLOAT == 0 {
        Number::Int(bits as i64)
    } else {
        Number::Float(f64::from_bits(bits))
    }
}

const COMPARISONS: [Comparison; 5] =
    [Comparison::Gte, Comparison::Gt, Comparison::Lte, Comparison::Lt, Comparison::Eq];

fn encode_comparison(op: Comparison) -> u32 {
    word(COMPARISONS.iter().position(|known| *known == op).unwrap_or(0))
}

const TIME_PARTS: [TimePart; 6] = [
    TimePart::Minute,
    TimePart::Hour,
    TimePart::Day,
    TimePart::Week,
    TimePart::Month,
    TimePart::Year,
];

fn encode_part(part: TimePart) -> u32 {
    word(TIME_PARTS.iter().position(|known| *known == part).unwrap_or(0))
}

pub(crate) fn time_part(encoded: u32) -> TimePart {
    TIME_PARTS.get(encoded as usize).copied().unwrap_or(TimePart::Year)
}

pub(crate) fn comparison(encoded: u32) -> Comparison {
    COMPARISONS.get(encoded as usize).copied().unwrap_or(Comparison::Eq)
}

/// Writes pieces: flags, number of pieces, where each is; a piece is its number of parts and where
/// each text lies. 0 is never a place, so that it can stand for none.
fn write_pieces(pieces: &Pieces, writer: &mut Writer) -> u32 {
    let mut places = Vec::new();
    for piece in &pieces.pieces {
        let mut parts = vec![word(piece.len())];
        for part in piece {
            match part {
                Some(text) => {
                    let text = writer.text(text.as_bytes());
                    parts.extend([text.at, text.len]);
                }
                None => parts.extend([u32::MAX, 0]),
            }
        }
        places.push(writer.put(&parts));
    }
    let flags = u32::from(pieces.open_start) | u32::from(pieces.open_end) << 1;
    let at = writer.put(&[flags, word(places.len())]);
    writer.extend(places);
    at
}

/// Pieces in an image.
pub(crate) struct EncodedPieces<'i> {
    pub(crate) words: &'i [u32],
    pub(crate) pool: &'i [u8],
    pub(crate) at: u32,
}

impl EncodedPieces<'_> {
    fn word(&self, offset: usize) -> usize {
        self.words[self.at as usize + offset] as usize
    }
}

impl Parts for EncodedPieces<'_> {
    fn len(&self, piece: usize) -> usize {
        self.words[self.word(2 + piece)] as usize
    }

    fn part(&self, piece: usize, part: usize) -> Option<&[u8]> {
        let at = self.word(2 + piece) + 1 + part * 2;
        let (text, len) = (self.words[at], self.words[at + 1] as usize);
        (text != u32::MAX).then(|| &self.pool[text as usize..][..len])
    }

    fn pieces(&self) -> usize {
        self.word(1)
    }

    fn open_start(&self) -> bool {
        self.word(0) & 1 != 0
    }

    fn open_end(&self) -> bool {
        self.word(0) & 2 != 0
    }
}

/// Appends bytes that are equal for equal leaves only.
fn leaf_key(leaf: &Leaf, key: &mut Vec<u8>) {
    key.extend(leaf.slot.to_le_bytes());
    for it in &leaf.checks {
        let tag = match it {
            Check::Absent => 0,
            Check::Exists(_) => 1,
            Check::Text { cased, .. } => 2 + u8::from(*cased),
            Check::Number(Number::Int(_)) => 4,
            Check::Number(Number::Float(_)) => 5,
            Check::Bool(flag) => 6 + u8::from(*flag),
            Check::Regex { .. } => 8,
            Check::Cidr(_) => 9,
            Check::Compare { .. } => 10,
            Check::Field { .. } => 11,
            Check::TimePart { .. } => 12,
        };
        key.push(tag);
        match it {
            Check::Absent | Check::Bool(_) => {}
            Check::Exists(wanted) => key.push(u8::from(*wanted)),
            Check::Text { glob, .. } => glob_key(glob, key),
            Check::Number(number) => key.extend(split(*number).1.map(u32::to_le_bytes).concat()),
            Check::Regex { source, flags } => {
                text_key(source.as_bytes(), key);
                key.push(
                    u8::from(flags.ignore_case)
                        | u8::from(flags.multi_line) << 1
                        | u8::from(flags.dot_all) << 2,
                );
            }
            Check::Cidr(cidr) => text_key(cidr.to_string().as_bytes(), key),
            Check::Compare { op, bound } => {
                let (flags, words) = split(*bound);
                key.extend([encode_comparison(*op) as u8, (flags >> 8) as u8]);
                key.extend(words.map(u32::to_le_bytes).concat());
            }
            Check::TimePart { part, op, bound } => {
                key.extend([encode_part(*part) as u8, encode_comparison(*op) as u8]);
                key.extend(bound.to_le_bytes());
            }
            Check::Field { slot, place, cased } => {
                key.extend(slot.to_le_bytes());
                key.extend([*place as u8, u8::from(*cased)]);
            }
        }
    }
}

fn glob_key(glob: &Glob, key: &mut Vec<u8>) {
    match glob {
        Glob::Anything => key.push(0),
        Glob::Literal(anchor, text) => {
            key.push(1 + *anchor as u8);
            text_key(text.as_bytes(), key);
        }
        Glob::Pieces(pieces) => {
            key.extend([9, u8::from(pieces.open_start), u8::from(pieces.open_end)]);
            for piece in &pieces.pieces {
                key.push(10);
                for part in piece {
                    match part {
                        Some(text) => text_key(text.as_bytes(), key),
                        None => key.push(0xff),
                    }
                }
            }
        }
    }
}

fn text_key(text: &[u8], key: &mut Vec<u8>) {
    // No UTF-8 text holds 0xfe: it ends the text.
    key.push(0xfd);
    key.extend_from_slice(text);
    key.push(0xfe);
}
