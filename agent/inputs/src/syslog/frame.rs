//! Framing: where one message of a connection ends and the next begins.
//!
//! Spec: RFC 6587, 3.4.1 (octet counting: `MSG-LEN SP SYSLOG-MSG`) and 3.4.2 (a line feed, in practice
//! also NUL, behind each); RFC 5425, 4.3 (counting within TLS). Which of the two a sender uses is seen
//! by the first byte of each message: a count begins with 1 to 9, a message with `<`.

use crate::LINE_BYTES_MAX;

/// Digits of a count: more than any message that is kept has bytes, and far from overflow.
const COUNT_DIGITS_MAX: usize = 9;

/// Takes messages out of the bytes of one connection, however these are cut.
#[derive(Debug, Default)]
pub(crate) struct Framer {
    /// The beginning of a message whose end is not there yet; at most [`LINE_BYTES_MAX`] and a count.
    rest: Vec<u8>,
    /// Something of this message was left out already.
    cut: bool,
    state: State,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the first byte of a message.
    #[default]
    Start,
    /// Within a count.
    Count,
    /// Within a counted message: bytes still to come.
    Counted(usize),
    /// Within a message that a line feed ends.
    Line,
    /// Behind what is kept of a message that a line feed ends.
    SkipLine,
}

/// A message, and the bytes that were left out behind it.
pub(crate) struct Message<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) truncated: bool,
}

