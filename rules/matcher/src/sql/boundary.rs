//! Word boundaries, taken out of regular expressions.
//!
//! `\b` of Unicode has no counterpart in RE2, but it only says of what kind its two neighbours are:
//! one is a character of words and the other is not (or the text ends there). So an expression is
//! written out as alternatives, in each of which every boundary has its kinds decided, and what
//! stands beside it is narrowed to them: `.*\bfoo` becomes `(?:.*\W)?foo` at the start of a text or
//! after `\W`. That is exact where an expression is only searched for: a neighbour outside of it may
//! be taken into the match.

use regex_syntax::hir::{Capture, Class, Hir, HirKind, Look, Repetition};

use super::regex::{WORD, WORD_CLASS};

/// The most alternatives one expression may become.
const ALTERNATIVES_MAX: usize = 400;

/// What a neighbour is: a character of words, or none.
type Word = bool;

/// Part of a flat alternative.
#[derive(Debug, Clone)]
enum Piece {
    /// Has no boundary in it.
    Plain(Hir),
    /// `\b`, or `\B` when its neighbours are of one kind.
    Boundary { same: bool },
}

/// Returns whether an expression has word boundaries of Unicode.
pub(super) fn has_boundary(hir: &Hir) -> bool {
    let looks = hir.properties().look_set();
    looks.contains(Look::WordUnicode) || looks.contains(Look::WordUnicodeNegate)
}

/// Returns alternatives without boundaries; each a sequence of texts already printed and of
/// expressions to be printed.
pub(super) fn without(hir: &Hir) -> Result<Vec<Vec<Printed>>, String> {
    let mut out = Vec::new();
    for pieces in flat(hir)? {
        let mut segments = vec![Vec::new()];
        let mut boundaries = Vec::new();
        for piece in pieces {
            match piece {
                Piece::Plain(hir) => {
                    segments.last_mut().into_iter().for_each(|it| it.push(hir.clone()))
                }
                Piece::Boundary { same } => {
                    boundaries.push(same);
                    segments.push(Vec::new());
                }
            }
        }
        let segments: Vec<Hir> = segments.into_iter().map(Hir::concat).collect();
        Choice { segments: &segments, boundaries: &boundaries, out: &mut out }.after(
            0,
            None,
            Vec::new(),
        )?;
    }
    Ok(out)
}

/// One part of an alternative.
#[derive(Debug, Clone)]
pub(super) enum Printed {
    /// As it stands.
    Text(String),
    /// To be printed.
    Part(Hir),
}

fn too_many() -> String {
    format!("its word boundaries \\b make more than {ALTERNATIVES_MAX} alternatives")
}

/// Writes an expression out as alternatives in which boundaries stand in no group.
fn flat(hir: &Hir) -> Result<Vec<Vec<Piece>>, String> {
    if !has_boundary(hir) {
        return Ok(vec![vec![Piece::Plain(hir.clone())]]);
    }
    let product = |all: Vec<Vec<Piece>>, more: &[Vec<Piece>]| {
        if all.len() * more.len() > ALTERNATIVES_MAX {
            return Err(too_many());
        }
        let joined = |one: &Vec<Piece>| {
            let one = one.clone();
            move |other: &Vec<Piece>| one.iter().chain(other).cloned().collect::<Vec<_>>()
        };
        Ok(all.iter().flat_map(|one| more.iter().map(joined(one))).collect())
    };
    match hir.kind() {
        HirKind::Look(look) => {
            Ok(vec![vec![Piece::Boundary { same: *look == Look::WordUnicodeNegate }]])
        }
        HirKind::Capture(Capture { sub, .. }) => flat(sub),
        HirKind::Concat(parts) => {
            let mut all = vec![Vec::new()];
            for part in parts {
                all = product(all, &flat(part)?)?;
            }
            Ok(all)
        }
        HirKind::Alternation(parts) => {
            let mut all = Vec::new();
            for part in parts {
                all.extend(flat(part)?);
                if all.len() > ALTERNATIVES_MAX {
                    return Err(too_many());
                }
            }
            Ok(all)
        }
        HirKind::Repetition(Repetition { min, max: Some(max), sub, .. })
            if *max as usize <= ALTERNATIVES_MAX =>
        {
            let one = flat(sub)?;
            let mut times = vec![Vec::new()];
            let mut all = Vec::new();
            for count in 0..=*max {
                if count >= *min {
                    all.extend(times.iter().cloned());
                }
                if all.len() > ALTERNATIVES_MAX {
                    return Err(too_many());
                }
                if count < *max {
                    times = product(times, &one)?;
                }
            }
            Ok(all)
        }
        _ => Err("it repeats a word boundary \\b without end".into()),
    }
}

