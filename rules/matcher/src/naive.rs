//! The meaning of a rule, written down as plainly as possible.
//!
//! Walks the rule as parsed, with no preparation. [`crate::RuleSet::why`] explains with it, and the
//! property tests hold the compiled form to it.

use std::cell::RefCell;
use std::cmp::Ordering;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::LazyLock;

use regex::Regex;
use rules_event::Timestamp;
use rules_sigma::{
    Body, Comparison, Condition, Item, Logsource, Number, Part, Pattern, Place as Where,
    Quantifier, RegexFlags, Rule, Test, TimePart, compile_regex, fold,
};

use rules_event::ValueRef;

use crate::fields::Fields;
use crate::naming::{Naming, Place};

/// The plain evaluator: an event, and what the names of a rule mean in it.
#[derive(Clone, Copy)]
pub(crate) struct Naive<'e> {
    pub(crate) event: &'e dyn Fields,
    pub(crate) logsource: &'e Logsource,
    pub(crate) naming: Naming,
}

impl Naive<'_> {
    /// Says whether the condition of a rule holds; the logsource is looked at elsewhere.
    pub(crate) fn rule(&self, rule: &Rule) -> bool {
        self.condition(rule, &rule.detection.condition)
    }

    fn condition(&self, rule: &Rule, condition: &Condition) -> bool {
        let search = |index: &usize| {
            rule.detection.searches.get(*index).is_some_and(|search| self.body(&search.body))
        };
        match condition {
            Condition::Search(index) => search(index),
            Condition::And(parts) => parts.iter().all(|part| self.condition(rule, part)),
            Condition::Or(parts) => parts.iter().any(|part| self.condition(rule, part)),
            Condition::Not(part) => !self.condition(rule, part),
            Condition::Of { quantifier: Quantifier::Any, searches, .. } => {
                searches.iter().any(search)
            }
            Condition::Of { quantifier: Quantifier::All, searches, .. } => {
                searches.iter().all(search)
            }
        }
    }

    fn body(&self, body: &Body) -> bool {
        match body {
            Body::All(parts) => parts.iter().all(|part| self.body(part)),
            Body::Any(parts) => parts.iter().any(|part| self.body(part)),
            Body::Item(item) => self.item(item),
        }
    }

    fn item(&self, item: &Item) -> bool {
        let held = match item.all {
            true => item.tests.iter().all(|test| self.test(item, test)),
            false => item.tests.iter().any(|test| self.test(item, test)),
        };
        held != item.negated
    }

    /// Says whether one test of an item holds.
    pub(crate) fn test(&self, item: &Item, test: &Test) -> bool {
        match self.naming.place(item, self.logsource) {
            Place::Fields(fields) => fields.iter().any(|field| self.holds(test, field)),
            Place::Everywhere => {
                let names = (0..self.event.len()).filter_map(|index| self.event.at(index));
                let mut seen = Vec::new();
                for (name, value) in names {
                    // Of two fields with one name the first counts.
                    if !seen.contains(&name) && self.value_holds(test, name, value) {
                        return true;
                    }
                    seen.push(name);
                }
                false
            }
        }
    }

    /// Says whether one test holds on one field of an event.
    fn holds(&self, test: &Test, field: &str) -> bool {
        let value = self.event.value(field);
        let there = !matches!(value, None | Some(ValueRef::Null));
        match test {
            Test::Null => !there,
            Test::Exists(wanted) => value.is_some() == *wanted,
            Test::AnyOf(tests) => tests.iter().any(|test| self.holds(test, field)),
            Test::Field { field: other, place, cased } => {
                let other = self.event.value(&self.naming.field(self.logsource, other));
                let Some((value, other)) = value.zip(other) else { return false };
                fields_agree(value, other, *place, *cased)
            }
            test => value.is_some_and(|value| self.value_holds(test, field, value)),
        }
    }

    fn value_holds(&self, test: &Test, field: &str, value: ValueRef<'_>) -> bool {
        match (test, value) {
            (Test::AnyOf(tests), value) => {
                tests.iter().any(|test| self.value_holds(test, field, value))
            }
            (test, ValueRef::List(values)) => {
                values.iter().any(|one| self.scalar_holds(test, field, one.into()))
            }
            (test, value) => self.scalar_holds(test, field, value),
        }
    }

    fn scalar_holds(&self, test: &Test, field: &str, value: ValueRef<'_>) -> bool {
        match test {
            Test::Text { pattern, cased } => {
                self.on_texts(field, value, |text| pattern_matches(pattern, text, *cased))
            }
            Test::Regex { source, flags } => with_regex(source, *flags, |regex| {
                self.on_texts(field, value, |text| regex.is_match(text))
            }),
            Test::Number(number) => equals_number(value, *number),
            Test::Bool(flag) => equals_bool(value, *flag),
            Test::Cidr(cidr) => match value {
                ValueRef::Str(text) => {
                    text.parse::<IpAddr>().is_ok_and(|address| cidr.contains(address))
                }
                _ => false,
            },
            Test::Compare { op, bound } => compares(value, *op, *bound),
            Test::TimePart { part, op, bound } => time_compares(value, *part, *op, *bound),
            Test::Null | Test::Exists(_) | Test::AnyOf(_) | Test::Field { .. } => false,
        }
    }

    /// Says whether something holds on the text of a value or on one of its copies.
    fn on_texts(
        &self,
        field: &str,
        value: ValueRef<'_>,
        mut holds: impl FnMut(&str) -> bool,
    ) -> bool {
        let mut held = false;
        with_text(value, |text| {
            held = holds(text);
            if !held {
                self.naming.copies(field).of(text, |copy| held |= holds(copy));
            }
        });
        held
    }
}

