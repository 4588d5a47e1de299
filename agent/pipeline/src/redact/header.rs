//! Headers: credentials and cookies of HTTP, as logs write them.

use super::keyed::{is_attack, is_nothing};
use super::kind::Kind;
use super::names::Name;
use super::scan::Scan;
use super::value::{Bare, Separator, Value};

/// Schemes whose credentials follow. Source: IANA, HTTP Authentication Scheme Registry; those of
/// clouds and interfaces beside it.
const SCHEMES: &[&str] = &[
    "basic",
    "bearer",
    "digest",
    "negotiate",
    "ntlm",
    "token",
    "apikey",
    "api-key",
    "key",
    "jwt",
    "hoba",
    "mutual",
    "oauth",
    "scram-sha-1",
    "scram-sha-256",
    "vapid",
    "dpop",
    "gnap",
    "hawk",
    "kerberos",
    "privatetoken",
    "sso",
    "aws",
    "aws4-hmac-sha256",
    "sharedkey",
    "signature",
    "zabbix",
];
/// Attributes of `Set-Cookie` (RFC 6265, 4.1): no cookies themselves.
const ATTRIBUTES: &[&str] =
    &["path", "domain", "expires", "max-age", "samesite", "version", "priority", "comment"];
/// Cookies of one header that are told apart; more are hidden in one piece.
const COOKIES_MAX: usize = 64;
/// Fewest characters of what follows `Bearer` in the middle of a text.
const BEARER_BYTES_MIN: usize = 16;

/// Longest value of a header that is looked at: servers take no longer ones.
const HEADER_BYTES_MAX: usize = 8_192;

fn is_credential(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/' | b'=' | b'%' | b':')
}

/// Reads the separator behind the name of a header, and says where the value begins and ends: with the
/// text in quotes, or with the line.
fn value(scan: &Scan<'_, '_>, start: usize, end: usize) -> Option<(Name, Value, Separator)> {
    let name = Name::around(scan.bytes, start, end)?;
    let separator = Separator::read(scan.bytes, name.end)?;
    let quoted = Value::read(scan.bytes, separator.end, Bare::default())?;
    if quoted.is_quoted {
        return Some((name, quoted, separator));
    }
    // A header inside a text in quotes ends with it.
    let rest = &scan.bytes[separator.end..];
    let rest = rest.get(..HEADER_BYTES_MAX).unwrap_or(rest);
    let mut length = 0;
    while let Some(byte) = rest.get(length) {
        let is_end = match byte {
            b'"' | b'\n' | b'\r' | b'`' => true,
            b'\'' => rest.get(length + 1).is_none_or(|next| !next.is_ascii_alphanumeric()),
            b'\\' => matches!(rest.get(length + 1), Some(b'"' | b'r' | b'n')),
            _ => false,
        };
        // The parameters of a digest have quotes of their own.
        if is_end && !(*byte == b'"' && rest[..length].ends_with(b"=")) {
            break;
        }
        length += 1;
        if *byte == b'"' {
            let close = rest[length..].iter().position(|byte| *byte == b'"');
            length += close.map_or(rest.len() - length, |close| close + 1);
        }
    }
    Some((
        name,
        Value { start: separator.end, end: separator.end + length, is_quoted: false },
        separator,
    ))
}

/// `Authorization: Bearer x`. Spec: RFC 9110, 11.6.2.
pub(super) fn authorization(scan: &mut Scan<'_, '_>, start: usize, end: usize) {
    let Some((name, value, separator)) = value(scan, start, end) else { return };
    if name.end != end {
        return;
    }
    let text = &scan.text[value.start..value.end];
    let trimmed = text.trim_start_matches([' ', '+']);
    let from = value.start + text.len() - trimmed.len();
    let scheme = trimmed.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'-').count();
    let behind = &trimmed[scheme..];
    let blank = ["%20", " ", "+"].iter().find(|blank| behind.starts_with(**blank));
    let is_scheme = SCHEMES.iter().any(|it| it.eq_ignore_ascii_case(&trimmed[..scheme]));
    if let Some(blank) = blank.filter(|_| is_scheme) {
        let from = from + scheme + blank.len();
        let rest = &scan.text[from..value.end];
        if ["digest", "aws4-hmac-sha256", "oauth", "hawk", "signature", "scram-sha-256", "dpop"]
            .iter()
            .any(|it| it.eq_ignore_ascii_case(&trimmed[..scheme]))
            && rest.contains('=')
        {
            parameters(scan, from, value.end);
            return;
        }
        let length = rest.bytes().take_while(|byte| is_credential(*byte)).count();
        if length > 0 && !is_nothing(&rest[..length]) {
            scan.hide(from, from + length, Kind::Authorization);
        }
        return;
    }
    // Without a scheme: one long word, or one that prose has not.
    let length = trimmed.bytes().take_while(|byte| is_credential(*byte)).count();
    let word = &trimmed[..length];
    let is_secret = length >= 12 && word.bytes().any(|byte| byte.is_ascii_digit())
        || !separator.is_prose && trimmed.len() == length && length >= 6;
    if is_secret && !is_nothing(word) && !is_scheme {
        scan.hide(from, from + length, Kind::Authorization);
    }
}