impl Framer {
    /// Takes bytes in and hands over each message that they end. Returns how many bytes were left out
    /// of messages that are too long.
    pub(crate) fn push(&mut self, bytes: &[u8], take: &mut impl FnMut(Message<'_>)) -> u64 {
        let mut rest = bytes;
        let mut skipped = 0;
        while let Some((&first, behind)) = rest.split_first() {
            match self.state {
                State::Start => match first {
                    // Empty lines, and the line feed that some put behind a counted message.
                    b'\n' | b'\r' | 0 | b' ' => rest = behind,
                    b'1'..=b'9' => self.state = State::Count,
                    _ => self.state = State::Line,
                },
                State::Count => match first {
                    b'0'..=b'9' if self.rest.len() < COUNT_DIGITS_MAX => {
                        self.rest.push(first);
                        rest = behind;
                    }
                    b' ' => {
                        let digits = std::str::from_utf8(&self.rest).unwrap_or_default();
                        let count = digits.parse().unwrap_or(0);
                        self.rest.clear();
                        self.state = State::Counted(count);
                        rest = behind;
                    }
                    // No count: a line that begins with digits, such as a time.
                    _ => self.state = State::Line,
                },
                State::Counted(count) => {
                    let here = count.min(rest.len());
                    let (part, behind) = rest.split_at(here);
                    let room = LINE_BYTES_MAX - self.rest.len();
                    self.rest.extend_from_slice(part.get(..room.min(here)).unwrap_or_default());
                    let left_out = here.saturating_sub(room);
                    skipped += left_out as u64;
                    self.cut |= left_out > 0;
                    rest = behind;
                    let to_come = count - here;
                    self.state = State::Counted(to_come);
                    if to_come == 0 {
                        self.end(self.cut, take);
                    }
                }
                State::Line | State::SkipLine => {
                    let end = memchr::memchr2(b'\n', 0, rest);
                    let part = rest.get(..end.unwrap_or(rest.len())).unwrap_or_default();
                    if self.state == State::Line {
                        let room = LINE_BYTES_MAX - self.rest.len();
                        self.rest
                            .extend_from_slice(part.get(..room.min(part.len())).unwrap_or(b""));
                        if part.len() > room {
                            skipped += (part.len() - room) as u64;
                            self.end(true, take);
                            self.state = State::SkipLine;
                        }
                    } else {
                        skipped += part.len() as u64;
                    }
                    rest = match end {
                        Some(end) => {
                            match self.state {
                                State::Line => self.end(false, take),
                                _ => self.state = State::Start,
                            }
                            rest.get(end + 1..).unwrap_or_default()
                        }
                        None => &[],
                    };
                }
            }
        }
        skipped
    }

    /// Hands over what is left when the connection ends.
    pub(crate) fn finish(&mut self, take: &mut impl FnMut(Message<'_>)) {
        if matches!(self.state, State::Line | State::Counted(_)) {
            self.end(matches!(self.state, State::Counted(_)), take);
        }
        *self = Self::default();
    }

    fn end(&mut self, truncated: bool, take: &mut impl FnMut(Message<'_>)) {
        let bytes = self.rest.trim_ascii_end();
        if !bytes.is_empty() {
            take(Message { bytes, truncated });
        }
        self.rest.clear();
        self.cut = false;
        self.state = State::Start;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(parts: &[&[u8]]) -> (Vec<(String, bool)>, u64) {
        let mut found = Vec::new();
        let mut take = |message: Message<'_>| {
            found.push((String::from_utf8_lossy(message.bytes).into_owned(), message.truncated));
        };
        let mut framer = Framer::default();
        let skipped = parts.iter().map(|part| framer.push(part, &mut take)).sum();
        framer.finish(&mut take);
        (found, skipped)
    }

    fn texts(stream: &str) -> Vec<String> {
        all(&[stream.as_bytes()]).0.into_iter().map(|(text, _)| text).collect()
    }

    #[test]
    fn both_ways_of_framing_may_be_mixed() {
        assert_eq!(texts("5 <1>ab7 <2>c\ndx<3>e\r\n<4>f\n"), ["<1>ab", "<2>c\ndx", "<3>e", "<4>f"]);
        assert_eq!(texts("<1>no end"), ["<1>no end"]);
        assert_eq!(
            texts("2026-11-26T08:00:00Z fw1 up\n\n<1>a\0<2>b\0"),
            ["2026-11-26T08:00:00Z fw1 up", "<1>a", "<2>b"]
        );
        assert_eq!(all(&[b"9 <1>cut"]).0, [("<1>cut".to_owned(), true)]);
    }

    #[test]
    fn what_is_too_long_is_cut_and_the_next_message_is_found() {
        let long = "x".repeat(LINE_BYTES_MAX + 10);
        for stream in [format!("<{long}\n<2>b\n"), format!("{} <{long}5 <2>bc", long.len() + 1)] {
            let (found, skipped) = all(&[stream.as_bytes()]);
            assert_eq!((found.len(), skipped), (2, 11));
            assert!(found[0].1 && found[0].0.len() == LINE_BYTES_MAX);
            assert!(found[1].0.starts_with("<2>b"));
        }
    }

    proptest! {
        #[test]
        fn where_the_bytes_are_cut_does_not_matter(
            messages in prop::collection::vec(("<[0-9]{1,3}>[ -~]{0,40}[!-~]", any::<bool>()), 0..8),
            cuts in prop::collection::vec(0_usize..400, 0..6),
        ) {
            let mut stream = String::new();
            for (message, counted) in &messages {
                match counted {
                    true => stream.push_str(&format!("{} {message}", message.len())),
                    false => stream.push_str(&format!("{message}\n")),
                }
            }
            let mut cuts: Vec<usize> = cuts.into_iter().map(|at| at.min(stream.len())).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let parts: Vec<&[u8]> =
                cuts.windows(2).map(|pair| &stream.as_bytes()[pair[0]..pair[1]]).collect();
            let expected: Vec<(String, bool)> =
                messages.iter().map(|(message, _)| (message.clone(), false)).collect();
            prop_assert_eq!(all(&parts), (expected, 0));
        }

        #[test]
        fn any_bytes_are_taken(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let (found, _) = all(&[&bytes]);
            prop_assert!(found.iter().map(|(text, _)| text.len()).sum::<usize>() <= bytes.len() * 3);
        }
    }
}
