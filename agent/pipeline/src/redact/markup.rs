//! Markup: names and values in XML, as options of a command, in SQL, in configurations of devices.

use super::edit::is_in_mark;
use super::keyed::is_nothing;
use super::kind::Kind;
use super::names::Name;
use super::scan::Scan;
use super::value::{Bare, Value, mark};

/// Bytes of attributes between the name of an element and its text.
const ATTRIBUTES_BYTES_MAX: usize = 256;
/// Bytes that are looked at for the end of a word.
const WORD_BYTES_MAX: usize = 256;

/// How devices say in which form a password follows. Source: Cisco IOS, Huawei VRP, Ruijie command
/// references.
const FORMS: &[&str] =
    &["0", "5", "6", "7", "8", "9", "cipher", "irreversible-cipher", "simple", "sha256", "sha512"];

/// Whether one of the forms below may stand around a name that no separator follows.
#[inline]
pub(super) fn may_follow(scan: &Scan<'_, '_>, name: &Name) -> bool {
    let before = name.start.checked_sub(1).and_then(|at| scan.bytes.get(at));
    let behind = scan.bytes.get(name.end..).unwrap_or_default();
    if matches!(before, Some(b'<' | b':' | b';')) || scan.bytes.get(name.start) == Some(&b'-') {
        return true;
    }
    match behind {
        [b'(' | b' ', b'(' | b'\'' | b'\\' | b'0'..=b'9', ..] => true,
        // A form of the password follows, or a word in quotes: FTP.
        [b' ', ..] if matches!(before, Some(b'"' | b'\'' | b']')) => true,
        [b' ', rest @ ..] => form_of(rest).is_some(),
        _ => false,
    }
}

/// Returns the form that a text begins with.
fn form_of(text: &[u8]) -> Option<&'static str> {
    // By the first letter: after most of these words comes "for".
    if !matches!(
        text.first()? | 0x20,
        b'0'..=b'9' | b'c' | b'e' | b'h' | b'i' | b'l' | b'm' | b'p' | b's'
    ) {
        return None;
    }
    let is_form = |form: &&&str| {
        let here = text.get(..form.len()).unwrap_or_default();
        here.eq_ignore_ascii_case(form.as_bytes()) && text.get(form.len()) == Some(&b' ')
    };
    FORMS.iter().find(is_form).copied()
}

/// `<password>…</password>`, also with its brackets escaped.
pub(super) fn element(scan: &mut Scan<'_, '_>, name: &Name, kind: Kind) -> bool {
    let before = &scan.bytes[..name.start];
    // A prefix of a name space.
    let is_word = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let before = match before.split_last() {
        Some((b':', more)) => {
            let prefix = more.iter().rev().take(WORD_BYTES_MAX).take_while(is_word).count();
            &more[..more.len() - prefix]
        }
        _ => before,
    };
    let is_escaped = before.ends_with(b"&lt;");
    if !is_escaped && !before.ends_with(b"<") {
        return false;
    }
    let behind = scan.text.get(name.end..).unwrap_or_default();
    let window = behind.get(..ATTRIBUTES_BYTES_MAX).unwrap_or(behind);
    let (open, close) = if is_escaped { ("&gt;", "&lt;") } else { (">", "<") };
    let Some(at) = window.find(open) else { return false };
    if window[..at].ends_with('/') || window[..at].contains('<') {
        return false;
    }
    let start = name.end + at + open.len();
    let length = behind[at + open.len()..].find(close).unwrap_or(behind.len() - at - open.len());
    if !is_nothing(scan.text[start..start + length].trim()) {
        scan.hide(start, start + length, kind);
    }
    true
}

/// `--password x`, and the same as a list of JSON: `"--password","x"`.
pub(super) fn option(scan: &mut Scan<'_, '_>, name: &Name, kind: Kind) -> bool {
    // The dashes are part of the name as it was read.
    if scan.bytes.get(name.start) != Some(&b'-') {
        return false;
    }
    let behind = scan.bytes.get(name.end..).unwrap_or_default();
    let at = match behind {
        [b' ' | b'\t', ..] => {
            name.end + behind.iter().take_while(|byte| **byte == b' ').count().max(1)
        }
        [b'"', b',', b'"', ..] | [b'\'', b',', b'\'', ..] => name.end + 2,
        [b'"', b',', b' ', b'"', ..] | [b'\'', b',', b' ', b'\'', ..] => name.end + 3,
        [b'\\', b'"', b',', b'\\', b'"', ..] => name.end + 3,
        _ => return false,
    };
    if scan.bytes.get(at) == Some(&b'-') {
        return false;
    }
    let bare = Bare { has_escapes: scan.has_escapes(), ..Bare::default() };
    let Some(value) = Value::read(scan.bytes, at, bare) else { return true };
    let piece = &scan.text[value.start..value.end];
    // A variable of a shell or of PowerShell.
    let is_variable = piece
        .strip_prefix('$')
        .is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_alphabetic() || byte == b'_'));
    if !is_nothing(piece) && !is_variable {
        scan.hide(value.start, value.end, kind);
    }
    true
}

