//! Conditions: the Boolean expression over the searches of a detection.

use crate::report::Reporter;
use crate::yaml::{Kind, Node};
use crate::{Search, Severity, Span, codes};

mod words;

use words::{Token, glob, tokens};

/// A condition, with searches as indexes into [`crate::Detection::searches`].
///
/// Spec: Sigma rules specification 2.1, "Condition".
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// One search.
    Search(usize),
    /// All of them; at least two.
    And(Vec<Self>),
    /// Any of them; at least two.
    Or(Vec<Self>),
    /// Not it.
    Not(Box<Self>),
    /// `1 of them`, `all of selection_*`.
    Of {
        /// Any or all.
        quantifier: Quantifier,
        /// The pattern as written: `them`, `selection_*`.
        pattern: String,
        /// The searches it names; at least one.
        searches: Vec<usize>,
    },
}

/// How many of a group of searches must match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Quantifier {
    /// `1 of` or `any of`.
    Any,
    /// `all of`.
    All,
}

/// How deep parentheses and `not` may nest.
const DEPTH_MAX: usize = 32;
/// Words and signs in one condition.
const TOKENS_MAX: usize = 2_000;

/// Reads a condition (or a list of them, joined by `or`) over the given searches.
pub(crate) fn read(
    node: &Node,
    searches: &[Search],
    report: &mut Reporter<'_>,
) -> Option<Condition> {
    let nodes = match &node.kind {
        Kind::List(nodes) if !nodes.is_empty() => nodes.as_slice(),
        _ => std::slice::from_ref(node),
    };
    let errors = report.errors();
    let mut used = vec![false; searches.len()];
    let mut conditions = Vec::new();
    for node in nodes {
        let Kind::Scalar(scalar) = &node.kind else {
            let message = format!("a condition must be text, not {}", node.kind_name());
            report.error(codes::WRONG_TYPE, node.span, message);
            continue;
        };
        let tokens = tokens(&scalar.text);
        let mut parser =
            Parser { node, searches, tokens, next: 0, depth: 0, used: &mut used, report };
        conditions.extend(parser.whole());
    }
    if report.errors() > errors {
        return None;
    }
    for (search, _) in searches.iter().zip(&used).filter(|(search, used)| {
        // A leading underscore marks a search that is deliberately left out of `them`.
        !**used && !search.name.starts_with('_')
    }) {
        let message = format!("the search '{}' is not used by the condition", search.name);
        report.warning(codes::UNUSED_SEARCH, search.span, message, "use it, or take it out");
    }
    if conditions.len() > 1 { Some(Condition::Or(conditions)) } else { conditions.pop() }
}

struct Parser<'p, 'r> {
    node: &'p Node,
    searches: &'p [Search],
    tokens: Vec<Token<'p>>,
    next: usize,
    depth: usize,
    used: &'p mut [bool],
    report: &'p mut Reporter<'r>,
}

