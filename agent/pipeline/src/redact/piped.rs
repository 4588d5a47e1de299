//! Piped: secrets that are written into a program: `echo x | passwd --stdin`.

use super::command::tokens;
use super::kind::Kind;
use super::scan::Scan;

/// Bytes before the pipe in which the writer stands.
const WRITER_BYTES_MAX: usize = 512;

/// A program that reads a password, somewhere behind a place: looks for who writes it.
pub(super) fn piped(scan: &mut Scan<'_, '_>, start: usize) {
    let from = (start.saturating_sub(WRITER_BYTES_MAX)..=start)
        .find(|at| scan.text.is_char_boundary(*at))
        .unwrap_or(start);
    let before = &scan.bytes[from..start];
    let here = scan.text.get(start..).unwrap_or_default();
    // `chpasswd <<< user:password`
    if let Some(at) = here.get(..32).unwrap_or(here).find("<<<") {
        write(scan, start + at + 3);
        return;
    }
    let Some(pipe) = memchr::memrchr(b'|', before) else { return };
    let words = &scan.text[from..from + pipe];
    let Some(writer) = ["echo ", "printf ", "echo\" ", "print "]
        .iter()
        .filter_map(|writer| words.rfind(writer).map(|at| from + at + writer.len()))
        .max()
    else {
        return;
    };
    write(scan, writer);
}

/// Hides the words written: of `user:password` the password.
fn write(scan: &mut Scan<'_, '_>, from: usize) {
    let tokens = tokens(scan.bytes, from);
    let words = tokens.iter().filter(|token| {
        let text = scan.text.get(token.start..token.end).unwrap_or_default();
        // Options of echo, the form of printf.
        !matches!(text, "-n" | "-e" | "-ne" | "-en" | "%s" | "%s\\n" | "--")
    });
    let words: Vec<_> = words.copied().collect();
    let (Some(first), Some(last)) = (words.first(), words.last()) else { return };
    let text = scan.text.get(first.start..last.end).unwrap_or_default();
    let start = match text.split_once(':') {
        Some((user, password)) if !user.contains(' ') && !password.is_empty() => {
            first.start + user.len() + 1
        }
        _ => first.start,
    };
    let text = scan.text.get(start..last.end).unwrap_or_default();
    if !super::keyed::is_nothing(text) && !text.starts_with('$') {
        scan.hide(start, last.end, Kind::Password);
    }
}
