//! Values: from a YAML scalar and the modifiers of its key to a test.

use super::expand::expand;
use super::{Modifiers, Operator};
use crate::placeholders::{Placeholders, Spelling};
use crate::regular_expression::check_regex;
use crate::report::Reporter;
use crate::test::{Place, Test};
use crate::yaml::{Kind, Node, Scalar};
use crate::{Cidr, Comparison, Number, Part, Pattern, TimePart, codes};

impl Modifiers {
    /// Turns one value into a test, or reports why not. `keyword` values are searched anywhere.
    pub(crate) fn test(
        &self,
        node: &Node,
        keyword: bool,
        lists: &Placeholders,
        report: &mut Reporter<'_>,
    ) -> Option<Test> {
        let Kind::Scalar(scalar) = &node.kind else {
            let message = format!(
                "a value must be text, a number, true, false or null, not {}",
                node.kind_name()
            );
            report.error(codes::VALUE_TYPE, node.span, message);
            return None;
        };
        if !self.expand || !scalar.text.contains('%') {
            return self.one(scalar, keyword, node, report);
        }
        let spelling = match self.operator {
            Some(Operator::Regex(_)) => Spelling::Regex,
            _ => Spelling::AsIs,
        };
        let values = match lists.expand(&scalar.text, scalar.plain, spelling) {
            Ok(values) => values,
            Err(problem) => {
                problem.report(node, report);
                return None;
            }
        };
        let mut tests = Vec::with_capacity(values.len());
        for value in &values {
            match self.one(value, keyword, node, report)? {
                Test::AnyOf(several) => tests.extend(several),
                test => tests.push(test),
            }
        }
        if tests.len() == 1 { tests.pop() } else { Some(Test::AnyOf(tests)) }
    }

    fn one(
        &self,
        scalar: &Scalar,
        keyword: bool,
        node: &Node,
        report: &mut Reporter<'_>,
    ) -> Option<Test> {
        if let Some(part) = self.time {
            return self.compare_time(part, scalar, node, report);
        }
        match self.operator {
            Some(operator) => self.operate(operator, scalar, node, report),
            None => self.compare_text(scalar, keyword, node, report),
        }
    }

    fn operate(
        &self,
        operator: Operator,
        scalar: &Scalar,
        node: &Node,
        report: &mut Reporter<'_>,
    ) -> Option<Test> {
        let mut refuse = |code, message: String, help: &str| {
            report.error_help(code, node.span, message, help);
            None
        };
        match operator {
            Operator::Regex(_) | Operator::Cidr | Operator::FieldRef if scalar.is_null() => {
                refuse(codes::VALUE_TYPE, "a text is needed here".into(), "write it in quotes")
            }
            Operator::Regex(flags) => {
                let source = match self.place {
                    Some(Place::Start) => format!("\\A(?:{})", scalar.text),
                    Some(Place::End) => format!("(?:{})\\z", scalar.text),
                    Some(Place::Inside | Place::Whole) | None => scalar.text.clone(),
                };
                // By itself first: what is put around it must not close a group that it leaves open.
                let own = match self.place {
                    Some(Place::Start | Place::End) => check_regex(&scalar.text, flags),
                    _ => Ok(()),
                };
                match own.and_then(|()| check_regex(&source, flags)) {
                    Ok(()) => Some(Test::Regex { source, flags }),
                    Err(error) => {
                        let (message, help) = explain_regex(&error);
                        refuse(codes::BAD_REGEX, message, help)
                    }
                }
            }
            Operator::Cidr => match parse_cidr(&scalar.text) {
                Ok(cidr) => Some(Test::Cidr(cidr)),
                Err((help, repaired)) => {
                    let message = format!("'{}' is not a network in CIDR notation", scalar.text);
                    refuse(codes::BAD_CIDR, message, &help);
                    if let Some(repaired) = repaired {
                        report.repair(node.span, &scalar.text, &repaired);
                    }
                    None
                }
            },
            Operator::Exists => match scalar.as_bool() {
                Some(flag) => Some(Test::Exists(flag)),
                None => refuse(
                    codes::VALUE_TYPE,
                    format!("'exists' needs true or false, not '{}'", scalar.text),
                    "write true or false without quotes",
                ),
            },
            Operator::FieldRef if Pattern::parse(&scalar.text).as_literal().is_none() => refuse(
                codes::VALUE_TYPE,
                format!("'{}' is no field name: it holds a wildcard", scalar.text),
                "name one field; combine with contains, startswith or endswith",
            ),
            Operator::FieldRef if scalar.text.is_empty() => {
                refuse(codes::VALUE_TYPE, "a field name is needed here".into(), "name one field")
            }
            Operator::FieldRef => {
                let (field, place) = (scalar.text.clone(), self.place.unwrap_or(Place::Whole));
                Some(Test::Field { field, place, cased: self.cased })
            }
            Operator::Compare(op) => match Number::parse(&scalar.text) {
                Some(bound) if scalar.plain => Some(Test::Compare { op, bound }),
                Some(_) => {
                    let message = "a number is needed, and quotes make it text".into();
                    refuse(codes::VALUE_TYPE, message, "leave out the quotes");
                    for quote in ['\'', '"'] {
                        let quoted = format!("{quote}{}{quote}", scalar.text);
                        report.repair(node.span, &quoted, &scalar.text);
                    }
                    None
                }
                None => refuse(
                    codes::VALUE_TYPE,
                    format!("'{}' is not a number", scalar.text),
                    "write a decimal number such as 1024 or 0.5",
                ),
            },
        }
    }