impl<'p> Parser<'p, '_> {
    fn whole(&mut self) -> Option<Condition> {
        if self.tokens.len() > TOKENS_MAX {
            let message = format!("the condition has more than {TOKENS_MAX} words");
            self.report.error(codes::DETECTION_BOUNDS, self.node.span, message);
            return None;
        }
        if let Some(index) = self.tokens.iter().position(|token| token.text == "|") {
            let message = "aggregation behind '|' is no longer part of Sigma";
            let help = "write a correlation document: type event_count or value_count";
            let span = self.span(index);
            self.report.error_help(codes::CONDITION_UNSUPPORTED, span, message, help);
            return None;
        }
        let condition = self.or()?;
        if self.peek().is_some() {
            return self.unexpected("'and', 'or' or the end");
        }
        Some(condition)
    }

    fn or(&mut self) -> Option<Condition> {
        let mut terms = vec![self.and()?];
        while self.take("or") {
            terms.push(self.and()?);
        }
        if terms.len() > 1 { Some(Condition::Or(terms)) } else { terms.pop() }
    }

    fn and(&mut self) -> Option<Condition> {
        let mut terms = vec![self.not()?];
        while self.take("and") {
            terms.push(self.not()?);
        }
        if terms.len() > 1 { Some(Condition::And(terms)) } else { terms.pop() }
    }

    fn not(&mut self) -> Option<Condition> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            let message = format!("the condition nests more than {DEPTH_MAX} deep");
            self.report.error(codes::DETECTION_BOUNDS, self.node.span, message);
            return None;
        }
        let condition = if self.take("not") {
            self.not().map(|inner| Condition::Not(Box::new(inner)))
        } else if self.take("(") {
            let opened = self.next - 1;
            let inner = self.or()?;
            if !self.take(")") {
                if self.peek().is_some() {
                    return self.unexpected("'and', 'or' or ')'");
                }
                let span = self.span(opened);
                self.report.error(codes::CONDITION_SYNTAX, span, "this parenthesis is not closed");
                return None;
            }
            Some(inner)
        } else {
            self.operand()
        };
        self.depth -= 1;
        condition
    }

    fn operand(&mut self) -> Option<Condition> {
        const EXPECTED: &str = "a search name, 'not', '(', '1 of' or 'all of'";
        let Some(word) = self.peek() else { return self.unexpected(EXPECTED) };
        let reserved = ["and", "or", "of", ")"];
        if reserved.iter().any(|reserved| word.eq_ignore_ascii_case(reserved)) {
            return self.unexpected(EXPECTED);
        }
        let followed_by_of =
            self.tokens.get(self.next + 1).is_some_and(|t| t.text.eq_ignore_ascii_case("of"));
        if followed_by_of {
            return self.of(word);
        }
        let index = self.next;
        self.next += 1;
        if let Some(search) = self.searches.iter().position(|search| search.name == word) {
            if let Some(used) = self.used.get_mut(search) {
                *used = true;
            }
            return Some(Condition::Search(search));
        }
        let span = self.span(index);
        let message = format!("the condition names '{word}', which is no search of this detection");
        if word.eq_ignore_ascii_case("them") || word.contains('*') {
            let help = format!("write '1 of {word}' or 'all of {word}'");
            self.report.error_help(codes::UNKNOWN_SEARCH, span, message, help);
        } else {
            self.unknown(codes::UNKNOWN_SEARCH, span, word, message);
        }
        // Goes on as if it were there, so that further mistakes are found too.
        Some(Condition::Search(0))
    }

    fn of(&mut self, word: &str) -> Option<Condition> {
        let index = self.next;
        self.next += 2;
        let quantifier = match word.to_ascii_lowercase().as_str() {
            "1" | "any" => Quantifier::Any,
            "all" => Quantifier::All,
            _ => {
                let what = (Severity::Error, codes::CONDITION_SYNTAX, self.span(index));
                let message = format!("'{word} of' is not known");
                let help = || "write '1 of', 'any of' or 'all of'".to_owned();
                self.report.unknown_word(what, word, message, &["any", "all"], help);
                Quantifier::Any
            }
        };
        let Some(pattern) = self.peek().filter(|word| !matches!(*word, "(" | ")")) else {
            return self.unexpected("'them' or a pattern such as 'selection_*'");
        };
        let index = self.next;
        self.next += 1;
        let them = pattern.eq_ignore_ascii_case("them");
        let named = |name: &str| if them { !name.starts_with('_') } else { glob(pattern, name) };
        let searches: Vec<usize> = (0_usize..)
            .zip(self.searches)
            .filter(|(_, search)| named(&search.name))
            .map(|(index, _)| index)
            .collect();
        for search in &searches {
            if let Some(used) = self.used.get_mut(*search) {
                *used = true;
            }
        }
        if searches.is_empty() {
            let span = self.span(index);
            let message = format!("no search is named like '{pattern}'");
            self.unknown(codes::EMPTY_GROUP, span, pattern, message);
        }
        Some(Condition::Of { quantifier, pattern: pattern.to_owned(), searches })
    }

    /// Reports a word that names no search.
    fn unknown(&mut self, code: &'static str, span: Span, word: &str, message: String) {
        let names: Vec<&str> = self.searches.iter().map(|search| search.name.as_str()).collect();
        let help = || format!("searches of this detection: {}", names.join(", "));
        self.report.unknown_word((Severity::Error, code, span), word, message, &names, help);
    }

    fn peek(&self) -> Option<&'p str> {
        self.tokens.get(self.next).map(|token| token.text)
    }

    fn take(&mut self, word: &str) -> bool {
        let found = self.peek().is_some_and(|next| next.eq_ignore_ascii_case(word));
        self.next += usize::from(found);
        found
    }

    fn span(&self, index: usize) -> Span {
        match self.tokens.get(index) {
            Some(token) => self.node.within(self.report, token.offset, token.text.chars().count()),
            None => self.node.span,
        }
    }

    fn unexpected(&mut self, expected: &str) -> Option<Condition> {
        let span = self.span(self.next);
        let message = match self.peek() {
            Some(word) => format!("expected {expected}, found '{word}'"),
            None => format!("the condition ends where {expected} is expected"),
        };
        self.report.error(codes::CONDITION_SYNTAX, span, message);
        None
    }
}