/// The kinds that the neighbours of a boundary have: left and right.
type Kinds = (Word, Word);

struct Choice<'c> {
    segments: &'c [Hir],
    boundaries: &'c [bool],
    out: &'c mut Vec<Vec<Printed>>,
}

impl Choice<'_> {
    /// Goes on after so many boundaries, the last of which has these kinds.
    fn after(
        &mut self,
        index: usize,
        last: Option<Kinds>,
        before: Vec<Printed>,
    ) -> Result<(), String> {
        let Some(segment) = self.segments.get(index) else { return Ok(()) };
        let Some(same) = self.boundaries.get(index) else {
            return self.end(segment, last, before);
        };
        let rights =
            if *same { [(true, true), (false, false)] } else { [(true, false), (false, true)] };
        for kinds in rights {
            let (left, _) = kinds;
            // The segment is not empty: it ends as the boundary's left neighbour.
            let narrowed = match last {
                Some((_, right)) => begin(segment, right)?,
                None => Some(segment.clone()),
            };
            if let Some(part) = narrowed.map(|it| finish(&it, left)).transpose()?.flatten() {
                let mut more = before.clone();
                more.push(Printed::Part(part));
                self.after(index + 1, Some(kinds), more)?;
            }
            // The segment is empty: the boundary stands where the last one does.
            let Some(empty) = empty(segment)? else { continue };
            if last.is_some_and(|last| last != kinds) {
                continue;
            }
            let mut more = before.clone();
            if last.is_none() {
                more.push(Printed::Text(neighbour(left, "\\A")));
            }
            more.push(Printed::Part(empty));
            self.after(index + 1, Some(kinds), more)?;
        }
        Ok(())
    }

    fn end(
        &mut self,
        segment: &Hir,
        last: Option<Kinds>,
        before: Vec<Printed>,
    ) -> Result<(), String> {
        let Some((_, right)) = last else {
            self.out.push(vec![Printed::Part(segment.clone())]);
            return Ok(());
        };
        if let Some(part) = begin(segment, right)? {
            self.out.push(before.iter().cloned().chain([Printed::Part(part)]).collect());
        }
        if let Some(empty) = empty(segment)? {
            let tail = [Printed::Part(empty), Printed::Text(neighbour(right, "\\z"))];
            self.out.push(before.into_iter().chain(tail).collect());
        }
        if self.out.len() > ALTERNATIVES_MAX {
            return Err(too_many());
        }
        Ok(())
    }
}

/// Returns an expression for a neighbour outside: a character of its kind, or the end of the text.
fn neighbour(word: Word, end: &str) -> String {
    if word { format!("[{WORD}]") } else { format!("(?:{end}|[^{WORD}])") }
}

fn kind_of(c: char) -> Word {
    WORD_CLASS.ranges().iter().any(|range| (range.start()..=range.end()).contains(&c))
}

fn nullable(hir: &Hir) -> bool {
    hir.properties().minimum_len() == Some(0)
}

