//! Modifiers: what stands behind a field name, and what it makes of a value.
//!
//! Spec: Sigma appendix "modifiers" 2.1.

use crate::report::{Reporter, did_you_mean};
use crate::test::{Number, Place, RegexFlags, Test, compile_regex};
use crate::yaml::{Key, Kind, Node, Scalar};
use crate::{Cidr, Comparison, Span, TimePart, codes};

mod expand;

use expand::{Step, expand};

/// Every modifier that is understood.
const SUPPORTED: &[&str] = &[
    "all",
    "base64",
    "base64offset",
    "cased",
    "cidr",
    "contains",
    "day",
    "endswith",
    "exists",
    "fieldref",
    "gt",
    "gte",
    "hour",
    "i",
    "lt",
    "lte",
    "m",
    "minute",
    "month",
    "neq",
    "re",
    "s",
    "startswith",
    "utf16",
    "utf16be",
    "utf16le",
    "week",
    "wide",
    "windash",
    "year",
];

/// Modifiers of the specification that are not there yet, so that a rule using them is refused and
/// not misread.
const UNSUPPORTED: &[&str] = &["expand"];

/// What stands behind a field name.
#[derive(Debug, Default)]
pub(crate) struct Modifiers {
    steps: Vec<Step>,
    place: Option<Place>,
    operator: Option<Operator>,
    time: Option<TimePart>,
    pub(crate) all: bool,
    cased: bool,
    pub(crate) negated: bool,
}

/// Something other than a comparison of text.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Operator {
    Regex(RegexFlags),
    Cidr,
    Exists,
    FieldRef,
    Compare(Comparison),
}

impl Modifiers {
    /// Reads the modifiers of a key. Returns the field name (`None`: keywords) and them, or `None`
    /// when something was reported.
    pub(crate) fn parse(key: &Key, report: &mut Reporter<'_>) -> Option<(Option<String>, Self)> {
        let mut words = key.text.split('|');
        let field = words.next().unwrap_or_default();
        let mut modifiers = Self::default();
        let mut offset = field.chars().count() + 1;
        let errors = report.errors();
        let mut before: Option<&str> = None;
        for word in words {
            let len = word.chars().count();
            let quoted = report.line(key.span.line).chars().nth(key.span.column - 1);
            let quote = usize::from(matches!(quoted, Some('\'' | '"')));
            let column = key.span.column + quote + offset;
            let span = Span { line: key.span.line, column, len: len.max(1) };
            modifiers.add(word, before, span, report);
            offset += len + 1;
            before = Some(word);
        }
        modifiers.check(key.span, report);
        let field = (!field.is_empty()).then(|| field.to_owned());
        if field.is_none() && modifiers.needs_field() {
            let message = "this modifier needs a field name before it";
            report.error(codes::MODIFIER_COMBINATION, key.span, message);
        }
        (report.errors() == errors).then_some((field, modifiers))
    }

    fn needs_field(&self) -> bool {
        self.time.is_some() || !matches!(self.operator, None | Some(Operator::Regex(_)))
    }

