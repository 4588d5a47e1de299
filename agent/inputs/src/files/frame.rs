//! Frame: bytes into lines, the same lines wherever the reads happen to end.

use memchr::memchr;

use crate::{LINE_BYTES_MAX, Span};

/// What some bytes held.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Framed {
    /// The lines, without line ends; offsets count from the first of the bytes.
    pub(crate) lines: Vec<Span>,
    /// Lines cut at [`LINE_BYTES_MAX`].
    pub(crate) truncated: u64,
    /// Lines handed to an assembler.
    pub(crate) joined: u64,
    /// Bytes dealt with; what follows is an unfinished line, or was over the limit of lines.
    pub(crate) used: usize,
    /// The bytes used end inside a line that was cut.
    pub(crate) skipping: bool,
    /// Bytes of the lines, line ends included.
    pub(crate) line_bytes: u64,
    /// Bytes skipped after a cut.
    pub(crate) truncated_bytes: u64,
    /// Bytes of empty lines and NUL runs.
    pub(crate) empty_bytes: u64,
}

/// Cuts `bytes` into at most `lines_max` lines.
///
/// `skipping`: the bytes begin inside a line that was cut. `finish`: nothing will follow, so an
/// unfinished last line is a line. A run of NUL at the start of a line is what a writer leaves that
/// goes on at its old offset in a truncated file; it carries nothing.
pub(crate) fn frame(bytes: &[u8], skipping: bool, finish: bool, lines_max: usize) -> Framed {
    let mut framed = Framed { skipping, ..Framed::default() };
    while framed.lines.len() < lines_max {
        let at = framed.used;
        let rest = bytes.get(at..).unwrap_or_default();
        if rest.is_empty() {
            break;
        }
        let end = memchr(b'\n', rest);
        if framed.skipping {
            let skipped = end.map_or(rest.len(), |end| end + 1);
            framed.truncated_bytes += skipped as u64;
            framed.used += skipped;
            framed.skipping = end.is_none();
            continue;
        }
        let nuls = rest.iter().take_while(|&&byte| byte == 0).count();
        if nuls > 0 {
            framed.empty_bytes += nuls as u64;
            framed.used += nuls;
            continue;
        }
        let len = match end {
            Some(end) => end,
            None if finish || rest.len() > LINE_BYTES_MAX => rest.len(),
            None => break,
        };
        if len > LINE_BYTES_MAX {
            framed.lines.push(span(at, LINE_BYTES_MAX, Span::TRUNCATED));
            framed.truncated += 1;
            framed.line_bytes += LINE_BYTES_MAX as u64;
            framed.used += LINE_BYTES_MAX;
            framed.skipping = true;
            continue;
        }
        let text = if end.is_some() && rest.get(..len).is_some_and(|text| text.ends_with(b"\r")) {
            len - 1
        } else {
            len
        };
        let used = len + usize::from(end.is_some());
        framed.used += used;
        if text == 0 {
            framed.empty_bytes += used as u64;
        } else {
            framed.lines.push(span(at, text, 0));
            framed.line_bytes += used as u64;
        }
    }
    framed
}

fn span(at: usize, len: usize, flags: u8) -> Span {
    // What is framed at once is a chunk, which is far below 4 GiB.
    let place = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Span { offset: at as u64, start: place(at), len: place(len), flags }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn range(span: &Span) -> std::ops::Range<usize> {
        let start = span.start as usize;
        start..start + span.len as usize
    }

    fn lines(bytes: &[u8], finish: bool) -> Vec<&[u8]> {
        let framed = frame(bytes, false, finish, usize::MAX);
        framed.lines.iter().map(|span| &bytes[range(span)]).collect()
    }

    #[test]
    fn lines_end_at_line_ends() {
        assert_eq!(lines(b"a\r\nb\n\nc", false), [b"a", b"b"]);
        assert_eq!(lines(b"a\nc", true), [b"a", b"c"]);
        assert_eq!(lines(b"\0\0\0a\0b\n\0\n", false), [b"a\0b"]);
        assert_eq!(frame(b"rest\nnext\n", true, false, 9).lines, [span(5, 4, 0)]);
    }

    #[test]
    fn long_lines_are_cut_and_their_rest_is_counted() {
        let mut bytes = vec![b'x'; LINE_BYTES_MAX + 10];
        bytes.extend(b"\nnext\n");
        let framed = frame(&bytes, false, false, 9);
        assert_eq!(framed.lines.len(), 2);
        assert_eq!(framed.lines[0], span(0, LINE_BYTES_MAX, Span::TRUNCATED));
        assert_eq!(framed.truncated, 1);
        assert_eq!((framed.truncated_bytes, framed.used), (11, bytes.len()));
    }

    /// Frames as a reader would that gets the bytes in pieces.
    fn piecewise(bytes: &[u8], piece: usize) -> (Vec<(usize, usize, bool)>, u64) {
        let (mut at, mut have, mut skipping) = (0, 0, false);
        let (mut lines, mut sum) = (Vec::new(), 0);
        while have < bytes.len() {
            have = (have + piece).min(bytes.len());
            let framed = frame(&bytes[at..have], skipping, false, usize::MAX);
            let place = |s: &Span| (at + range(s).start, at + range(s).end, s.is_truncated());
            lines.extend(framed.lines.iter().map(place));
            sum += framed.line_bytes + framed.truncated_bytes + framed.empty_bytes;
            assert_eq!(framed.lines.len().min(1), usize::from(framed.line_bytes > 0));
            at += framed.used;
            skipping = framed.skipping;
        }
        assert_eq!(sum, at as u64, "every byte used is counted once");
        (lines, at as u64)
    }

    proptest! {
        #[test]
        fn pieces_do_not_matter(
            parts in proptest::collection::vec(
                (proptest::sample::select(vec![&b"a"[..], b"\n", b"\r\n", b"\0", b"\r", b"xyz"]), 1usize..5, any::<bool>()),
                0..60,
            ),
            piece in 1usize..50,
        ) {
            let mut bytes = Vec::new();
            for (part, times, long) in parts {
                let times = if long && part == b"xyz" { 23_000 } else { times };
                for _ in 0..times { bytes.extend(part); }
            }
            let piece = if bytes.len() > 10_000 { piece * 3_000 } else { piece };
            prop_assert_eq!(piecewise(&bytes, piece), piecewise(&bytes, usize::MAX / 2));
        }
    }
}