/// Returns the expression for its empty matches; `None` when it has none.
fn empty(hir: &Hir) -> Result<Option<Hir>, String> {
    if !nullable(hir) {
        return Ok(None);
    }
    match hir.kind() {
        _ if hir.properties().look_set().is_empty() => Ok(Some(Hir::empty())),
        HirKind::Look(_) => Ok(Some(hir.clone())),
        HirKind::Capture(Capture { sub, .. }) => empty(sub),
        HirKind::Concat(parts) => {
            let mut all = Vec::new();
            for part in parts {
                match empty(part)? {
                    Some(part) => all.push(part),
                    None => return Ok(None),
                }
            }
            Ok(Some(Hir::concat(all)))
        }
        HirKind::Alternation(parts) => {
            let mut any = Vec::new();
            for part in parts {
                any.extend(empty(part)?);
            }
            Ok(Some(Hir::alternation(any)))
        }
        _ => Err("a look-around is repeated beside a word boundary \\b".into()),
    }
}

/// Returns the expression for its matches that are not empty and begin with a character of this kind.
fn begin(hir: &Hir, word: Word) -> Result<Option<Hir>, String> {
    narrow(hir, word, true)
}

/// The same for the end.
fn finish(hir: &Hir, word: Word) -> Result<Option<Hir>, String> {
    narrow(hir, word, false)
}

fn narrow(hir: &Hir, word: Word, first: bool) -> Result<Option<Hir>, String> {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => Ok(None),
        HirKind::Literal(literal) => {
            let text = std::str::from_utf8(&literal.0).map_err(|_| "it names bytes".to_owned())?;
            let c = if first { text.chars().next() } else { text.chars().next_back() };
            Ok(c.filter(|c| kind_of(*c) == word).map(|_| hir.clone()))
        }
        HirKind::Class(Class::Unicode(class)) => {
            let mut class = class.clone();
            if word {
                class.intersect(&WORD_CLASS);
            } else {
                class.difference(&WORD_CLASS);
            }
            Ok((!class.ranges().is_empty()).then(|| Hir::class(Class::Unicode(class))))
        }
        HirKind::Class(Class::Bytes(_)) => Err("it names bytes".into()),
        HirKind::Capture(Capture { sub, .. }) => narrow(sub, word, first),
        HirKind::Repetition(repetition) => {
            let Repetition { min, max, sub, .. } = repetition;
            if *max == Some(0) {
                return Ok(None);
            }
            let Some(one) = narrow(sub, word, first)? else { return Ok(None) };
            // An empty match of the part may stand for any of those that are demanded.
            let min = if nullable(sub) { 0 } else { min.saturating_sub(1) };
            let others = Hir::repetition(Repetition {
                min,
                max: max.map(|max| max - 1),
                greedy: repetition.greedy,
                sub: sub.clone(),
            });
            let both = if first { vec![one, others] } else { vec![others, one] };
            Ok(Some(Hir::concat(both)))
        }
        HirKind::Alternation(parts) => {
            let mut any = Vec::new();
            for part in parts {
                any.extend(narrow(part, word, first)?);
            }
            Ok((!any.is_empty()).then(|| Hir::alternation(any)))
        }
        HirKind::Concat(parts) => {
            let mut any = Vec::new();
            let count = parts.len();
            // The part that holds the character; those beyond it are empty.
            for place in 0..count {
                let at = if first { place } else { count - 1 - place };
                let Some(part) = parts.get(at) else { break };
                if let Some(narrowed) = narrow(part, word, first)? {
                    let mut all = Vec::with_capacity(count);
                    for (index, other) in parts.iter().enumerate() {
                        let beyond = if first { index < at } else { index > at };
                        all.push(if index == at {
                            narrowed.clone()
                        } else if beyond {
                            empty(other)?.unwrap_or_else(Hir::fail)
                        } else {
                            other.clone()
                        });
                    }
                    any.push(Hir::concat(all));
                }
                if !nullable(part) {
                    break;
                }
            }
            Ok((!any.is_empty()).then(|| Hir::alternation(any)))
        }
    }
}
