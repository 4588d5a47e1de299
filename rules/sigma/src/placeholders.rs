//! Placeholders: lists of values that stand for `%name%` under the modifier `expand`.
//!
//! Spec: Sigma rules specification 2.1, "Placeholders".

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::modifiers::regex_of;
use crate::report::{Reporter, did_you_mean};
use crate::yaml::{self, FILE_BYTES_MAX, Kind, Node, Scalar};
use crate::{Diagnostic, Span, codes};

/// Lists in all files together.
const LISTS_MAX: usize = 1_000;
/// Values of one list, and values that one text may become.
const VALUES_MAX: usize = 10_000;
/// Bytes of all values that one text may become.
const BYTES_MAX: usize = 1024 * 1024;
/// The longest name of a list, in characters.
const NAME_MAX: usize = 128;

/// Lists of values by name. A rule that uses a name without a list is refused.
#[derive(Debug, Clone, Default)]
pub struct Placeholders {
    lists: BTreeMap<String, Vec<Scalar>>,
}

/// How a value is written into a text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Spelling {
    AsIs,
    /// As part of a regular expression, wildcards included.
    Regex,
}

/// Why a text cannot be expanded.
#[derive(Debug, PartialEq)]
pub(crate) enum Problem {
    Undefined { name: String, offset: usize, help: String },
    TooMany,
}

impl Placeholders {
    /// Reads the text of a list file: a map from names to values, one or a list of them, in TOML when
    /// `name` ends so, otherwise in YAML. Values are Sigma values: wildcards work.
    #[must_use]
    pub fn parse(name: &str, text: &str) -> (Self, Vec<Diagnostic>) {
        let mut report = Reporter::new(name, text);
        let mut placeholders = Self::default();
        let toml = name.rsplit_once('.').is_some_and(|(_, end)| end.eq_ignore_ascii_case("toml"));
        match toml {
            true => placeholders.read_toml(text, &mut report),
            false => placeholders.read_yaml(text, &mut report),
        }
        (placeholders, report.finish())
    }

    /// Adds a list; further values of a name join those it has.
    pub fn insert(&mut self, name: &str, values: impl IntoIterator<Item = String>) {
        let values = values.into_iter().map(|text| Scalar { text, plain: false });
        self.lists.entry(name.to_owned()).or_default().extend(values);
    }

    /// Takes over the lists of another file; further values of a name join those it has.
    pub fn extend(&mut self, other: Self) {
        for (name, values) in other.lists {
            self.lists.entry(name).or_default().extend(values);
        }
    }

