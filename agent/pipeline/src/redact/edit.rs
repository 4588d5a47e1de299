//! Edit: the pieces of a text that are hidden, and the text without them.

use super::Redactor;
use super::kind::Kind;

/// What a hidden piece begins with.
pub(super) const MARK: &str = "[redacted:";

/// What comes into the place of a piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Put {
    /// The mark of its kind.
    Mark,
    /// The mark in these quotes: what was a number in JSON has to become text.
    Quoted(&'static str),
    /// This text: a piece in another writing, redacted in itself.
    Text(String),
}

/// A piece that is hidden.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Edit {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) what: What,
    pub(super) put: Put,
}

/// What was hidden: of one of our kinds, by a pattern of the configuration, or several in one piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Kind(Kind),
    Own(u8),
    /// Bits as of [`What::bits`].
    Several(u64),
}

/// Kinds have the lower half of the bits, own patterns the upper.
pub(super) const OWN_SHIFT: u32 = 32;

impl What {
    pub(super) fn bits(self) -> u64 {
        match self {
            Self::Kind(kind) => kind.bit(),
            Self::Own(number) => 1 << (OWN_SHIFT + u32::from(number)),
            Self::Several(bits) => bits,
        }
    }
}

/// Returns whether a piece is nothing but a mark of ours.
pub(super) fn is_mark(piece: &str) -> bool {
    let inside = piece.strip_prefix(MARK).and_then(|rest| rest.strip_suffix(']'));
    let is_part = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.' | b':');
    inside.is_some_and(|inside| !inside.is_empty() && inside.bytes().all(is_part))
}

/// Returns whether a place lies inside a mark of ours.
pub(super) fn is_in_mark(text: &str, at: usize) -> bool {
    /// Longest mark: kind or pattern name, digest, brackets.
    const MARK_BYTES_MAX: usize = 96;
    let from = at.saturating_sub(MARK_BYTES_MAX);
    let before = text.as_bytes().get(from..at).unwrap_or_default();
    let Some(open) = memchr::memrchr(b'[', before) else { return false };
    let rest = text.get(from + open..).unwrap_or_default();
    let end = rest.find(']').map_or(0, |end| end + 1);
    from + open + end > at && is_mark(rest.get(..end).unwrap_or_default())
}

/// Puts edits in order and joins those that overlap; one that writes a text anew swallows others.
pub(super) fn settle(edits: &mut Vec<Edit>) {
    edits.sort_by_key(|edit| (edit.start, std::cmp::Reverse(edit.end)));
    let mut kept: Vec<Edit> = Vec::with_capacity(edits.len());
    for edit in edits.drain(..) {
        let Some(last) = kept.last_mut().filter(|last| edit.start < last.end) else {
            kept.push(edit);
            continue;
        };
        if edit.end <= last.end {
            continue;
        }
        if matches!(last.put, Put::Text(_)) {
            let start = last.end;
            kept.push(Edit { start, ..edit });
            continue;
        }
        if matches!(edit.put, Put::Text(_)) {
            // Half of it cannot be kept: what is in the other writing goes whole.
            last.what = What::Several(last.what.bits() | edit.what.bits());
        }
        last.end = edit.end;
    }
    *edits = kept;
}

impl Redactor {
    /// Writes the text with the edits made; returns the bits of what was hidden.
    pub(super) fn apply(&self, text: &str, edits: &[Edit], out: &mut String) -> u64 {
        let (mut bits, mut done) = (0, 0);
        for edit in edits {
            bits |= edit.what.bits();
            out.push_str(text.get(done..edit.start).unwrap_or_default());
            let piece = text.get(edit.start..edit.end).unwrap_or_default();
            match &edit.put {
                Put::Mark => self.mark(edit.what, piece, out),
                Put::Quoted(quote) => {
                    out.push_str(quote);
                    self.mark(edit.what, piece, out);
                    out.push_str(quote);
                }
                Put::Text(text) => out.push_str(text),
            }
            done = edit.end;
        }
        out.push_str(text.get(done..).unwrap_or_default());
        bits
    }

    fn mark(&self, what: What, piece: &str, out: &mut String) {
        let name = match what {
            What::Kind(kind) => kind.as_str(),
            What::Own(number) => self.own_name(number),
            What::Several(bits) => {
                let kind = Kind::ALL.into_iter().find(|kind| bits & kind.bit() != 0);
                kind.map_or("own", Kind::as_str)
            }
        };
        out.push_str(MARK);
        out.push_str(name);
        if let Some(key) = &self.digest {
            out.push(':');
            out.push_str(&key.of(piece));
        }
        out.push(']');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_told_from_what_looks_like_one() {
        assert!(is_mark("[redacted:password]") && is_mark("[redacted:token:0a1b2c3d]"));
        for other in ["[redacted:]", "[redacted:a b]", "[redacted:a]x", "redacted", "[redacted:a"] {
            assert!(!is_mark(other), "{other}");
        }
        let text = "a [redacted:password] b";
        let inside: Vec<usize> = (0..text.len()).filter(|at| is_in_mark(text, *at)).collect();
        assert_eq!(inside, (3..21).collect::<Vec<_>>());
    }

    #[test]
    fn overlapping_edits_become_one() {
        let edit = |start, end| Edit { start, end, what: What::Kind(Kind::Token), put: Put::Mark };
        let mut edits = vec![edit(5, 9), edit(0, 3), edit(7, 12), edit(5, 6), edit(12, 13)];
        settle(&mut edits);
        let places: Vec<_> = edits.iter().map(|edit| (edit.start, edit.end)).collect();
        assert_eq!(places, [(0, 3), (5, 12), (12, 13)]);
    }
}
