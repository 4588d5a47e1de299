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
    text: &'a str,
    at: usize,
}

impl<'a> Pairs<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Where a byte stands at a place or behind it; the end without one.
    #[inline(always)]
    fn end_at(&self, sign: u8, from: usize) -> usize {
        let rest = self.text.as_bytes().get(from..).unwrap_or_default();
        byte(rest, sign).map_or(self.text.len(), |at| from + at)
    }

    /// Where the words end that belong to a value of `op`, such as `op=change password id=0`.
    fn phrase(&self, mut end: usize) -> usize {
        while self.text.as_bytes().get(end) == Some(&b' ') {
            let next = self.end_at(b' ', end + 1);
            let word = self.text.get(end + 1..next).unwrap_or_default();
            if word.is_empty() || word.contains('=') {
                break;
            }
            end = next;
        }
        end
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a str, &'a str, Form);

    fn next(&mut self) -> Option<Self::Item> {
        let bytes = self.text.as_bytes();
        let mut at = self.at;
        let end = loop {
            while let Some(b' ' | b',' | b'(' | b'\t') = bytes.get(at) {
                at += 1;
            }
            let end = at + byte2(bytes.get(at..)?, b'=', b' ')?;
            if bytes.get(end) == Some(&b'=') && end > at {
                break end;
            }
            at = end + 1;
        };
        let key = self.text.get(at..end)?;
        let start = end + 1;
        let (start, end, form) = match bytes.get(start) {
            Some(b'"') => (start + 1, self.end_at(b'"', start + 1), Form::Quoted),
            // The last quote: there may be some inside the values inside.
            Some(b'\'') if key == "msg" => {
                let end = memrchr(b'\'', bytes.get(start + 1..)?);
                (start + 1, end.map_or(bytes.len(), |end| start + 1 + end), Form::Nested)
            }
            Some(b'{') => (start + 1, self.end_at(b'}', start + 1), Form::Nested),
            _ => {
                let mut end = self.end_at(b' ', start);
                if key == "op" {
                    end = self.phrase(end);
                } else if matches!(key, "subj" | "obj") && bytes.get(end..)?.starts_with(b" (") {
                    // AppArmor's confinement: subj=/usr/sbin/cupsd (enforce)
                    end += byte(bytes.get(end..)?, b')').map_or(0, |close| close + 1);
                }
                self.at = end;
                return Some((key, trimmed(self.text.get(start..end)?), Form::Bare));
            }
        };
        self.at = end + 1;
        Some((key, self.text.get(start..end)?, form))
    }
}

/// Takes off what belongs to a list of pairs: `(hostname=?, addr=?, terminal=cron res=success)`.
fn trimmed(value: &str) -> &str {
    if !value.ends_with([',', ')']) {
        return value;
    }
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