/// The parameters of a scheme that prove something: `response="…"`, `Signature=…`.
fn parameters(scan: &mut Scan<'_, '_>, from: usize, to: usize) {
    for name in ["response=", "signature=", "oauth_token=", "mac=", "proof=", "oauth_signature="] {
        let mut at = from;
        while let Some(found) = scan.bytes.get(at..to).and_then(|rest| find(rest, name.as_bytes()))
        {
            at += found + name.len();
            let Some(value) = Value::read(scan.bytes, at, Bare::default()) else { break };
            if !is_nothing(&scan.text[value.start..value.end]) {
                scan.hide(value.start, value.end, Kind::Authorization);
            }
            at = value.end.max(at);
        }
    }
}

fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    text.windows(word.len()).position(|here| here.eq_ignore_ascii_case(word))
}

/// `Bearer x` in the middle of a text.
pub(super) fn bearer(scan: &mut Scan<'_, '_>, start: usize, end: usize) {
    let is_inside = start > 0 && scan.bytes[start - 1].is_ascii_alphanumeric();
    let rest = scan.bytes.get(end..).unwrap_or_default();
    let length = rest.iter().take_while(|byte| is_credential(**byte)).count();
    let has_digit = rest[..length].iter().any(u8::is_ascii_digit);
    if !is_inside && length >= BEARER_BYTES_MIN && has_digit {
        scan.hide(end, end + length, Kind::Authorization);
    }
}

/// `Cookie: a=b; c=d`, `Set-Cookie: a=b; Path=/`. Names and attributes stay.
pub(super) fn cookie(scan: &mut Scan<'_, '_>, start: usize, end: usize) {
    let Some((name, value, separator)) = value(scan, start, end) else { return };
    let more = scan.text[end..name.end].to_ascii_lowercase();
    if !matches!(more.as_str(), "" | "s" | "2" | "header" | "_header" | "-header") {
        return;
    }
    let owner = scan.text[name.start..start].to_ascii_lowercase();
    // "document.cookie=" is what a script does: an attack to be seen.
    let is_script = owner.ends_with("document.");
    if is_script || !(owner.is_empty() || owner.ends_with(['-', '_', '.', '$']) || owner == "set") {
        return;
    }
    pairs(scan, value.start, value.end, separator.is_prose);
}

/// Hides the values of cookies.
pub(super) fn pairs(scan: &mut Scan<'_, '_>, from: usize, to: usize, is_prose: bool) {
    let mut at = from;
    for number in 0..COOKIES_MAX {
        let rest = scan.bytes.get(at..to).unwrap_or_default();
        let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'+')).count();
        at += blanks;
        let rest = scan.bytes.get(at..to).unwrap_or_default();
        let is_name = |byte: &&u8| !matches!(byte, b'=' | b';' | 0..=b' ' | b',');
        let name = rest.iter().take_while(is_name).count();
        let has_value = rest.get(name) == Some(&b'=');
        if !has_value {
            // One word that is no pair: the cookie itself, unless a sentence goes on.
            let is_alone = number == 0 && name == rest.len() && name >= 8 && !is_prose;
            if is_alone && !is_nothing(&scan.text[at..at + name]) {
                scan.hide(at, at + name, Kind::Cookie);
            }
            if rest.get(name) == Some(&b';') && number > 0 {
                at += name + 1;
                continue;
            }
            return;
        }
        let start = at + name + 1;
        let rest = scan.bytes.get(start..to).unwrap_or_default();
        let is_attribute =
            ATTRIBUTES.iter().any(|it| it.eq_ignore_ascii_case(&scan.text[at..at + name]));
        // The time of an attribute has blanks and a comma.
        let length = match is_attribute {
            true => rest.iter().take_while(|byte| **byte != b';').count(),
            false => cookie_length(rest),
        };
        let piece = scan.text.get(start..start + length).unwrap_or_default();
        if !is_attribute && !is_nothing(piece) && !is_attack(piece) && piece != "()" {
            scan.hide(start, start + length, Kind::Cookie);
        }
        at = start + length;
        match scan.bytes.get(at..to) {
            Some([b';', ..]) => at += 1,
            _ => return,
        }
    }
    if at < to {
        scan.hide(at, to, Kind::Cookie);
    }
}

fn cookie_length(rest: &[u8]) -> usize {
    let quoted = rest.first() == Some(&b'"');
    let is_value = |byte: &u8| !matches!(byte, b';' | 0..=b' ' | b'"' | b'<' | b'>');
    let mut length = usize::from(quoted);
    while rest.get(length).is_some_and(is_value) {
        length += 1;
    }
    length + usize::from(quoted && rest.get(length) == Some(&b'"'))
}