    fn compare_time(
        &self,
        part: TimePart,
        scalar: &Scalar,
        node: &Node,
        report: &mut Reporter<'_>,
    ) -> Option<Test> {
        let op = match self.operator {
            Some(Operator::Compare(op)) => op,
            _ => Comparison::Eq,
        };
        let (least, greatest) = part.range();
        match Number::parse(&scalar.text) {
            Some(Number::Int(bound)) if scalar.plain && (least..=greatest).contains(&bound) => {
                Some(Test::TimePart { part, op, bound })
            }
            _ => {
                let message = format!("'{}' is no value of '{}'", scalar.text, part.as_str());
                let help = format!("write a whole number from {least} to {greatest}, unquoted");
                report.error_help(codes::VALUE_TYPE, node.span, message, help);
                None
            }
        }
    }

    fn compare_text(
        &self,
        scalar: &Scalar,
        keyword: bool,
        node: &Node,
        report: &mut Reporter<'_>,
    ) -> Option<Test> {
        let bare = self.place.is_none() && self.steps.is_empty() && !keyword;
        if scalar.is_null() {
            if bare {
                return Some(Test::Null);
            }
            let message = "null has no text to search for";
            report.error_help(codes::VALUE_TYPE, node.span, message, "write '' for the empty text");
            return None;
        }
        if bare && scalar.plain {
            if let Some(flag) = scalar.as_bool() {
                return Some(Test::Bool(flag));
            }
            if let Some(number) = Number::parse(&scalar.text) {
                return Some(Test::Number(number));
            }
        }
        let place = self.place.unwrap_or(if keyword { Place::Inside } else { Place::Whole });
        let start = matches!(place, Place::Inside | Place::End);
        let end = matches!(place, Place::Inside | Place::Start);
        let cased = self.cased;
        if self.steps.is_empty() {
            let pattern = Pattern::parse_open(&scalar.text, start, end);
            return Some(Test::Text { pattern, cased });
        }
        let patterns = match expand(&scalar.text, &self.steps) {
            Ok(patterns) => patterns,
            Err((code, message, help)) => {
                report.error_help(code, node.span, message, help);
                return None;
            }
        };
        let mut tests: Vec<Test> = patterns
            .into_iter()
            .map(|pattern| Test::Text { pattern: pattern.open(start, end), cased })
            .collect();
        if tests.len() == 1 { tests.pop() } else { Some(Test::AnyOf(tests)) }
    }
}

/// Returns the regular expression that matches what a Sigma text value does.
pub(crate) fn regex_of(value: &str) -> String {
    Pattern::parse(value)
        .parts()
        .iter()
        .map(|part| match part {
            Part::Literal(text) => regex::escape(text),
            Part::Many => ".*".to_owned(),
            Part::One => ".".to_owned(),
        })
        .collect()
}

/// Reads a network; the error is what to do, and the repaired text where there is only one.
fn parse_cidr(text: &str) -> Result<Cidr, (String, Option<String>)> {
    let example = || {
        let help = "write an address, a slash and a number of bits: 10.0.0.0/8 or 2001:db8::/32";
        (help.to_owned(), None)
    };
    let Some((address, prefix)) = text.split_once('/') else {
        let Ok(address) = text.parse::<std::net::IpAddr>() else { return Err(example()) };
        let whole = format!("{text}/{}", if address.is_ipv4() { 32 } else { 128 });
        return Err((format!("for one address write {whole}"), Some(whole)));
    };
    let address = address.parse().map_err(|_| example())?;
    let prefix = prefix.parse().map_err(|_| example())?;
    let cidr = Cidr::new(address, prefix).ok_or_else(example)?;
    if cidr.address == address {
        return Ok(cidr);
    }
    let help = format!("bits beyond the prefix are set; did you mean {cidr}?");
    Err((help, Some(cidr.to_string())))
}

/// Says in one line what the regex engine says in several.
fn explain_regex(error: &regex::Error) -> (String, &'static str) {
    let text = error.to_string();
    let reason = text.lines().rev().find_map(|line| line.strip_prefix("error: "));
    match error {
        regex::Error::CompiledTooBig(_) => (
            "the regular expression is too large when compiled".into(),
            "make repetitions such as {1,1000} smaller",
        ),
        _ if text.contains("look-around") || text.contains("backreference") => (
            format!("the regular expression cannot be used: {}", reason.unwrap_or("not supported")),
            "look-around and back-references are left out so that matching takes linear time; \
             split the test into several fields or searches",
        ),
        _ => (
            format!("the regular expression cannot be read: {}", reason.unwrap_or(&text)),
            "write a literal character behind a backslash; the syntax is that of the Rust crate regex",
        ),
    }
}