    fn add(&mut self, word: &str, before: Option<&str>, span: Span, report: &mut Reporter<'_>) {
        let operator = match word {
            "contains" | "startswith" | "endswith" => {
                let place = match word {
                    "contains" => Place::Inside,
                    "startswith" => Place::Start,
                    _ => Place::End,
                };
                if self.place.replace(place).is_some() {
                    let message = "only one of contains, startswith and endswith can apply";
                    let help = "write the value with wildcards instead: 'a*b'";
                    report.error_help(codes::MODIFIER_COMBINATION, span, message, help);
                }
                return;
            }
            "all" => return self.all = true,
            "cased" => return self.cased = true,
            "neq" => return self.negated = true,
            "windash" => return self.step(Step::Windash, span, report),
            "wide" | "utf16le" => return self.step(Step::Utf16Le, span, report),
            "utf16be" => return self.step(Step::Utf16Be, span, report),
            "utf16" => return self.step(Step::Utf16, span, report),
            "base64" => return self.step(Step::Base64, span, report),
            "base64offset" => return self.step(Step::Base64Offset, span, report),
            "i" | "m" | "s" => {
                let follows_regex = matches!(before, Some("re" | "i" | "m" | "s"));
                match (&mut self.operator, follows_regex) {
                    (Some(Operator::Regex(flags)), true) => match word {
                        "i" => flags.ignore_case = true,
                        "m" => flags.multi_line = true,
                        _ => flags.dot_all = true,
                    },
                    _ => {
                        let message = format!("the flag '{word}' must follow 're'");
                        report.error(codes::MODIFIER_COMBINATION, span, message);
                    }
                }
                return;
            }
            "minute" | "hour" | "day" | "week" | "month" | "year" => {
                let part = TimePart::ALL.into_iter().find(|part| part.as_str() == word);
                let again = self.time.is_some();
                self.time = part;
                if again || self.operator.is_some() {
                    let message = format!("'{word}' must come first, and only one part of a time");
                    let help = format!("write '{word}|gte', '{word}|lt' or '{word}' alone");
                    report.error_help(codes::MODIFIER_COMBINATION, span, message, help);
                }
                return;
            }
            "re" => Operator::Regex(RegexFlags::default()),
            "cidr" => Operator::Cidr,
            "exists" => Operator::Exists,
            "fieldref" => Operator::FieldRef,
            "lt" => Operator::Compare(Comparison::Lt),
            "lte" => Operator::Compare(Comparison::Lte),
            "gt" => Operator::Compare(Comparison::Gt),
            "gte" => Operator::Compare(Comparison::Gte),
            _ => return unknown(word, span, report),
        };
        if self.operator.replace(operator).is_some() {
            let message = format!("'{word}' cannot follow another comparison");
            report.error(codes::MODIFIER_COMBINATION, span, message);
        }
    }

    fn step(&mut self, step: Step, span: Span, report: &mut Reporter<'_>) {
        let encodes = matches!(step, Step::Base64 | Step::Base64Offset);
        if self.place.is_some() && step != Step::Windash {
            let message = "an encoding cannot follow contains, startswith or endswith";
            let help = "wildcards cannot be encoded: write the encoding first, as in \
                        'base64offset|contains'";
            report.error_help(codes::MODIFIER_COMBINATION, span, message, help);
        } else if let Some(last) = self.steps.last() {
            let after_base64 = matches!(last, Step::Base64 | Step::Base64Offset);
            if after_base64 || (!encodes && *last != Step::Windash) {
                let message = "these encodings cannot follow each other";
                report.error(codes::MODIFIER_COMBINATION, span, message);
            }
        }
        self.steps.push(step);
    }

    /// Reports combinations that make no sense, whatever their order.
    fn check(&self, span: Span, report: &mut Reporter<'_>) {
        let utf16 = matches!(self.steps.last(), Some(Step::Utf16Le | Step::Utf16Be | Step::Utf16));
        if utf16 {
            // UTF-16 bytes are not text and no event field holds them undecoded.
            let message = "UTF-16 must be followed by base64 or base64offset";
            let help = "events hold decoded text; write 'wide|base64offset|contains', or leave out \
                        the encoding";
            report.error_help(codes::MODIFIER_COMBINATION, span, message, help);
        }
        let text = self.place.is_some() || self.cased || !self.steps.is_empty();
        let compares = matches!(self.operator, None | Some(Operator::Compare(_)));
        if self.time.is_some() && (text || !compares) {
            let message = "a part of a time can only be compared as a number";
            let help = "use it alone, or with gt, gte, lt, lte or neq: 'hour|gte: 18'";
            report.error_help(codes::MODIFIER_COMBINATION, span, message, help);
            return;
        }
        let Some(operator) = self.operator else { return };
        let place_fits = self.place.is_none() || operator == Operator::FieldRef;
        let cased_fits = !self.cased || matches!(operator, Operator::FieldRef | Operator::Regex(_));
        if !place_fits || !cased_fits || !self.steps.is_empty() {
            let message = "this comparison cannot be combined with modifiers of text";
            let help = match operator {
                Operator::Regex(_) => {
                    "'re' is found anywhere in the value; write ^ and $ to bind it"
                }
                _ => "leave out contains, startswith, endswith, cased and encodings",
            };
            report.error_help(codes::MODIFIER_COMBINATION, span, message, help);
        }
    }

