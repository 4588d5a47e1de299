//! Compilation, first half: from a rule as parsed to a small tree over leaves with known fields.

use std::collections::HashMap;

use rules_sigma::{
    Body, Cidr, Comparison, Condition, Diagnostic, Item, Number, Place as Where, Quantifier,
    RegexFlags, Rule, Severity, Test, TimePart, codes,
};

use crate::Copies;
use crate::glob::Glob;
use crate::naming::{Naming, Place};

/// Number of a field among all that the rules of a set ask for.
pub(crate) type Slot = u16;

/// Stands for every field of an event, where keywords are searched in all.
pub(crate) const EVERYWHERE: Slot = Slot::MAX;

/// The names of the fields that a set of rules asks for.
#[derive(Debug, Default)]
pub(crate) struct Slots {
    pub(crate) names: Vec<(String, Copies)>,
    by_name: HashMap<String, Slot>,
}

impl Slots {
    /// Returns the slot of a field; `None` when there are more fields than slots.
    fn intern(&mut self, name: &str, naming: Naming) -> Option<Slot> {
        if let Some(slot) = self.by_name.get(name) {
            return Some(*slot);
        }
        let slot = Slot::try_from(self.names.len()).ok().filter(|slot| *slot < EVERYWHERE)?;
        self.names.push((name.to_owned(), naming.copies(name)));
        self.by_name.insert(name.to_owned(), slot);
        Some(slot)
    }
}

/// An expression over leaves; children stand cheapest first.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Expr {
    Leaf(Leaf),
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
}

/// One field, and tests of which one must hold.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Leaf {
    pub(crate) slot: Slot,
    pub(crate) checks: Vec<Check>,
}

/// One prepared test.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Check {
    /// Nothing there, or null.
    Absent,
    /// The field is there, null or not (true), or is not (false).
    Exists(bool),
    /// Text against a pattern; folded first unless cased.
    Text {
        glob: Glob,
        cased: bool,
    },
    Number(Number),
    Bool(bool),
    Regex {
        source: String,
        flags: RegexFlags,
    },
    Cidr(Cidr),
    Compare {
        op: Comparison,
        bound: Number,
    },
    TimePart {
        part: TimePart,
        op: Comparison,
        bound: i64,
    },
    Field {
        slot: Slot,
        place: Where,
        cased: bool,
    },
}

impl Check {
    /// Returns a rough cost, by which cheap checks go first.
    fn cost(&self) -> u32 {
        match self {
            Self::Absent | Self::Exists(_) | Self::Bool(_) => 0,
            Self::Number(_) | Self::Compare { .. } => 2,
            Self::Text { glob, .. } => glob.cost(),
            Self::Cidr(_) | Self::TimePart { .. } => 3,
            Self::Field { .. } => 10,
            Self::Regex { .. } => 20,
        }
    }
}

impl Expr {
    fn cost(&self) -> u32 {
        match self {
            Self::Leaf(leaf) => leaf.checks.iter().map(Check::cost).fold(1, u32::saturating_add),
            Self::All(children) | Self::Any(children) => {
                children.iter().map(Self::cost).fold(1, u32::saturating_add)
            }
            Self::Not(child) => child.cost(),
        }
    }

    /// Joins children, cheapest first: the outcome is the same, and dear ones are often not needed.
    fn join(mut children: Vec<Self>, wrap: fn(Vec<Self>) -> Self) -> Self {
        children.sort_by_key(Self::cost);
        match children.len() {
            1 => children.remove(0),
            _ => wrap(children),
        }
    }
}

/// Compiles a rule, or says what keeps it from being compiled.
pub(crate) fn rule(
    rule: &Rule,
    naming: Naming,
    slots: &mut Slots,
) -> Result<Expr, Box<Diagnostic>> {
    Compiler { rule, naming, slots }.condition(&rule.detection.condition)
}

struct Compiler<'c> {
    rule: &'c Rule,
    naming: Naming,
    slots: &'c mut Slots,
}

type Compiled<T> = Result<T, Box<Diagnostic>>;

