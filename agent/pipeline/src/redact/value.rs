//! Value: where the value of a name begins and ends, in the many ways logs write it.

use memchr::memchr;

use super::edit::MARK;

/// Blanks that may stand around a separator.
const BLANKS_MAX: usize = 2;
/// Signs that may close a name before its separator.
const CLOSERS_MAX: usize = 3;

/// What stands between a name and its value.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Separator {
    /// Where what follows begins: the value, or the quote before it.
    pub(super) end: usize,
    /// A colon with a blank behind it, as in prose.
    pub(super) is_prose: bool,
    /// Written in percent: so are the signs that end the value.
    pub(super) is_encoded: bool,
    /// The name stood in double quotes: JSON.
    pub(super) is_json: bool,
    /// These were escaped: JSON inside text.
    pub(super) is_escaped: bool,
}

fn starts(text: &[u8], at: usize, piece: &[u8]) -> bool {
    let here = text.get(at..at + piece.len());
    here.is_some_and(|here| here.eq_ignore_ascii_case(piece))
}

fn blanks(text: &[u8], at: usize) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    rest.iter().take(BLANKS_MAX).take_while(|byte| matches!(byte, b' ' | b'\t')).count()
}

impl Separator {
    /// Reads the separator behind a name.
    pub(super) fn read(text: &[u8], name_end: usize) -> Option<Self> {
        let mut found = Self::default();
        let mut at = name_end;
        for _ in 0..CLOSERS_MAX {
            match text.get(at..)? {
                [b'\\', b'\\', b'\\', b'"', ..] => (found.is_escaped, at) = (true, at + 4),
                [b'\\', b'"', ..] => (found.is_escaped, at) = (true, at + 2),
                [b'"', ..] => (found.is_json, at) = (true, at + 1),
                [b'\'' | b']' | b'`', ..] => at += 1,
                rest if starts(rest, 0, b"%5d") || starts(rest, 0, b"%22") => at += 3,
                rest if starts(rest, 0, b"&quot;") => at += 6,
                _ => break,
            }
        }
        at += blanks(text, at);
        let rest = text.get(at..)?;
        let length = match rest {
            [b'=', b'>' | b'=', ..] | [b':', b'=', ..] => 2,
            // A name with its space, an address with its scheme: no value.
            [b':', b':' | b'/', ..] => return None,
            [b'=', after, ..] => {
                // "contains pwd= in cleartext": a blank behind, none before.
                found.is_prose = matches!(after, b' ' | b'\t') && at == name_end;
                1
            }
            [b'='] => 1,
            [b':', after, ..] => {
                found.is_prose =
                    matches!(after, b' ' | b'\t') && !found.is_json && !found.is_escaped;
                1
            }
            _ if starts(rest, 0, b"%3d") || starts(rest, 0, b"%3a") => {
                found.is_encoded = true;
                3
            }
            _ if starts(rest, 0, b"%253d") => {
                found.is_encoded = true;
                5
            }
            _ if starts(rest, 0, b"\\u003d") => 6,
            _ => return None,
        };
        at += length;
        at += blanks(text, at);
        found.end = at;
        Some(found)
    }
}

/// Where a value stands, without its quotes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Value {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) is_quoted: bool,
}

/// What ends a value that has no quotes.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Bare {
    /// A parameter of a URL or form: ends at `&`.
    pub(super) is_query: bool,
    /// The signs that end it may be written in percent.
    pub(super) is_encoded: bool,
    /// A parameter of a path: ends at `/` and `?` too.
    pub(super) is_path: bool,
    /// A value of JSON without quotes: ends where one does.
    pub(super) is_json: bool,
    /// The text is JSON: a backslash escapes.
    pub(super) has_escapes: bool,
}

impl Value {
    /// Reads the value at a place, in quotes or without.
    pub(super) fn read(text: &[u8], at: usize, bare: Bare) -> Option<Self> {
        let at = match text.get(at..)? {
            [b'[', b'"' | b'\'', ..] => at + 1,
            _ => at,
        };
        let open = match text.get(at..)? {
            [b'\\', b'\\', b'\\', b'"', ..] => 4,
            [b'\\', b'"', ..] | [b'\\', b'\'', ..] => 2,
            // Quotes that are doubled, as in CSV; two with nothing between are an empty text.
            [b'"', b'"', next, ..] if next.is_ascii_alphanumeric() => 2,
            [b'"' | b'\'' | b'`', ..] => 1,
            rest if starts(rest, 0, b"%22") && !bare.is_query => 3,
            rest if starts(rest, 0, b"&quot;") => 6,
            rest if starts(rest, 0, b"\\u0022") => 6,
            _ => return Some(Self::bare(text, at, bare)),
        };
        let quote = &text[at..at + open];
        let start = at + open;
        Some(Self { start, end: close(text, start, quote), is_quoted: true })
    }

    /// Reads a value without quotes.
    pub(super) fn bare(text: &[u8], start: usize, bare: Bare) -> Self {
        let mut end = start;
        while let Some(byte) = text.get(end) {
            let rest = &text[end..];
            let ends = match byte {
                0..=b' ' | b'"' | b'<' | b'>' | b'`' | 0x7f => true,
                b'&' => bare.is_query || is_next_name(&rest[1..]) || starts(rest, 0, b"&amp;"),
                b'#' => bare.is_query,
                b'/' | b'?' => bare.is_path,
                b'%' => bare.is_encoded && (starts(rest, 0, b"%26") || starts(rest, 0, b"%2526")),
                b'\\' => is_escaped_end(rest, bare.has_escapes),
                b',' | b';' => {
                    bare.is_json || (bare.is_path && *byte == b';') || is_list_end(&rest[1..])
                }
                b'\'' => is_text_end(&rest[1..]),
                b')' | b']' | b'}' => bare.is_json || is_text_end(&rest[1..]),
                _ => false,
            };
            if ends {
                break;
            }
            end += match byte {
                b'\\' => rest.iter().take_while(|byte| **byte == b'\\').count(),
                b'[' => mark(rest).max(1),
                _ => 1,
            };
        }
        Self { start, end, is_quoted: false }
    }
}

