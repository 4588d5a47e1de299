//! Wide: UTF-16 into lines of UTF-8, and byte order marks (Unicode Standard, sections 3.9 and 3.10).

use super::frame::Framed;
use crate::{Encoding, LINE_BYTES_MAX, Span};

/// Longest line in bytes of UTF-16: two of them become three of UTF-8 at most, and those stay within
/// the bound of lines.
const WIDE_BYTES_MAX: usize = LINE_BYTES_MAX / 3 * 2;

/// How the bytes of a file are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    /// Two bytes a unit; the first is the most significant one.
    pub(crate) wide: Option<Order>,
    /// Length of the byte order mark at the beginning of the file.
    pub(crate) mark: usize,
}

/// Which byte of a unit comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// The least significant one.
    Little,
    /// The most significant one.
    Big,
}

impl Form {
    /// Tells from a file's first bytes. A mark says what it says; what is configured holds without one.
    pub(crate) fn of(first: &[u8], encoding: Encoding) -> Self {
        let configured = match encoding {
            Encoding::Auto | Encoding::Utf8 => None,
            Encoding::Utf16Le => Some(Order::Little),
            Encoding::Utf16Be => Some(Order::Big),
        };
        match first {
            [0xef, 0xbb, 0xbf, ..] if configured.is_none() => Self { wide: None, mark: 3 },
            [0xff, 0xfe, ..] if encoding != Encoding::Utf8 => {
                Self { wide: Some(Order::Little), mark: 2 }
            }
            [0xfe, 0xff, ..] if encoding != Encoding::Utf8 => {
                Self { wide: Some(Order::Big), mark: 2 }
            }
            _ => Self { wide: configured, mark: 0 },
        }
    }

    /// Bytes of a unit.
    pub(crate) fn unit(self) -> u64 {
        if self.wide.is_some() { 2 } else { 1 }
    }

    /// Returns the last start of a unit up to an offset.
    pub(crate) fn whole(self, offset: u64) -> u64 {
        offset / self.unit() * self.unit()
    }

    /// Whether a unit is a line end.
    pub(crate) fn is_line_end(self, unit: &[u8]) -> bool {
        match self.wide {
            None => unit == b"\n",
            Some(Order::Little) => unit == b"\n\0",
            Some(Order::Big) => unit == b"\0\n",
        }
    }
}

/// Cuts `bytes` of UTF-16 into at most `lines_max` lines as [`super::frame::frame`] does with UTF-8,
/// whose words are used here. The lines' text goes to `text`; spans start there, and their offsets
/// count bytes of the file. Half a pair is written as three bytes that are no UTF-8 (as in WTF-8), so
/// that it is kept as other invalid bytes are.
pub(crate) fn frame_wide(
    bytes: &[u8],
    order: Order,
    skipping: bool,
    finish: bool,
    lines_max: usize,
    text: &mut Vec<u8>,
) -> Framed {
    let unit = |at: usize| {
        let pair = [*bytes.get(at)?, *bytes.get(at + 1)?];
        Some(match order {
            Order::Little => u16::from_le_bytes(pair),
            Order::Big => u16::from_be_bytes(pair),
        })
    };
    let mut framed = Framed { skipping, ..Framed::default() };
    while framed.lines.len() < lines_max {
        let at = framed.used;
        let mut units = (at..bytes.len()).step_by(2).map_while(|at| Some((at, unit(at)?)));
        let whole = (bytes.len() - at) / 2 * 2;
        if whole == 0 {
            if finish && at < bytes.len() {
                // Half a unit at the very end.
                framed.used = bytes.len();
                framed.empty_bytes += 1;
            }
            break;
        }
        if unit(at) == Some(0) && !framed.skipping {
            let nuls = units.take_while(|(_, unit)| *unit == 0).count() * 2;
            framed.empty_bytes += nuls as u64;
            framed.used += nuls;
            continue;
        }
        let end = units.find(|(_, unit)| *unit == u16::from(b'\n')).map(|(end, _)| end - at);
        if framed.skipping {
            let skipped = end.map_or(whole, |end| end + 2);
            framed.truncated_bytes += skipped as u64;
            framed.used += skipped;
            framed.skipping = end.is_none();
            continue;
        }
        let len = match end {
            Some(end) => end,
            None if finish || whole > WIDE_BYTES_MAX => whole,
            None => break,
        };
        let cut = len > WIDE_BYTES_MAX;
        let start = text.len();
        write(text, (at..at + len.min(WIDE_BYTES_MAX)).step_by(2).filter_map(unit));
        let used = if cut { WIDE_BYTES_MAX } else { len + if end.is_some() { 2 } else { 0 } };
        if end.is_some() && !cut && text.get(start..).is_some_and(|text| text.ends_with(b"\r")) {
            text.pop();
        }
        framed.used += used;
        if text.len() == start {
            framed.empty_bytes += used as u64;
            continue;
        }
        let place = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        let flags = if cut { Span::TRUNCATED } else { 0 };
        let len = place(text.len() - start);
        framed.lines.push(Span { offset: at as u64, start: place(start), len, flags });
        framed.line_bytes += used as u64;
        framed.truncated += u64::from(cut);
        framed.skipping = cut;
    }
    framed
}

