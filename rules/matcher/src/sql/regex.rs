//! Regular expressions, from the syntax of the matcher's engine to that of RE2.
//!
//! The two agree on less than it seems: classes such as `\w` are of Unicode here and of ASCII there,
//! case folding differs in version, and so do the tables. So an expression is read by the matcher's
//! own parser and printed anew from its syntax tree, in which classes are ranges and flags are gone.
//! What has no counterpart in RE2 is refused.

use std::sync::LazyLock;

use regex_syntax::hir::{Class, ClassUnicode, Hir, HirKind, Look, Repetition};
use rules_sigma::RegexFlags;

use super::Unsupported;
use super::boundary::{self, Printed};
use super::literal::quote;
use super::values::Shared;

/// The most repetitions RE2 counts, those within others multiplied.
const REPEAT_MAX: u32 = 1000;

/// The most pieces that a repetition is cut into to stay below that.
const PIECES_MAX: u32 = 100;

/// Matches nothing.
const NOTHING: &str = "[^\0-\u{10ffff}]";

/// Stands in a printed expression for the ranges of [`word_class`]; not in any text of ours, because
/// it is escaped there.
pub(super) const WORD: char = '\u{e000}';

/// What `\w` is.
pub(super) static WORD_CLASS: LazyLock<ClassUnicode> =
    LazyLock::new(|| match parse(r"\w", RegexFlags::default()) {
        Ok(hir) => match hir.into_kind() {
            HirKind::Class(Class::Unicode(class)) => class,
            _ => ClassUnicode::empty(),
        },
        Err(_) => ClassUnicode::empty(),
    });

/// Returns the ranges of word characters, for within brackets.
pub(super) fn word_class() -> String {
    let mut ranges = String::new();
    print_ranges(&WORD_CLASS, &mut ranges);
    ranges
}

/// Appends a character so that it means itself, outside and inside of brackets.
pub(super) fn escape(c: char, regex: &mut String) {
    if matches!(
        c,
        '\\' | '.'
            | '+'
            | '*'
            | '?'
            | '('
            | ')'
            | '|'
            | '['
            | ']'
            | '{'
            | '}'
            | '^'
            | '$'
            | '-'
            | '&'
    ) {
        regex.push('\\');
    }
    regex.push(c);
}

/// Returns the condition that the expression is found in the text `x`.
pub(super) fn condition(source: &str, flags: RegexFlags) -> Result<(String, bool), Unsupported> {
    let refuse = |reason: String| Unsupported::Regex { source_text: source.to_owned(), reason };
    let hir = parse(source, flags).map_err(refuse)?;
    let mut printed = String::new();
    top(&hir, &mut printed).map_err(refuse)?;
    if printed.contains(WORD) {
        let pieces: Vec<String> = printed.split(WORD).map(quote).collect();
        let glue = format!(", {}, ", Shared::Word.name());
        return Ok((format!("match(x, concat({}))", pieces.join(&glue)), true));
    }
    Ok((format!("match(x, {})", quote(&printed)), false))
}

fn parse(source: &str, flags: RegexFlags) -> Result<Hir, String> {
    regex_syntax::ParserBuilder::new()
        .case_insensitive(flags.ignore_case)
        .multi_line(flags.multi_line)
        .dot_matches_new_line(flags.dot_all)
        .build()
        .parse(source)
        .map_err(|error| error.to_string())
}

/// Prints the whole expression, of which nothing but a search is asked.
fn top(hir: &Hir, out: &mut String) -> Result<(), String> {
    if !boundary::has_boundary(hir) {
        return print(hir, 1, out);
    }
    let alternatives = boundary::without(hir)?;
    if alternatives.is_empty() {
        out.push_str(NOTHING);
    }
    for (index, alternative) in alternatives.iter().enumerate() {
        if index > 0 {
            out.push('|');
        }
        for part in alternative {
            match part {
                Printed::Text(text) => out.push_str(text),
                Printed::Part(hir) => print(hir, 1, out)?,
            }
        }
    }
    Ok(())
}

