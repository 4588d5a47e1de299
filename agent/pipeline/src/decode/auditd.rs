//! Linux audit: the records of one event, or one record alone.
//!
//! Every value stands under `auditd.KEY`; what ECS has a place for, there as well. Spec:
//! docs/spec/taxonomy.md; audit documentation project, "Audit events" and "Field dictionary".

mod calls;
mod ecs;
mod exec;
mod facts;
mod hex;
mod keys;
mod kinds;
mod lost;
mod names;
mod pairs;
mod socket;
mod summary;

use std::borrow::Cow;

use agent_inputs::audit::{Header, kind_name};
use rules_event::{Event, Value, ValueRef, field};
use smallvec::SmallVec;

use crate::find;
use exec::Args;
use facts::Facts;
use keys::Key;
use kinds::Class;
use pairs::{Form, Pairs};

/// Most values of one key; further ones are only in `event.original`.
const VALUES_MAX: usize = 64;

/// What auditd puts between a record and the names it found for its numbers.
/// Spec: audit-userspace, `AUDIT_INTERP_SEPARATOR`.
const ENRICHED: u8 = 0x1d;

/// Decodes an event; false when the first line is no audit record.
pub(super) fn decode(text: &str, event: &mut Event) -> bool {
    let Some(first) = Header::parse(text.as_bytes()) else { return false };
    event.time = first.time;
    event.set(field::EVENT_MODULE, "auditd");
    event.set(field::EVENT_DATASET, "auditd.log");
    event.set(field::EVENT_KIND, "event");
    event.set("event.sequence", i64::try_from(first.serial).unwrap_or(i64::MAX));
    if let Ok(node) = std::str::from_utf8(first.node)
        && !node.is_empty()
    {
        event.set_text(field::HOST_NAME, node);
    }
    let mut records = Records::new();
    let mut line = text;
    let mut header = Some(first);
    loop {
        let end = memchr::memchr(b'\n', line.as_bytes()).unwrap_or(line.len());
        let record = line.get(..end).unwrap_or_default();
        if let Some(header) = header.take().or_else(|| Header::parse(record.as_bytes())) {
            let kind = kind_of(header.kind);
            records.take(kind, record.get(header.body..).unwrap_or_default(), event);
        }
        match line.get(end + 1..) {
            Some(rest) if !rest.is_empty() => line = rest,
            _ => break,
        }
    }
    records.finish(event);
    true
}

/// Decodes what the kernel's own log says of auditing: records, when nobody takes them, and that some
/// were lost. False when it is about something else.
pub(super) fn decode_kernel(message: &str, event: &mut Event) -> bool {
    // The kernel's stamp may stand in front: [  123.456789] audit: type=1400 audit(…
    let message = match message.strip_prefix('[').and_then(|rest| find::split(rest, "] ")) {
        Some((_, rest)) => rest,
        None => message,
    };
    let Some(rest) = message.strip_prefix("audit: ") else { return false };
    lost::decode(rest, event) || decode(rest, event)
}

/// The type's name, also where the kernel's own log has its number.
fn kind_of(kind: &[u8]) -> &str {
    let kind = std::str::from_utf8(kind).unwrap_or_default();
    if !kind.starts_with(|c: char| c.is_ascii_digit()) {
        return kind;
    }
    kind.parse().ok().and_then(kind_name).unwrap_or(kind)
}

