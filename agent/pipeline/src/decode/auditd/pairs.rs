//! Pairs: the `key=value` pairs of an audit record, in all the ways they are written.

use memchr::memrchr;

use crate::find::{byte, byte2};

/// How a value was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Without quotes: a number, a word, or hexadecimal digits.
    Bare,
    /// In double quotes: the text itself.
    Quoted,
    /// In single quotes or braces: pairs again.
    Nested,
}

/// Reads pairs from left to right; words without `=` are passed over.
///
/// Spec: audit documentation project, "Audit event field formatting". Values with blanks, quotes or
/// control characters are written as hexadecimal digits by the kernel, so a double quote ends a value.
#[derive(Debug, Clone)]
pub(super) struct Pairs<'a> {
    rest: &'a str,
}

impl<'a> Pairs<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self { rest: text }
    }

    /// The words that belong to a value of `op`, such as `op=change password id=0`.
    fn phrase(&mut self, text: &'a str, mut end: usize) -> &'a str {
        loop {
            let next = text.get(end + 1..).unwrap_or_default();
            let word = next.get(..byte(next.as_bytes(), b' ').unwrap_or(next.len()));
            let Some(word) = word.filter(|word| !word.is_empty()) else { break };
            if text.as_bytes().get(end) != Some(&b' ') || word.contains('=') {
                break;
            }
            end += 1 + word.len();
        }
        self.rest = text.get(end..).unwrap_or_default();
        text.get(..end).unwrap_or_default()
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, &'a str, Form);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let skipped =
                self.rest.bytes().take_while(|b| matches!(b, b' ' | b',' | b'(' | b'\t')).count();
            let rest = self.rest.get(skipped..)?;
            let end = byte2(rest.as_bytes(), b'=', b' ')?;
            let key = rest.get(..end)?;
            let value = rest.get(end + 1..)?;
            self.rest = value;
            if rest.as_bytes().get(end) == Some(&b' ') || key.is_empty() {
                continue;
            }
            return Some(match value.as_bytes().first() {
                Some(b'"') => {
                    let inside = value.get(1..)?;
                    let end = byte(inside.as_bytes(), b'"').unwrap_or(inside.len());
                    self.rest = inside.get(end + 1..).unwrap_or_default();
                    (key, inside.get(..end)?, Form::Quoted)
                }
                // The last quote: there may be some inside the values inside.
                Some(b'\'') if key == "msg" => {
                    let inside = value.get(1..)?;
                    let end = memrchr(b'\'', inside.as_bytes()).unwrap_or(inside.len());
                    self.rest = inside.get(end + 1..).unwrap_or_default();
                    (key, inside.get(..end)?, Form::Nested)
                }
                Some(b'{') => {
                    let inside = value.get(1..)?;
                    let end = byte(inside.as_bytes(), b'}').unwrap_or(inside.len());
                    self.rest = inside.get(end + 1..).unwrap_or_default();
                    (key, inside.get(..end)?, Form::Nested)
                }
                _ => {
                    let mut end = byte(value.as_bytes(), b' ').unwrap_or(value.len());
                    if key == "op" {
                        let phrase = self.phrase(value, end);
                        return Some((key, trimmed(phrase), Form::Bare));
                    }
                    // AppArmor's confinement: subj=/usr/sbin/cupsd (enforce)
                    if matches!(key, "subj" | "obj") && value.get(end..)?.starts_with(" (") {
                        end += value.get(end..)?.find(')').map_or(0, |close| close + 1);
                    }
                    self.rest = value.get(end..)?;
                    (key, trimmed(value.get(..end)?), Form::Bare)
                }
            });
        }
    }
}

/// Takes off what belongs to a list of pairs: `(hostname=?, addr=?, terminal=cron res=success)`.
fn trimmed(value: &str) -> &str {
    let value = value.strip_suffix(',').unwrap_or(value);
    match value.strip_suffix(')') {
        Some(bare) if !bare.contains('(') => bare,
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(&str, &str)> {
        Pairs::of(text).map(|(key, value, _)| (key, value)).collect()
    }

    #[test]
    fn the_ways_values_are_written() {
        assert_eq!(
            pairs(r#"user pid=1 comm="a b" key=(null) subj=/usr/sbin/cupsd (enforce) exe=2F"#),
            [
                ("pid", "1"),
                ("comm", "a b"),
                ("key", "(null)"),
                ("subj", "/usr/sbin/cupsd (enforce)"),
                ("exe", "2F"),
            ]
        );
        assert_eq!(
            pairs("PAM: accounting acct=root : (hostname=?, addr=?, terminal=cron res=success)"),
            [
                ("acct", "root"),
                ("hostname", "?"),
                ("addr", "?"),
                ("terminal", "cron"),
                ("res", "success"),
            ]
        );
        assert_eq!(
            pairs("op=change password id=0 res=success"),
            [("op", "change password"), ("id", "0"), ("res", "success")]
        );
        assert_eq!(pairs("op=x"), [("op", "x")]);
        assert_eq!(
            pairs("mac= pfs=a,b tty=(none)"),
            [("mac", ""), ("pfs", "a,b"), ("tty", "(none)")]
        );
        assert_eq!(
            pairs(r#"pid=1 msg='op=x acct="o'neil" res=1'UID="root""#),
            [("pid", "1"), ("msg", r#"op=x acct="o'neil" res=1"#), ("UID", "root")]
        );
        assert_eq!(
            pairs("saddr=02 SADDR={ saddr_fam=inet laddr=1.2.3.4 }"),
            [("saddr", "02"), ("SADDR", " saddr_fam=inet laddr=1.2.3.4 ")]
        );
        assert_eq!(pairs("a=\"open"), [("a", "open")]);
        assert_eq!(pairs("no pairs here"), []);
        assert_eq!(pairs("= ==x"), []);
    }
}