/// Prints an expression that stands in repetitions of so many times.
fn print(hir: &Hir, within: u32, out: &mut String) -> Result<(), String> {
    match hir.kind() {
        HirKind::Empty => out.push_str("(?:)"),
        HirKind::Literal(literal) => {
            let text = std::str::from_utf8(&literal.0).map_err(|_| "it names bytes".to_owned())?;
            if text.contains(WORD) {
                return Err("it holds a character that is reserved here".into());
            }
            text.chars().for_each(|c| escape(c, out));
        }
        HirKind::Class(Class::Unicode(class)) => print_class(class, out)?,
        HirKind::Class(Class::Bytes(_)) => return Err("it names bytes".into()),
        HirKind::Look(look) => out.push_str(match look {
            Look::Start => "\\A",
            Look::End => "\\z",
            Look::StartLF => "(?m:^)",
            Look::EndLF => "(?m:$)",
            Look::WordAscii => "\\b",
            Look::WordAsciiNegate => "\\B",
            _ => return Err("it looks around in a way that RE2 does not have".into()),
        }),
        HirKind::Repetition(repetition) => repeat(repetition, within, out)?,
        HirKind::Capture(capture) => {
            out.push_str("(?:");
            print(&capture.sub, within, out)?;
            out.push(')');
        }
        HirKind::Concat(parts) => parts.iter().try_for_each(|part| print(part, within, out))?,
        HirKind::Alternation(parts) => {
            out.push_str("(?:");
            for (index, part) in parts.iter().enumerate() {
                if index > 0 {
                    out.push('|');
                }
                print(part, within, out)?;
            }
            out.push(')');
        }
    }
    Ok(())
}

/// Prints a repetition. RE2 multiplies the counts of nested ones and refuses more than
/// [`REPEAT_MAX`], so `(?:x{0,40}){1,60}` becomes `(?:x{0,40}){1,25}(?:x{0,40}){0,25}(?:x{0,40}){0,10}`.
fn repeat(repetition: &Repetition, within: u32, out: &mut String) -> Result<(), String> {
    let mut one = String::from("(?:");
    let (min, max) = (repetition.min, repetition.max);
    let counted = !matches!((min, max), (0 | 1, None) | (0, Some(1)));
    let inner = weight(&repetition.sub);
    let count = if counted { min.max(max.unwrap_or(0)).max(1) } else { 1 };
    let most = REPEAT_MAX / within.saturating_mul(inner);
    if most == 0 || count / most > PIECES_MAX {
        return Err(format!("it repeats more than {REPEAT_MAX} times"));
    }
    print(&repetition.sub, within.saturating_mul(count.min(most)), &mut one)?;
    one.push(')');
    let (mut demanded, mut allowed) = (min, max);
    loop {
        out.push_str(&one);
        let low = demanded.min(most);
        demanded -= low;
        match allowed {
            None if demanded > 0 => out.push_str(&format!("{{{low}}}")),
            None => out.push_str(&match low {
                0 => "*".to_owned(),
                1 => "+".to_owned(),
                low => format!("{{{low},}}"),
            }),
            Some(left) => {
                let high = left.min(most);
                allowed = Some(left - high);
                out.push_str(&match (low, high) {
                    (0, 1) => "?".to_owned(),
                    (low, high) => format!("{{{low},{high}}}"),
                });
            }
        }
        let done = match allowed {
            None => demanded == 0,
            Some(left) => left == 0,
        };
        // What is demanded beyond the first pieces is demanded of the next; the last of an endless
        // repetition stays open.
        if done {
            return Ok(());
        }
    }
}

/// Returns the largest product of nested counts.
fn weight(hir: &Hir) -> u32 {
    match hir.kind() {
        HirKind::Repetition(repetition) => {
            let count = match (repetition.min, repetition.max) {
                (0 | 1, None) | (0, Some(1)) => 1,
                (min, max) => min.max(max.unwrap_or(0)).max(1),
            };
            // Cut into pieces that fit, it weighs no more.
            count.saturating_mul(weight(&repetition.sub)).min(REPEAT_MAX)
        }
        HirKind::Capture(capture) => weight(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(weight).max().unwrap_or(1)
        }
        _ => 1,
    }
}

fn print_class(class: &ClassUnicode, out: &mut String) -> Result<(), String> {
    let mut inverse = class.clone();
    inverse.negate();
    if class.ranges().is_empty() {
        out.push_str(NOTHING);
        return Ok(());
    }
    if inverse.ranges().is_empty() {
        out.push_str("(?s:.)");
        return Ok(());
    }
    let ((word, rest), (other_word, other)) = (without_word(class), without_word(&inverse));
    let shorter =
        other.ranges().len() + usize::from(other_word) < rest.ranges().len() + usize::from(word);
    let (word, rest, sign) = if shorter { (other_word, other, "^") } else { (word, rest, "") };
    if rest.ranges().iter().any(|range| range.start() == WORD || range.end() == WORD) {
        return Err("it holds a character that is reserved here".into());
    }
    out.push('[');
    out.push_str(sign);
    if word {
        out.push(WORD);
    }
    print_ranges(&rest, out);
    out.push(']');
    Ok(())
}

