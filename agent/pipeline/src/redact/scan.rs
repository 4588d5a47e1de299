//! Scan: one text, what was found in it so far.

use std::cell::OnceCell;

use super::Redactor;
use super::edit::{Edit, Put, What, is_in_mark, is_mark};
use super::kind::Kind;
use super::words::Check;
use super::{command, header, hexed, keyed, markup, piped, shape, url};

/// How deep texts inside texts are looked into: hexadecimal in an audit record in a journal entry.
const DEPTH_MAX: u8 = 2;
/// Checks of one text that look far around their word: a line of 64 KiB that is made of such words has
/// thousands, and would cost the square of its length.
const WIDE_MAX: usize = 256;

/// A text under work.
pub(super) struct Scan<'r, 't> {
    pub(super) redactor: &'r Redactor,
    pub(super) text: &'t str,
    pub(super) bytes: &'t [u8],
    pub(super) edits: &'t mut Vec<Edit>,
    /// Up to here all is hidden: what a word begins inside of it is part of a secret.
    hidden: usize,
    has_escapes: OnceCell<bool>,
    pub(super) depth: u8,
    /// Checks made so far that look at more than what stands beside their word.
    wide: usize,
    /// The arguments of EXECVE records were read: all of them at once.
    pub(super) has_arguments: bool,
}

impl<'r, 't> Scan<'r, 't> {
    pub(super) fn new(
        redactor: &'r Redactor,
        text: &'t str,
        edits: &'t mut Vec<Edit>,
        depth: u8,
    ) -> Self {
        let (bytes, has_escapes) = (text.as_bytes(), OnceCell::new());
        Self {
            redactor,
            text,
            bytes,
            edits,
            hidden: 0,
            has_escapes,
            depth,
            wide: 0,
            has_arguments: false,
        }
    }

    /// Looks for secrets; the edits are neither ordered nor free of each other.
    #[inline]
    pub(super) fn run(&mut self) {
        let redactor = self.redactor;
        redactor.filter.search(self.bytes, |word, start| self.check(word, start));
        if let Some(at) = memchr::memchr(b'@', self.bytes) {
            url::userinfo(self, at);
        }
        if redactor.has_more {
            self.more();
        }
    }

    /// What is looked for only when asked for.
    #[cold]
    fn more(&mut self) {
        super::personal::find(self);
        super::own::find(self);
    }

    #[cold]
    fn check(&mut self, word: usize, start: usize) {
        let Some((length, check)) = self.redactor.checks.get(word).copied() else { return };
        let end = start + length;
        // The name of a kind is a word too.
        if start < self.hidden || is_in_mark(self.text, start) {
            return;
        }
        if !matches!(check, Check::Name(..) | Check::Shape(_) | Check::Jwt) {
            self.wide += 1;
            if self.wide > WIDE_MAX {
                return;
            }
        }
        match check {
            Check::Name(kind, rule) => keyed::name(self, start, end, kind, rule),
            Check::Vietnamese(kind) => keyed::vietnamese(self, end, kind),
            Check::Authorization => header::authorization(self, start, end),
            Check::Bearer => header::bearer(self, start, end),
            Check::Cookie => header::cookie(self, start, end),
            Check::OauthCode => url::oauth(self, start, end),
            Check::Jwt => shape::jwt(self, start),
            Check::Pem => shape::pem(self, start, end),
            Check::Shape(shape) => shape::token(self, start, shape),
            Check::Telegram => shape::telegram(self, start),
            Check::EncodedUrl => url::encoded(self, start, end),
            Check::Program => command::program(self, start),
            Check::NetUser => command::net_user(self, start),
            Check::Piped => piped::piped(self, start),
            Check::SecureString => command::secure_string(self, end),
            Check::Identified => markup::identified(self, end),
            Check::Radius => markup::radius(self, end),
            Check::Hex => hexed::value(self, end),
            Check::Execve => hexed::execve(self, start),
            Check::ByteArray => hexed::byte_array(self, end),
        }
    }

    /// Whether a word is a name of three letters of the configuration, with a sign behind it.
    pub(super) fn is_short_name(&self, word: &[u8]) -> bool {
        let name = word.get(..3).unwrap_or_default();
        let is_own = |it: &String| it.as_bytes().eq_ignore_ascii_case(name);
        word.len() == 4 && self.redactor.names.iter().any(is_own)
    }

    /// Whether the text is JSON, or holds some: a backslash escapes then.
    pub(super) fn has_escapes(&self) -> bool {
        *self.has_escapes.get_or_init(|| {
            self.text.starts_with('{') || memchr::memmem::find(self.bytes, b"{\"").is_some()
        })
    }

    /// Hides a piece, unless its kind is switched off or it is hidden already.
    pub(super) fn hide(&mut self, start: usize, end: usize, kind: Kind) {
        self.put(start, end, kind, Put::Mark);
    }

    /// Leaves what stands before a place as it is.
    pub(super) fn pass_over(&mut self, end: usize) {
        self.hidden = self.hidden.max(end);
    }

    pub(super) fn put(&mut self, start: usize, end: usize, kind: Kind, put: Put) {
        if self.redactor.is_on(kind) {
            self.push(start, end, What::Kind(kind), put);
        }
    }

    pub(super) fn push(&mut self, start: usize, end: usize, what: What, put: Put) {
        let Some(piece) = self.text.get(start..end) else { return };
        if piece.is_empty() || is_mark(piece) || is_in_mark(self.text, start) {
            return;
        }
        self.hidden = self.hidden.max(end);
        self.edits.push(Edit { start, end, what, put });
    }

    /// Redacts a text that stands in this one in another writing; `None` when nothing is to be hidden.
    pub(super) fn inner(&self, text: &str) -> Option<(String, u64)> {
        if self.depth >= DEPTH_MAX {
            return None;
        }
        self.redactor.redact_at(text, self.depth + 1)
    }
}
