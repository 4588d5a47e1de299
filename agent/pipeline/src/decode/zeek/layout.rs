//! The head of a tab-separated log, and how its cells are read.

use std::borrow::Cow;
use std::sync::Arc;

use rules_event::Value;

use super::super::columns::{COLUMNS_MAX, Columns, Head};
use super::super::table::{Row, find, moment_text};
use super::{BY_LOG, COMMON, decimal};
use crate::moment;

/// What a head has said so far.
#[derive(Debug, Default)]
pub(in super::super) struct Draft {
    separator: Option<u8>,
    set_separator: Option<String>,
    empty: Option<String>,
    unset: Option<String>,
    log: Option<String>,
    fields: Vec<String>,
}

/// The columns of a log.
#[derive(Debug)]
pub(in super::super) struct Layout {
    pub(super) log: String,
    pub(super) dataset: Cow<'static, str>,
    pub(super) separator: u8,
    pub(super) set_separator: String,
    pub(super) empty: String,
    pub(super) unset: String,
    pub(super) columns: Vec<Column>,
}

/// One column.
#[derive(Debug)]
pub(super) struct Column {
    pub(super) name: Cow<'static, str>,
    pub(super) row: Option<&'static Row>,
    pub(super) is_time: bool,
    kind: Kind,
    /// Whether a cell holds several values.
    is_list: bool,
}

/// Zeek's types, as far as they are written differently.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Text,
    Int,
    Decimal,
    Bool,
    Time,
}

/// Takes a line of a head; false when it is none of Zeek's.
pub(in super::super) fn learn(head: &mut Head, line: &str) -> bool {
    let draft = &mut head.zeek;
    if let Some(text) = line.strip_prefix("#separator ") {
        // A new head, perhaps of a log appended to.
        *draft = Draft { separator: byte(text), ..Draft::default() };
        return true;
    }
    let separator = char::from(draft.separator.unwrap_or(b'\t'));
    let Some((word, rest)) = line.split_once(separator) else { return false };
    match word {
        "#set_separator" => draft.set_separator = Some(rest.to_owned()),
        "#empty_field" => draft.empty = Some(rest.to_owned()),
        "#unset_field" => draft.unset = Some(rest.to_owned()),
        "#path" => draft.log = Some(rest.to_owned()),
        "#fields" => {
            draft.fields = rest.split(separator).take(COLUMNS_MAX).map(str::to_owned).collect();
        }
        "#types" => head.columns = draft.layout(rest).map(Columns::Zeek).map(Arc::new),
        "#open" | "#close" => {}
        _ => return false,
    }
    true
}

/// `\x09`.
fn byte(text: &str) -> Option<u8> {
    match text.strip_prefix("\\x") {
        Some(digits) => u8::from_str_radix(digits, 16).ok(),
        None => text.bytes().next(),
    }
    .filter(u8::is_ascii)
}

impl Draft {
    fn layout(&self, types: &str) -> Option<Layout> {
        let log = self.log.clone()?;
        let separator = self.separator.unwrap_or(b'\t');
        let types: Vec<&str> = types.split(char::from(separator)).collect();
        if types.len() != self.fields.len() {
            return None;
        }
        let columns =
            self.fields.iter().zip(types).map(|(name, kind)| Column::new(&log, name, kind));
        Some(Layout {
            columns: columns.collect(),
            dataset: rules_event::intern(&format!("zeek.{log}")),
            separator,
            set_separator: self.set_separator.clone().unwrap_or_else(|| ",".to_owned()),
            empty: self.empty.clone().unwrap_or_else(|| "(empty)".to_owned()),
            unset: self.unset.clone().unwrap_or_else(|| "-".to_owned()),
            log,
        })
    }
}

impl Column {
    fn new(log: &str, name: &str, kind: &str) -> Self {
        let inner = ["set[", "vector["]
            .iter()
            .find_map(|start| kind.strip_prefix(start)?.strip_suffix(']'));
        let row = find(BY_LOG, &format!("{log}.{name}")).or_else(|| find(COMMON, name));
        Self {
            name: rules_event::intern(&format!("zeek.{log}.{name}")),
            row,
            is_time: name == "ts" && kind == "time",
            kind: match inner.unwrap_or(kind) {
                "count" | "int" | "port" => Kind::Int,
                "double" | "interval" => Kind::Decimal,
                "bool" => Kind::Bool,
                "time" => Kind::Time,
                _ => Kind::Text,
            },
            is_list: inner.is_some(),
        }
    }

    /// The value of a cell.
    pub(super) fn read(&self, cell: &str, layout: &Layout) -> Value {
        if !self.is_list {
            return if cell == layout.empty { Value::from("") } else { self.one(cell) };
        }
        if cell == layout.empty {
            return Value::List(Vec::new());
        }
        let values = cell.split(layout.set_separator.as_str()).take(COLUMNS_MAX);
        Value::List(values.filter(|one| *one != layout.unset).map(|one| self.one(one)).collect())
    }

    fn one(&self, text: &str) -> Value {
        let read = match self.kind {
            Kind::Text => None,
            Kind::Int => text.parse().ok().map(Value::Int),
            Kind::Decimal => text.parse().ok().filter(|it: &f64| it.is_finite()).map(decimal),
            Kind::Bool => match text {
                "T" => Some(Value::Bool(true)),
                "F" => Some(Value::Bool(false)),
                _ => None,
            },
            Kind::Time => moment::seconds(text).map(moment_text),
        };
        read.unwrap_or_else(|| unescaped(text))
    }
}

/// Undoes `\x09` and `\\`. Bytes that are no text stay as written.
fn unescaped(text: &str) -> Value {
    if !text.contains('\\') {
        return Value::text(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        match (first, tail) {
            (b'\\', [b'\\', tail @ ..]) => {
                bytes.push(b'\\');
                rest = tail;
            }
            (b'\\', [b'x', high, low, tail @ ..])
                if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() =>
            {
                let digit = |byte: u8| char::from(byte).to_digit(16).unwrap_or_default() as u8;
                bytes.push(digit(*high) * 16 + digit(*low));
                rest = tail;
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).map_or_else(|_| Value::text(text), Value::from)
}