impl Compiler<'_> {
    fn condition(&mut self, condition: &Condition) -> Compiled<Expr> {
        match condition {
            Condition::Search(index) => self.search(*index),
            Condition::And(parts) => {
                let parts: Compiled<Vec<_>> = parts.iter().map(|it| self.condition(it)).collect();
                Ok(Expr::join(parts?, Expr::All))
            }
            Condition::Or(parts) => {
                let parts: Compiled<Vec<_>> = parts.iter().map(|it| self.condition(it)).collect();
                Ok(Expr::join(parts?, Expr::Any))
            }
            Condition::Not(part) => Ok(Expr::Not(Box::new(self.condition(part)?))),
            Condition::Of { quantifier, searches, .. } => {
                let parts: Compiled<Vec<_>> =
                    searches.iter().map(|index| self.search(*index)).collect();
                let wrap = match quantifier {
                    Quantifier::Any => Expr::Any,
                    Quantifier::All => Expr::All,
                };
                Ok(Expr::join(parts?, wrap))
            }
        }
    }

    fn search(&mut self, index: usize) -> Compiled<Expr> {
        match self.rule.detection.searches.get(index) {
            Some(search) => self.body(&search.body),
            // The parser resolves every search; a rule built otherwise must not match by accident.
            None => Ok(Expr::Any(Vec::new())),
        }
    }

    fn body(&mut self, body: &Body) -> Compiled<Expr> {
        match body {
            Body::All(parts) => {
                let parts: Compiled<Vec<_>> = parts.iter().map(|it| self.body(it)).collect();
                Ok(Expr::join(parts?, Expr::All))
            }
            Body::Any(parts) => {
                let parts: Compiled<Vec<_>> = parts.iter().map(|it| self.body(it)).collect();
                Ok(Expr::join(parts?, Expr::Any))
            }
            Body::Item(item) => self.item(item),
        }
    }

    fn item(&mut self, item: &Item) -> Compiled<Expr> {
        let slots = match self.naming.place(item, &self.rule.logsource) {
            Place::Fields(fields) => {
                fields.iter().map(|field| self.slot(field, item)).collect::<Compiled<Vec<_>>>()?
            }
            Place::Everywhere => vec![EVERYWHERE],
        };
        let groups: Vec<&[Test]> = match item.all {
            true => item.tests.iter().map(std::slice::from_ref).collect(),
            false => vec![&item.tests],
        };
        let mut all = Vec::with_capacity(groups.len());
        for group in groups {
            let mut checks = Vec::with_capacity(group.len());
            self.checks(group, item, &mut checks)?;
            checks.sort_by_key(Check::cost);
            let leaf = |slot: &Slot| Expr::Leaf(Leaf { slot: *slot, checks: checks.clone() });
            all.push(Expr::join(slots.iter().map(leaf).collect(), Expr::Any));
        }
        let held = Expr::join(all, Expr::All);
        Ok(if item.negated { Expr::Not(Box::new(held)) } else { held })
    }

    fn checks(&mut self, tests: &[Test], item: &Item, out: &mut Vec<Check>) -> Compiled<()> {
        for test in tests {
            out.push(match test {
                Test::AnyOf(tests) => {
                    self.checks(tests, item, out)?;
                    continue;
                }
                Test::Text { pattern, cased } => {
                    Check::Text { glob: Glob::new(pattern, *cased), cased: *cased }
                }
                Test::Number(number) => Check::Number(*number),
                Test::Bool(flag) => Check::Bool(*flag),
                Test::Null => Check::Absent,
                Test::Exists(wanted) => Check::Exists(*wanted),
                Test::Regex { source, flags } => {
                    Check::Regex { source: source.clone(), flags: *flags }
                }
                Test::Cidr(cidr) => Check::Cidr(*cidr),
                Test::Compare { op, bound } => Check::Compare { op: *op, bound: *bound },
                Test::TimePart { part, op, bound } => {
                    Check::TimePart { part: *part, op: *op, bound: *bound }
                }
                Test::Field { field, place, cased } => {
                    let name = self.naming.field(&self.rule.logsource, field).into_owned();
                    let slot = self.slot(&name, item)?;
                    Check::Field { slot, place: *place, cased: *cased }
                }
            });
        }
        Ok(())
    }

    fn slot(&mut self, field: &str, item: &Item) -> Compiled<Slot> {
        self.slots.intern(field, self.naming).ok_or_else(|| {
            let message = "the rules name more than 65,534 fields";
            let help = "the rule is left out; the others are in force";
            let (code, severity) = (codes::DETECTION_BOUNDS, Severity::Error);
            Box::new(self.rule.diagnose(code, severity, item.span, message, help))
        })
    }
}
