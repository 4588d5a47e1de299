//! Rewriting of text: dashes and encodings, which make several texts of one.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use crate::{Pattern, codes};

/// Texts that one value may become (`windash` with n dashes makes 5^n).
const EXPANSIONS_MAX: usize = 3_125;

/// Bytes of all spellings of one value.
const SPELLINGS_BYTES_MAX: usize = 1024 * 1024;

/// A rewriting of text, in the order written.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Step {
    Windash,
    Utf16Le,
    Utf16Be,
    /// Little-endian with a byte order mark.
    Utf16,
    Base64,
    Base64Offset,
}

impl Step {
    pub(super) fn is_utf16(self) -> bool {
        matches!(self, Self::Utf16Le | Self::Utf16Be | Self::Utf16)
    }
}

/// Code, message and help.
pub(super) type Refusal = (&'static str, String, &'static str);

/// A value on its way through the steps.
enum Stage {
    Text(Pattern),
    /// UTF-16, which is not text.
    Bytes(Vec<u8>),
}

/// Applies the rewriting steps to a text; the result holds at least one pattern.
pub(super) fn expand(text: &str, steps: &[Step]) -> Result<Vec<Pattern>, Refusal> {
    let mut stages = vec![Stage::Text(Pattern::parse(text))];
    for step in steps {
        let mut next = Vec::with_capacity(stages.len());
        for stage in stages {
            apply(*step, stage, &mut next)?;
        }
        stages = next;
    }
    stages.into_iter().map(finished).collect()
}

fn apply(step: Step, stage: Stage, out: &mut Vec<Stage>) -> Result<(), Refusal> {
    if step == Step::Windash {
        match stage {
            Stage::Text(pattern) => windash(pattern.as_str(), out)?,
            // The parser of modifiers refuses windash behind an encoding.
            bytes @ Stage::Bytes(_) => out.push(bytes),
        }
        return Ok(());
    }
    let bytes = match stage {
        Stage::Bytes(bytes) => bytes,
        Stage::Text(pattern) => {
            let literal = pattern.as_literal().ok_or_else(|| {
                let message = "a text with wildcards cannot be encoded".to_owned();
                (codes::VALUE_TYPE, message, r"write \* for a star that is meant literally")
            })?;
            literal.as_bytes().to_vec()
        }
    };
    match step {
        // Padded: a base64 value is a whole one.
        Step::Base64 => out.push(Stage::Text(Pattern::literal(&STANDARD.encode(bytes)))),
        Step::Base64Offset => {
            if bytes.len() < 2 {
                let message = "one byte leaves no certain trace in base64".to_owned();
                return Err((codes::VALUE_TYPE, message, "search for at least two bytes"));
            }
            out.extend(base64_offsets(&bytes).into_iter().map(Stage::Text));
        }
        Step::Utf16Le | Step::Utf16Be | Step::Utf16 => {
            out.push(Stage::Bytes(utf16(&String::from_utf8_lossy(&bytes), step)));
        }
        Step::Windash => {}
    }
    Ok(())
}

/// Turns what the last step left into a pattern. UTF-16 without base64 behind it is searched as the
/// characters it looks like when nobody decoded it, as pySigma does: `c NUL m NUL d NUL`.
fn finished(stage: Stage) -> Result<Pattern, Refusal> {
    let bytes = match stage {
        Stage::Text(pattern) => return Ok(pattern),
        Stage::Bytes(bytes) => bytes,
    };
    let (mark, rest) = match bytes.strip_prefix(b"\xff\xfe") {
        Some(rest) => ("\u{feff}", rest),
        None => ("", bytes.as_slice()),
    };
    match std::str::from_utf8(rest) {
        Ok(text) => Ok(Pattern::literal(&format!("{mark}{text}"))),
        Err(_) => {
            let message = "only ASCII text can be searched in UTF-16 that nobody decoded";
            let help = "write 'wide|base64offset|contains', or leave out the encoding";
            Err((codes::VALUE_TYPE, message.to_owned(), help))
        }
    }
}

fn utf16(text: &str, step: Step) -> Vec<u8> {
    let mark = (step == Step::Utf16).then_some(0xfeff_u16);
    let order = |unit: u16| match step {
        Step::Utf16Be => unit.to_be_bytes(),
        _ => unit.to_le_bytes(),
    };
    mark.into_iter().chain(text.encode_utf16()).flat_map(order).collect()
}

