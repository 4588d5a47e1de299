//! Placeholders: lists of values that stand for `%name%` under the modifier `expand`.
//!
//! Spec: Sigma rules specification 2.1, "Placeholders".

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::modifiers::regex_of;
use crate::report::{Reporter, did_you_mean};
use crate::yaml::{Node, Scalar};
use crate::{Diagnostic, codes};

mod read;

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
}

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
mod tests;
