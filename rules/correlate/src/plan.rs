//! Plan: how the condition of a correlation is decided, and when.
//!
//! Some conditions can only come true, never false again, as further hits arrive: "at least ten",
//! "all of these rules". They are decided at once. All others (an upper bound, an average, a `not`)
//! are decided for a hit when no earlier one can come any more.

use rules_sigma::{
    Comparison, Correlation, CorrelationCondition, CorrelationKind, RuleExpression, Threshold,
};

/// Ways in which an ordered condition over rule names may hold.
pub(crate) const WAYS_MAX: usize = 64;

/// How a condition is decided.
#[derive(Debug)]
pub(crate) enum Plan {
    /// At once: the window holds at least so many of what is counted.
    AtLeast { what: Counted, need: u32 },
    /// At once: the rules in the window satisfy the expression, which knows no `not`.
    Rules(RuleExpression),
    /// At once: hits follow each other in one of these ways.
    Ordered(Box<[Way]>),
    /// When certain: all bounds hold for what is measured over the window.
    Measured { measure: Measure, bounds: Box<[Threshold]> },
    /// When certain: the rules in the window satisfy the expression.
    CertainRules(RuleExpression),
    /// When certain: hits follow each other in one of these ways, without the rules excluded.
    CertainOrdered(Box<[Way]>),
}

/// What a window holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counted {
    Hits,
    Values,
    Rules,
}

/// What is computed over a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Measure {
    Count(Counted),
    Sum,
    Mean,
    /// The value below or at which so many percent of the numbers lie.
    Percentile(f64),
    /// How many percent of the hits have the value of the hit at the end.
    Share,
}

/// A way in which an ordered condition may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Way {
    /// Places of the rules that must follow each other.
    pub(crate) steps: Box<[u8]>,
    /// Rules that must not hit, as bits.
    pub(crate) without: u64,
}

impl Plan {
    /// Returns the plan of a correlation that `fault` found no fault with.
    pub(crate) fn new(correlation: &Correlation) -> Self {
        let counted = match correlation.kind {
            CorrelationKind::EventCount => Counted::Hits,
            CorrelationKind::ValueCount => Counted::Values,
            _ => Counted::Rules,
        };
        let measure = match correlation.kind {
            CorrelationKind::ValueSum => Measure::Sum,
            CorrelationKind::ValueAvg => Measure::Mean,
            CorrelationKind::ValueMedian => Measure::Percentile(50.0),
            CorrelationKind::ValuePercentile => {
                correlation.percentile.map_or(Measure::Share, Measure::Percentile)
            }
            _ => Measure::Count(counted),
        };
        let ordered = correlation.kind == CorrelationKind::TemporalOrdered;
        match &correlation.condition {
            CorrelationCondition::Rules(_) if ordered => {
                let ways = ways(correlation).unwrap_or_default();
                if ways.iter().all(|way| way.without == 0) {
                    Self::Ordered(ways.into())
                } else {
                    Self::CertainOrdered(ways.into())
                }
            }
            CorrelationCondition::Bounds(_) if ordered => {
                Self::Ordered(ways(correlation).unwrap_or_default().into())
            }
            CorrelationCondition::Rules(expression) if grows(expression) => {
                Self::Rules(expression.clone())
            }
            CorrelationCondition::Rules(expression) => Self::CertainRules(expression.clone()),
            CorrelationCondition::Bounds(bounds) => match needed(bounds, correlation) {
                Some(need) if correlation.kind.counts() => Self::AtLeast { what: counted, need },
                _ => Self::Measured { measure, bounds: bounds.as_slice().into() },
            },
        }
    }

    /// Whether it waits until no earlier hit can come.
    pub(crate) fn waits(&self) -> bool {
        matches!(self, Self::Measured { .. } | Self::CertainRules(_) | Self::CertainOrdered(_))
    }

    /// Whether a hit may be the last of a firing although another one completed it.
    pub(crate) fn looks_back(&self) -> bool {
        self.waits() || self.by_rule()
    }

    /// The rules, as bits, whose hits can be the last of a firing.
    pub(crate) fn last_steps(&self) -> u64 {
        match self {
            Self::Ordered(ways) | Self::CertainOrdered(ways) => ways
                .iter()
                .filter_map(|way| way.steps.last())
                .fold(0, |bits, place| bits | 1 << place),
            _ => u64::MAX,
        }
    }

