//! URLs: passwords of user information, codes of OAuth.

use super::edit;
use super::keyed::{is_attack, is_nothing};
use super::kind::Kind;
use super::scan::Scan;
use super::value::{Bare, Value};

/// Longest user information that is looked for, bytes.
const USERINFO_BYTES_MAX: usize = 512;
/// `@` that are looked at in one text: addresses of mail are many in a mail log.
const SIGNS_MAX: usize = 256;
/// Bytes on both sides of `code=` in which `state=` stands.
const QUERY_BYTES_MAX: usize = 4_096;

/// `scheme://user:password@host`, from the first `@` of the text on. Spec: RFC 3986, 3.2.1.
pub(super) fn userinfo(scan: &mut Scan<'_, '_>, first: usize) {
    let text = scan.bytes;
    for found in memchr::memchr_iter(b'@', &text[first..]).take(SIGNS_MAX) {
        let at = first + found;
        let from = at.saturating_sub(USERINFO_BYTES_MAX);
        let before = &text[from..at];
        // Back to what cannot stand there. A slash may end the scheme, or stand in a bad password.
        let is_end = |byte: &u8| matches!(byte, 0..=b' ' | b'"' | b'<' | b'>' | b'`' | b'\\');
        let start = before.iter().rposition(is_end).map_or(0, |end| end + 1);
        let Some(scheme) = memchr::memmem::rfind(&before[start..], b"://") else { continue };
        let user = from + start + scheme + 3;
        let Some(colon) = memchr::memchr(b':', &text[user..at]) else { continue };
        let password = user + colon + 1;
        let piece = &scan.text[password..at];
        // "http://host:80/a@b": a port and a path.
        let port = piece.bytes().take_while(u8::is_ascii_digit).count();
        let is_port =
            port > 0 && port <= 5 && matches!(piece.as_bytes().get(port), Some(b'/' | b'?'));
        let is_path = memchr::memchr2(b'/', b'?', &text[user..user + colon]).is_some();
        // Hidden already: what is behind it was out of reach then, and stays so.
        let is_done = piece.starts_with(edit::MARK);
        if !is_port && !is_path && !is_done && !is_nothing(piece) {
            scan.hide(password, at, Kind::Password);
        }
    }
}

/// The same, written in percent. `start` is that of `%3A%2F%2F`.
pub(super) fn encoded(scan: &mut Scan<'_, '_>, _start: usize, end: usize) {
    let rest = scan.text.get(end..).unwrap_or_default();
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"%-._~!$'()*+,;".contains(&byte);
    let length = rest.bytes().take(USERINFO_BYTES_MAX).take_while(|byte| is_part(*byte)).count();
    let part = &rest[..length];
    let lower = part.to_ascii_lowercase();
    let stop = ["%2f", "%3f", "%23"].iter().filter_map(|it| lower.find(it)).min();
    let part = &lower[..stop.unwrap_or(lower.len())];
    if let (Some(colon), Some(at)) = (part.find("%3a"), part.rfind("%40"))
        && colon + 3 < at
    {
        scan.hide(end + colon + 3, end + at, Kind::Password);
    }
}

/// `code=…&state=…`, as a provider sends its user back. Spec: RFC 6749, 4.1.2. `code=` alone is a
/// status, an area, a kind of goods. The place is that of `?code=` or `&code=`.
pub(super) fn oauth(scan: &mut Scan<'_, '_>, start: usize, end: usize) {
    let text = scan.bytes;
    let is_encoded = text[start] == b'%';
    let is_part = |byte: &&u8| !matches!(byte, 0..=b' ' | b'"' | b'<' | b'>' | b'\'' | b'`');
    let before = text[..start].iter().rev().take(QUERY_BYTES_MAX).take_while(is_part).count();
    let after = text[end..].iter().take(QUERY_BYTES_MAX).take_while(is_part).count();
    let from = start - before;
    let query = text[from..end + after].to_ascii_lowercase();
    let words: [&[u8]; 2] =
        if is_encoded { [b"%3fstate%3d", b"%26state%3d"] } else { [b"?state=", b"&state="] };
    let found =
        words.iter().find_map(|word| Some(memchr::memmem::find(&query, word)? + word.len()));
    let Some(state) = found.map(|at| from + at) else { return };
    let bare = Bare { is_query: true, is_encoded, ..Bare::default() };
    for at in [end, state] {
        let value = Value::bare(text, at, bare);
        let piece = &scan.text[value.start..value.end];
        if piece.len() >= 4 && !is_nothing(piece) && !is_attack(piece) {
            scan.hide(value.start, value.end, Kind::OauthCode);
        }
    }
}
