//! Witnesses: what must have been seen in an event before a rule can match it.
//!
//! For each rule a set of keys is chosen such that the rule cannot hold unless at least one of them is
//! there. Keys are chosen by how rarely ordinary events have them, not by their kind.

use crate::compile::{Check, EVERYWHERE, Expr, Leaf, Slot};
use crate::glob::Anchor;
use crate::literal::{self, AnyOf};
use crate::rarity::Rarity;
use crate::textset::Kind;

/// Something seen in one field of an event.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Key {
    /// The field holds this literal at this place, folded.
    Literal(Slot, Anchor, Vec<u8>),
    /// The field spells this number, in any way; the text is its usual spelling.
    Number(Slot, String),
    /// The field is there and not null.
    Present(Slot),
}

/// Keys of which one must be seen, and the chance that an ordinary event shows one.
#[derive(Debug, Clone)]
pub(crate) struct Witness {
    pub(crate) keys: Vec<Key>,
    chance: f32,
}

/// The chance that a field is there at all, and what looking a key up costs by itself.
const PRESENT_CHANCE: f32 = 0.999_9;
const KEY_COST: f32 = 1e-6;
/// The chance of a number such as an event id.
const NUMBER_CHANCE: f32 = 0.05;
/// Literals that may stand anywhere make the whole value be scanned.
const SCAN_COST: f32 = 2e-5;
/// Short ones make every byte of it be looked at.
const SHORT_COST: f32 = 1e-2;
/// The same in a field of long values.
const SHORT_IN_LONG_COST: f32 = 5e-2;

/// A second witness must be rarer than this to be worth watching for.
const SECOND_CHANCE_MAX: f32 = 0.2;
/// Keys that a second witness may have.
const SECOND_KEYS_MAX: usize = 256;

/// What must have been seen before an expression can hold: of each witness one key.
#[derive(Debug, Clone)]
pub(crate) struct Needs {
    pub(crate) first: Witness,
    /// Another that must be seen as well.
    pub(crate) second: Option<Witness>,
}

/// Chooses what an expression needs; `None` when it may hold for an event that shows nothing.
pub(crate) fn choose(expr: &Expr, rarity: &Rarity) -> Option<Needs> {
    let mut found = all_of(expr, rarity);
    found.sort_by(|a, b| a.chance.total_cmp(&b.chance));
    let mut found = found.into_iter();
    let first = found.next()?;
    let second = found.next().filter(|second| {
        let literal = |key: &Key| match key {
            Key::Literal(_, anchor, text) => *anchor != Anchor::Inside || !is_short(text),
            Key::Number(..) => true,
            Key::Present(_) => false,
        };
        second.chance < SECOND_CHANCE_MAX
            && second.keys.len() <= SECOND_KEYS_MAX
            && second.keys.iter().all(literal)
    });
    Some(Needs { first, second })
}

/// Returns witnesses each of which an expression cannot hold without.
fn all_of(expr: &Expr, rarity: &Rarity) -> Vec<Witness> {
    match expr {
        // Every set of literals that a regular expression cannot do without is a witness.
        Expr::Leaf(Leaf { slot, checks }) if matches!(checks.as_slice(), [Check::Regex { .. }]) => {
            checks.iter().flat_map(|check| of_regex(check, *slot, rarity)).collect()
        }
        Expr::Leaf(leaf) => of_leaf(leaf, rarity).into_iter().collect(),
        Expr::All(children) => children.iter().flat_map(|child| all_of(child, rarity)).collect(),
        // The rarest of each child together are one, the next rarest another.
        Expr::Any(children) => {
            let mut firsts = Witness::none();
            let mut seconds = Some(Witness::none());
            for child in children {
                let Some(needs) = choose(child, rarity) else { return Vec::new() };
                firsts.join(needs.first);
                seconds = seconds.zip(needs.second).map(|(mut all, second)| {
                    all.join(second);
                    all
                });
            }
            let mut found = vec![firsts];
            found.extend(seconds.filter(|_| !children.is_empty()));
            found
        }
        Expr::Not(child) => match &**child {
            Expr::Not(inner) => all_of(inner, rarity),
            // Not absent: there.
            Expr::Leaf(Leaf { slot, checks }) if checks.contains(&Check::Absent) => {
                vec![Witness::present(*slot)]
            }
            // De Morgan: none of them.
            Expr::Any(parts) => {
                let parts = parts.iter().map(|part| Expr::Not(Box::new(part.clone())));
                all_of(&Expr::All(parts.collect()), rarity)
            }
            _ => Vec::new(),
        },
    }
}

impl Witness {
    fn none() -> Self {
        Self { keys: Vec::new(), chance: 0.0 }
    }

    fn present(slot: Slot) -> Self {
        Self { keys: vec![Key::Present(slot)], chance: PRESENT_CHANCE }
    }

