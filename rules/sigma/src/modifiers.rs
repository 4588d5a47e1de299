//! Modifiers: what stands behind a field name, and what it makes of a value.
//!
//! Spec: Sigma appendix "modifiers" 2.1.

use crate::report::Reporter;
use crate::test::Place;
use crate::yaml::Key;
use crate::{Comparison, RegexFlags, Severity, Span, TimePart, codes};

mod expand;
mod value;

use expand::Step;
pub(crate) use value::regex_of;

/// Every modifier of the specification.
const KNOWN: &[&str] = &[
    "all",
    "base64",
    "base64offset",
    "cased",
    "cidr",
    "contains",
    "day",
    "endswith",
    "exists",
    "expand",
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

/// Spellings of other tools and of older rules, and what Sigma calls them.
const ALIASES: [(&str, &str); 7] = [
    ("ignorecase", "i"),
    ("multiline", "m"),
    ("dotall", "s"),
    ("regex", "re"),
    ("ne", "neq"),
    ("ge", "gte"),
    ("le", "lte"),
];

/// Modifiers behind one field name. Sigma needs five.
const MODIFIERS_MAX: usize = 16;

/// What stands behind a field name.
#[derive(Debug, Default)]
pub(crate) struct Modifiers {
    steps: Vec<Step>,
    place: Option<Place>,
    operator: Option<Operator>,
    time: Option<TimePart>,
    pub(crate) all: bool,
    cased: bool,
    pub(crate) expand: bool,
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
    pub(crate) fn parse<'k>(
        key: &'k Key,
        report: &mut Reporter<'_>,
    ) -> Option<(Option<&'k str>, Self)> {
        let mut words = key.text.split('|');
        let field = words.next().unwrap_or_default();
        let mut modifiers = Self::default();
        let mut column = key.span.column + usize::from(key.quoted) + field.chars().count() + 1;
        let errors = report.errors();
        let mut before: Option<&str> = None;
        for (index, word) in words.enumerate() {
            let len = word.chars().count();
            let span = Span { line: key.span.line, column, len: len.max(1) };
            if index == MODIFIERS_MAX {
                let message = format!("more than {MODIFIERS_MAX} modifiers behind one field");
                report.error(codes::DETECTION_BOUNDS, span, message);
                break;
            }
            modifiers.add(word, before, span, report);
            column += len + 1;
            before = Some(word);
        }
        modifiers.check(key, report);
        let field = (!field.is_empty()).then_some(field);
        if field.is_none() && modifiers.needs_field() {
            let message = "this modifier needs a field name before it";
            report.error(codes::MODIFIER_COMBINATION, key.span, message);
        }
        (report.errors() == errors).then_some((field, modifiers))
    }

    /// Warns where `all` has nothing to join.
    ///
    /// Spec: "Single item values are not allowed to have an `all` modifier".
    pub(crate) fn check_all(&self, key: &Key, values: usize, report: &mut Reporter<'_>) {
        if !self.all || values != 1 || self.expand {
            return;
        }
        let message = "'all' joins several values, and there is only one";
        report.warning(codes::MODIFIER_COMBINATION, key.span, message, "leave out '|all'");
        // Keywords need the key for themselves: `'|all'`.
        if !key.text.starts_with("|all") && key.text.matches("|all").count() == 1 {
            report.repair(key.span, &key.text, &key.text.replace("|all", ""));
        }
    }

    fn needs_field(&self) -> bool {
        self.time.is_some() || !matches!(self.operator, None | Some(Operator::Regex(_)))
    }

    fn add(&mut self, word: &str, before: Option<&str>, span: Span, report: &mut Reporter<'_>) {
        let operator = match word {
            "contains" => return self.place(Place::Inside, span, report),
            "startswith" => return self.place(Place::Start, span, report),
            "endswith" => return self.place(Place::End, span, report),
            "all" => return self.all = true,
            "cased" => return self.cased = true,
            "neq" => return self.negated = true,
            "expand" => {
                if self.steps.iter().any(|step| *step != Step::Windash) {
                    let message = "'expand' cannot follow an encoding";
                    let help = "write it first: 'expand|base64offset|contains'";
                    report.error_help(codes::MODIFIER_COMBINATION, span, message, help);
                }
                return self.expand = true;
            }
            "windash" => return self.step(Step::Windash, span, report),
            "wide" | "utf16le" => return self.step(Step::Utf16Le, span, report),
            "utf16be" => return self.step(Step::Utf16Be, span, report),
            "utf16" => return self.step(Step::Utf16, span, report),
            "base64" => return self.step(Step::Base64, span, report),
            "base64offset" => return self.step(Step::Base64Offset, span, report),
            "i" | "m" | "s" => return self.flag(word, before, span, report),
            "minute" | "hour" | "day" | "week" | "month" | "year" => {
                return self.time_part(word, span, report);
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

    fn place(&mut self, place: Place, span: Span, report: &mut Reporter<'_>) {
        if self.place.replace(place).is_some() {
            let message = "only one of contains, startswith and endswith can apply";
            let help = "write the value with wildcards instead: 'a*b'";
            report.error_help(codes::MODIFIER_COMBINATION, span, message, help);
        }
    }

    fn flag(&mut self, word: &str, before: Option<&str>, span: Span, report: &mut Reporter<'_>) {
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
    }

    fn time_part(&mut self, word: &str, span: Span, report: &mut Reporter<'_>) {
        let part = TimePart::ALL.into_iter().find(|part| part.as_str() == word);
        let again = self.time.is_some();
        self.time = part;
        if again || self.operator.is_some() {
            let message = format!("'{word}' must come first, and only one part of a time");
            let help = format!("write '{word}|gte', '{word}|lt' or '{word}' alone");
            report.error_help(codes::MODIFIER_COMBINATION, span, message, help);
        }
    }

    fn step(&mut self, step: Step, span: Span, report: &mut Reporter<'_>) {
        let encoded = self.steps.iter().any(|step| *step != Step::Windash);
        if self.place.is_some() && step != Step::Windash {
            let message = "an encoding cannot follow contains, startswith or endswith";
            let help = "wildcards cannot be encoded: write the encoding first, as in \
                        'base64offset|contains'";
            report.error_help(codes::MODIFIER_COMBINATION, span, message, help);
        } else if (step == Step::Windash && encoded)
            || (step.is_utf16() && self.steps.last().is_some_and(|last| last.is_utf16()))
            || self.steps.last() == Some(&Step::Base64Offset)
        {
            let message = "these encodings cannot follow each other";
            report.error(codes::MODIFIER_COMBINATION, span, message);
        }
        self.steps.push(step);
    }

    /// Reports combinations that make no sense, whatever their order.
    fn check(&self, key: &Key, report: &mut Reporter<'_>) {
        let span = key.span;
        let text = self.place.is_some() || self.cased || !self.steps.is_empty();
        let compares = matches!(self.operator, None | Some(Operator::Compare(_)));
        if self.time.is_some() && (text || !compares) {
            let message = "a part of a time can only be compared as a number";
            let help = "use it alone, or with gt, gte, lt, lte or neq: 'hour|gte: 18'";
            report.error_help(codes::MODIFIER_COMBINATION, span, message, help);
            return;
        }
        let Some(operator) = self.operator else {
            if self.steps.last() == Some(&Step::Base64Offset) && self.place != Some(Place::Inside) {
                let message = "a trace in base64 is never the whole value";
                let help = "write 'contains' behind 'base64offset'";
                report.warning(codes::MODIFIER_COMBINATION, key.span, message, help);
                if self.place.is_none() && key.text.ends_with("|base64offset") {
                    report.repair(key.span, &key.text, &format!("{}|contains", key.text));
                }
            }
            if self.steps.last().is_some_and(|last| last.is_utf16()) {
                let message = "UTF-16 without base64 is found only in text that nobody decoded";
                let help = "events hold decoded text; write 'wide|base64offset|contains', or leave \
                            out the encoding";
                report.warning(codes::MODIFIER_COMBINATION, span, message, help);
            }
            return;
        };
        let regex = matches!(operator, Operator::Regex(_));
        let place_fits = self.place.is_none() || operator == Operator::FieldRef || regex;
        let cased_fits = !self.cased || operator == Operator::FieldRef || regex;
        let expand_fits = !self.expand || !matches!(operator, Operator::Exists);
        if !place_fits || !cased_fits || !expand_fits || !self.steps.is_empty() {
            let message = "this comparison cannot be combined with modifiers of text";
            let help = match operator {
                Operator::Regex(_) => "leave out windash and encodings",
                _ => "leave out contains, startswith, endswith, cased, expand and encodings",
            };
            report.error_help(codes::MODIFIER_COMBINATION, span, message, help);
        }
        if let Operator::Regex(flags) = operator
            && flags.ignore_case
            && self.cased
        {
            let message = "'cased' and the flag 'i' contradict each other";
            report.error_help(codes::MODIFIER_COMBINATION, span, message, "leave out one of them");
        }
    }
}

fn unknown(word: &str, span: Span, report: &mut Reporter<'_>) {
    let what = (Severity::Error, codes::UNKNOWN_MODIFIER, span);
    let message = format!("unknown modifier '{word}'");
    if let Some((_, near)) = ALIASES.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(word)) {
        let help = format!("did you mean '{near}'?");
        report.error_help(codes::UNKNOWN_MODIFIER, span, message, help);
        return report.repair(span, word, near);
    }
    report.unknown_word(what, word, message, KNOWN, || {
        format!("known modifiers: {}", KNOWN.join(", "))
    });
}