/// What the records of an event said so far.
struct Records<'a> {
    facts: Facts<'a>,
    args: Args,
    /// An event has a handful.
    kinds: SmallVec<[&'a str; 6]>,
    /// The type that says what happened.
    main: Option<(&'a str, kinds::Meaning)>,
    /// Keys that have a value: of those there may be a second one.
    seen: [bool; keys::COUNT],
}

impl<'a> Records<'a> {
    fn new() -> Self {
        Self {
            facts: Facts::new(),
            args: Args::default(),
            kinds: SmallVec::new(),
            main: None,
            seen: [false; keys::COUNT],
        }
    }

    fn take(&mut self, kind: &'a str, body: &'a str, event: &mut Event) {
        if !self.kinds.contains(&kind) && self.kinds.len() < VALUES_MAX {
            self.kinds.push(kind);
        }
        let meaning = kinds::meaning(kind);
        // The first record that says what happened, else the call, else whatever there is.
        let better = match &self.main {
            None => true,
            Some((_, before)) if before.class == Class::Companion => {
                meaning.class == Class::Main || kind == "SYSCALL"
            }
            Some(_) => false,
        };
        if better && kind != "EOE" {
            self.main = Some((kind, meaning));
        }
        let (body, enriched) = match memchr::memchr(ENRICHED, body.as_bytes()) {
            Some(at) => (body.get(..at).unwrap_or_default(), body.get(at + 1..)),
            // As rsyslog writes that byte. Spec: rsyslog, parser.escapeControlCharactersOnReceive.
            None => match find::split(body, "#035") {
                Some((body, names)) if names.starts_with(|c: char| c.is_ascii_uppercase()) => {
                    (body, Some(names))
                }
                _ => (body, None),
            },
        };
        match kind {
            "EXECVE" => {
                if let Some(argc) = self.args.take(body) {
                    self.value("argc", argc, Form::Bare, event);
                }
            }
            "PATH" => self.path(body, event),
            _ => self.pairs(kind, body, event),
        }
        if let Some(enriched) = enriched {
            for (key, value, form) in Pairs::of(enriched) {
                if form != Form::Nested {
                    self.value(key, value, form, event);
                }
            }
        }
    }

    fn pairs(&mut self, kind: &str, body: &'a str, event: &mut Event) {
        if matches!(kind, "AVC" | "USER_AVC") {
            self.access_vector(body, event);
        }
        let logins = if kind == "LOGIN" { find::split(body, " old auid=") } else { None };
        let body = match logins {
            Some((before, logins)) => {
                self.old_login(logins, event);
                before
            }
            None => body,
        };
        for (key, value, form) in Pairs::of(body) {
            if form == Form::Nested {
                if kind == "USER_AVC" {
                    self.access_vector(value, event);
                }
                // What auditd decoded of a socket address, we decode ourselves.
                if key != "SADDR" {
                    for (key, value, form) in Pairs::of(value) {
                        self.value(key, value, form, event);
                    }
                }
            } else {
                self.value(key, value, form, event);
            }
        }
    }

    /// `old auid=4294967295 new auid=0 …`, as kernels before 3.13 wrote it.
    fn old_login(&mut self, logins: &'a str, event: &mut Event) {
        let word = |text: &'a str| text.split(' ').next().unwrap_or_default();
        self.value("old_auid", word(logins), Form::Bare, event);
        if let Some((_, new)) = logins.split_once(" new auid=") {
            self.value("new_auid", word(new), Form::Bare, event);
            self.facts.note(Key::Auid, word(new), Form::Bare);
        }
    }

    /// A PATH record: which file the event is about, is told by all of them.
    fn path(&mut self, body: &'a str, event: &mut Event) {
        let (mut name, mut nametype) = (None, "");
        for (key, value, form) in Pairs::of(body) {
            match key {
                "name" => name = Some((value, form)),
                "nametype" | "objtype" => nametype = value,
                _ => {}
            }
            self.value(key, value, form, event);
        }
        if let Some((name, form)) = name {
            self.facts.note_file(name, form, nametype);
        }
    }

    /// `avc:  denied  { read write } for  …`. Spec: Linux `security/selinux/avc.c`.
    fn access_vector(&mut self, body: &'a str, event: &mut Event) {
        let Some(rest) = body.trim_start().strip_prefix("avc:") else { return };
        let Some((result, rest)) = rest.trim_start().split_once(' ') else { return };
        let Some((permissions, _)) =
            rest.trim_start().strip_prefix('{').and_then(|rest| rest.split_once('}'))
        else {
            return;
        };
        self.value("seresult", result, Form::Quoted, event);
        self.value("seperms", permissions.trim(), Form::Quoted, event);
    }

    fn value(&mut self, name: &'a str, value: &'a str, form: Form, event: &mut Event) {
        if !facts::is_given(value) {
            return;
        }
        let Some(key) = Key::of(name) else {
            let field = rules_event::intern(&format!("auditd.{name}"));
            // Not known, so not known to be hexadecimal either.
            match event.get(&field) {
                None => event.set_text(field, value),
                Some(_) => put(event, field, Value::text(value)),
            }
            return;
        };
        if key <= Key::LAST_FACT {
            self.facts.note(key, value, form);
        }
        let text = facts::decoded(key, value, form);
        let seen = self.seen.get_mut(key as usize).is_none_or(|seen| std::mem::replace(seen, true));
        if key == Key::Tag && text.contains('\u{1}') {
            // Several keys of one rule. Spec: audit-userspace, AUDIT_KEY_SEPARATOR.
            let keys = text.split('\u{1}').map(Value::text).collect();
            put(event, key.field(), Value::List(keys));
        } else if seen {
            put(event, key.field(), Value::text(&text));
        } else {
            event.set_text(key.field(), &text);
        }
    }

    fn finish(&mut self, event: &mut Event) {
        let args = std::mem::take(&mut self.args);
        args.finish(self.facts.raw(Key::Exe).is_some(), event);
        match self.kinds.as_slice() {
            [kind] => event.set_text("auditd.type", kind),
            kinds => {
                let kinds = kinds.iter().map(|kind| Value::text(kind)).collect();
                event.set("auditd.type", Value::List(kinds));
            }
        }
        if let Some((kind, meaning)) = self.main {
            ecs::finish(&self.facts, kind, meaning, event);
        }
        summary::set(&self.facts, event);
    }
}

/// Sets a field, or adds to what it holds: values that differ become a list.
fn put(event: &mut Event, name: impl Into<Cow<'static, str>>, value: Value) {
    let name = name.into();
    let Some(old) = event.get(&name) else {
        event.set(name, value);
        return;
    };
    if old == value
        || old.items().any(|one| one == value)
        || old.items().nth(VALUES_MAX - 1).is_some()
    {
        return;
    }
    let mut values: Vec<Value> = old.items().map(ValueRef::to_value).collect();
    match value {
        Value::List(more) => values.extend(more.into_iter().take(VALUES_MAX)),
        one => values.push(one),
    }
    event.set(name, Value::List(values));
}

/// Returns a value that may be hexadecimal as text, for tests that compare with other parsers.
#[cfg(test)]
pub(super) fn hex_text(value: &str) -> String {
    hex::text(value).into_owned()
}