/// Returns the three spellings of bytes inside a longer base64 text, without the characters at the
/// ends that depend on the neighbours.
fn base64_offsets(bytes: &[u8]) -> Vec<Pattern> {
    (0..3_usize)
        .filter_map(|offset| {
            let mut padded = vec![b' '; offset];
            padded.extend_from_slice(bytes);
            let text = STANDARD_NO_PAD.encode(&padded);
            // 8·offset bits come before, 6 bits make a character: ⌈8·offset/6⌉ to cut off.
            let start = (8 * offset).div_ceil(6);
            let end = padded.len() * 8 / 6;
            text.get(start..end).filter(|text| !text.is_empty()).map(Pattern::literal)
        })
        .collect()
}

/// Adds every spelling of the pattern with other dashes and slashes before its parameters.
///
/// Spec: Sigma appendix "modifiers" 2.1, `windash`; as in pySigma only where no word character
/// precedes and one follows, so that `foo-bar` stays.
fn windash(spelling: &str, out: &mut Vec<Stage>) -> Result<(), Refusal> {
    const DASHES: [char; 5] = ['-', '/', '\u{2013}', '\u{2014}', '\u{2015}'];
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut spellings = vec![String::new()];
    let mut before: Option<char> = None;
    let mut chars = spelling.chars().peekable();
    while let Some(c) = chars.next() {
        let parameter = DASHES.contains(&c)
            && !before.is_some_and(is_word)
            && chars.peek().is_some_and(|next| is_word(*next));
        if parameter {
            let count = (spellings.len() + out.len()) * DASHES.len();
            if count > EXPANSIONS_MAX || count * spelling.len() > SPELLINGS_BYTES_MAX {
                let message =
                    format!("the value has more than {EXPANSIONS_MAX} spellings, or 1 MiB of them");
                let help = "leave out windash, or cut the value into several";
                return Err((codes::DETECTION_BOUNDS, message, help));
            }
            let with = |spelling: &String| DASHES.map(|dash| format!("{spelling}{dash}"));
            spellings = spellings.iter().flat_map(with).collect();
        } else {
            spellings.iter_mut().for_each(|spelling| spelling.push(c));
        }
        before = Some(c);
    }
    out.extend(spellings.iter().map(|spelling| Stage::Text(Pattern::parse(spelling))));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(text: &str, steps: &[Step]) -> Vec<String> {
        expand(text, steps).unwrap().iter().map(Pattern::to_string).collect()
    }

    #[test]
    fn base64_offsets_are_those_of_the_specification() {
        // The example of the specification: base64offset of "/bin/bash".
        assert_eq!(
            expanded("/bin/bash", &[Step::Base64Offset]),
            ["L2Jpbi9iYXNo", "9iaW4vYmFza", "vYmluL2Jhc2"]
        );
        assert_eq!(expanded("ping", &[Step::Utf16Le, Step::Base64]), ["cABpAG4AZwA="]);
    }

    #[test]
    fn base64_offsets_are_found_wherever_the_text_stands() {
        for before in 0..7 {
            for word in ["ab", "abc", "abcd", "http://"] {
                let text = format!("{}{word}{}", "x".repeat(before), "yz");
                let haystack = STANDARD_NO_PAD.encode(text);
                let found = base64_offsets(word.as_bytes())
                    .iter()
                    .any(|p| haystack.contains(&*p.as_literal().unwrap()));
                assert!(found, "{word} after {before}");
            }
        }
    }

    #[test]
    fn windash_touches_only_parameters() {
        assert_eq!(expanded(" -s", &[Step::Windash]), [" -s", " /s", " –s", " —s", " ―s"]);
        assert_eq!(expanded("foo-bar", &[Step::Windash]), ["foo-bar"]);
        assert_eq!(expanded("-a -b", &[Step::Windash]).len(), 25);
        assert!(expand(&" -a".repeat(6), &[Step::Windash]).is_err());
    }

    #[test]
    fn utf16_may_stand_alone_or_encode_again() {
        assert_eq!(expanded("cmd", &[Step::Utf16Le]), ["c\0m\0d\0"]);
        assert_eq!(expanded("cmd", &[Step::Utf16Be]), ["\0c\0m\0d"]);
        assert_eq!(expanded("cmd", &[Step::Utf16]), ["\u{feff}c\0m\0d\0"]);
        assert_eq!(expanded("a", &[Step::Utf16, Step::Base64]), ["//5hAA=="]);
        assert_eq!(expanded("a", &[Step::Base64, Step::Base64]), ["WVE9PQ=="]);
        assert!(expand("é", &[Step::Utf16Le]).is_err());
    }
}