/// Whether backslashes end a value: with a quote, or with a line end or tab in a text of JSON. There may
/// be several, of JSON in JSON; then a small letter behind says that they are part of a name.
fn is_escaped_end(rest: &[u8], has_escapes: bool) -> bool {
    let slashes = rest.iter().take_while(|byte| **byte == b'\\').count();
    let behind = rest.get(slashes + 1);
    match rest.get(slashes) {
        Some(b'"') => true,
        Some(b'n' | b'r' | b't') if has_escapes => {
            slashes == 1 || behind.is_none_or(|byte| !byte.is_ascii_lowercase())
        }
        Some(b'u') if has_escapes => rest[slashes..].starts_with(b"u00"),
        _ => false,
    }
}

/// Returns the bytes of the mark of ours that a text begins with: one piece, whatever signs it has.
pub(super) fn mark(rest: &[u8]) -> usize {
    let Some(inside) = rest.strip_prefix(MARK.as_bytes()) else { return 0 };
    let is_part =
        |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':');
    let length = inside.iter().take_while(is_part).count();
    if inside.get(length) == Some(&b']') { MARK.len() + length + 1 } else { 0 }
}

/// Whether a sign of a list ends the value before it: a blank, the end, or another name follows.
fn is_list_end(rest: &[u8]) -> bool {
    matches!(rest.first(), None | Some(b' ' | b'\t' | b'"' | b'\'' | b'\n' | b')' | b'}' | b']'))
        || is_next_name(rest)
}

/// Whether a quote or bracket ends the value before it.
fn is_text_end(rest: &[u8]) -> bool {
    /// So many closing signs in a row are looked over.
    const CLOSING_MAX: usize = 8;
    let is_closing = |byte: &&u8| matches!(byte, b')' | b']' | b'}' | b'\'' | b';' | b',');
    let more = rest.iter().take(CLOSING_MAX).take_while(is_closing).count();
    let is_end =
        |byte: &u8| matches!(byte, b' ' | b'\t' | b'"' | b'\n' | b'<' | b'&' | b'\\' | b'|');
    rest.get(more).is_none_or(is_end)
}

/// Whether another name with its separator follows.
fn is_next_name(rest: &[u8]) -> bool {
    /// Longest name that is looked for.
    const NAME_BYTES_MAX: usize = 40;
    let is_name =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b' ');
    let name = rest.iter().take(NAME_BYTES_MAX).take_while(|byte| is_name(byte)).count();
    name > 0 && matches!(rest.get(name), Some(b'=' | b':'))
}

/// Returns where a text in quotes ends: before its closing quote, or with everything.
fn close(text: &[u8], start: usize, quote: &[u8]) -> usize {
    let Some(sign) = quote.last().copied() else { return start };
    let escapes = quote.iter().filter(|byte| **byte == b'\\').count();
    let is_doubled = quote.len() == 2 && escapes == 0;
    if quote.starts_with(b"%") || quote.starts_with(b"&") || quote.starts_with(b"\\u") {
        let here = &text[start..];
        let found = (0..here.len()).find(|at| starts(here, *at, quote) || here[*at] == b'"');
        return start + found.unwrap_or(here.len());
    }
    let mut at = start;
    while let Some(found) = text.get(at..).and_then(|rest| memchr(sign, rest)) {
        let place = at + found;
        let slashes = text[start..place].iter().rev().take_while(|byte| **byte == b'\\').count();
        let next = text.get(place + 1);
        match escapes {
            0 if is_doubled && next == Some(&sign) => return place,
            0 if is_doubled => {}
            // In SQL and CSV a quote inside is written twice.
            0 if slashes % 2 == 0 && next == Some(&sign) && sign == b'\'' => {
                at = place + 2;
                continue;
            }
            0 if slashes % 2 == 0 => return place,
            0 => {}
            // The text around ends here, or this one: as many escapes as it began with, or fewer.
            _ if slashes <= escapes => return place - slashes,
            _ => {}
        }
        at = place + 1;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn value(text: &str) -> &str {
        let at = text.find('~').unwrap();
        let value = Value::read(text.as_bytes(), at + 1, Bare::default()).unwrap();
        &text[value.start..value.end]
    }

    #[test]
    fn values_end_where_they_do() {
        for (text, expected) in [
            ("~abc def", "abc"),
            ("~\"a b\" c", "a b"),
            (r#"~"a\"b" c"#, r#"a\"b"#),
            ("~'it''s' x", "it''s"),
            (r#"~\"a b\",\"c\""#, "a b"),
            (r#"~\"a\\\"b\" c"#, r#"a\\\"b"#),
            (r#"~""a"",""b"""#, "a"),
            ("~\"open", "open"),
            ("~a,b=c", "a"),
            ("~a,b c", "a,b"),
            ("~a, b", "a"),
            ("~a;", "a"),
            ("~a)", "a"),
            ("~a)b", "a)b"),
            ("~ab' x", "ab"),
            ("~ab'c x", "ab'c"),
            ("~a&b=c", "a"),
            ("~a&b c", "a&b"),
            ("~\"\" x", ""),
            ("~", ""),
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
    }
}
