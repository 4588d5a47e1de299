//! Redaction: takes secrets out of a record before anything is made of it.
//!
//! A filter of words goes over every record once; only where it finds one, the check behind the word
//! decides, by hand, whether a secret stands there and from where to where. In its place comes
//! `[redacted:KIND]`, and the event says `vonglau.redacted`. Quotes and signs around it stay, so that what
//! was JSON or a URL still is one. See docs/spec/redaction.md.

mod command;
mod config;
mod digest;
mod edit;
mod event;
mod filter;
mod header;
mod hexed;
mod keyed;
mod kind;
mod markup;
mod names;
mod own;
mod personal;
mod piped;
mod programs;
mod scan;
mod shape;
mod tally;
#[cfg(test)]
mod tests;
mod url;
mod value;
mod words;

use std::borrow::Cow;

use globset::GlobSet;

pub use config::RedactionConfig;
pub use kind::Kind;
pub use tally::Tally;

use crate::Error;
use digest::Key;
use edit::{MARK, OWN_SHIFT, settle};
use filter::Filter;
use names::Rule;
use own::Own;
use scan::Scan;
use words::Check;

/// Turns after which a text is taken as it is. What one hid may show a secret to the next; logs need two,
/// and what an attacker writes to need more costs no more than so many looks at a line.
const TURNS_MAX: usize = 64;

/// Hides secrets. Made once for a configuration, shared by all threads.
pub struct Redactor {
    is_enabled: bool,
    filter: Filter,
    /// By word of the filter: its length and what is checked where it stands.
    checks: Vec<(usize, Check)>,
    on: u64,
    /// Whether something is looked for beside the words.
    has_more: bool,
    own: Vec<Own>,
    names: Vec<String>,
    digest: Option<Key>,
    exempt: GlobSet,
}

/// What was hidden in a record, by the bits of kinds and own patterns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hidden(u64);

impl Hidden {
    /// Returns whether nothing was.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

impl std::ops::BitOr for Hidden {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl Redactor {
    /// Makes it from a configuration. The seed is the agent's key: digests are derived from it.
    ///
    /// # Errors
    /// [`Error::Redaction`], with the key and what to do.
    pub fn new(config: &RedactionConfig, seed: &[u8; 32]) -> Result<Self, Error> {
        let compiled = config.compile()?;
        let words = words::all(&config.names);
        let personal = Kind::PERSONAL.into_iter().any(|kind| compiled.on & kind.bit() != 0);
        Ok(Self {
            is_enabled: config.enabled,
            filter: Filter::new(words.iter().map(|(word, _)| word.as_slice())),
            checks: words.iter().map(|(word, check)| (word.len(), *check)).collect(),
            on: compiled.on,
            has_more: personal || !compiled.own.is_empty(),
            own: compiled.own,
            names: config.names.clone(),
            digest: config.digest.then(|| Key::derive(seed)),
            exempt: compiled.exempt,
        })
    }

    /// Returns whether the records of a log are taken as they are.
    #[must_use]
    pub fn passes(&self, path: Option<&str>) -> bool {
        !self.is_enabled || path.is_some_and(|path| self.exempt.is_match(path))
    }

    /// Returns the text without its secrets, and what was hidden.
    #[must_use]
    #[inline]
    pub fn redact<'t>(&self, text: &'t str) -> (Cow<'t, str>, Hidden) {
        let mut edits = Vec::new();
        Scan::new(self, text, &mut edits, 0).run();
        if edits.is_empty() {
            return (Cow::Borrowed(text), Hidden(0));
        }
        let (text, bits) = self.finish(text, edits, 0);
        (Cow::Owned(text), Hidden(bits))
    }

    /// As [`Self::redact`], of a text inside another; `None` when nothing was hidden.
    fn redact_at(&self, text: &str, depth: u8) -> Option<(String, u64)> {
        let mut edits = Vec::new();
        Scan::new(self, text, &mut edits, depth).run();
        (!edits.is_empty()).then(|| self.finish(text, edits, depth))
    }

    /// Makes the edits, and looks again until there is nothing more.
    #[cold]
    fn finish(&self, text: &str, mut edits: Vec<edit::Edit>, depth: u8) -> (String, u64) {
        let (mut text, mut bits) = (Cow::Borrowed(text), 0);
        for _ in 0..TURNS_MAX {
            settle(&mut edits);
            let mut out = String::with_capacity(text.len() + edits.len() * MARK.len());
            bits |= self.apply(&text, &edits, &mut out);
            text = Cow::Owned(out);
            edits = Vec::new();
            Scan::new(self, &text, &mut edits, depth).run();
            if edits.is_empty() {
                break;
            }
        }
        (text.into_owned(), bits)
    }

    fn is_on(&self, kind: Kind) -> bool {
        self.on & kind.bit() != 0
    }

    fn own_name(&self, number: u8) -> &str {
        self.own.get(usize::from(number)).map_or("own", |own| own.name.as_str())
    }

    /// Returns the names of what was hidden, ours first.
    pub fn names<'a>(&'a self, hidden: Hidden) -> impl Iterator<Item = &'a str> {
        let ours = Kind::ALL.into_iter().filter(move |kind| hidden.0 & kind.bit() != 0);
        let own = (OWN_SHIFT..).zip(&self.own).filter(move |(bit, _)| hidden.0 >> bit & 1 != 0);
        let own = own.map(|(_, own)| own.name.as_str());
        ours.map(|kind| -> &'a str { kind.as_str() }).chain(own)
    }

    /// Returns what an option says of the argument behind it: `--password`.
    fn option_kind(&self, argument: &str) -> Option<Kind> {
        if !argument.starts_with('-') || argument.contains('=') {
            return None;
        }
        let mut kind = None;
        let bytes = argument.as_bytes();
        self.filter.search(bytes, |word, start| {
            let Some((length, Check::Name(found, rule))) = self.checks.get(word) else { return };
            let name = names::Name::around(bytes, start, start + length);
            let is_whole = name.is_some_and(|name| name.end == bytes.len());
            if is_whole
                && *rule != Rule::Query
                && name.is_some_and(|name| name.is_secret(bytes, *rule))
                && self.is_on(*found)
            {
                kind = Some(*found);
            }
        });
        // Names of three letters have no sign behind them here.
        kind.or_else(|| {
            let name = argument.trim_start_matches('-').to_ascii_lowercase();
            matches!(name.as_str(), "pwd" | "psk").then_some(Kind::Password)
        })
    }

    fn mark_of(&self, kind: Kind, secret: &str) -> String {
        let mut mark = String::new();
        let edit = edit::Edit {
            start: 0,
            end: secret.len(),
            what: edit::What::Kind(kind),
            put: edit::Put::Mark,
        };
        self.apply(secret, &[edit], &mut mark);
        mark
    }
}