/// Regular expressions kept compiled by the plain evaluator; beyond, all are dropped.
const REGEXES_KEPT_MAX: usize = 1_024;

thread_local! {
    static REGEXES: RefCell<HashMap<(String, RegexFlags), Option<Regex>>> = RefCell::default();
}

/// Hands on a compiled regular expression; false when it cannot be compiled.
fn with_regex(source: &str, flags: RegexFlags, then: impl FnOnce(&Regex) -> bool) -> bool {
    let found = REGEXES.with_borrow_mut(|known| {
        if known.len() > REGEXES_KEPT_MAX {
            known.clear();
        }
        let compiled = || compile_regex(source, flags).ok();
        known.entry((source.to_owned(), flags)).or_insert_with(compiled).clone()
    });
    found.is_some_and(|regex| then(&regex))
}

/// Hands on the text of a scalar: every scalar but null has one.
pub(crate) fn with_text(value: ValueRef<'_>, mut then: impl FnMut(&str)) {
    match value {
        ValueRef::Str(text) => then(text),
        ValueRef::Int(number) => then(itoa::Buffer::new().format(number)),
        ValueRef::Float(number) => then(&number.to_string()),
        ValueRef::Bool(flag) => then(if flag { "true" } else { "false" }),
        ValueRef::Null | ValueRef::List(_) => {}
    }
}

/// Matches a pattern by the table of all prefixes of text and pattern.
pub(crate) fn pattern_matches(pattern: &Pattern, text: &str, cased: bool) -> bool {
    let change = |c: char| if cased { c } else { fold(c) };
    let text: Vec<char> = text.chars().map(change).collect();
    // reach[i]: the parts so far can end after i characters.
    let mut reach = vec![false; text.len() + 1];
    reach[0] = true;
    for part in &pattern.parts() {
        match part {
            Part::Many => {
                for index in 1..reach.len() {
                    reach[index] |= reach[index - 1];
                }
            }
            Part::One => {
                reach.rotate_right(1);
                reach[0] = false;
            }
            Part::Literal(literal) => {
                for wanted in literal.chars().map(change) {
                    for index in (1..reach.len()).rev() {
                        reach[index] = reach[index - 1] && text[index - 1] == wanted;
                    }
                    reach[0] = false;
                }
            }
        }
    }
    reach[text.len()]
}

