//! Compilation: from a rule as parsed to an expression over prepared checks.

use aho_corasick::AhoCorasick;
use rules_event::Value;
use rules_sigma::{
    Body, Condition, Diagnostic, Item, Quantifier, Rule, Severity, Test, codes, compile_regex,
};

use crate::check::{Check, Leaf};
use crate::glob::Glob;
use crate::naive;
use crate::taxonomy;
use crate::view::{Folded, Slots};

/// From this many texts on, one search for all of them beats one after the other.
const TOGETHER_MIN: usize = 4;

/// An expression over leaves; children stand cheapest first.
#[derive(Debug)]
pub(crate) enum Expr {
    Leaf(Leaf),
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
}

impl Expr {
    pub(crate) fn holds(&self, values: &[Option<&Value>], folded: &mut Folded) -> bool {
        match self {
            Self::Leaf(leaf) => leaf.holds(values, folded),
            Self::All(children) => children.iter().all(|child| child.holds(values, folded)),
            Self::Any(children) => children.iter().any(|child| child.holds(values, folded)),
            Self::Not(child) => !child.holds(values, folded),
        }
    }

    fn cost(&self) -> u32 {
        match self {
            Self::Leaf(leaf) => leaf.cost(),
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
pub(crate) fn rule(rule: &Rule, slots: &mut Slots) -> Result<Expr, Box<Diagnostic>> {
    let mut compiler = Compiler { rule, slots };
    compiler.condition(&rule.detection.condition)
}

struct Compiler<'c> {
    rule: &'c Rule,
    slots: &'c mut Slots,
}

impl Compiler<'_> {
    fn condition(&mut self, condition: &Condition) -> Result<Expr, Box<Diagnostic>> {
        match condition {
            Condition::Search(index) => self.search(*index),
            Condition::And(parts) => {
                let parts: Result<Vec<_>, _> = parts.iter().map(|it| self.condition(it)).collect();
                Ok(Expr::join(parts?, Expr::All))
            }
            Condition::Or(parts) => {
                let parts: Result<Vec<_>, _> = parts.iter().map(|it| self.condition(it)).collect();
                Ok(Expr::join(parts?, Expr::Any))
            }
            Condition::Not(part) => Ok(Expr::Not(Box::new(self.condition(part)?))),
            Condition::Of { quantifier, searches, .. } => {
                let parts: Result<Vec<_>, _> =
                    searches.iter().map(|index| self.search(*index)).collect();
                let wrap = match quantifier {
                    Quantifier::Any => Expr::Any,
                    Quantifier::All => Expr::All,
                };
                Ok(Expr::join(parts?, wrap))
            }
        }
    }

    fn search(&mut self, index: usize) -> Result<Expr, Box<Diagnostic>> {
        let search = self.rule.detection.searches.get(index);
        self.body(&search.expect("the parser resolved every search").body)
    }

    fn body(&mut self, body: &Body) -> Result<Expr, Box<Diagnostic>> {
        match body {
            Body::All(parts) => {
                let parts: Result<Vec<_>, _> = parts.iter().map(|it| self.body(it)).collect();
                Ok(Expr::join(parts?, Expr::All))
            }
            Body::Any(parts) => {
                let parts: Result<Vec<_>, _> = parts.iter().map(|it| self.body(it)).collect();
                Ok(Expr::join(parts?, Expr::Any))
            }
            Body::Item(item) => Ok(Expr::Leaf(self.leaf(item)?)),
        }
    }

    fn leaf(&mut self, item: &Item) -> Result<Leaf, Box<Diagnostic>> {
        let fields = naive::fields(item, &self.rule.logsource);
        let slots =
            fields.iter().map(|field| self.slot(field, item)).collect::<Result<Vec<_>, _>>()?;
        let groups = if item.all {
            item.tests
                .iter()
                .map(|test| self.group(std::slice::from_ref(test), item))
                .collect::<Result<Vec<_>, _>>()?
        } else {
            vec![self.group(&item.tests, item)?]
        };
        Ok(Leaf { slots, groups, negated: item.negated })
    }

    /// Prepares tests of which one must hold.
    fn group(&mut self, tests: &[Test], item: &Item) -> Result<Vec<Check>, Box<Diagnostic>> {
        let mut checks = Vec::new();
        for test in tests {
            match test {
                Test::AnyOf(tests) => checks.extend(self.group(tests, item)?),
                test => checks.push(self.check(test, item)?),
            }
        }
        let mut checks = together(together(checks, false), true);
        checks.sort_by_key(Check::cost);
        Ok(checks)
    }

    fn check(&mut self, test: &Test, item: &Item) -> Result<Check, Box<Diagnostic>> {
        Ok(match test {
            Test::Text { pattern, cased } => {
                Check::Glob { glob: Glob::new(pattern, *cased), cased: *cased }
            }
            Test::Number(number) => Check::Number(*number),
            Test::Bool(flag) => Check::Bool(*flag),
            Test::Null | Test::Exists(false) => Check::Absent,
            Test::Exists(true) => Check::Present,
            Test::Regex { source, flags } => Check::Regex(
                compile_regex(source, *flags)
                    .map_err(|error| self.refuse(codes::BAD_REGEX, item, &error.to_string()))?,
            ),
            Test::Cidr(cidr) => Check::Cidr(*cidr),
            Test::Compare { op, bound } => Check::Compare { op: *op, bound: *bound },
            Test::TimePart { part, op, bound } => {
                Check::TimePart { part: *part, op: *op, bound: *bound }
            }
            Test::Field { field, place, cased } => {
                let name = taxonomy::field_name(&self.rule.logsource, field).into_owned();
                let slot = self.slot(&name, item)?;
                Check::Field { slot, place: *place, cased: *cased }
            }
            Test::AnyOf(_) => unreachable!("groups take these apart"),
        })
    }

    fn slot(&mut self, field: &str, item: &Item) -> Result<u16, Box<Diagnostic>> {
        let slot = self.slots.intern(field);
        slot.ok_or_else(|| {
            self.refuse(codes::DETECTION_BOUNDS, item, "the rules name more than 65,536 fields")
        })
    }

    fn refuse(&self, code: &'static str, item: &Item, message: &str) -> Box<Diagnostic> {
        let help = "the rule is left out; the others are in force";
        Box::new(self.rule.diagnose(code, Severity::Error, item.span, message, help))
    }
}

/// Joins the searches for texts inside into one, if there are many of them.
fn together(checks: Vec<Check>, cased: bool) -> Vec<Check> {
    let needle = |check: &Check| match check {
        Check::Glob { glob, cased: same } if *same == cased => glob.inside().map(<[u8]>::to_vec),
        _ => None,
    };
    let needles: Vec<Vec<u8>> = checks.iter().filter_map(needle).collect();
    if needles.len() < TOGETHER_MIN {
        return checks;
    }
    // Fails only on sizes far beyond the bound on values; one after the other is right as well.
    let Ok(finder) = AhoCorasick::new(&needles) else { return checks };
    let mut rest: Vec<Check> = checks.into_iter().filter(|it| needle(it).is_none()).collect();
    rest.push(Check::AnyInside { finder: Box::new(finder), cased });
    rest
}
