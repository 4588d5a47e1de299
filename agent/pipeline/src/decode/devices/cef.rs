//! CEF: the Common Event Format of ArcSight, which many firewalls, web application firewalls and virus
//! scanners can write.
//!
//! Spec: OpenText ArcSight, "Implementing ArcSight Common Event Format (CEF)", version 26.

use std::borrow::Cow;

use rules_event::{Event, field};

use super::super::table::{As, Row, also, find, put_str, set_dataset};

/// Ordered by name.
pub(crate) const ROWS: &[Row] = &[
    also("app", "network.protocol", As::Lower),
    also("dhost", "destination.domain", As::Same),
    also("dpt", field::DESTINATION_PORT, As::DestinationPort),
    also("dst", field::DESTINATION_IP, As::Destination),
    also("duser", field::USER_NAME, As::User),
    also("dvchost", "observer.name", As::Same),
    also("fileHash", "file.hash.md5", As::Same),
    also("filePath", field::FILE_PATH, As::Same),
    also("fname", "file.name", As::Same),
    also("in", "destination.bytes", As::Int),
    also("msg", field::MESSAGE, As::Same),
    also("out", "source.bytes", As::Int),
    also("proto", "network.transport", As::Transport),
    also("reason", "event.reason", As::Same),
    also("request", field::URL_ORIGINAL, As::Url),
    also("requestClientApplication", field::USER_AGENT, As::Same),
    also("requestMethod", field::HTTP_REQUEST_METHOD, As::Same),
    also("shost", "source.domain", As::Same),
    also("spt", field::SOURCE_PORT, As::SourcePort),
    also("src", field::SOURCE_IP, As::Source),
    also("suser", field::USER_NAME, As::User),
];

/// Vendors of firewalls that rules know.
const FIREWALLS: [(&str, &str, &str); 5] = [
    ("Fortinet", "fortinet", "Fortinet"),
    ("Palo Alto Networks", "panw", "Palo Alto Networks"),
    ("Check Point", "checkpoint", "Checkpoint"),
    ("Sophos", "sophos", "Sophos"),
    ("SonicWall", "sonicwall", "SonicWall"),
];

/// Most members of an extension that are kept.
const MEMBERS_MAX: usize = 160;

/// Decodes a message; false when it is none.
pub(crate) fn decode(message: &str, event: &mut Event) -> bool {
    let Some(rest) = message.strip_prefix("CEF:") else { return false };
    let mut parts = [""; 7];
    let mut rest = rest.trim_start();
    for part in &mut parts {
        let Some(end) = bar(rest) else { return false };
        *part = rest.get(..end).unwrap_or_default();
        rest = rest.get(end + 1..).unwrap_or_default();
    }
    let [_, vendor, product, version, id, name, severity] = parts;
    match FIREWALLS.iter().find(|(start, ..)| vendor.starts_with(start)) {
        Some((_, module, ours)) => {
            super::firewall(event, module, ours, "");
        }
        None => {
            set_dataset(event, "cef", "cef.log");
            event.set_text("observer.vendor", vendor);
        }
    }
    event.set_text("observer.product", product);
    event.set_text("observer.version", version);
    event.set_text("event.code", id);
    event.set_text("rule.name", &unescaped(name));
    event.set_text("log.level", severity);
    extension(rest, event);
    let action = event.get_str("cef.extensions.act").map(str::to_owned);
    super::act(event, action.as_deref().unwrap_or(name));
    if event.get_str("cef.extensions.msg").is_none() {
        event.set_text(field::MESSAGE, name);
    }
    true
}

/// Where the bar is that no backslash escapes.
fn bar(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'|', b'\\', bytes.get(at..)?)?;
        if bytes.get(at) == Some(&b'|') {
            return Some(at);
        }
        at += 2;
    }
}

/// `src=203.0.113.5 msg=text with blanks request=/x`: a value ends where the next name begins.
fn extension(text: &str, event: &mut Event) {
    let mut name = String::with_capacity(48);
    let mut rest = text.trim();
    for _ in 0..MEMBERS_MAX {
        let Some((key, value)) = rest.split_once('=') else { return };
        let end = value_end(value);
        let (value, behind) = value.split_at(end);
        rest = behind.trim_start();
        let is_name = !key.is_empty()
            && key.len() <= 64
            && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
        let value = unescaped(value.trim_end());
        let value = value.as_ref();
        if !is_name || value.is_empty() {
            continue;
        }
        if let Some(row) = find(ROWS, key) {
            put_str(row, value, event);
        }
        name.clear();
        name.push_str("cef.extensions.");
        name.push_str(key);
        event.set_text(rules_event::intern(&name), value);
    }
}

/// Undoes `\=`, `\|` and `\\`.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains('\\') {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (character, characters.clone().next()) {
            ('\\', Some(escaped @ ('=' | '|' | '\\'))) => {
                plain.push(escaped);
                characters.next();
            }
            _ => plain.push(character),
        }
    }
    Cow::Owned(plain)
}

/// Where a value ends: at the blank before the next word that an equal sign follows.
fn value_end(text: &str) -> usize {
    let bytes = text.as_bytes();
    let mut blank = None;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b' ' => blank = Some(at),
            b'=' if at > 0 && bytes.get(at - 1) == Some(&b'\\') => {}
            b'=' => {
                if let Some(blank) = blank {
                    return blank;
                }
            }
            _ => {}
        }
    }
    text.len()
}
