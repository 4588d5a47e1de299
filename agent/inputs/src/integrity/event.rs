//! Event: what a change looks like to rules and people.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rules_event::{Event, Timestamp, Value, encode_lossless, field};

use super::content::Finding;
use super::entry::{Entry, Kind};
use crate::Sample;
use crate::accounts::Accounts;

/// `event.dataset` of every change.
const DATASET: &str = "vonglau.file";

/// A time of change older than this is not when it came to be here (an old disk was mounted); the
/// moment it was found is taken instead.
const AGE_MAX_NANOS: i64 = 30 * 86_400 * 1_000_000_000;

/// What happened to a path.
#[derive(Debug, Clone)]
pub(super) enum Change {
    Created(Entry, Finding),
    Deleted(Entry),
    /// Its path was another one before; the content may have changed as well.
    Renamed {
        from: PathBuf,
        old: Entry,
        new: Entry,
        finding: Finding,
    },
    /// The words say what is different, `content` first.
    Changed {
        what: Vec<&'static str>,
        old: Entry,
        new: Entry,
        finding: Finding,
    },
}

impl Change {
    /// ECS `event.action`, as docs/pack.md lists it.
    pub(super) fn action(&self) -> &'static str {
        match self {
            Self::Created(..) => "created",
            Self::Deleted(..) => "deleted",
            Self::Renamed { .. } => "renamed",
            Self::Changed { what, .. } if what.contains(&"content") => "modified",
            Self::Changed { .. } => "attributes_modified",
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Created(..) => "creation",
            Self::Deleted(..) => "deletion",
            Self::Renamed { .. } | Self::Changed { .. } => "change",
        }
    }
}

/// Returns what is different between two looks at one path; empty when only its times are.
pub(super) fn differences(old: &Entry, new: &Entry) -> Vec<&'static str> {
    let mut what = Vec::new();
    let content = match (old.hash, new.hash) {
        (Some(old), Some(new)) => old != new,
        _ => old.size != new.size || (old.mtime != new.mtime && new.kind != Kind::Folder),
    };
    if content || old.kind != new.kind {
        what.push("content");
    }
    let attributes = [
        ("mode", old.mode != new.mode),
        ("owner", old.uid != new.uid),
        ("group", old.gid != new.gid),
        ("capability", old.capability != new.capability),
        // Set back by hand (T1070.006): nothing else makes a file older.
        ("mtime", new.mtime < old.mtime && !content && new.kind == Kind::File),
    ];
    what.extend(attributes.iter().filter(|(_, differs)| *differs).map(|(name, _)| *name));
    what
}

/// What is true of all events of one look.
pub(super) struct Context<'a> {
    pub(super) now: Timestamp,
    pub(super) accounts: &'a mut Accounts,
    pub(super) in_window: bool,
    pub(super) in_upload: bool,
}

/// Returns the event of a change; `number` tells apart repeated changes of one path.
pub(super) fn sample(path: &Path, change: &Change, number: u64, context: Context<'_>) -> Sample {
    let Context { now, accounts, in_window, in_upload } = context;
    let (entry, finding) = match change {
        Change::Created(entry, finding) => (entry, *finding),
        Change::Deleted(entry) => (entry, Finding::default()),
        Change::Renamed { new, finding, .. } | Change::Changed { new, finding, .. } => {
            (new, *finding)
        }
    };
    let is_deleted = matches!(change, Change::Deleted(_));
    let mut event = Event::new(happened(entry, is_deleted, now), String::new());
    base(&mut event, now, change.action());
    event.set("event.type", change.kind());
    names(&mut event, path);
    facts(&mut event, entry, accounts);
    if entry.kind == Kind::Link
        && !is_deleted
        && let Ok(target) = std::fs::read_link(path)
    {
        event.set("file.target_path", text(&target));
    }
    if let Some(content) = finding.content {
        event.set("vonglau.file.content", content);
    }
    if let Some(entropy) = finding.entropy {
        event.set("vonglau.file.entropy", Value::Float(entropy));
    }
    if entry.kind == Kind::File && entry.hash.is_none() && !is_deleted {
        event.set("vonglau.file.unhashed", true);
    }
    match change {
        Change::Renamed { from, old, new, .. } => {
            event.set("vonglau.file.previous.path", text(from));
            previous(&mut event, &differences(old, new), old, accounts);
        }
        Change::Changed { what, old, .. } => previous(&mut event, what, old, accounts),
        Change::Created(..) | Change::Deleted(..) => {}
    }
    if in_upload {
        event.set("vonglau.file.upload_folder", true);
    }
    if in_window {
        event.set("vonglau.change_window", true);
    }
    event.set(field::MESSAGE, message(path, change));
    let instance =
        format!("\u{1}integrity\u{1}{}\u{1}{}\u{1}{number}", text(path), change.action());
    Sample { event, instance }
}

