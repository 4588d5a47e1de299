//! Events: secrets in fields, of samples and of columns whose head alone says what they hold.

use rules_event::{Event, Value, ValueRef, field};

use super::command::pieces;
use super::keyed::is_nothing;
use super::kind::Kind;
use super::{Hidden, Redactor, edit, header};

/// Columns of logs that hold a secret by their place: the text of the line does not say so.
const COLUMNS: &[(&str, Kind)] = &[
    ("zeek.http.password", Kind::Password),
    ("zeek.ftp.password", Kind::Password),
    ("zeek.socks.password", Kind::Password),
    ("zeek.irc.password", Kind::Password),
    ("http.request.headers.cookie", Kind::Cookie),
    ("iis.access.cs(Authorization)", Kind::Authorization),
];

impl Redactor {
    /// Redacts every text of an event that no log line stands behind.
    pub(crate) fn redact_fields(&self, event: &mut Event) -> Hidden {
        let mut changes: Vec<(String, Value)> = Vec::new();
        let mut bits = 0;
        for (name, value) in event.fields() {
            let new = match value {
                ValueRef::Str(text) => {
                    let (text, hidden) = self.redact(text);
                    bits |= hidden.0;
                    (!hidden.is_empty()).then(|| Value::text(&text))
                }
                ValueRef::List(list) if name.ends_with(".args") => {
                    self.redact_arguments(list, &mut bits)
                }
                ValueRef::List(list) => self.redact_list(list, &mut bits),
                _ => None,
            };
            changes.extend(new.map(|new| (name.to_owned(), new)));
        }
        for (name, value) in changes {
            event.set(rules_event::intern(&name), value);
        }
        Hidden(bits)
    }

    fn redact_list(&self, list: &[Value], bits: &mut u64) -> Option<Value> {
        let mut changed = false;
        let mut redacted = |value: &Value| {
            let Some((text, hidden)) = value.as_str().map(|text| self.redact(text)) else {
                return value.clone();
            };
            *bits |= hidden.0;
            changed |= !hidden.is_empty();
            Value::text(&text)
        };
        let list: Vec<Value> = list.iter().map(&mut redacted).collect();
        changed.then_some(Value::List(list))
    }

    /// Redacts the arguments of a process: what one says of the next counts.
    fn redact_arguments(&self, list: &[Value], bits: &mut u64) -> Option<Value> {
        let texts: Vec<&str> =
            list.iter().map(|value| value.as_str().unwrap_or_default()).collect();
        let (texts, more) = self.arguments(&texts)?;
        *bits |= more;
        Some(Value::List(texts.iter().map(|text| Value::text(text)).collect()))
    }

    /// Redacts the arguments of a command; `None` when nothing is to be hidden.
    pub(super) fn arguments(&self, arguments: &[&str]) -> Option<(Vec<String>, u64)> {
        let mut texts: Vec<String> = arguments.iter().map(|it| (*it).to_owned()).collect();
        let (mut bits, mut changed) = (0, false);
        // Options that say it themselves, with the secret in the next argument.
        for (number, pair) in arguments.windows(2).enumerate() {
            if let [option, value] = pair
                && let Some(kind) = self.option_kind(option)
                && !value.starts_with('-')
                && !is_nothing(value)
                && !edit::is_mark(value)
            {
                texts[number + 1] = self.mark_of(kind, value);
                (bits, changed) = (bits | kind.bit(), true);
            }
        }
        for (number, argument) in arguments.iter().enumerate() {
            if texts[number] == *argument
                && let Some((text, more)) = self.redact_at(argument, 1)
            {
                texts[number] = text;
                (bits, changed) = (bits | more, true);
            }
        }
        for piece in pieces(arguments).iter().filter(|piece| self.is_on(piece.kind)) {
            let old = arguments[piece.argument];
            let Some(secret) = old.get(piece.start..piece.end) else { continue };
            // What is behind a colon may be that of a mark.
            let is_hidden = secret.contains(edit::MARK) || edit::is_in_mark(old, piece.start);
            if is_hidden || texts[piece.argument] != old {
                continue;
            }
            let mark = self.mark_of(piece.kind, secret);
            texts[piece.argument] = format!("{}{mark}{}", &old[..piece.start], &old[piece.end..]);
            (bits, changed) = (bits | piece.kind.bit(), true);
        }
        changed.then_some((texts, bits))
    }

    /// Redacts columns that are secret by their place. Returns the line anew when there were some.
    #[inline]
    pub(crate) fn redact_columns(&self, event: &Event, line: &str) -> Option<(String, Hidden)> {
        let module = event.get_str(field::EVENT_MODULE)?;
        if module != "zeek" && module != "iis" { None } else { self.columns(event, line) }
    }

    fn columns(&self, event: &Event, line: &str) -> Option<(String, Hidden)> {
        let (mut line, mut bits) = (line.to_owned(), 0);
        for (name, kind) in COLUMNS {
            let Some(old) = event.get_str(name).filter(|_| self.is_on(*kind)) else { continue };
            if is_nothing(old) || edit::is_mark(old) {
                continue;
            }
            let new = match kind {
                Kind::Cookie => self.redact_cookies(old),
                kind => Some(self.mark_of(*kind, old)),
            };
            let Some(new) = new else { continue };
            // Where it stands alone between two signs of columns; a line has few.
            for separator in ['\t', ' '] {
                let (from, to) = (
                    format!("{separator}{old}{separator}"),
                    format!("{separator}{new}{separator}"),
                );
                line = line.replace(&from, &to);
                if let Some(head) = line.strip_suffix(&format!("{separator}{old}")) {
                    line = format!("{head}{separator}{new}");
                }
            }
            bits |= kind.bit();
        }
        (bits != 0).then_some((line, Hidden(bits)))
    }

    /// Redacts a cookie header without its name; `None` when nothing is to be hidden.
    fn redact_cookies(&self, text: &str) -> Option<String> {
        let mut edits = Vec::new();
        header::pairs(&mut super::Scan::new(self, text, &mut edits, 1), 0, text.len(), false);
        if edits.is_empty() {
            return None;
        }
        edit::settle(&mut edits);
        let mut out = String::new();
        self.apply(text, &edits, &mut out);
        Some(out)
    }
}
