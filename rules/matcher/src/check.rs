//! Checks: the tests of one item, prepared for speed.

use std::net::IpAddr;

use aho_corasick::AhoCorasick;
use regex::Regex;
use rules_event::Value;
use rules_sigma::{Cidr, Comparison, Number, Place, TimePart};

use crate::glob::Glob;
use crate::naive;
use crate::view::{Folded, Slot};

/// One item of a rule: fields, and what is demanded of them.
#[derive(Debug)]
pub(crate) struct Leaf {
    /// The fields; the item looks at each (keywords look at two).
    pub(crate) slots: Vec<Slot>,
    /// Groups that must each have a check that holds.
    pub(crate) groups: Vec<Vec<Check>>,
    pub(crate) negated: bool,
}

/// One prepared test, or several in one.
#[derive(Debug)]
pub(crate) enum Check {
    /// Nothing there, or null.
    Absent,
    /// Something there.
    Present,
    /// Text against a pattern; folded first unless cased.
    Glob {
        glob: Glob,
        cased: bool,
    },
    /// Any of many texts inside.
    AnyInside {
        finder: Box<AhoCorasick>,
        cased: bool,
    },
    /// A number, or its text.
    Number(Number),
    /// A Boolean, or its text.
    Bool(bool),
    Regex(Regex),
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
        place: Place,
        cased: bool,
    },
}

impl Check {
    /// Returns a rough cost, by which cheap checks go first.
    pub(crate) fn cost(&self) -> u32 {
        match self {
            Self::Absent | Self::Present | Self::Bool(_) => 0,
            Self::Number(_) | Self::Compare { .. } => 2,
            Self::Glob { glob, .. } => glob.cost(),
            Self::Cidr(_) | Self::TimePart { .. } => 3,
            Self::AnyInside { .. } => 6,
            Self::Field { .. } => 10,
            Self::Regex(_) => 20,
        }
    }
}

impl Leaf {
    pub(crate) fn cost(&self) -> u32 {
        self.groups.iter().flatten().map(Check::cost).sum()
    }

    pub(crate) fn holds(&self, values: &[Option<&Value>], folded: &mut Folded) -> bool {
        let held = self.groups.iter().all(|group| {
            self.slots
                .iter()
                .any(|slot| group.iter().any(|check| check.holds(*slot, values, folded)))
        });
        held != self.negated
    }
}

impl Check {
    fn holds(&self, slot: Slot, values: &[Option<&Value>], folded: &mut Folded) -> bool {
        let value = values[usize::from(slot)];
        match (self, value) {
            (Self::Absent, value) => matches!(value, None | Some(Value::Null)),
            (Self::Present, value) => !matches!(value, None | Some(Value::Null)),
            (_, None) => false,
            (Self::Field { slot: other, place, cased }, Some(value)) => {
                let Some(other) = values[usize::from(*other)] else { return false };
                naive::fields_agree(value, other, *place, *cased)
            }
            (check, Some(Value::List(elements))) => elements
                .iter()
                .any(|element| check.holds_scalar(element, |text| folded.element(text))),
            (check, Some(scalar)) => check.holds_scalar(scalar, |text| folded.get(slot, text)),
        }
    }

    fn holds_scalar<'f>(&self, value: &Value, fold: impl FnOnce(&str) -> &'f str) -> bool {
        match self {
            Self::Glob { glob, cased } => value.to_text().is_some_and(|text| {
                if *cased { glob.matches(&text) } else { glob.matches(fold(&text)) }
            }),
            Self::AnyInside { finder, cased } => value.to_text().is_some_and(|text| {
                if *cased { finder.is_match(&*text) } else { finder.is_match(fold(&text)) }
            }),
            Self::Regex(regex) => value.to_text().is_some_and(|text| regex.is_match(&text)),
            Self::Cidr(cidr) => match value {
                Value::Str(text) => {
                    text.parse::<IpAddr>().is_ok_and(|address| cidr.contains(address))
                }
                _ => false,
            },
            Self::Number(number) => naive::equals_number(value, *number),
            Self::Bool(flag) => naive::equals_bool(value, *flag),
            Self::Compare { op, bound } => naive::compares(value, *op, *bound),
            Self::TimePart { part, op, bound } => naive::time_compares(value, *part, *op, *bound),
            Self::Absent | Self::Present | Self::Field { .. } => false,
        }
    }
}