/// Returns an event that is about the watching itself.
pub(super) fn notice(action: &'static str, now: Timestamp, message: String) -> Sample {
    let mut event = Event::new(now, String::new());
    base(&mut event, now, action);
    event.set("event.type", "info");
    event.set(field::MESSAGE, message);
    Sample { event, instance: format!("\u{1}integrity\u{1}\u{1}{action}") }
}

fn base(event: &mut Event, now: Timestamp, action: &'static str) {
    event.set(field::EVENT_KIND, "event");
    event.set(field::EVENT_MODULE, "vonglau");
    event.set(field::EVENT_DATASET, DATASET);
    event.set(field::EVENT_CATEGORY, "file");
    event.set(field::EVENT_ACTION, action);
    event.set("event.created", now.to_string());
}

/// The kernel's own time of change, as far as it can be that.
fn happened(entry: &Entry, is_deleted: bool, now: Timestamp) -> Timestamp {
    let at = Timestamp::from_nanos(entry.ctime);
    let oldest = Timestamp::from_nanos(now.as_nanos().saturating_sub(AGE_MAX_NANOS));
    if is_deleted || at > now || at < oldest { now } else { at }
}

fn names(event: &mut Event, path: &Path) {
    event.set(field::FILE_PATH, text(path));
    if let Some(name) = path.file_name() {
        event.set("file.name", text(Path::new(name)));
    }
    if let Some(folder) = path.parent() {
        event.set("file.directory", text(folder));
    }
    if let Some(extension) = path.extension() {
        event.set("file.extension", text(Path::new(extension)));
    }
}

fn facts(event: &mut Event, entry: &Entry, accounts: &mut Accounts) {
    event.set("file.type", entry.kind.as_str());
    if entry.kind != Kind::Folder {
        event.set("file.size", i64::try_from(entry.size).unwrap_or(i64::MAX));
    }
    event.set("file.mode", mode(entry.mode));
    event.set("file.uid", entry.uid.to_string());
    event.set("file.gid", entry.gid.to_string());
    if let Some(name) = accounts.user(entry.uid) {
        event.set("file.owner", name.to_owned());
    }
    if let Some(name) = accounts.group(entry.gid) {
        event.set("file.group", name.to_owned());
    }
    event.set("file.inode", entry.inode.to_string());
    event.set("file.mtime", Timestamp::from_nanos(entry.mtime).to_string());
    event.set("file.ctime", Timestamp::from_nanos(entry.ctime).to_string());
    if let Some(hash) = &entry.hash {
        event.set("file.hash.blake3", hex::encode(hash));
    }
    if let Some(capability) = &entry.capability {
        event.set("vonglau.file.capability", hex::encode(capability));
    }
}

/// Old values of what is different, and the list of it.
fn previous(event: &mut Event, what: &[&'static str], old: &Entry, accounts: &mut Accounts) {
    for difference in what {
        match *difference {
            "content" => {
                if let Some(hash) = &old.hash {
                    event.set("vonglau.file.previous.hash.blake3", hex::encode(hash));
                }
                let size = i64::try_from(old.size).unwrap_or(i64::MAX);
                event.set("vonglau.file.previous.size", size);
                let mtime = Timestamp::from_nanos(old.mtime).to_string();
                event.set("vonglau.file.previous.mtime", mtime);
            }
            "mode" => event.set("vonglau.file.previous.mode", mode(old.mode)),
            "owner" => {
                event.set("vonglau.file.previous.uid", old.uid.to_string());
                if let Some(name) = accounts.user(old.uid) {
                    event.set("vonglau.file.previous.owner", name.to_owned());
                }
            }
            "group" => {
                event.set("vonglau.file.previous.gid", old.gid.to_string());
                if let Some(name) = accounts.group(old.gid) {
                    event.set("vonglau.file.previous.group", name.to_owned());
                }
            }
            "capability" => {
                let value = old.capability.as_deref().map(hex::encode).unwrap_or_default();
                event.set("vonglau.file.previous.capability", value);
            }
            _ => {
                let mtime = Timestamp::from_nanos(old.mtime).to_string();
                event.set("vonglau.file.previous.mtime", mtime);
            }
        }
    }
    if !what.is_empty() {
        let list = what.iter().map(|what| Value::from(*what)).collect();
        event.set("vonglau.file.changed", Value::List(list));
    }
}

fn message(path: &Path, change: &Change) -> String {
    let path = text(path);
    match change {
        Change::Created(..) => format!("{path} was created"),
        Change::Deleted(..) => format!("{path} was deleted"),
        Change::Renamed { from, .. } => format!("{} was renamed to {path}", text(from)),
        Change::Changed { what, .. } => format!("{path} was changed: {}", what.join(", ")),
    }
}

fn mode(mode: u32) -> String {
    format!("{mode:04o}")
}

/// Returns a path as text, losslessly.
pub(super) fn text(path: &Path) -> String {
    encode_lossless(path.as_os_str().as_bytes()).0.into_owned()
}