/// Writes units as UTF-8.
fn write(text: &mut Vec<u8>, units: impl Iterator<Item = u16>) {
    for decoded in char::decode_utf16(units) {
        match decoded {
            Ok(c) => text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            Err(half) => {
                let unit = half.unpaired_surrogate();
                let low = |shift: u16| (0x80 | unit >> shift & 0x3f).to_le_bytes()[0];
                text.extend_from_slice(&[0xe0 | (unit >> 12).to_le_bytes()[0], low(6), low(0)]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn wide(text: &str, order: Order) -> Vec<u8> {
        let bytes = |unit: u16| match order {
            Order::Little => unit.to_le_bytes(),
            Order::Big => unit.to_be_bytes(),
        };
        text.encode_utf16().flat_map(bytes).collect()
    }

    fn lines(bytes: &[u8], order: Order, finish: bool) -> Vec<(u64, Vec<u8>)> {
        let mut text = Vec::new();
        let framed = frame_wide(bytes, order, false, finish, usize::MAX, &mut text);
        let sum = framed.line_bytes + framed.truncated_bytes + framed.empty_bytes;
        assert_eq!(sum, framed.used as u64, "every byte used is counted once");
        let bytes = |s: &Span| text[s.start as usize..(s.start + s.len) as usize].to_vec();
        framed.lines.iter().map(|span| (span.offset, bytes(span))).collect()
    }

    #[test]
    fn lines_of_both_orders_become_utf_8() {
        for order in [Order::Little, Order::Big] {
            let bytes = wide("vọng\r\nlâu 🗼\n\nở", order);
            let expected = [(0, "vọng".into()), (12, "lâu 🗼".into())];
            assert_eq!(lines(&bytes, order, false), expected, "an unfinished line waits");
            assert_eq!(lines(&bytes, order, true)[2], (28, "ở".into()));
        }
        // U+0A0A holds bytes that look like line ends, and so does U+0D0A.
        let tricky = wide("a\u{a0a}\u{d0a}b\n", Order::Big);
        assert_eq!(lines(&tricky, Order::Big, false).len(), 1);
    }

    #[test]
    fn half_a_pair_is_kept_as_bytes_that_are_no_text() {
        let mut bytes = wide("a", Order::Little);
        bytes.extend([0x3d, 0xd8, b'b', 0, b'\n', 0]);
        assert_eq!(lines(&bytes, Order::Little, false), [(0, b"a\xed\xa0\xbdb".to_vec())]);
    }

    #[test]
    fn long_lines_are_cut_within_the_bound_of_lines() {
        let bytes = wide(&format!("{}\nnext\n", "ở".repeat(50_000)), Order::Little);
        let got = lines(&bytes, Order::Little, false);
        assert_eq!(got.len(), 2);
        assert!(got[0].1.len() <= LINE_BYTES_MAX && got[0].1.len() > LINE_BYTES_MAX - 6);
        assert_eq!(got[1], (100_002, b"next".to_vec()));
    }

    #[test]
    fn marks_say_what_follows() {
        let of = |first: &[u8], encoding| Form::of(first, encoding);
        assert_eq!(of(b"\xff\xfea\0", Encoding::Auto), Form { wide: Some(Order::Little), mark: 2 });
        assert_eq!(of(b"\xfe\xff\0a", Encoding::Auto), Form { wide: Some(Order::Big), mark: 2 });
        assert_eq!(of(b"\xef\xbb\xbfa", Encoding::Auto), Form { wide: None, mark: 3 });
        assert_eq!(of(b"\xff\xfea\0", Encoding::Utf8), Form { wide: None, mark: 0 });
        assert_eq!(of(b"\0a", Encoding::Utf16Be), Form { wide: Some(Order::Big), mark: 0 });
        assert_eq!(of(b"a\0", Encoding::Auto), Form { wide: None, mark: 0 });
    }

    proptest! {
        /// However the reads end, the lines are the same.
        #[test]
        fn pieces_do_not_matter(words in proptest::collection::vec("[aở🗼]{0,9}(\r?\n)?", 0..30), piece in 1usize..40) {
            let bytes = wide(&words.concat(), Order::Little);
            let whole = lines(&bytes, Order::Little, false);
            let (mut at, mut have, mut got) = (0, 0, Vec::new());
            while have < bytes.len() {
                have = (have + piece).min(bytes.len());
                let mut text = Vec::new();
                let part = &bytes[at..have];
                let framed = frame_wide(part, Order::Little, false, false, usize::MAX, &mut text);
                got.extend(framed.lines.iter().map(|s| {
                    let start = s.start as usize;
                    (at as u64 + s.offset, text[start..start + s.len as usize].to_vec())
                }));
                at += framed.used;
            }
            prop_assert_eq!(got, whole);
        }
    }
}
