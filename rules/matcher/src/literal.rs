//! Literals that a regular expression cannot do without.

use regex_syntax::hir::{Class, Hir, HirKind};
use rules_sigma::{RegexFlags, fold};

use crate::glob::Anchor;

/// Alternatives of one set; beyond, the set is given up.
const ALTERNATIVES_MAX: usize = 1_024;
/// Texts that several parts in a row may be spelled out as; beyond, they are kept apart.
const SPELLINGS_MAX: usize = 64;
/// Characters of a class that are spelled out.
const CLASS_MAX: usize = 8;
/// Bytes of a literal that are worth looking for.
const LITERAL_BYTES_MAX: usize = 64;

/// Texts of which one must stand in whatever matches; folded.
pub(crate) type AnyOf = Vec<(Anchor, Vec<u8>)>;

/// Returns sets of literals; each set holds for every match. Empty when none can be told.
pub(crate) fn required(source: &str, flags: RegexFlags) -> Vec<AnyOf> {
    let parsed = regex_syntax::ParserBuilder::new()
        .case_insensitive(flags.ignore_case)
        .multi_line(flags.multi_line)
        .dot_matches_new_line(flags.dot_all)
        .build()
        .parse(source);
    let Ok(hir) = parsed else { return Vec::new() };
    let mut found = Finder::default();
    found.walk(&hir);
    found.flush();
    found.sets
}

/// Walks a concatenation from left to right: exact runs grow, everything else ends them.
#[derive(Default)]
struct Finder {
    /// The alternatives of the text just passed, if it is known exactly.
    run: Vec<String>,
    sets: Vec<AnyOf>,
}

impl Finder {
    /// Ends the run and keeps it as a set, if it says anything.
    fn flush(&mut self) {
        let run = std::mem::take(&mut self.run);
        if !run.is_empty() && run.iter().all(|text| !text.is_empty()) {
            let texts = run.into_iter().map(|text| (Anchor::Inside, text.into_bytes()));
            let mut set: AnyOf = texts.collect();
            set.sort_unstable();
            set.dedup();
            self.sets.push(set);
        }
    }

    /// Extends the run by one of several texts.
    fn extend(&mut self, texts: &[String]) {
        if self.run.is_empty() {
            self.run.push(String::new());
        }
        let long = self.run.iter().any(|text| text.len() > LITERAL_BYTES_MAX);
        if long || self.run.len() * texts.len() > SPELLINGS_MAX {
            self.flush();
            self.run.push(String::new());
        }
        if texts.len() > ALTERNATIVES_MAX {
            self.run.clear();
            return;
        }
        let joined =
            self.run.iter().flat_map(|head| texts.iter().map(move |t| format!("{head}{t}")));
        self.run = joined.collect();
    }

    fn walk(&mut self, hir: &Hir) {
        if let Some(texts) = exact(hir) {
            self.extend(&texts);
            return;
        }
        match hir.kind() {
            // Takes no text, and what lies on both sides of it is still next to each other.
            HirKind::Empty | HirKind::Look(_) => {}
            HirKind::Capture(capture) => self.walk(&capture.sub),
            HirKind::Concat(parts) => parts.iter().for_each(|part| self.walk(part)),
            HirKind::Repetition(repetition) if repetition.min > 0 => {
                self.flush();
                self.walk(&repetition.sub);
                self.flush();
            }
            HirKind::Alternation(parts) => {
                self.flush();
                self.alternatives(parts);
            }
            HirKind::Literal(_) | HirKind::Class(_) | HirKind::Repetition(_) => self.flush(),
        }
    }

    /// One set of all: the best of each alternative.
    fn alternatives(&mut self, parts: &[Hir]) {
        let mut all = AnyOf::new();
        for part in parts {
            let mut inner = Self::default();
            inner.walk(part);
            inner.flush();
            // The set whose shortest text is longest tells the most.
            let best = inner.sets.into_iter().max_by_key(|set| {
                let shortest = set.iter().map(|(_, text)| text.len()).min();
                (shortest, std::cmp::Reverse(set.len()))
            });
            let Some(best) = best else { return };
            all.extend(best);
            if all.len() > ALTERNATIVES_MAX {
                return;
            }
        }
        self.sets.push(all);
    }
}

