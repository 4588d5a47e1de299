//! Position: where to resume in one file, and how to know the file again.

use serde::{Deserialize, Serialize};

use super::glob::Life;
use super::print::Print;

/// Version of the JSON form. A position of another version is not used, and that is reported.
pub(crate) const VERSION: u32 = 1;

/// The checkpoint of one file source, as JSON the only thing that outlives a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// [`VERSION`].
    pub(crate) v: u32,
    /// The path that the configuration matched when the file was first read (`log.file.path`).
    pub(crate) path: String,
    /// Where it was last seen, after symlinks and renames; left out when it is `path`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(crate) real: String,
    /// Device number. May change over a reboot, so content decides in the end.
    pub(crate) dev: u64,
    /// Inode number.
    pub(crate) ino: u64,
    /// How often this inode has begun anew (truncated, or replaced in place).
    pub(crate) generation: u32,
    /// First byte not yet handed on.
    pub(crate) offset: u64,
    /// Inside a line that was cut: what follows up to the next line end is skipped.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) skipping: bool,
    /// Nothing will be added any more (a rotated copy): a last line without line end is complete.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) frozen: bool,
    /// It had been rotated away when last seen.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) left: bool,
    /// The first bytes of the file.
    pub(crate) head: Print,
    /// The bytes just before `offset`.
    pub(crate) tail: Print,
    /// Size when last looked at, bytes.
    pub(crate) size: u64,
    /// Last change when last looked at, ns since 1970.
    pub(crate) changed: i64,
    /// What tells this use of the inode from the next.
    #[serde(flatten)]
    pub(crate) life: Life,
    /// Records read before `offset` that are not finished, as their assembler keeps them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) assembly: Option<serde_json::Value>,
}

impl Position {
    /// Returns where it was last seen, after symlinks and renames.
    pub(crate) fn real(&self) -> &str {
        if self.real.is_empty() { &self.path } else { &self.real }
    }

    /// Sets where it was last seen.
    pub(crate) fn at(mut self, real: String) -> Self {
        self.real = if real == self.path { String::new() } else { real };
        self
    }

    /// Reads a checkpoint; `None` when it is not one of ours.
    pub(crate) fn parse(json: &str) -> Option<Self> {
        let position: Self = serde_json::from_str(json).ok()?;
        (position.v == VERSION).then_some(position)
    }

    /// Returns the JSON form.
    pub(crate) fn to_json(&self) -> String {
        serde_json::to_string(self).expect("a struct of numbers and text is JSON")
    }
}

/// Checkpoint key of a file that was there, but empty, when reading was to begin at its end: what
/// comes later must be read although there is no content yet to know the file by.
pub(crate) fn seen_key(path: &str) -> String {
    format!("{SEEN}{path}")
}

/// Returns the path of such a key.
pub(crate) fn seen_path(key: &str) -> Option<&str> {
    key.strip_prefix(SEEN)
}

/// What such a checkpoint holds.
pub(crate) const SEEN_JSON: &str = "{\"seen\":true}";

const SEEN: &str = "seen:";
