//! Facts: the values of an event's records that become ECS fields.

use std::borrow::Cow;

use super::hex;
use super::keys::Key;
use super::pairs::Form;
use crate::find;

/// Places of facts: one for each key up to [`Key::LAST_FACT`]; a bit of 64 each.
const FACTS: usize = Key::LAST_FACT as usize + 1;
const _: () = assert!(FACTS <= 64);

/// The first value of each key that ECS has a place for.
pub(super) struct Facts<'a> {
    values: [Option<&'a str>; FACTS],
    /// By key, one bit each: how it was written. Bare without a bit.
    quoted: u64,
    nested: u64,
    /// The file the event is about, and how well that is known.
    file: Option<(u8, &'a str, Form)>,
}

impl<'a> Facts<'a> {
    pub(super) fn new() -> Self {
        Self { values: [None; FACTS], quoted: 0, nested: 0, file: None }
    }

    /// Keeps a value unless there is one, or it says nothing.
    pub(super) fn note(&mut self, key: Key, value: &'a str, form: Form) {
        if let Some(place) = self.values.get_mut(key as usize).filter(|place| place.is_none())
            && is_given(value)
        {
            *place = Some(value);
            let bit = 1 << key as u32;
            match form {
                Form::Bare => {}
                Form::Quoted => self.quoted |= bit,
                Form::Nested => self.nested |= bit,
            }
        }
    }

    /// Returns a value as it was written.
    #[inline]
    pub(super) fn raw(&self, key: Key) -> Option<&'a str> {
        *self.values.get(key as usize)?
    }

    /// Returns a value as text.
    pub(super) fn text(&self, key: Key) -> Option<Cow<'a, str>> {
        let value = self.raw(key)?;
        let form = match 1 << key as u32 {
            bit if self.quoted & bit != 0 => Form::Quoted,
            bit if self.nested & bit != 0 => Form::Nested,
            _ => Form::Bare,
        };
        Some(decoded(key, value, form))
    }

    /// Returns a value as a number.
    pub(super) fn number(&self, key: Key) -> Option<i64> {
        find::number(self.raw(key)?)
    }

    /// Keeps the name of a file, if it says more of what happened than the one before.
    ///
    /// A call names several: the folder, the old name, the new one. Spec: Linux
    /// `kernel/auditsc.c`, `audit_log_name`.
    pub(super) fn note_file(&mut self, name: &'a str, form: Form, nametype: &str) {
        let rank = match nametype {
            "CREATE" => 5,
            "DELETE" => 4,
            "NORMAL" => 3,
            "PARENT" => 1,
            _ => 2,
        };
        if is_given(name) && self.file.is_none_or(|(before, ..)| before < rank) {
            self.file = Some((rank, name, form));
        }
    }

    /// Returns the file the event is about.
    pub(super) fn file(&self) -> Option<Cow<'a, str>> {
        let (_, name, form) = self.file?;
        Some(decoded(Key::Name, name, form))
    }

    /// Returns whether the event made a file, and whether it removed one.
    pub(super) fn file_made_or_removed(&self) -> (bool, bool) {
        match self.file {
            Some((5, ..)) => (true, false),
            Some((4, ..)) => (false, true),
            _ => (false, false),
        }
    }
}

/// Returns whether a value says something: `?` and `(null)` stand for nothing.
#[inline]
pub(super) fn is_given(value: &str) -> bool {
    !matches!(value, "" | "?" | "(null)")
}

/// Returns a value as text.
#[inline]
pub(super) fn decoded(key: Key, value: &str, form: Form) -> Cow<'_, str> {
    if form == Form::Bare && key.may_be_hex() { of_hex(key, value) } else { Cow::Borrowed(value) }
}

fn of_hex(key: Key, value: &str) -> Cow<'_, str> {
    if key == Key::Proctitle { hex::title(value) } else { hex::text(value) }
}
