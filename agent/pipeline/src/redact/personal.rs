//! Personal data: numbers of identity cards, of telephones, addresses of mail. Only where asked for.
//!
//! Sources: Decree 137/2015/ND-CP, article 13 (the number of a citizen: province, century and sex, year,
//! six digits); Circular 22/2014/TT-BTTTT with its change of 2018 (numbers of mobile telephones).

use super::kind::Kind;
use super::scan::Scan;

/// Looks for the kinds that are switched on.
pub(super) fn find(scan: &mut Scan<'_, '_>) {
    if scan.redactor.is_on(Kind::Cccd) || scan.redactor.is_on(Kind::Phone) {
        numbers(scan);
    }
    if scan.redactor.is_on(Kind::Email) {
        mail(scan);
    }
}

fn numbers(scan: &mut Scan<'_, '_>) {
    let text = scan.bytes;
    let mut at = 0;
    while at < text.len() {
        if !text[at].is_ascii_digit() {
            at += 1;
            continue;
        }
        let length = text[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let run = &text[at..at + length];
        let before = at.checked_sub(1).map(|before| text[before]);
        let after = text.get(at + length);
        // Part of a word, of an address, of a decimal number: another number.
        let is_part = |byte: &u8| byte.is_ascii_alphabetic() || matches!(byte, b'_');
        let is_free =
            before.is_none_or(|byte| !is_part(&byte)) && after.is_none_or(|it| !is_part(it));
        if is_free && is_citizen(run) {
            scan.hide(at, at + length, Kind::Cccd);
        } else if is_free && is_phone(run, before) {
            scan.hide(at, at + length, Kind::Phone);
        }
        at += length;
    }
}

/// Province 001 to 096, one digit for century and sex, two of the year, six more.
fn is_citizen(digits: &[u8]) -> bool {
    let [b'0', tens, ones, century, ..] = digits else { return false };
    let province = (tens - b'0') * 10 + (ones - b'0');
    digits.len() == 12 && (1..=96).contains(&province) && matches!(century, b'0'..=b'3')
}

/// 03, 05, 07, 08, 09 and eight digits more; with 84 in front instead of the 0.
fn is_phone(digits: &[u8], before: Option<u8>) -> bool {
    let is_mobile = |digit: &u8| matches!(digit, b'3' | b'5' | b'7' | b'8' | b'9');
    match digits {
        [b'0', first, ..] => digits.len() == 10 && is_mobile(first),
        [b'8', b'4', first, ..] => digits.len() == 11 && is_mobile(first) && before == Some(b'+'),
        _ => false,
    }
}

/// What stands before the `@`; the domain stays.
fn mail(scan: &mut Scan<'_, '_>) {
    let text = scan.bytes;
    for at in memchr::memchr_iter(b'@', text) {
        /// Longest local part (RFC 5321, 4.5.3.1.1).
        const LOCAL_BYTES_MAX: usize = 64;
        let is_local =
            |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'+' | b'-');
        let local = text[..at].iter().rev().take(LOCAL_BYTES_MAX).take_while(is_local).count();
        let domain = text[at + 1..].iter().take_while(is_local).count();
        let has_dot = text[at + 1..at + 1 + domain].contains(&b'.');
        if local > 0 && has_dot {
            scan.hide(at - local, at, Kind::Email);
        }
    }
}