    /// Says whether there is no list.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lists.is_empty()
    }

    /// Returns the lists by name, with their values as written.
    pub fn lists(&self) -> impl Iterator<Item = (&str, impl Iterator<Item = &str>)> {
        self.lists
            .iter()
            .map(|(name, values)| (name.as_str(), values.iter().map(|value| value.text.as_str())))
    }

    /// Returns what a text becomes: at least one value. `\%` is a plain percent sign, and so is one
    /// that belongs to no `%name%`.
    pub(crate) fn expand(
        &self,
        text: &str,
        plain: bool,
        spelling: Spelling,
    ) -> Result<Vec<Scalar>, Problem> {
        let pieces = pieces(text);
        if let [Piece::Name { name, offset }] = pieces.as_slice()
            && spelling == Spelling::AsIs
        {
            return self.values(name, *offset).map(<[Scalar]>::to_vec);
        }
        let plain = plain && !pieces.iter().any(|piece| matches!(piece, Piece::Name { .. }));
        let mut texts = vec![String::new()];
        for piece in &pieces {
            match piece {
                Piece::Text(text) => texts.iter_mut().for_each(|all| all.push_str(text)),
                Piece::Name { name, offset } => {
                    let values = self.values(name, *offset)?;
                    let old: usize = texts.iter().map(String::len).sum();
                    let new: usize = values.iter().map(|value| value.text.len()).sum();
                    let bytes = old
                        .saturating_mul(values.len())
                        .saturating_add(new.saturating_mul(texts.len()))
                        .saturating_add(texts.len().saturating_mul(values.len()) * text.len());
                    if bytes > BYTES_MAX || texts.len().saturating_mul(values.len()) > VALUES_MAX {
                        return Err(Problem::TooMany);
                    }
                    let spelt: Vec<String> = values
                        .iter()
                        .map(|value| match spelling {
                            Spelling::AsIs => value.text.clone(),
                            Spelling::Regex => regex_of(&value.text),
                        })
                        .collect();
                    let with = |before: &String| -> Vec<String> {
                        spelt.iter().map(|value| format!("{before}{value}")).collect()
                    };
                    texts = texts.iter().flat_map(with).collect();
                }
            }
        }
        Ok(texts.into_iter().map(|text| Scalar { text, plain }).collect())
    }

    /// Notes the lists that a text names, each as one text.
    pub(crate) fn note_used(&self, text: &str, used: &mut BTreeMap<String, Arc<str>>) {
        for piece in pieces(text) {
            let Piece::Name { name, .. } = piece else { continue };
            let Some(values) = self.lists.get(name).filter(|_| !used.contains_key(name)) else {
                continue;
            };
            // Quotes keep lists apart whose values run together.
            let spelt: Vec<String> = values.iter().map(|it| format!("{:?}", it.text)).collect();
            used.insert(name.to_owned(), format!("%{name}%: {}", spelt.join(", ")).into());
        }
    }

    fn values(&self, name: &str, offset: usize) -> Result<&[Scalar], Problem> {
        match self.lists.get(name) {
            Some(values) if !values.is_empty() => Ok(values),
            _ => {
                let names = self.lists.keys().map(String::as_str).filter(|known| *known != name);
                let help = did_you_mean(name, names, || {
                    format!("give the list 'placeholders.yml' beside the rules: '{name}: [a, b]'")
                });
                Err(Problem::Undefined { name: name.to_owned(), offset, help })
            }
        }
    }

    fn read_yaml(&mut self, text: &str, report: &mut Reporter<'_>) {
        for source in yaml::documents(text, report) {
            let Kind::Map(entries) = &source.root.kind else {
                let message = format!("lists must be a map, not {}", source.root.kind_name());
                report.error_help(codes::BAD_PLACEHOLDERS, source.root.span, message, HELP);
                continue;
            };
            for (key, node) in entries {
                let nodes = match &node.kind {
                    Kind::List(nodes) => nodes.as_slice(),
                    _ => std::slice::from_ref(node),
                };
                let values = nodes.iter().map(|node| value(node, report)).collect::<Option<_>>();
                if let Some(values) = values {
                    self.add(&key.text, key.span, values, report);
                }
            }
        }
    }

    fn read_toml(&mut self, text: &str, report: &mut Reporter<'_>) {
        if text.len() > FILE_BYTES_MAX {
            let message =
                format!("the file has {} bytes; the bound is {FILE_BYTES_MAX}", text.len());
            report.error(codes::FILE_TOO_LARGE, Span::default(), message);
            return;
        }
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let tables: BTreeMap<toml::Spanned<String>, toml::Spanned<toml::Value>> =
            match toml::from_str(text) {
                Ok(tables) => tables,
                Err(error) => {
                    let at = error.span().map_or(0, |span| span.start);
                    let message = error.message().replace('\n', "; ");
                    report.error_help(codes::BAD_PLACEHOLDERS, place(text, at), message, HELP);
                    return;
                }
            };
        for (key, value) in tables {
            let span = place(text, key.span().start);
            let values = match value.into_inner() {
                toml::Value::Array(values) => values,
                value => vec![value],
            };
            let values: Option<Vec<Scalar>> = values.into_iter().map(toml_value).collect();
            match values {
                Some(values) => self.add(key.get_ref(), span, values, report),
                None => {
                    let message = "a list holds texts, numbers, true and false";
                    report.error_help(codes::BAD_PLACEHOLDERS, span, message, HELP);
                }
            }
        }
    }

    fn add(&mut self, name: &str, span: Span, values: Vec<Scalar>, report: &mut Reporter<'_>) {
        let code = codes::BAD_PLACEHOLDERS;
        if name.is_empty() || !name.chars().all(is_word) || name.chars().count() > NAME_MAX {
            let message = format!("'{name:.40}' is no name of a placeholder");
            let help = "letters, digits and '_', without percent signs";
            report.error_help(code, span, message, help);
        } else if values.is_empty() {
            let message = format!("the list '{name}' is empty");
            let help = "rules that use it are refused; give it at least one value";
            report.warning(code, span, message, help);
        } else if values.len() > VALUES_MAX || self.lists.len() >= LISTS_MAX {
            let message = format!("more than {LISTS_MAX} lists, or {VALUES_MAX} values in one");
            report.error(code, span, message);
        } else {
            self.lists.entry(name.to_owned()).or_default().extend(values);
        }
    }
}

const HELP: &str = "write 'name: [value, value]', one list a line";

impl Problem {
    pub(crate) fn report(self, node: &Node, report: &mut Reporter<'_>) {
        match self {
            Self::Undefined { name, offset, help } => {
                let span = node.within(report, offset, name.chars().count() + 2);
                let message = format!("the placeholder '%{name}%' is not defined");
                report.error_help(codes::UNDEFINED_PLACEHOLDER, span, message, help);
            }
            Self::TooMany => {
                let message =
                    format!("the placeholders make more than {VALUES_MAX} values or 1 MiB");
                let help = "cut the value into several searches";
                report.error_help(codes::DETECTION_BOUNDS, node.span, message, help);
            }
        }
    }
}

fn value(node: &Node, report: &mut Reporter<'_>) -> Option<Scalar> {
    match &node.kind {
        Kind::Scalar(scalar) if !scalar.is_null() => Some(scalar.clone()),
        _ => {
            let message = format!("a list holds texts and numbers, not {}", node.kind_name());
            report.error_help(codes::BAD_PLACEHOLDERS, node.span, message, HELP);
            None
        }
    }
}