/// Says whether a class holds all characters of words, and returns it without them if so.
fn without_word(class: &ClassUnicode) -> (bool, ClassUnicode) {
    let mut missing = WORD_CLASS.clone();
    missing.difference(class);
    if !missing.ranges().is_empty() {
        return (false, class.clone());
    }
    let mut rest = class.clone();
    rest.difference(&WORD_CLASS);
    (true, rest)
}

fn print_ranges(class: &ClassUnicode, out: &mut String) {
    for range in class.ranges() {
        escape(range.start(), out);
        if range.end() > range.start() {
            out.push('-');
            escape(range.end(), out);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Returns the expression printed for RE2, which the matcher's engine reads in the same way: no
    /// flag, no class by name and no boundary is left in it.
    fn printed(source: &str) -> Result<String, String> {
        let hir = parse(source, RegexFlags::default())?;
        let mut out = String::new();
        top(&hir, &mut out)?;
        Ok(out.replace(WORD, &word_class()))
    }

    #[track_caller]
    fn check(source: &str, texts: &[(&str, bool)]) {
        let printed = printed(source).unwrap();
        let (ours, theirs) =
            (::regex::Regex::new(source).unwrap(), ::regex::Regex::new(&printed).unwrap());
        for (text, expected) in texts {
            assert_eq!(ours.is_match(text), *expected, "/{source}/ on {text:?}");
            assert_eq!(theirs.is_match(text), *expected, "/{source}/ as /{printed}/ on {text:?}");
        }
    }

    #[test]
    fn boundaries_keep_their_meaning() {
        check(r"\bfoo\b", &[("foo", true), ("a foo.", true), ("đfoo", false), ("fooộ", false)]);
        check(
            r"\brm\b[^;]*\s/var",
            &[("rm /var", true), ("rm -f x /var", true), ("rmx /var", false)],
        );
        check(r"\b(a|ab)?\b", &[("", false), ("-", false), ("x", true)]);
        check(r"^\b", &[("a", true), ("-a", false), ("", false)]);
        check(r"\B", &[("", true), ("a", false), ("ab", true), ("-", true)]);
        check(r"(?:\d(?:\.|\b)){2}", &[("1.2", true), ("12", false), ("1.2.", true)]);
        check(
            r"[cer]\b.*(?:socket)",
            &[("c socket", true), ("crsocket", false), ("e.socket", true)],
        );
    }

    #[test]
    fn what_has_no_counterpart_is_refused() {
        for source in [r"(?-u)\xff", r"a{200000}", r"(?-u:\b)\b{start}", r"(a\b)*"] {
            assert!(printed(source).is_err(), "{source}");
        }
        assert_eq!(printed(r"(?i)k\?'").unwrap(), "[Kk\u{212a}]\\?'");
    }

    #[test]
    fn large_repetitions_are_cut() {
        assert_eq!(printed("a{1,1500}").unwrap(), "(?:a){1,1000}(?:a){0,500}");
        assert_eq!(printed("a{1500}").unwrap(), "(?:a){1000,1000}(?:a){500,500}");
        assert_eq!(printed("a{1500,}").unwrap(), "(?:a){1000}(?:a){500,}");
        assert_eq!(
            printed("(?:xa{0,40}){1,60}").unwrap(),
            "(?:x(?:a){0,40}){1,25}(?:x(?:a){0,40}){0,25}(?:x(?:a){0,40}){0,10}"
        );
    }

    fn expression() -> impl Strategy<Value = String> {
        let leaf = prop::sample::select(vec![
            "a", "b", "-", "đ", " ", r"\b", r"\b", r"\B", ".", r"\w", r"\W", "[a-]", "[^a]", "^",
            "$", r"\s", "(?i:k)", "ab", r"\d", "",
        ])
        .prop_map(str::to_owned);
        leaf.prop_recursive(4, 12, 4, |inner| {
            prop_oneof![
                3 => prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| parts.concat()),
                1 => prop::collection::vec(inner.clone(), 1..3)
                    .prop_map(|parts| format!("({})", parts.join("|"))),
                1 => (inner, prop::sample::select(vec!["*", "?", "+", "{2}", "{0,2}", "*?"]))
                    .prop_map(|(part, times)| format!("(?:{part}){times}")),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        #[test]
        fn what_is_printed_means_the_same(
            source in expression(),
            texts in prop::collection::vec("[abđkK\u{212a} .\n-]{0,6}", 1..12),
        ) {
            let Ok(printed) = printed(&source) else { return Ok(()) };
            let Ok(theirs) = ::regex::RegexBuilder::new(&printed).size_limit(1 << 27).build() else {
                return Ok(());
            };
            let ours = ::regex::Regex::new(&source).unwrap();
            for text in &texts {
                prop_assert_eq!(
                    ours.is_match(text), theirs.is_match(text), "/{}/ on {:?}", source, text
                );
            }
        }
    }
}