/// Returns a value as a number: numbers, and texts that spell one.
pub(crate) fn number(value: ValueRef<'_>) -> Option<Number> {
    match value {
        ValueRef::Int(number) => Some(Number::Int(number)),
        ValueRef::Float(number) => Some(Number::Float(number)),
        ValueRef::Str(text) => Number::parse(text),
        ValueRef::Null | ValueRef::Bool(_) | ValueRef::List(_) => None,
    }
}

pub(crate) fn equals_number(value: ValueRef<'_>, wanted: Number) -> bool {
    number(value).is_some_and(|number| number.compare(wanted) == Some(Ordering::Equal))
}

pub(crate) fn equals_bool(value: ValueRef<'_>, wanted: bool) -> bool {
    match value {
        ValueRef::Bool(flag) => flag == wanted,
        ValueRef::Str(text) => text.eq_ignore_ascii_case(if wanted { "true" } else { "false" }),
        _ => false,
    }
}

pub(crate) fn compares(value: ValueRef<'_>, op: Comparison, bound: Number) -> bool {
    number(value).and_then(|number| number.compare(bound)).is_some_and(|order| satisfies(order, op))
}

pub(crate) fn satisfies(order: Ordering, op: Comparison) -> bool {
    match op {
        Comparison::Gte => order.is_ge(),
        Comparison::Gt => order.is_gt(),
        Comparison::Lte => order.is_le(),
        Comparison::Lt => order.is_lt(),
        Comparison::Eq => order.is_eq(),
        Comparison::Neq => order.is_ne(),
    }
}

/// Seconds since 1970 that count as a time: the years 1900 to 2261, which the store can tell, too.
pub(crate) const TIMES: std::ops::RangeInclusive<i64> = -2_208_988_800..=9_214_646_399;

/// How a time is written: RFC 3339 with `T` and `Z` or an offset, in these years. Other spellings of
/// ISO 8601 are not read, so that the store, which asks with this expression, reads the same.
pub(crate) const TIME_SHAPE: &str = "^(19|20|21|22)[0-9]{2}-[0-9]{2}-[0-9]{2}\
     T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$";

static SHAPE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(TIME_SHAPE).ok());

/// Returns the seconds since 1970 that a value says: an RFC 3339 text, or a number or its text.
fn seconds(value: ValueRef<'_>) -> Option<i64> {
    let time = match value {
        ValueRef::Str(text) => {
            let shaped = SHAPE.as_ref().is_some_and(|shape| shape.is_match(text));
            shaped.then(|| text.parse::<Timestamp>().ok()).flatten()
        }
        _ => None,
    };
    let seconds = match (time, number(value)) {
        (Some(time), _) => time.as_seconds(),
        (None, Some(Number::Int(seconds))) => seconds,
        (None, Some(Number::Float(seconds))) => seconds.floor() as i64,
        (None, None) => return None,
    };
    TIMES.contains(&seconds).then_some(seconds)
}

/// Compares a part of a time.
pub(crate) fn time_compares(
    value: ValueRef<'_>,
    part: TimePart,
    op: Comparison,
    bound: i64,
) -> bool {
    seconds(value).is_some_and(|seconds| satisfies(part.of(seconds).cmp(&bound), op))
}

/// Says whether a value of one field stands in a value of the other as `fieldref` demands.
pub(crate) fn fields_agree(
    value: ValueRef<'_>,
    other: ValueRef<'_>,
    place: Where,
    cased: bool,
) -> bool {
    let (values, others) = (texts(value, cased), texts(other, cased));
    values.iter().any(|value| {
        others.iter().any(|other| match place {
            Where::Whole => value == other,
            Where::Inside => value.contains(other),
            Where::Start => value.starts_with(other),
            Where::End => value.ends_with(other),
        })
    })
}

fn texts(value: ValueRef<'_>, cased: bool) -> Vec<String> {
    let mut found = Vec::new();
    let mut add = |value: ValueRef<'_>| {
        with_text(value, |text| {
            found.push(if cased { text.to_owned() } else { text.chars().map(fold).collect() });
        });
    };
    match value {
        ValueRef::List(values) => values.iter().for_each(|one| add(one.into())),
        scalar => add(scalar),
    }
    found
}
