//! Templates: messages with holes, for the many programs that write one sentence worth knowing.
//!
//! `Invalid login as {user>} from {place}` is what a program's source says it prints. A hole ends
//! where the text behind it occurs first, or, with `>`, last: for names that a stranger chose. There
//! is no going back, so a template costs one pass over the message whatever it holds.

use rules_event::Event;

use super::source::{
    is_address, is_place, set_destination, set_destination_port, set_port, set_source,
    set_transport, set_user,
};

use crate::find;

/// Most holes of a template.
pub(super) const HOLES_MAX: usize = 12;

/// What a message holds in the holes of a template.
pub(super) type Holes<'a> = [(&'static str, &'a str); HOLES_MAX];

/// Holds a message against a template; the holes that are not used stay empty.
pub(super) fn fit<'a>(template: &'static str, message: &'a str) -> Option<Holes<'a>> {
    // Most sentences of a program are another one, which the first letter tells.
    let first = template.as_bytes().first().copied().unwrap_or_default();
    if first.is_ascii() && first != b'{' && message.as_bytes().first() != Some(&first) {
        return None;
    }
    let mut holes: Holes<'a> = [("", ""); HOLES_MAX];
    let (start, mut rest_of_template) = literal(template);
    // "…" at the start: what is before does not matter.
    let mut rest = match start.strip_prefix('…') {
        Some(start) => after(message, start)?,
        None => message.strip_prefix(start)?,
    };
    for hole in &mut holes {
        let Some((name, next)) =
            rest_of_template.strip_prefix('{').and_then(|it| find::split_byte(it, b'}'))
        else {
            break;
        };
        let (end, after) = literal(next);
        rest_of_template = after;
        let (name, last) = match name.strip_suffix('>') {
            Some(name) => (name, true),
            None => (name, false),
        };
        // "{place}…": the hole ends where what may be in it ends.
        let (value, behind) = if end.is_empty() || end == "…" {
            open_end(name, rest, end.is_empty())
        } else if last {
            find::rsplit(rest, end)?
        } else {
            find::split(rest, end)?
        };
        if !may_hold(name, value) {
            return None;
        }
        *hole = (name, value);
        rest = behind;
    }
    rest_of_template.is_empty().then_some(holes)
}

/// Splits a template before its next hole.
fn literal(template: &'static str) -> (&'static str, &'static str) {
    template.split_at(find::byte(template.as_bytes(), b'{').unwrap_or(template.len()))
}

fn after<'a>(message: &'a str, literal: &str) -> Option<&'a str> {
    let at = memchr::memmem::find(message.as_bytes(), literal.as_bytes())?;
    message.get(at + literal.len()..)
}

/// The value of a hole that nothing ends.
fn open_end<'a>(name: &str, text: &'a str, is_last: bool) -> (&'a str, &'a str) {
    if is_last {
        return (text, "");
    }
    let ends: fn(char) -> bool = match name {
        "place" | "to" => |c| !(c.is_ascii_alphanumeric() || ".:-_%[]".contains(c)),
        "port" | "toport" | "pid" => |c| !c.is_ascii_digit(),
        "word" | "user" => char::is_whitespace,
        _ => return (text, ""),
    };
    let (value, rest) = text.split_at(text.find(ends).unwrap_or(text.len()));
    // The stop or the colon that ends a sentence is not of the address.
    let value = value.trim_end_matches(['.', ':']);
    (value, rest)
}

fn may_hold(name: &str, value: &str) -> bool {
    match name {
        "place" | "to" => is_place(value),
        "ip" | "toip" => is_address(value.trim_start_matches('[').trim_end_matches(']')),
        "port" | "toport" => value.parse::<u16>().is_ok(),
        "pid" => value.parse::<u32>().is_ok(),
        _ => true,
    }
}

/// Sets the fields that the holes stand for.
pub(super) fn set(holes: &Holes<'_>, event: &mut Event) {
    for (name, value) in holes {
        match *name {
            "" => break,
            "place" | "ip" => set_source(event, value),
            "port" => set_port(event, value),
            "to" | "toip" => set_destination(event, value),
            "toport" => set_destination_port(event, value),
            "user" => set_user(event, value.trim_matches(['"', '\'', '<', '>'])),
            "reason" if !value.is_empty() => event.set_text("event.reason", value.trim()),
            "method" => event.set_text("vonglau.auth.method", value),
            "transport" => set_transport(event, value),
            "domain" => event.set_text("url.domain", value),
            "database" => event.set_text("db.name", value),
            "query" => event.set_text("dns.question.name", value),
            "type" => event.set_text("dns.question.type", value),
            "pid" => {
                if let Ok(pid) = value.parse::<i64>() {
                    event.set("process.pid", pid);
                }
            }
            "command" => event.set_text("process.command_line", value),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(template: &'static str, message: &str, expected: &[(&str, &str)]) {
        let holes = fit(template, message).unwrap();
        let used: Vec<_> = holes.into_iter().filter(|(name, _)| !name.is_empty()).collect();
        assert_eq!(used, expected);
    }

    #[test]
    fn holes_are_filled() {
        check(
            "Invalid login as {user>} from {place}",
            "Invalid login as a from b from 203.0.113.5",
            &[("user", "a from b"), ("place", "203.0.113.5")],
        );
        check("…rip={place}…", "x: rip=203.0.113.5, lip=1", &[("place", "203.0.113.5")]);
        check("…failed: {reason}", "x failed: a: b", &[("reason", "a: b")]);
        check("…from {place}…", "from 203.0.113.5. AUTH", &[("place", "203.0.113.5")]);
        check("a {_} b", "a x b", &[("_", "x")]);
    }

    #[test]
    fn no_template_has_too_many_holes() {
        for (program, sentences) in crate::decode::services::SENTENCES {
            for (words, ..) in *sentences {
                assert!(words.matches('{').count() <= HOLES_MAX, "{program}: {words}");
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert_eq!(fit("a {user} b", "a x"), None);
        assert_eq!(fit("a {ip} b", "a x b"), None);
        assert_eq!(fit("a", "b"), None);
        assert_eq!(fit("from {place}", "from a, b"), None);
    }
}