    fn literal(slot: Slot, anchor: Anchor, text: Vec<u8>, rarity: &Rarity) -> Self {
        let cost = match anchor {
            Anchor::Inside if is_short(&text) && rarity.is_long(slot) => SHORT_IN_LONG_COST,
            Anchor::Inside if is_short(&text) => SHORT_COST,
            Anchor::Inside => SCAN_COST,
            _ => KEY_COST,
        };
        let chance = rarity.chance(slot, anchor, &text) + cost;
        Self { keys: vec![Key::Literal(slot, anchor, text)], chance }
    }

    fn join(&mut self, other: Self) {
        self.keys.extend(other.keys);
        // As if they came independently: many unlikely keys together never seem worse than certain.
        self.chance = 1.0 - (1.0 - self.chance.min(1.0)) * (1.0 - other.chance.min(1.0));
    }
}

/// Texts a gate may have.
const GATE_TEXTS_MAX: usize = 256;
/// A gate must stay shut more often than this to be worth watching for.
const GATE_CHANCE_MAX: f32 = 0.7;

/// Returns texts of which a field must show one before a leaf of one regular expression can hold: the
/// index finds them on its way, which is much cheaper than to run the expression. `None` when there
/// are none that are rare.
pub(crate) fn gate(leaf: &Leaf, rarity: &Rarity) -> Option<AnyOf> {
    let [Check::Regex { source, flags }] = leaf.checks.as_slice() else { return None };
    if leaf.slot == EVERYWHERE {
        return None;
    }
    let is_long = rarity.is_long(leaf.slot);
    let fits = |text: &[u8]| text.len() > 1 && (!is_long || !is_short(text));
    let sets = literal::required(source, *flags)
        .into_iter()
        .filter(|set| set.len() <= GATE_TEXTS_MAX && set.iter().all(|(_, text)| fits(text)));
    let rated = sets.map(|set| {
        let mut all = Witness::none();
        for (anchor, text) in &set {
            all.join(Witness::literal(leaf.slot, *anchor, text.clone(), rarity));
        }
        (all.chance, set)
    });
    let best = rated.min_by(|(a, _), (b, _)| a.total_cmp(b));
    best.filter(|(chance, _)| *chance < GATE_CHANCE_MAX).map(|(_, set)| set)
}

fn of_leaf(leaf: &Leaf, rarity: &Rarity) -> Option<Witness> {
    let mut all = Witness::none();
    for check in &leaf.checks {
        all.join(of_check(check, leaf.slot, rarity)?);
    }
    Some(all)
}

/// Says whether a literal is too short for grams.
fn is_short(literal: &[u8]) -> bool {
    Kind::of(literal.len()) == Kind::Single
}

/// Returns the witnesses of a regular expression; that the field is there is one of them.
fn of_regex(check: &Check, slot: Slot, rarity: &Rarity) -> Vec<Witness> {
    let Check::Regex { source, flags } = check else { return Vec::new() };
    let sets = literal::required(source, *flags).into_iter().map(|set| {
        let mut all = Witness::none();
        set.into_iter()
            .for_each(|(anchor, text)| all.join(Witness::literal(slot, anchor, text, rarity)));
        all
    });
    sets.chain([Witness::present(slot)]).collect()
}

fn of_check(check: &Check, slot: Slot, rarity: &Rarity) -> Option<Witness> {
    match check {
        Check::Absent | Check::Exists(false) => None,
        Check::Text { glob, .. } => {
            let found = glob.literals().into_iter().map(|(anchor, text)| {
                // A cased literal is looked for in folded text, so it is folded too.
                let folded: String = text.chars().map(rules_sigma::fold).collect();
                Witness::literal(slot, anchor, folded.into_bytes(), rarity)
            });
            let best = found.min_by(|a, b| a.chance.total_cmp(&b.chance));
            Some(best.unwrap_or_else(|| Witness::present(slot)))
        }
        Check::Number(number) => {
            let text = canonical(*number);
            // Numbers of rules are mostly kinds of events, of which a log has few.
            Some(Witness { keys: vec![Key::Number(slot, text)], chance: NUMBER_CHANCE })
        }
        Check::Bool(flag) => {
            let text = flag.to_string().into_bytes();
            Some(Witness::literal(slot, Anchor::Whole, text, rarity))
        }
        Check::Regex { .. } => {
            let found = of_regex(check, slot, rarity).into_iter();
            found.min_by(|a, b| a.chance.total_cmp(&b.chance))
        }
        Check::Exists(true)
        | Check::Cidr(_)
        | Check::Compare { .. }
        | Check::TimePart { .. }
        | Check::Field { .. } => Some(Witness::present(slot)),
    }
}

/// The one spelling under which a number is looked for: that of the shortest decimal. Equal numbers
/// have equal spellings, also across kinds (`1` and `1.0`).
pub(crate) fn canonical(number: rules_sigma::Number) -> String {
    match number {
        rules_sigma::Number::Int(number) => number.to_string(),
        rules_sigma::Number::Float(0.0) => "0".to_owned(),
        rules_sigma::Number::Float(number) => number.to_string(),
    }
}