/// `PASSWORD 'x'` and `PASSWORD('x')` of SQL, `password 7 x` of devices.
pub(super) fn statement(scan: &mut Scan<'_, '_>, name: &Name, kind: Kind) {
    let behind = scan.bytes.get(name.end..).unwrap_or_default();
    let blanks = behind.iter().take(2).take_while(|byte| matches!(byte, b' ' | b'(')).count();
    let mut at = name.end + blanks;
    if blanks == 0 {
        return;
    }
    let quoted = |at: usize| matches!(scan.bytes.get(at..), Some([b'\'', ..]));
    if quoted(at) || matches!(scan.bytes.get(at..), Some([b'\\', b'\'', ..])) {
        hide_text(scan, at, kind);
        return;
    }
    // FTP: the command, in the quotes that the log put around it.
    let is_ftp = &scan.bytes[name.start..name.end] == b"PASS"
        && matches!(scan.bytes.get(name.start.wrapping_sub(1)), Some(b'"' | b'\'' | b']'));
    let word = word(scan, at);
    if is_ftp {
        hide_word(scan, at, word, kind);
        return;
    }
    let Some(form) = scan.bytes.get(at..).and_then(form_of) else { return };
    at += form.len() + 1;
    // "irreversible-cipher" may be followed by another: one more word.
    if let Some(form) = scan.bytes.get(at..).and_then(form_of) {
        at += form.len() + 1;
    }
    let word = self::word(scan, at);
    // "wrong password 5 times"
    let is_prose = form.len() == 1
        && scan.bytes[at..at + word].iter().all(|byte| byte.is_ascii_lowercase() || *byte == b',');
    if !is_prose {
        hide_word(scan, at, word, kind);
    }
}

/// Bytes of the word at a place.
fn word(scan: &Scan<'_, '_>, at: usize) -> usize {
    let rest = scan.bytes.get(at..).unwrap_or_default();
    let is_word = |byte: &&u8| !matches!(byte, 0..=b' ' | b'"' | b'\'' | b'<' | b'>');
    rest.iter().take(WORD_BYTES_MAX).take_while(is_word).count()
}

fn hide_word(scan: &mut Scan<'_, '_>, at: usize, length: usize, kind: Kind) {
    let piece = scan.text.get(at..at + length).unwrap_or_default();
    if !is_nothing(piece) {
        scan.hide(at, at + length, kind);
    }
}

fn hide_text(scan: &mut Scan<'_, '_>, at: usize, kind: Kind) {
    if let Some(value) = Value::read(scan.bytes, at, Bare::default())
        && !is_nothing(&scan.text[value.start..value.end])
    {
        scan.hide(value.start, value.end, kind);
    }
}

/// `IDENTIFIED BY 'x'`, `IDENTIFIED BY PASSWORD 'x'`, `IDENTIFIED WITH plugin BY|AS 'x'`. Source: MySQL
/// and MariaDB reference manuals, CREATE USER.
pub(super) fn identified(scan: &mut Scan<'_, '_>, end: usize) {
    /// Words between and the text: a plugin, BY, PASSWORD.
    const BYTES_MAX: usize = 96;
    let behind = scan.bytes.get(end..).unwrap_or_default();
    let quote = behind
        .iter()
        .take(BYTES_MAX)
        .position(|byte| matches!(byte, b'\'' | b'"' | b';' | b',' | b'`'));
    // The name of the plugin may stand in quotes itself.
    if let Some(at) = quote
        && matches!(behind[at], b'\'' | b'"')
    {
        let place = match at.checked_sub(1).map(|before| behind[before]) {
            Some(b'\\') => end + at - 1,
            _ => end + at,
        };
        let Some(value) = Value::read(scan.bytes, place, Bare::default()) else { return };
        let after = scan.text.get(value.end + 1..).unwrap_or_default();
        let by = [" BY ", " AS ", " by ", " as "].iter().find(|by| after.starts_with(**by));
        let is_plugin = scan.text[end..place].trim().is_empty() && by.is_some();
        if is_plugin {
            hide_text(scan, value.end + 1 + by.map_or(0, |by| by.len()), Kind::Password);
        } else {
            scan.hide(value.start, value.end, Kind::Password);
        }
    }
}

/// `Login incorrect: [user/password] (from client …)`. Source: FreeRADIUS, raddb/radiusd.conf, auth_badpass.
pub(super) fn radius(scan: &mut Scan<'_, '_>, end: usize) {
    /// Bytes in which the name and the password stand.
    const RADIUS_BYTES_MAX: usize = 1_024;
    let behind = scan.text.get(end..).unwrap_or_default();
    let behind = behind.get(..RADIUS_BYTES_MAX).unwrap_or(behind);
    let window = behind.find(" (from ").map_or(behind, |at| &behind[..at]);
    // "Login incorrect (reason): [user/password]"
    let Some(from) = window.find(" [").map(|at| at + 2) else { return };
    let is_reason = window.trim_start().starts_with('(');
    if from > 3 && !is_reason {
        return;
    }
    let Some(slash) = window[from..].find('/') else { return };
    let start = from + slash + 1;
    // It is hidden already; what stands behind is another's.
    let bytes = window.as_bytes();
    let hidden = bytes.get(start..).map_or(0, mark);
    if hidden > 0 && bytes.get(start + hidden) == Some(&b']') {
        return;
    }
    // The bracket of a mark is none of theirs, also where the window ends with it.
    let mut closing = window.rmatch_indices(']').map(|(at, _)| at);
    let Some(stop) = closing.find(|at| !is_in_mark(window, *at)) else { return };
    if start < stop
        && !window[start..stop].starts_with("<via ")
        && !is_nothing(&window[start..stop])
    {
        scan.hide(end + start, end + stop, Kind::Password);
    }
}