fn toml_value(value: toml::Value) -> Option<Scalar> {
    let (text, plain) = match value {
        toml::Value::String(text) => (text, false),
        toml::Value::Integer(number) => (number.to_string(), true),
        toml::Value::Float(number) => (number.to_string(), true),
        toml::Value::Boolean(flag) => (flag.to_string(), true),
        _ => return None,
    };
    Some(Scalar { text, plain })
}

/// Returns the place of one character at a byte of a text.
fn place(text: &str, at: usize) -> Span {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let start = before.rfind('\n').map_or(0, |index| index + 1);
    let column = before.get(start..).unwrap_or_default().chars().count() + 1;
    Span { line, column, len: 1 }
}

#[derive(Debug, PartialEq)]
enum Piece<'t> {
    Text(String),
    /// A name, and the character at which its first percent sign stands.
    Name {
        name: &'t str,
        offset: usize,
    },
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Cuts a text at its placeholders.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let (mut rest, mut offset) = (text, 0);
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        if c == '\\' && after.starts_with('%') {
            literal.push('%');
            (rest, offset) = (after.get(1..).unwrap_or_default(), offset + 2);
            continue;
        }
        let name = after.split('%').next().unwrap_or_default();
        let closed = after.len() > name.len();
        if c == '%' && closed && !name.is_empty() && name.chars().all(is_word) {
            if !literal.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut literal)));
            }
            pieces.push(Piece::Name { name, offset });
            rest = after.get(name.len() + 1..).unwrap_or_default();
            offset += name.chars().count() + 2;
            continue;
        }
        literal.push(c);
        (rest, offset) = (after, offset + 1);
    }
    if !literal.is_empty() || pieces.is_empty() {
        pieces.push(Piece::Text(literal));
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists() -> Placeholders {
        let text = "a: [x, 'y*', 7]\nb: [1, 2]\n";
        let (lists, diagnostics) = Placeholders::parse("placeholders.yml", text);
        assert_eq!(diagnostics, []);
        lists
    }

    fn texts(text: &str) -> Vec<String> {
        let values = lists().expand(text, false, Spelling::AsIs).unwrap();
        values.into_iter().map(|value| value.text).collect()
    }

    #[test]
    fn names_become_their_values() {
        assert_eq!(texts("%a%"), ["x", "y*", "7"]);
        assert_eq!(texts("p-%b%-q"), ["p-1-q", "p-2-q"]);
        assert_eq!(texts("%b%%b%"), ["11", "12", "21", "22"]);
        // The example of the specification.
        assert_eq!(texts(r"\%plain%b%"), ["%plain1", "%plain2"]);
        assert_eq!(texts("100 %, %% and % a%"), ["100 %, %% and % a%"]);
        assert_eq!(texts(""), [""]);
        let regex = lists().expand("^%a%$", false, Spelling::Regex).unwrap();
        assert_eq!(regex.get(1).map(|value| value.text.as_str()), Some("^y.*$"));
    }

    #[test]
    fn unknown_names_and_too_many_values_are_refused() {
        let problem = lists().expand("é %c%", false, Spelling::AsIs).unwrap_err();
        assert!(matches!(problem, Problem::Undefined { offset: 2, .. }), "{problem:?}");
        let many = "%a%".repeat(9);
        assert_eq!(lists().expand(&many, false, Spelling::AsIs), Err(Problem::TooMany));
    }

    #[test]
    fn toml_says_the_same_and_names_the_place_of_mistakes() {
        let text = "a = ['x', 'y*', 7]\nb = [1, 2]\n";
        let (lists, diagnostics) = Placeholders::parse("placeholders.toml", text);
        assert_eq!(diagnostics, []);
        assert_eq!(lists.expand("%b%", false, Spelling::AsIs).unwrap().len(), 2);
        let (lists, diagnostics) =
            Placeholders::parse("l.toml", "a = [{x = 1}]\n\"b-\" = 1\nc = []\nd = true\n");
        assert_eq!(lists.lists().map(|(name, _)| name).collect::<Vec<_>>(), ["d"]);
        let places: Vec<_> = diagnostics.iter().map(|it| (it.code, it.span.line)).collect();
        assert_eq!(places, [("R031", 1), ("R031", 2), ("R031", 3)]);
        let (_, diagnostics) = Placeholders::parse("l.toml", "a = 1\nb = = 2\n");
        assert_eq!(diagnostics.first().map(|it| (it.code, it.span.line)), Some(("R031", 2)));
    }

    #[test]
    fn lists_of_wrong_kinds_are_left_out() {
        let (lists, diagnostics) =
            Placeholders::parse("l.yml", "a: {x: y}\nb: [[1]]\nc: ~\n'%d%': 1\ne: 5\n");
        assert_eq!(lists.lists().map(|(name, _)| name).collect::<Vec<_>>(), ["e"]);
        assert_eq!(diagnostics.len(), 4);
    }
}
