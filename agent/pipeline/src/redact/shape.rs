//! Shapes: tokens and keys that are known by how they look.

use super::kind::Kind;
use super::scan::Scan;
use super::words::{Alphabet, Shape};

/// Fewest characters of header and payload of a JWT: `{"alg":""}` and `{"a":1}` in base64.
const JWT_PART_BYTES_MIN: usize = 8;
/// Longest header of a JWT that is looked for: one with a certificate in it has some thousand.
const HEADER_BYTES_MAX: usize = 8_192;
/// Characters behind the `AA` of a Telegram bot's token. Source: Telegram Bot API, "Authorizing your bot".
const TELEGRAM_BYTES: usize = 33;
/// Longest label of a PEM block and its dashes.
const LABEL_BYTES_MAX: usize = 64;

fn is_url_base64(byte: u8) -> bool {
    Alphabet::Url.holds(byte)
}

fn run(text: &[u8], from: usize, of: impl Fn(u8) -> bool) -> usize {
    text.get(from..).unwrap_or_default().iter().take_while(|byte| of(**byte)).count()
}

/// `header.payload.signature`, each in base64url. Spec: RFC 7515, 7.1.
pub(super) fn jwt(scan: &mut Scan<'_, '_>, at: usize) {
    let text = scan.bytes;
    // The word is the beginning of the payload, or that of the header.
    let start = match text.get(at) {
        Some(b'.') => {
            let before = text[..at].iter().rev().take(HEADER_BYTES_MAX);
            let header = &text[at - before.take_while(|byte| is_url_base64(**byte)).count()..at];
            let Some(offset) = memchr::memmem::find(header, b"eyJ") else { return };
            at - header.len() + offset
        }
        _ if at > 0 && is_url_base64(text[at - 1]) && !is_escape(scan, at) => return,
        _ => at,
    };
    let header = run(text, start, is_url_base64);
    let is_one = text[start..].starts_with(b"eyJ") && header >= JWT_PART_BYTES_MIN;
    if !is_one || text.get(start + header) != Some(&b'.') {
        return;
    }
    let payload = run(text, start + header + 1, is_url_base64);
    if payload < JWT_PART_BYTES_MIN {
        return;
    }
    let mut end = start + header + 1 + payload;
    // The signature; JWE has two parts more (RFC 7516, 7.1).
    for _ in 0..3 {
        let more = if text.get(end) == Some(&b'.') { run(text, end + 1, is_url_base64) } else { 0 };
        if more == 0 {
            break;
        }
        end += 1 + more;
    }
    scan.hide(start, end, Kind::Jwt);
}

/// `-----BEGIN RSA PRIVATE KEY-----` up to its end, or to the end of the record. Spec: RFC 7468, 2.
pub(super) fn pem(scan: &mut Scan<'_, '_>, start: usize, end: usize) {
    let from = start.saturating_sub(LABEL_BYTES_MAX);
    let before = scan.bytes.get(from..start).unwrap_or_default();
    let Some(begin) = memchr::memmem::rfind(before, b"-----BEGIN ") else { return };
    let label = &before[begin + b"-----BEGIN ".len()..];
    if !label.iter().all(|byte| byte.is_ascii_uppercase() || matches!(byte, b' ' | b'0'..=b'9')) {
        return;
    }
    let behind = scan.text.get(end..).unwrap_or_default();
    let Some(body) = ["-----", " BLOCK-----"].iter().find_map(|it| behind.strip_prefix(it)) else {
        return;
    };
    let start = scan.text.len() - body.len();
    // The lines end with line ends, real or escaped: these stay, as what stands around them.
    let length =
        body.find("-----END ").unwrap_or_else(|| body.find(['"', '<']).unwrap_or(body.len()));
    let piece = &body[..length];
    let mut tail = piece.trim_end_matches(['\n', '\r', ' ']);
    while let Some(less) = tail.strip_suffix("\\n").or(tail.strip_suffix("\\r")) {
        tail = less;
    }
    let lead = leading_line_ends(piece);
    if lead < tail.len() {
        scan.hide(start + lead, start + tail.len(), Kind::PrivateKey);
    }
}

fn leading_line_ends(piece: &str) -> usize {
    let mut rest = piece;
    while let Some(more) =
        ["\n", "\r", " ", "\\n", "\\r"].iter().find_map(|end| rest.strip_prefix(end))
    {
        rest = more;
    }
    piece.len() - rest.len()
}

/// A token with a telling beginning.
pub(super) fn token(scan: &mut Scan<'_, '_>, start: usize, shape: &Shape) {
    let Some(here) = scan.bytes.get(start..start + shape.word.len()) else { return };
    // Hosts are written in any case, tokens in theirs.
    let is_host = shape.of == Alphabet::Path;
    if here != shape.word.as_bytes() && !is_host {
        return;
    }
    let before = start.checked_sub(1).map(|at| scan.bytes[at]);
    if before.is_some_and(|byte| byte.is_ascii_alphanumeric())
        && !is_host
        && !is_escape(scan, start)
    {
        return;
    }
    let from = start + shape.word.len();
    let more = run(scan.bytes, from, |byte| shape.of.holds(byte));
    if more < shape.more {
        return;
    }
    let start = if is_host { from } else { start };
    scan.hide(start, from + more, shape.kind);
}

/// Whether the letter before is the end of an escape: `%3Dghp_`, `\nghp_`.
fn is_escape(scan: &Scan<'_, '_>, start: usize) -> bool {
    let before = &scan.bytes[..start];
    matches!(before, [.., b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit())
        || matches!(before, [.., b'\\', b'n' | b'r' | b't'])
}

/// `123456789:AAF…`, the token of a Telegram bot. `at` is the digit before the colon.
pub(super) fn telegram(scan: &mut Scan<'_, '_>, at: usize) {
    let digits = scan.bytes[..=at].iter().rev().take(12).take_while(|byte| byte.is_ascii_digit());
    let digits = digits.count();
    let from = at + 2;
    let more = run(scan.bytes, from, is_url_base64);
    if (8..=11).contains(&digits) && more >= TELEGRAM_BYTES && scan.bytes[from..].starts_with(b"AA")
    {
        scan.hide(at + 1 - digits, from + more, Kind::Token);
    }
}
