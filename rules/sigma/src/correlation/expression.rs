//! Expressions over rule names: `a and (b or c) and not d` as the condition of a `temporal` kind.
//!
//! Not in the text of the specification 2.1 but in its test files and in pySigma, whose grammar
//! this is: `not` binds tighter than `and`, `and` tighter than `or`.

use serde::{Deserialize, Serialize};

use crate::report::{Reporter, did_you_mean};
use crate::yaml::Node;
use crate::{Span, codes};

/// How deep parentheses and `not` may nest.
const DEPTH_MAX: usize = 16;
/// Words and parentheses in one expression.
const TOKENS_MAX: usize = 500;

/// A Boolean expression over the rules of a correlation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RuleExpression {
    /// The rule at this place of `rules` hit.
    Rule(usize),
    /// All hold; at least two.
    And(Vec<Self>),
    /// One of them holds; at least two.
    Or(Vec<Self>),
    /// It does not hold.
    Not(Box<Self>),
}

impl RuleExpression {
    /// Says whether it holds when the rules whose bits are set have hit.
    #[must_use]
    pub fn holds(&self, hit: u64) -> bool {
        match self {
            Self::Rule(place) => u32::try_from(*place)
                .is_ok_and(|place| hit.checked_shr(place).is_some_and(|bits| bits & 1 == 1)),
            Self::And(parts) => parts.iter().all(|part| part.holds(hit)),
            Self::Or(parts) => parts.iter().any(|part| part.holds(hit)),
            Self::Not(inner) => !inner.holds(hit),
        }
    }
}

/// Reads an expression over rule names; without `rules` it names them itself, in their order.
pub(super) fn read(
    node: &Node,
    text: &str,
    rules: &mut Vec<(String, Span)>,
    report: &mut Reporter<'_>,
) -> Option<RuleExpression> {
    let tokens = tokens(text);
    if tokens.len() > TOKENS_MAX {
        let message = format!("the condition has more than {TOKENS_MAX} words");
        report.error(codes::DETECTION_BOUNDS, node.span, message);
        return None;
    }
    let open = rules.is_empty();
    let errors = report.errors();
    let used = vec![false; rules.len()];
    let mut parser = Parser { node, tokens, next: 0, depth: 0, rules, open, used, report };
    let expression = parser.or()?;
    if parser.peek().is_some() {
        return parser.unexpected("'and', 'or' or the end");
    }
    let Parser { used, .. } = parser;
    for ((rule, span), _) in rules.iter().zip(used).filter(|(_, used)| !used) {
        let message = format!("the condition does not name the rule '{rule}'");
        let help = "take it into the condition, or out of 'rules'";
        report.error_help(codes::RULE_EXPRESSION, *span, message, help);
    }
    if report.errors() > errors {
        return None;
    }
    if expression.holds(0) {
        let message = "the condition already holds when nothing has happened";
        let help = "name at least one rule that must hit: 'a and not b'";
        report.error_help(codes::RULE_EXPRESSION, node.span, message, help);
        return None;
    }
    Some(expression)
}

/// A word or parenthesis and the character it starts at.
struct Token<'t> {
    text: &'t str,
    offset: usize,
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut offset = 0;
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '(' | ')' => 1,
            c if c.is_whitespace() => c.len_utf8(),
            _ => rest
                .find(|c: char| c.is_whitespace() || matches!(c, '(' | ')'))
                .unwrap_or(rest.len()),
        };
        let Some((token, after)) = rest.split_at_checked(end) else { break };
        if !first.is_whitespace() {
            tokens.push(Token { text: token, offset });
        }
        offset += token.chars().count();
        rest = after;
    }
    tokens
}

struct Parser<'p, 'r> {
    node: &'p Node,
    tokens: Vec<Token<'p>>,
    next: usize,
    depth: usize,
    rules: &'p mut Vec<(String, Span)>,
    /// The expression itself says which rules there are.
    open: bool,
    used: Vec<bool>,
    report: &'p mut Reporter<'r>,
}

impl<'p> Parser<'p, '_> {
    fn or(&mut self) -> Option<RuleExpression> {
        let mut parts = vec![self.and()?];
        while self.take("or") {
            parts.push(self.and()?);
        }
        if parts.len() > 1 { Some(RuleExpression::Or(parts)) } else { parts.pop() }
    }

    fn and(&mut self) -> Option<RuleExpression> {
        let mut parts = vec![self.not()?];
        while self.take("and") {
            parts.push(self.not()?);
        }
        if parts.len() > 1 { Some(RuleExpression::And(parts)) } else { parts.pop() }
    }

    fn not(&mut self) -> Option<RuleExpression> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            let message = format!("the condition nests more than {DEPTH_MAX} deep");
            self.report.error(codes::DETECTION_BOUNDS, self.node.span, message);
            return None;
        }
        let expression = if self.take("not") {
            self.not().map(|inner| RuleExpression::Not(Box::new(inner)))
        } else if self.take("(") {
            let opened = self.span(self.next - 1);
            let inner = self.or()?;
            if !self.take(")") {
                if self.peek().is_some() {
                    return self.unexpected("'and', 'or' or ')'");
                }
                let message = "this parenthesis is not closed";
                self.report.error(codes::RULE_EXPRESSION, opened, message);
                return None;
            }
            Some(inner)
        } else {
            self.rule()
        };
        self.depth -= 1;
        expression
    }

    fn rule(&mut self) -> Option<RuleExpression> {
        const EXPECTED: &str = "a rule name, 'not' or '('";
        let word = match self.peek() {
            Some(word)
                if word != ")" && !["and", "or"].iter().any(|r| word.eq_ignore_ascii_case(r)) =>
            {
                word
            }
            _ => return self.unexpected(EXPECTED),
        };
        let span = self.span(self.next);
        self.next += 1;
        if let Some(place) = self.rules.iter().position(|(rule, _)| rule == word) {
            if let Some(used) = self.used.get_mut(place) {
                *used = true;
            }
            return Some(RuleExpression::Rule(place));
        }
        if self.open {
            self.rules.push((word.to_owned(), span));
            self.used.push(true);
            return Some(RuleExpression::Rule(self.rules.len() - 1));
        }
        let names = self.rules.iter().map(|(rule, _)| rule.as_str());
        let help = did_you_mean(word, names.clone(), || {
            format!("rules of this correlation: {}", names.collect::<Vec<_>>().join(", "))
        });
        let message = format!("the condition names '{word}', which is not listed under 'rules'");
        self.report.error_help(codes::RULE_EXPRESSION, span, message, help);
        // Goes on as if it were there, so that further mistakes are found too.
        Some(RuleExpression::Rule(0))
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

    fn unexpected(&mut self, expected: &str) -> Option<RuleExpression> {
        let span = self.span(self.next);
        let message = match self.peek() {
            Some(word) => format!("expected {expected}, found '{word}'"),
            None => format!("the condition ends where {expected} is expected"),
        };
        let help = "write rule names with 'and', 'or', 'not' and parentheses";
        self.report.error_help(codes::RULE_EXPRESSION, span, message, help);
        None
    }
}
