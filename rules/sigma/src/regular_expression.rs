//! Regular expressions of rules: their flags, their bounds, and whether they can be used.

use regex_syntax::hir::{Class, Hir, HirKind};
use regex_syntax::utf8::Utf8Sequences;

/// Flags of a regular expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct RegexFlags {
    /// `i`: case is ignored.
    pub ignore_case: bool,
    /// `m`: `^` and `$` also match at line ends.
    pub multi_line: bool,
    /// `s`: `.` also matches a line end.
    pub dot_all: bool,
}

/// The most memory one compiled regular expression of a rule may take: 4 MiB (the largest
/// of SigmaHQ, `\w{1,64}` in Unicode, takes 1.4 MB). Keeps a hostile or
/// careless `re` from taking the agent's memory.
pub const REGEX_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The most memory the lazily built automaton of one regular expression may take on one thread:
/// 1 MiB. Beyond it, states are thrown away and built anew.
const REGEX_CACHE_BYTES_MAX: usize = 1024 * 1024;

/// Compiles a regular expression of a rule, within [`REGEX_BYTES_MAX`].
///
/// # Errors
/// When it is not one, uses look-around or back-references, or is too large.
pub fn compile_regex(source: &str, flags: RegexFlags) -> Result<regex::Regex, regex::Error> {
    regex::RegexBuilder::new(source)
        .case_insensitive(flags.ignore_case)
        .multi_line(flags.multi_line)
        .dot_matches_new_line(flags.dot_all)
        .size_limit(REGEX_BYTES_MAX)
        .dfa_size_limit(REGEX_CACHE_BYTES_MAX)
        .build()
}

/// Bytes that every compiled automaton takes.
const BASE_BYTES: usize = 4 * 1024;
/// Bytes that one state of the compiled automaton may take, with its share of tables.
const STATE_BYTES: usize = 64;

/// Says whether a regular expression of a rule can be used; gives the error of [`compile_regex`] if
/// it cannot.
///
/// Reading thousands of rules must not compile thousands of automata: most expressions show by
/// their syntax alone that they stay within the bound. Only the others are compiled.
pub(crate) fn check_regex(source: &str, flags: RegexFlags) -> Result<(), Box<regex::Error>> {
    let hir = regex_syntax::ParserBuilder::new()
        .case_insensitive(flags.ignore_case)
        .multi_line(flags.multi_line)
        .dot_matches_new_line(flags.dot_all)
        .build()
        .parse(source);
    let small = |hir: &Hir, class_bytes: fn(&Hir) -> usize| {
        BASE_BYTES.saturating_add(bytes_at_most(hir, class_bytes)) < REGEX_BYTES_MAX
    };
    // Compiling one class alone is quick, where a repetition of it is not.
    if hir.is_ok_and(|hir| small(&hir, class_by_syntax) || small(&hir, class_compiled)) {
        return Ok(());
    }
    compile_regex(source, flags).map(drop).map_err(Box::new)
}

/// Returns a number of bytes that the compiled form does not exceed. The parser bounds the depth.
fn bytes_at_most(hir: &Hir, class_bytes: fn(&Hir) -> usize) -> usize {
    let bytes = |hir: &Hir| bytes_at_most(hir, class_bytes);
    let inner = match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 0,
        HirKind::Literal(literal) => literal.0.len().saturating_mul(STATE_BYTES),
        HirKind::Class(_) => class_bytes(hir),
        HirKind::Repetition(repetition) => {
            let copies = repetition.max.unwrap_or(repetition.min).max(1) as usize;
            // Each optional copy takes a state of its own to branch.
            let copy = bytes(&repetition.sub).saturating_add(2 * STATE_BYTES);
            copy.saturating_mul(copies.saturating_add(1))
        }
        HirKind::Capture(capture) => bytes(&capture.sub).saturating_add(2 * STATE_BYTES),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts
            .iter()
            .map(|part| bytes(part).saturating_add(STATE_BYTES))
            .fold(0, usize::saturating_add),
    };
    inner.saturating_add(2 * STATE_BYTES)
}

/// Returns a number of bytes that the states of a class of characters do not exceed.
fn class_by_syntax(hir: &Hir) -> usize {
    let states = match hir.kind() {
        HirKind::Class(Class::Bytes(class)) => class.ranges().len(),
        HirKind::Class(Class::Unicode(class)) => class
            .ranges()
            .iter()
            .flat_map(|range| Utf8Sequences::new(range.start(), range.end()))
            .map(|sequence| sequence.len())
            .sum(),
        _ => 0,
    };
    states.saturating_mul(STATE_BYTES)
}

/// As [`class_by_syntax`], but nearer for large classes, such as `\w`, whose states share much.
fn class_compiled(hir: &Hir) -> usize {
    let bound = class_by_syntax(hir);
    let source = hir.to_string();
    let fits = |bytes: usize| regex::RegexBuilder::new(&source).size_limit(bytes).build().is_ok();
    // Each step is dearer than those before it together, so that the last one decides the time.
    (14..20).map(|power| 1 << power).find(|bytes| *bytes >= bound || fits(*bytes)).unwrap_or(bound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn compiles_within(source: &str, bytes: usize) -> bool {
        regex::RegexBuilder::new(source).size_limit(bytes).build().is_ok()
    }

    fn bound(source: &str) -> usize {
        regex_syntax::parse(source)
            .map_or(0, |hir| BASE_BYTES + bytes_at_most(&hir, class_compiled))
    }

    #[test]
    fn the_bound_by_syntax_holds_for_the_largest_kinds() {
        for source in [
            r"\w",
            r"\w+",
            r"\w{1,20}",
            r"(?i)[a-zé]{3,9}",
            r"\p{L}{2,}",
            r"[^a]{0,30}x",
            "(a|b|c)*",
            r"(?s).{5,50}",
            r"\b\d{1,3}(\.\d{1,3}){3}\b",
            "(((a?){9}){9}){9}",
            r"(\pL\PL){5}",
            "",
            r"(?i)(powershell|pwsh).{1,40}-e(nc|ncodedcommand)?\s+[a-z0-9+/]{20,}={0,2}",
        ] {
            assert!(compiles_within(source, bound(source)), "{source}: {}", bound(source));
        }
    }

    #[test]
    fn what_is_too_large_or_wrong_is_refused_as_when_compiled() {
        for source in ["(", r"\1", "(?=a)", "((a{100}){100}){100}", r"\w{1,5000}"] {
            let checked = check_regex(source, RegexFlags::default()).unwrap_err().to_string();
            let compiled = compile_regex(source, RegexFlags::default()).unwrap_err().to_string();
            assert_eq!(checked, compiled);
        }
    }

    const PIECES: &[&str] = &[
        "a", "é", ".", r"\w", r"\d", r"\b", "[a-z]", "[^é]", "^", "$", "(", "(a|b)", ")", "|", "*",
        "+", "?", "{1,7}", "{3}", "(?i)", r"\pL", "xyz",
    ];

    proptest! {
        #[test]
        fn the_bound_by_syntax_holds(
            pieces in prop::collection::vec(prop::sample::select(PIECES), 0..12),
        ) {
            let source = pieces.concat();
            if regex::RegexBuilder::new(&source).size_limit(100 << 20).build().is_ok() {
                prop_assert!(compiles_within(&source, bound(&source)), "{source}");
            }
        }
    }
}
