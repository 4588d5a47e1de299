//! Texts in another writing: hexadecimal values of audit records, arguments of EXECVE in pieces, journal
//! entries as lists of bytes. They are redacted in themselves and written again as they were.
//!
//! Spec: Linux `kernel/audit.c`, `audit_log_n_hex` and `kernel/auditsc.c`, `audit_log_execve_info`;
//! systemd, "Journal JSON format".

use rules_event::encode_lossless;

use super::edit::{Put, What};
use super::scan::Scan;

/// Longest value that is decoded: an argument has 128 KiB at most, a record 8 KiB.
const VALUE_BYTES_MAX: usize = 256 * 1024;
/// Arguments of one EXECVE record.
const ARGUMENTS_MAX: usize = 1_024;

fn digits(text: &[u8], from: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    let is_digit = |byte: &&u8| matches!(byte, b'0'..=b'9' | b'A'..=b'F');
    rest.iter().take(VALUE_BYTES_MAX).take_while(is_digit).count()
}

/// Decodes the value at a place, if it is one in hexadecimal: at least one byte, nothing behind.
fn decode(text: &[u8], from: usize) -> Option<(Vec<u8>, usize)> {
    let length = digits(text, from);
    let behind = text.get(from + length);
    let is_end = behind.is_none_or(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_');
    let bytes = hex::decode(text.get(from..from + length)?).ok()?;
    (is_end && length >= 2).then_some((bytes, from + length))
}

/// Redacts a command of separate arguments, or a text.
fn redact_bytes(scan: &Scan<'_, '_>, bytes: &[u8]) -> Option<(Vec<u8>, u64)> {
    let mut bytes = bytes;
    let mut tail = 0;
    while let [rest @ .., 0] = bytes {
        (bytes, tail) = (rest, tail + 1);
    }
    let parts: Vec<_> = bytes.split(|byte| *byte == 0).map(encode_lossless).collect();
    let texts: Vec<&str> = parts.iter().map(|(text, _)| text.as_ref()).collect();
    let (texts, bits) = match texts.as_slice() {
        [one] => {
            let (text, bits) = scan.inner(one)?;
            (vec![text], bits)
        }
        many => scan.redactor.arguments(many)?,
    };
    let mut out = texts.join("\0").into_bytes();
    out.extend(std::iter::repeat_n(0, tail));
    Some((out, bits))
}

/// `proctitle=6D7973716C002D7078`
pub(super) fn value(scan: &mut Scan<'_, '_>, end: usize) {
    let Some((bytes, stop)) = decode(scan.bytes, end) else { return };
    if let Some((out, bits)) = redact_bytes(scan, &bytes) {
        scan.push(end, stop, What::Several(bits), Put::Text(hex::encode_upper(out)));
    }
}

/// One argument of an EXECVE record, of one piece or several.
struct Argument {
    number: usize,
    text: String,
    /// Where its pieces stand, without quotes, and whether each is in hexadecimal.
    places: Vec<(usize, usize, bool)>,
}

/// `argc=3 a0="mysql" a1="-psecret" a2=6462`
pub(super) fn execve(scan: &mut Scan<'_, '_>, start: usize) {
    if std::mem::replace(&mut scan.has_arguments, true) {
        return;
    }
    let all = read_arguments(scan.bytes, start);
    let texts: Vec<&str> = all.iter().map(|argument| argument.text.as_str()).collect();
    let Some((redacted, bits)) = scan.redactor.arguments(&texts) else { return };
    for (argument, new) in all.iter().zip(redacted) {
        if argument.text == new {
            continue;
        }
        for (number, (start, end, is_hex)) in argument.places.iter().enumerate() {
            // The first piece takes all of it, the others are left empty.
            let piece = if number == 0 { new.as_str() } else { "" };
            let needs_hex = piece.bytes().any(|b| b <= b' ' || b == b'"' || b >= 0x7f);
            let text = if *is_hex || needs_hex && !piece.is_empty() {
                hex::encode_upper(piece)
            } else {
                piece.to_owned()
            };
            if *is_hex || !needs_hex {
                scan.push(*start, *end, What::Several(bits), Put::Text(text));
            } else {
                // In hexadecimal it stands without quotes.
                scan.push(start - 1, end + 1, What::Several(bits), Put::Text(text));
            }
        }
    }
}

/// Reads the arguments behind `argc=`, over all EXECVE records of the event.
fn read_arguments(text: &[u8], start: usize) -> Vec<Argument> {
    let mut all: Vec<Argument> = Vec::new();
    let mut at = start;
    while at < text.len() && all.len() < ARGUMENTS_MAX {
        // The next word that begins an argument: " a12=", " a12[3]=".
        let Some(found) = memchr::memmem::find(&text[at..], b" a") else { break };
        at += found + 2;
        let digits = text[at..].iter().take(6).take_while(|byte| byte.is_ascii_digit()).count();
        let number =
            std::str::from_utf8(&text[at..at + digits]).ok().and_then(|it| it.parse().ok());
        let Some(number) = number else { continue };
        let mut behind = at + digits;
        if text.get(behind) == Some(&b'[') {
            let inside = &text[behind + 1..];
            let piece = inside.iter().take(6).take_while(|byte| byte.is_ascii_digit()).count();
            if inside.get(piece) != Some(&b']') {
                continue;
            }
            behind += piece + 2;
        }
        if text.get(behind) != Some(&b'=') {
            continue;
        }
        let from = behind + 1;
        let (bytes, place) = if text.get(from) == Some(&b'"') {
            let length = memchr::memchr(b'"', &text[from + 1..]).unwrap_or(text.len() - from - 1);
            let inside = &text[from + 1..from + 1 + length];
            (inside.to_vec(), (from + 1, from + 1 + length, false))
        } else if let Some((bytes, stop)) = decode(text, from) {
            (bytes, (from, stop, true))
        } else {
            continue;
        };
        at = place.1;
        let piece = encode_lossless(&bytes).0.into_owned();
        match all
            .iter_mut()
            .find(|argument| argument.number == number)
            .filter(|_| text[behind - 1] == b']')
        {
            Some(argument) => {
                argument.text.push_str(&piece);
                argument.places.push(place);
            }
            None => all.push(Argument { number, text: piece, places: vec![place] }),
        }
    }
    all
}

/// `"MESSAGE":[104,101,…]`: bytes that journald did not take for text. They become one.
pub(super) fn byte_array(scan: &mut Scan<'_, '_>, end: usize) {
    let rest = scan.bytes.get(end..).unwrap_or_default();
    let Some(close) = memchr::memchr(b']', rest).filter(|close| *close <= VALUE_BYTES_MAX) else {
        return;
    };
    let numbers = std::str::from_utf8(&rest[..close]).unwrap_or_default();
    let bytes: Option<Vec<u8>> =
        numbers.split(',').map(|number| number.trim().parse().ok()).collect();
    let Some(bytes) = bytes else { return };
    let (text, _) = encode_lossless(&bytes);
    if let Some((text, bits)) = scan.inner(&text) {
        let json = serde_json::Value::from(text).to_string();
        scan.push(end - 1, end + close + 1, What::Several(bits), Put::Text(json));
    }
}
