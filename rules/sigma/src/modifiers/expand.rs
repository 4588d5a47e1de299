//! Rewriting of text: dashes and encodings, which make several texts of one.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

use crate::{Part, Pattern, codes};

/// Texts that one value may become (`windash` with n dashes makes 5^n).
const EXPANSIONS_MAX: usize = 3_125;

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

/// Code, message and help.
pub(super) type Refusal = (&'static str, String, &'static str);

/// Applies the rewriting steps to a text; the result holds at least one pattern.
pub(super) fn expand(text: &str, steps: &[Step]) -> Result<Vec<Pattern>, Refusal> {
    let mut patterns = vec![Pattern::parse(text)];
    // Bytes of a UTF-16 step, waiting for the base64 step that follows.
    let mut encoded: Option<Vec<Vec<u8>>> = None;
    for step in steps {
        if *step == Step::Windash {
            let mut dashed = Vec::new();
            for pattern in &patterns {
                windash(pattern, &mut dashed)?;
            }
            patterns = dashed;
            continue;
        }
        let texts = match encoded.take() {
            Some(bytes) => bytes,
            None => patterns
                .iter()
                .map(|pattern| pattern.as_literal().map(|text| text.as_bytes().to_vec()))
                .collect::<Option<Vec<_>>>()
                .ok_or_else(|| {
                    let message = "a text with wildcards cannot be encoded".to_owned();
                    (codes::VALUE_TYPE, message, r"write \* for a star that is meant literally")
                })?,
        };
        match step {
            Step::Base64 => {
                // Padded: a base64 value is a whole one.
                let encode = |bytes: &Vec<u8>| STANDARD.encode(bytes);
                patterns = texts.iter().map(|bytes| Pattern::literal(&encode(bytes))).collect();
            }
            Step::Base64Offset => {
                if texts.iter().any(|bytes| bytes.len() < 2) {
                    let message = "one byte leaves no certain trace in base64".to_owned();
                    return Err((codes::VALUE_TYPE, message, "search for at least two bytes"));
                }
                patterns = texts.iter().flat_map(|bytes| base64_offsets(bytes)).collect();
            }
            Step::Utf16Le | Step::Utf16Be | Step::Utf16 => {
                let encode = |bytes: &Vec<u8>| utf16(&String::from_utf8_lossy(bytes), *step);
                encoded = Some(texts.iter().map(encode).collect());
            }
            Step::Windash => {}
        }
    }
    Ok(patterns)
}

fn utf16(text: &str, step: Step) -> Vec<u8> {
    let mark = (step == Step::Utf16).then_some(0xfeff_u16);
    let order = if step == Step::Utf16Be { u16::to_be_bytes } else { u16::to_le_bytes };
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
/// As pySigma: a `-` or `/` that no word character precedes and one follows.
fn windash(pattern: &Pattern, out: &mut Vec<Pattern>) -> Result<(), Refusal> {
    const DASHES: [char; 5] = ['-', '/', '\u{2013}', '\u{2014}', '\u{2015}'];
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let mut spellings = vec![Pattern::default()];
    for part in &pattern.parts {
        let Part::Literal(text) = part else {
            spellings.iter_mut().for_each(|spelling| spelling.push(part.clone()));
            continue;
        };
        let mut before: Option<char> = None;
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let parameter = matches!(c, '-' | '/')
                && !before.is_some_and(is_word)
                && chars.peek().is_some_and(|next| is_word(*next));
            if parameter {
                if (spellings.len() + out.len()) * DASHES.len() > EXPANSIONS_MAX {
                    let message = format!("the value has more than {EXPANSIONS_MAX} spellings");
                    let help = "leave out windash, or cut the value into several";
                    return Err((codes::DETECTION_BOUNDS, message, help));
                }
                spellings = spellings
                    .iter()
                    .flat_map(|spelling| {
                        DASHES.iter().map(|dash| {
                            let mut spelling = spelling.clone();
                            spelling.push(Part::Literal(dash.to_string()));
                            spelling
                        })
                    })
                    .collect();
            } else {
                let same = Part::Literal(c.to_string());
                spellings.iter_mut().for_each(|spelling| spelling.push(same.clone()));
            }
            before = Some(c);
        }
    }
    out.append(&mut spellings);
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
                    .any(|p| haystack.contains(p.as_literal().unwrap()));
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
}