    /// Whether hits of one moment stand in the order of their rules.
    pub(crate) fn by_place(&self) -> bool {
        matches!(self, Self::Ordered(_) | Self::CertainOrdered(_))
    }

    /// Whether it looks at which rules hit.
    pub(crate) fn by_rule(&self) -> bool {
        match self {
            Self::AtLeast { what, .. } => *what == Counted::Rules,
            Self::Measured { measure, .. } => *measure == Measure::Count(Counted::Rules),
            _ => true,
        }
    }

    /// Whether it tells values apart.
    pub(crate) fn by_value(&self) -> bool {
        match self {
            Self::AtLeast { what, .. } => *what == Counted::Values,
            Self::Measured { measure, .. } => {
                matches!(measure, Measure::Count(Counted::Values) | Measure::Share)
            }
            _ => false,
        }
    }

    /// Whether it counts hits and nothing distinct.
    pub(crate) fn counts_hits(&self) -> bool {
        matches!(self, Self::AtLeast { what: Counted::Hits, .. })
    }

    /// Whether it computes something that is no count.
    pub(crate) fn measures(&self) -> bool {
        matches!(self, Self::Measured { measure, .. } if !matches!(measure, Measure::Count(_)))
    }

    /// Whether its outcome differs between hits of one moment.
    pub(crate) fn by_hit(&self) -> bool {
        matches!(self, Self::Measured { measure: Measure::Share, .. })
    }

    /// Whether it reads numbers.
    pub(crate) fn by_number(&self) -> bool {
        matches!(
            self,
            Self::Measured { measure: Measure::Sum | Measure::Mean | Measure::Percentile(_), .. }
        )
    }

    /// Returns with how many hits (for counts of hits: events they stand for) it cannot be satisfied;
    /// 0 where fewer may.
    pub(crate) fn silent(&self) -> u32 {
        match self {
            Self::AtLeast { need, .. } => need.saturating_sub(1),
            Self::Rules(expression) => u32::from(!(0..64).any(|rule| expression.holds(1 << rule))),
            Self::Ordered(ways) => {
                let shortest = ways.iter().map(|way| way.steps.len()).min();
                shortest.map_or(0, |steps| u32::try_from(steps - 1).unwrap_or(0))
            }
            Self::Measured { .. } | Self::CertainRules(_) | Self::CertainOrdered(_) => 0,
        }
    }

    /// What stands for full progress: hits, values or rules, as far as that can be said.
    pub(crate) fn need(&self, rules: usize) -> u64 {
        match self {
            Self::AtLeast { need, .. } => u64::from(*need),
            Self::Rules(_) | Self::Ordered(_) => rules as u64,
            _ => 16,
        }
    }
}

/// Returns the least count that satisfies the bounds, if every larger one does as well.
pub(crate) fn needed(bounds: &[Threshold], correlation: &Correlation) -> Option<u32> {
    let rules = correlation.rules.len() as f64;
    let mut need = 1.0_f64;
    for bound in bounds {
        match bound.op {
            Comparison::Gte => need = need.max(bound.value),
            Comparison::Gt => need = need.max(bound.value + 1.0),
            // No more than all rules can hit.
            Comparison::Eq if correlation.kind.is_temporal() && bound.value == rules => {
                need = need.max(rules);
            }
            Comparison::Lte if correlation.kind.is_temporal() && bound.value >= rules => {}
            _ => return None,
        }
    }
    (need <= f64::from(u32::MAX)).then_some(need as u32)
}

/// Whether an expression stays true when more rules hit.
fn grows(expression: &RuleExpression) -> bool {
    match expression {
        RuleExpression::Rule(_) => true,
        RuleExpression::And(parts) | RuleExpression::Or(parts) => parts.iter().all(grows),
        RuleExpression::Not(_) => false,
    }
}

/// Returns the ways in which an ordered condition may hold; `None` when there are too many, or when
/// it has bounds that no order can satisfy for good.
pub(crate) fn ways(correlation: &Correlation) -> Option<Vec<Way>> {
    let rules = correlation.rules.len();
    let sets = match &correlation.condition {
        CorrelationCondition::Bounds(bounds) => {
            let need = needed(bounds, correlation)? as usize;
            choices(rules, need)?.into_iter().map(|set| (set, 0)).collect()
        }
        CorrelationCondition::Rules(expression) => alternatives(expression, false)?,
    };
    let way = |(with, without): (u64, u64)| Way {
        steps: (0..64_u8).filter(|place| with >> place & 1 == 1).collect(),
        without,
    };
    Some(sets.into_iter().map(way).filter(|way| !way.steps.is_empty()).collect())
}

