//! Columns: what the head of a file says of its lines (Zeek's `#fields`, the W3C's `#Fields:`).
//!
//! A head stands once, at the start of a file; its lines come long after, also after a restart of the
//! agent. So heads are kept by source, and the head of a source that is not known is read from the
//! start of its file.

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use super::{iis, zeek};

/// Heads kept. One is some kilobytes; a source whose head was forgotten is looked up anew.
const HEADS_MAX: usize = 1_024;

/// Bytes read from the start of a file for its head: Zeek's longest (http, ssl) is below 2 KiB, IIS'
/// below 1 KiB.
const HEAD_BYTES: u64 = 8 * 1_024;

/// Most columns of a line; Zeek's widest log has about sixty.
pub(super) const COLUMNS_MAX: usize = 256;

/// The heads of all sources.
#[derive(Debug, Default)]
pub(crate) struct Headers(Mutex<HashMap<String, Head>>);

/// What the head of one file said so far.
#[derive(Debug, Default)]
pub(super) struct Head {
    pub(super) zeek: zeek::Draft,
    pub(super) columns: Option<Arc<Columns>>,
}

/// The columns of a file's lines.
#[derive(Debug)]
pub(super) enum Columns {
    /// A log of Zeek.
    Zeek(zeek::Layout),
    /// A log in the W3C's extended format.
    W3c(iis::Layout),
}

impl Headers {
    /// Takes a line that begins with `#`; false when it says nothing of columns.
    pub(super) fn learn(&self, source: &str, line: &str) -> bool {
        let mut heads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if heads.len() >= HEADS_MAX && !heads.contains_key(source) {
            heads.clear();
        }
        heads.entry(source.to_owned()).or_default().learn(line)
    }

    /// Returns the columns of a source's lines, from its file if its head did not come by.
    pub(super) fn of(&self, source: &str, path: Option<&str>) -> Option<Arc<Columns>> {
        let mut heads = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(head) = heads.get(source) {
            return head.columns.clone();
        }
        if heads.len() >= HEADS_MAX {
            heads.clear();
        }
        let head = path.map(read).unwrap_or_default();
        let columns = head.columns.clone();
        heads.insert(source.to_owned(), head);
        columns
    }
}

impl Head {
    fn learn(&mut self, line: &str) -> bool {
        zeek::learn(self, line) || iis::learn(self, line)
    }
}

/// Reads the head of a file. A file that cannot be read has none: its lines stay text.
fn read(path: &str) -> Head {
    let mut head = Head::default();
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|file| file.take(HEAD_BYTES).read_to_end(&mut bytes));
    if read.is_ok() {
        let text = String::from_utf8_lossy(&bytes);
        for line in text.lines().take_while(|line| line.starts_with('#')) {
            head.learn(line);
        }
    }
    head
}