/// Returns all texts a part can match, folded, if they are few.
fn exact(hir: &Hir) -> Option<Vec<String>> {
    match hir.kind() {
        HirKind::Literal(literal) => {
            let text = std::str::from_utf8(&literal.0).ok()?;
            Some(vec![text.chars().map(fold).collect()])
        }
        HirKind::Class(Class::Unicode(class)) => {
            let mut texts: Vec<String> = Vec::new();
            for c in class.iter().flat_map(|range| range.start()..=range.end()) {
                let text = fold(c).to_string();
                if !texts.contains(&text) {
                    texts.push(text);
                }
                if texts.len() > CLASS_MAX {
                    return None;
                }
            }
            Some(texts).filter(|texts| !texts.is_empty())
        }
        HirKind::Capture(capture) => exact(&capture.sub),
        HirKind::Alternation(parts) => {
            let mut all = Vec::new();
            for part in parts {
                all.extend(exact(part)?);
                if all.len() > ALTERNATIVES_MAX {
                    return None;
                }
            }
            Some(all)
        }
        HirKind::Concat(parts) => {
            let mut all = vec![String::new()];
            for part in parts {
                let texts = exact(part)?;
                if all.len() * texts.len() > SPELLINGS_MAX {
                    return None;
                }
                let joined =
                    all.iter().flat_map(|head| texts.iter().map(move |t| format!("{head}{t}")));
                all = joined.collect();
            }
            all.iter().all(|text| text.len() <= LITERAL_BYTES_MAX).then_some(all)
        }
        HirKind::Repetition(repetition) if repetition.min == 0 && repetition.max == Some(1) => {
            let mut all = exact(&repetition.sub)?;
            all.push(String::new());
            (all.len() <= ALTERNATIVES_MAX).then_some(all)
        }
        HirKind::Class(Class::Bytes(_))
        | HirKind::Empty
        | HirKind::Look(_)
        | HirKind::Repetition(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sets(source: &str) -> Vec<Vec<String>> {
        let texts = |set: AnyOf| {
            set.into_iter().map(|(_, text)| String::from_utf8(text).unwrap()).collect()
        };
        required(source, RegexFlags::default()).into_iter().map(texts).collect()
    }

    #[test]
    fn literals_are_found_inside() {
        assert_eq!(sets(r"\bunion\s+select\b"), [vec!["union"], vec!["select"]]);
        assert_eq!(sets("(?i)Foo.*(bar|baz)"), [vec!["foo"], vec!["bar", "baz"]]);
        assert_eq!(sets("a[12]b?c"), [vec!["a1bc", "a1c", "a2bc", "a2c"]]);
        assert_eq!(sets(".*"), Vec::<Vec<String>>::new());
        assert_eq!(sets("x*|y"), Vec::<Vec<String>>::new());
        assert_eq!(sets("(ab)+c"), [vec!["ab"], vec!["c"]]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn every_match_holds_one_of_each_set(
            source in r"(\(?[abK]{1,3}[|*+?]?\)?|\[ab\]|\.|\(a\|bb\)|\(\?i:ak\)|\^){1,5}",
            text in "[abABk\u{212a}cd]{0,12}",
        ) {
            let Ok(regex) = regex::Regex::new(&source) else { return Ok(()) };
            if regex.is_match(&text) {
                let folded: String = text.chars().map(fold).collect();
                for set in required(&source, RegexFlags::default()) {
                    let found = set.iter().any(|(_, it)| {
                        Anchor::Inside.holds(folded.as_bytes(), it)
                    });
                    prop_assert!(found, "{} on {}: {:?}", source, text, set);
                }
            }
        }
    }
}