/// Returns the sets of `size` out of `all` places, as bits.
fn choices(all: usize, size: usize) -> Option<Vec<u64>> {
    let mut sets = vec![0_u64];
    for place in 0..all {
        let mut more = Vec::new();
        for set in &sets {
            let missing = size.saturating_sub(set.count_ones() as usize);
            if missing > 0 {
                more.push(set | 1 << place);
            }
            // Leaving this one out must leave enough of the rest.
            if missing < all - place {
                more.push(*set);
            }
        }
        if more.len() > WAYS_MAX * 2 {
            return None;
        }
        sets = more;
    }
    sets.retain(|set| set.count_ones() as usize == size);
    (sets.len() <= WAYS_MAX).then_some(sets)
}

/// Returns the disjunctive normal form: rules that must hit, and rules that must not.
fn alternatives(expression: &RuleExpression, negated: bool) -> Option<Vec<(u64, u64)>> {
    let (parts, all) = match (expression, negated) {
        (RuleExpression::Rule(place), false) => return Some(vec![(1 << place, 0)]),
        (RuleExpression::Rule(place), true) => return Some(vec![(0, 1 << place)]),
        (RuleExpression::Not(inner), _) => return alternatives(inner, !negated),
        (RuleExpression::And(parts), false) | (RuleExpression::Or(parts), true) => (parts, true),
        (RuleExpression::Or(parts), false) | (RuleExpression::And(parts), true) => (parts, false),
    };
    let mut found: Vec<(u64, u64)> = if all { vec![(0, 0)] } else { Vec::new() };
    for part in parts {
        let these = alternatives(part, negated)?;
        if all {
            let pairs = found.iter().flat_map(|a| these.iter().map(|b| (a.0 | b.0, a.1 | b.1)));
            found = pairs.collect();
        } else {
            found.extend(these);
        }
        // What must and must not hit at once cannot be; what asks for more than another is in it.
        found.retain(|(with, without)| with & without == 0);
        found.sort_unstable();
        found.dedup();
        let smaller =
            |a: &(u64, u64), b: &(u64, u64)| a != b && a.0 & b.0 == a.0 && a.1 & b.1 == a.1;
        let all_found = found.clone();
        found.retain(|set| !all_found.iter().any(|other| smaller(other, set)));
        if found.len() > WAYS_MAX {
            return None;
        }
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use RuleExpression::{And, Not, Or, Rule};

    #[test]
    fn expressions_become_ways() {
        let both = And(vec![Rule(0), Or(vec![Rule(1), Rule(2)])]);
        assert_eq!(alternatives(&both, false), Some(vec![(0b011, 0), (0b101, 0)]));
        let without = And(vec![Rule(0), Not(Box::new(Or(vec![Rule(1), Rule(2)])))]);
        assert_eq!(alternatives(&without, false), Some(vec![(0b001, 0b110)]));
        let absorbed = Or(vec![Rule(0), And(vec![Rule(0), Rule(1)])]);
        assert_eq!(alternatives(&absorbed, false), Some(vec![(1, 0)]));
        let none = And(vec![Rule(0), Not(Box::new(Rule(0)))]);
        assert_eq!(alternatives(&none, false), Some(vec![]));
        let pairs = (0..16).map(|n| Or(vec![Rule(2 * n), Rule(2 * n + 1)])).collect();
        assert_eq!(alternatives(&And(pairs), false), None, "two to the sixteenth");
    }

    #[test]
    fn choices_are_all_subsets_of_a_size() {
        assert_eq!(choices(3, 2), Some(vec![0b011, 0b101, 0b110]));
        assert_eq!(choices(4, 4), Some(vec![0b1111]));
        assert_eq!(choices(64, 64).map(|sets| sets.len()), Some(1));
        assert_eq!(choices(64, 63).map(|sets| sets.len()), Some(64));
        assert_eq!(choices(64, 32), None);
    }
}