    /// Turns one value into a test, or reports why not. `keyword` values are searched anywhere.
    pub(crate) fn test(
        &self,
        node: &Node,
        keyword: bool,
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
            Operator::Regex(flags) => match compile_regex(&scalar.text, flags) {
                Ok(_) => Some(Test::Regex { source: scalar.text.clone(), flags }),
                Err(error) => {
                    let (message, help) = explain_regex(&error);
                    refuse(codes::BAD_REGEX, message, help)
                }
            },
            Operator::Cidr => match parse_cidr(&scalar.text) {
                Ok(cidr) => Some(Test::Cidr(cidr)),
                Err(help) => {
                    let message = format!("'{}' is not a network in CIDR notation", scalar.text);
                    refuse(codes::BAD_CIDR, message, &help)
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
            Operator::FieldRef => {
                let (field, place) = (scalar.text.clone(), self.place.unwrap_or(Place::Whole));
                Some(Test::Field { field, place, cased: self.cased })
            }
            Operator::Compare(op) => match Number::parse(&scalar.text) {
                Some(bound) if scalar.plain => Some(Test::Compare { op, bound }),
                Some(_) => refuse(
                    codes::VALUE_TYPE,
                    "a number is needed, and quotes make it text".into(),
                    "leave out the quotes",
                ),
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
        let place = if keyword { Place::Inside } else { self.place.unwrap_or(Place::Whole) };
        let patterns = match expand(&scalar.text, &self.steps) {
            Ok(patterns) => patterns,
            Err((code, message, help)) => {
                report.error_help(code, node.span, message, help);
                return None;
            }
        };
        let start = matches!(place, Place::Inside | Place::End);
        let end = matches!(place, Place::Inside | Place::Start);
        let mut tests: Vec<Test> = patterns
            .into_iter()
            .map(|pattern| Test::Text { pattern: pattern.open(start, end), cased: self.cased })
            .collect();
        if tests.len() == 1 { tests.pop() } else { Some(Test::AnyOf(tests)) }
    }
}

fn unknown(word: &str, span: Span, report: &mut Reporter<'_>) {
    if UNSUPPORTED.contains(&word) {
        let message = format!("the modifier '{word}' is not supported yet");
        let help = "the rule is left out rather than misread";
        report.error_help(codes::MODIFIER_UNSUPPORTED, span, message, help);
        return;
    }
    let help = did_you_mean(word, SUPPORTED.iter().copied(), || {
        format!("known modifiers: {}", SUPPORTED.join(", "))
    });
    report.error_help(codes::UNKNOWN_MODIFIER, span, format!("unknown modifier '{word}'"), help);
}

fn parse_cidr(text: &str) -> Result<Cidr, String> {
    let example = || "write an address, a slash and a number of bits: 10.0.0.0/8".to_owned();
    let Some((address, prefix)) = text.split_once('/') else {
        let Ok(address) = text.parse::<std::net::IpAddr>() else { return Err(example()) };
        let bits = if address.is_ipv4() { 32 } else { 128 };
        return Err(format!("for one address write {text}/{bits}"));
    };
    let address = address.parse().map_err(|_| example())?;
    let prefix = prefix.parse().map_err(|_| example())?;
    let cidr = Cidr::new(address, prefix).ok_or_else(example)?;
    if cidr.address == address {
        Ok(cidr)
    } else {
        Err(format!("bits beyond the prefix are set; did you mean {cidr}?"))
    }
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
