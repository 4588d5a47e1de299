//! Witnesses: what must have been seen in an event before a rule can match it.
//!
//! For each rule a set of keys is chosen such that the rule cannot hold unless at least one of them is
//! there. Keys are chosen by how rarely ordinary events have them, not by their kind.

use crate::compile::{Check, Expr, Leaf, Slot};
use crate::glob::Anchor;
use crate::literal;
use crate::rarity::Rarity;

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
const PRESENT_CHANCE: f32 = 0.6;
const KEY_COST: f32 = 1e-6;
/// The chance of a number such as an event id.
const NUMBER_CHANCE: f32 = 0.05;
/// Literals that may stand anywhere make the whole value be scanned.
const SCAN_COST: f32 = 2e-5;

/// Chooses the witness of an expression; `None` when it may hold for an event that shows nothing.
pub(crate) fn choose(expr: &Expr, rarity: &Rarity) -> Option<Witness> {
    match expr {
        Expr::Leaf(leaf) => of_leaf(leaf, rarity),
        Expr::All(children) => {
            let found = children.iter().filter_map(|child| choose(child, rarity));
            found.min_by(|a, b| a.chance.total_cmp(&b.chance))
        }
        Expr::Any(children) => {
            let mut all = Witness { keys: Vec::new(), chance: 0.0 };
            for child in children {
                all.join(choose(child, rarity)?);
            }
            Some(all)
        }
        Expr::Not(child) => match &**child {
            Expr::Not(inner) => choose(inner, rarity),
            // Not absent: there.
            Expr::Leaf(Leaf { slot, checks }) if checks.contains(&Check::Absent) => {
                Some(Witness::present(*slot))
            }
            // De Morgan: none of them.
            Expr::Any(parts) => {
                let parts = parts.iter().map(|part| Expr::Not(Box::new(part.clone())));
                choose(&Expr::All(parts.collect()), rarity)
            }
            _ => None,
        },
    }
}

impl Witness {
    fn present(slot: Slot) -> Self {
        Self { keys: vec![Key::Present(slot)], chance: PRESENT_CHANCE }
    }

    fn join(&mut self, other: Self) {
        self.keys.extend(other.keys);
        self.chance += other.chance;
    }
}

fn of_leaf(leaf: &Leaf, rarity: &Rarity) -> Option<Witness> {
    let mut all = Witness { keys: Vec::new(), chance: 0.0 };
    for check in &leaf.checks {
        all.join(of_check(check, leaf.slot, rarity)?);
    }
    Some(all)
}

fn of_check(check: &Check, slot: Slot, rarity: &Rarity) -> Option<Witness> {
    let literal = |anchor: Anchor, text: Vec<u8>| {
        let cost = if anchor == Anchor::Inside { SCAN_COST } else { KEY_COST };
        let chance = rarity.chance(anchor, &text) + cost;
        Witness { keys: vec![Key::Literal(slot, anchor, text)], chance }
    };
    match check {
        Check::Absent | Check::Exists(false) => None,
        Check::Text { glob, .. } => {
            let found = glob.literals().into_iter().map(|(anchor, text)| {
                // A cased literal is looked for in folded text, so it is folded too.
                let folded: String = text.chars().map(rules_sigma::fold).collect();
                literal(anchor, folded.into_bytes())
            });
            let best = found.min_by(|a, b| a.chance.total_cmp(&b.chance));
            Some(best.unwrap_or_else(|| Witness::present(slot)))
        }
        Check::Number(number) => {
            let text = canonical(*number);
            // Numbers of rules are mostly kinds of events, of which a log has few.
            Some(Witness { keys: vec![Key::Number(slot, text)], chance: NUMBER_CHANCE })
        }
        Check::Bool(flag) => Some(literal(Anchor::Whole, flag.to_string().into_bytes())),
        Check::Regex { source, flags } => {
            let sets = literal::required(source, *flags);
            let found = sets.into_iter().map(|set| {
                let mut all = Witness { keys: Vec::new(), chance: 0.0 };
                set.into_iter().for_each(|(anchor, text)| all.join(literal(anchor, text)));
                all
            });
            let best = found.min_by(|a, b| a.chance.total_cmp(&b.chance));
            Some(best.unwrap_or_else(|| Witness::present(slot)))
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
