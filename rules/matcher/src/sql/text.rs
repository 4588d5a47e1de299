//! Texts: patterns, case folding and copies.
//!
//! Case is folded as [`rules_sigma::fold`] does, not as ClickHouse's `lowerUTF8` would (that knows
//! final sigma and letters that become two). A haystack is lowered in ASCII, and of the other
//! characters those are translated that fold to a character of some pattern: for the pattern `skript`
//! these are `ſ` and the Kelvin sign.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use rules_sigma::{Part, Pattern, fold};

use super::literal::{quote, quote_all};
use super::regex::escape;
use crate::{MARKS, VIETNAMESE};

/// Case partners: what folds to a character and is not it, without the capitals of ASCII.
static PARTNERS: LazyLock<BTreeMap<char, Vec<char>>> = LazyLock::new(|| {
    let mut partners: BTreeMap<char, Vec<char>> = BTreeMap::new();
    for c in '\u{80}'..=char::MAX {
        if fold(c) != c {
            partners.entry(fold(c)).or_default().push(c);
        }
    }
    partners
});

/// Returns the expression that folds the text `x` as far as these characters need it.
pub(super) fn fold_some(wanted: &BTreeSet<char>) -> String {
    let (mut from, mut to) = (String::new(), String::new());
    for folded in wanted {
        for partner in PARTNERS.get(folded).into_iter().flatten() {
            from.push(*partner);
            to.push(*folded);
        }
    }
    if from.is_empty() {
        return "lower(x)".to_owned();
    }
    format!("translateUTF8(lower(x), {}, {})", quote(&from), quote(&to))
}

/// Returns the function that folds a text whole.
pub(super) fn fold_all() -> String {
    format!("(x -> {})", fold_some(&PARTNERS.keys().copied().collect()))
}

/// Returns the function that takes off Vietnamese marks.
pub(super) fn plain() -> String {
    let (mut from, mut to) = (String::new(), String::new());
    for (letters, letter) in VIETNAMESE {
        for marked in letters.chars() {
            from.push(marked);
            to.push(*letter);
        }
    }
    let marks: String = MARKS.iter().collect();
    format!(
        "(x -> replaceRegexpAll(translateUTF8(x, {}, {}), {}, ''))",
        quote(&from),
        quote(&to),
        quote(&format!("[{marks}]"))
    )
}

/// Patterns of one item on one field, sorted by what they ask.
#[derive(Debug, Default)]
pub(super) struct Patterns {
    whole: Vec<String>,
    start: Vec<String>,
    end: Vec<String>,
    inside: Vec<String>,
    regexes: Vec<String>,
    anything: bool,
}

/// The most needles of one `multiSearchAny` (255 in ClickHouse).
const NEEDLES_MAX: usize = 255;

impl Patterns {
    /// Adds a pattern; `wanted`, when case is ignored, collects the characters to fold to.
    pub(super) fn add(&mut self, pattern: &Pattern, wanted: Option<&mut BTreeSet<char>>) {
        let mut parts = pattern.parts();
        if let Some(wanted) = wanted {
            for part in &mut parts {
                if let Part::Literal(text) = part {
                    *text = text.chars().map(fold).collect::<String>().into();
                    wanted.extend(text.chars());
                }
            }
        }
        match parts.as_slice() {
            [] => self.whole.push(String::new()),
            [Part::Many] => self.anything = true,
            [Part::Literal(text)] => self.whole.push(text.to_string()),
            [Part::Literal(text), Part::Many] => self.start.push(text.to_string()),
            [Part::Many, Part::Literal(text)] => self.end.push(text.to_string()),
            [Part::Many, Part::Literal(text), Part::Many] => self.inside.push(text.to_string()),
            parts => self.regexes.push(glob(parts)),
        }
    }

    /// Returns the condition that one of them matches the text `x`; `None` when there are none.
    pub(super) fn condition(&self) -> Option<String> {
        let mut any = Vec::new();
        if self.anything {
            any.push("1".to_owned());
        }
        if !self.whole.is_empty() {
            any.push(format!("x IN ({})", quote_all(&self.whole)));
        }
        any.extend(self.start.iter().map(|text| format!("startsWith(x, {})", quote(text))));
        any.extend(self.end.iter().map(|text| format!("endsWith(x, {})", quote(text))));
        if let [text] = self.inside.as_slice() {
            any.push(format!("position(x, {}) > 0", quote(text)));
        } else {
            for needles in self.inside.chunks(NEEDLES_MAX) {
                any.push(format!("multiSearchAny(x, [{}])", quote_all(needles)));
            }
        }
        any.extend(self.regexes.iter().map(|regex| format!("match(x, {})", quote(regex))));
        (!any.is_empty()).then(|| any.join(" OR "))
    }
}

/// Returns a pattern as a regular expression for the whole text.
fn glob(parts: &[Part<'_>]) -> String {
    let mut regex = String::from("(?s)^");
    for part in parts {
        match part {
            Part::Many => regex.push_str(".*"),
            Part::One => regex.push('.'),
            Part::Literal(text) => text.chars().for_each(|c| escape(c, &mut regex)),
        }
    }
    regex.push('$');
    regex
}
