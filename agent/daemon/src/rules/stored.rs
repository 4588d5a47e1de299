//! Stored: rules compiled once, in a process of its own, and taken from the state folder at every start.
//!
//! Taking over a compiled set is a hundred times quicker than compiling it, and compiling leaves
//! behind what the agent never needs again: the pages of the parser, and a heap full of holes. So
//! the agent itself never compiles: it asks its own program to ([`compile_for_parent`]), and keeps the
//! answer beside its key. Whoever could write there could switch detection off unseen, so the file is
//! sealed with a key made of the agent's private key: to forge it, one must be able to sign as the
//! agent. See `docs/adr/0013-rules-compiled-apart.md`.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use agent_wire::Identity;
use rules_matcher::{IMAGE_BYTES_MAX, Matcher};
use rules_pack::Texts;

use super::Notes;
use crate::config::RulesSection;
use crate::error::{Error, Result};

/// First argument of the process that compiles; no command for people.
pub(crate) const COMPILE: &str = "compile-rules-for-parent";

/// File in the state folder.
const FILE: &str = "rules.compiled";
/// First bytes of the file; another form has others.
const MAGIC: [u8; 8] = *b"VLRULES1";
/// What the key of the seal is derived for (BLAKE3, section 2.3: a context of its own for each use).
const CONTEXT: &str = "vonglau-agent 2026-11-26 seal of compiled rules";
/// Longest notes read: twenty diagnostics of a few KiB each and ten thousand correlations take less.
const NOTES_BYTES_MAX: usize = 8 << 20;
/// The program that runs, also when its file was replaced meanwhile.
const PROGRAM: &str = "/proc/self/exe";

/// A BLAKE3 hash.
type Hash = [u8; 32];

/// A compiled rule set, and what there was to say of it.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) matcher: Arc<Matcher>,
    pub(crate) notes: Notes,
    /// What it was made of.
    made_of: Hash,
}

/// Where compiled rules are kept.
#[derive(Clone)]
pub(crate) struct Store {
    path: PathBuf,
    seal: Hash,
}

impl Store {
    /// Keeps compiled rules in a state folder, sealed by an identity.
    pub(crate) fn new(state_dir: &Path, identity: &Identity) -> Self {
        let seal = blake3::derive_key(CONTEXT, &identity.seed());
        Self { path: state_dir.join(FILE), seal }
    }

    /// Returns the rules of a section: those kept, if they are of the same texts and the same program,
    /// else compiled anew and kept.
    pub(crate) fn load(&self, section: &RulesSection) -> Result<Compiled> {
        let wanted = made_of(section.builtin, &rules_pack::read_texts(false, &section.dirs)?);
        match self.read(&wanted) {
            Ok(Some(kept)) => return Ok(kept),
            Ok(None) => {}
            Err(reason) => {
                let path = self.path.display();
                tracing::warn!(%path, "compiled rules are not used, {reason}; compiled anew");
            }
        }
        let compiled = match compile_apart(section) {
            Ok(compiled) => compiled,
            Err(error) => {
                // It may name what is wrong better than a process that ended could.
                tracing::debug!(%error, "rules are compiled in the agent's own process");
                compile_here(section)?
            }
        };
        if let Err(error) = self.keep(&compiled) {
            let path = self.path.display();
            tracing::warn!(%path, %error, "compiled rules are not kept; the next start compiles them again");
        }
        Ok(compiled)
    }

    /// Reads what is kept; nothing if it is not what is wanted, and an error if it is not ours.
    fn read(&self, wanted: &Hash) -> std::result::Result<Option<Compiled>, String> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        let facts = file.metadata().map_err(|error| error.to_string())?;
        if !facts.is_file() {
            return Err("they are no regular file".to_owned());
        }
        let (mut magic, mut seal) = (MAGIC, Hash::default());
        let head = file.read_exact(&mut magic).and_then(|()| file.read_exact(&mut seal));
        head.map_err(|error| error.to_string())?;
        if magic != MAGIC {
            return Ok(None);
        }
        let Some(body) = Body::read(&mut file, Some(wanted), facts.len())? else { return Ok(None) };
        // Compared in constant time, as `blake3::Hash` does.
        if blake3::Hash::from(seal) != body.seal(&self.seal) {
            return Err(
                "their seal is broken: they were changed, or are another agent's".to_owned()
            );
        }
        body.open().map(Some)
    }

    fn keep(&self, compiled: &Compiled) -> io::Result<()> {
        let body = Body::of(compiled)?;
        let temporary = self.path.with_extension(format!("{}.tmp", std::process::id()));
        let write = || -> io::Result<()> {
            let mut options = File::options();
            let mut file =
                options.create(true).truncate(true).write(true).mode(0o600).open(&temporary)?;
            file.write_all(&MAGIC)?;
            file.write_all(body.seal(&self.seal).as_bytes())?;
            body.write(&mut file)?;
            // Not synced: what a crash leaves of it fails its seal, and is compiled anew.
            fs::rename(&temporary, &self.path)
        };
        write().inspect_err(|_| {
            // Whatever is left of it is of no use.
            let _ = fs::remove_file(&temporary);
        })
    }
}

/// Compiled rules as bytes: what they were made of, the length of the notes, the notes, the image.
struct Body<'a> {
    made_of: Hash,
    notes: Vec<u8>,
    image: Cow<'a, [u8]>,
}

impl<'a> Body<'a> {
    fn of(compiled: &'a Compiled) -> io::Result<Self> {
        Ok(Self {
            made_of: compiled.made_of,
            notes: serde_json::to_vec(&compiled.notes)?,
            image: Cow::Borrowed(compiled.matcher.to_image()),
        })
    }

    /// Its parts, in order.
    fn parts(&self) -> [Cow<'_, [u8]>; 4] {
        let len = u32::try_from(self.notes.len()).unwrap_or(u32::MAX).to_le_bytes();
        [
            Cow::Borrowed(&self.made_of),
            Cow::Owned(len.to_vec()),
            Cow::Borrowed(&self.notes),
            Cow::Borrowed(&self.image),
        ]
    }

    fn write(&self, out: &mut impl Write) -> io::Result<()> {
        self.parts().iter().try_for_each(|part| out.write_all(part))
    }

    fn seal(&self, key: &Hash) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(key);
        for part in self.parts() {
            hasher.update(&part);
        }
        hasher.finalize()
    }

    /// Reads one; nothing when it was made of something else than `wanted`. `len` is how much there
    /// probably is.
    fn read(
        from: &mut impl Read,
        wanted: Option<&Hash>,
        len: u64,
    ) -> std::result::Result<Option<Self>, String> {
        let (mut made_of, mut notes_len) = (Hash::default(), [0; 4]);
        let damaged = |error: io::Error| error.to_string();
        from.read_exact(&mut made_of).map_err(damaged)?;
        if wanted.is_some_and(|wanted| *wanted != made_of) {
            return Ok(None);
        }
        from.read_exact(&mut notes_len).map_err(damaged)?;
        let notes_len = u32::from_le_bytes(notes_len) as usize;
        if notes_len > NOTES_BYTES_MAX {
            return Err("they are damaged".to_owned());
        }
        let mut notes = vec![0; notes_len];
        from.read_exact(&mut notes).map_err(damaged)?;
        // A block of its own that is no larger than need be: it stays as long as the agent runs.
        let capacity = usize::try_from(len).unwrap_or(IMAGE_BYTES_MAX).min(IMAGE_BYTES_MAX);
        let mut image = Vec::with_capacity(capacity);
        let bound = IMAGE_BYTES_MAX as u64 + 1;
        from.take(bound).read_to_end(&mut image).map_err(damaged)?;
        image.shrink_to_fit();
        Ok(Some(Self { made_of, notes, image: Cow::Owned(image) }))
    }

    fn open(self) -> std::result::Result<Compiled, String> {
        let notes = serde_json::from_slice(&self.notes).map_err(|error| error.to_string())?;
        let matcher = Matcher::from_image(self.image.into_owned());
        let matcher = Arc::new(matcher.map_err(|error| error.to_string())?);
        Ok(Compiled { matcher, notes, made_of: self.made_of })
    }
}

/// Returns a hash over all that decides what comes out: this program, the texts, and their names, which
/// diagnostics tell. The shipped rules are a part of the program.
fn made_of(builtin: bool, texts: &Texts) -> Hash {
    let mut hasher = blake3::Hasher::new();
    let mut put = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    match fs::metadata(PROGRAM) {
        // Another file, or the same one written anew, is another program, whatever it calls itself.
        Ok(program) => {
            for number in [program.dev(), program.ino(), program.size()] {
                put(&number.to_le_bytes());
            }
            for number in
                [program.mtime(), program.mtime_nsec(), program.ctime(), program.ctime_nsec()]
            {
                put(&number.to_le_bytes());
            }
        }
        // Without `/proc` every start is one of its own: nothing kept is ever used.
        Err(_) => put(&std::process::id().to_le_bytes()),
    }
    put(&[u8::from(builtin)]);
    for (index, (name, text)) in texts.files.iter().enumerate() {
        if !texts.shipped.contains(&index) {
            put(name.as_bytes());
            put(text.as_bytes());
        }
    }
    for diagnostic in &texts.diagnostics {
        put(diagnostic.render().as_bytes());
    }
    *hasher.finalize().as_bytes()
}

/// Compiles rules in this process.
pub(super) fn compile_here(section: &RulesSection) -> Result<Compiled> {
    let texts = rules_pack::read_texts(section.builtin, &section.dirs)?;
    let made_of = made_of(section.builtin, &texts);
    let (matcher, diagnostics, local, elsewhere) = super::compile(texts);
    Ok(Compiled { matcher, notes: Notes::of(&diagnostics, local, elsewhere), made_of })
}

/// Has rules compiled by a process of its own.
fn compile_apart(section: &RulesSection) -> std::result::Result<Compiled, String> {
    let mut child = Command::new(PROGRAM)
        .arg(COMPILE)
        .arg(if section.builtin { "1" } else { "0" })
        .args(&section.dirs)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| error.to_string())?;
    // Its end of the pipe is closed before the wait: a child that has more to say must not hang.
    let body = match child.stdout.take() {
        Some(mut out) => Body::read(&mut out, None, 0),
        None => Err("no pipe".to_owned()),
    };
    let status = child.wait().map_err(|error| error.to_string())?;
    match body? {
        Some(body) if status.success() => body.open(),
        _ => Err(status.to_string()),
    }
}

/// What such a process does: compiles, and writes what came of it to standard output. `args` are what
/// follows [`COMPILE`].
pub(crate) fn compile_for_parent(args: impl IntoIterator<Item = OsString>) -> Result<()> {
    let mut args = args.into_iter();
    let builtin = args.next().is_some_and(|word| word.as_bytes() == b"1");
    let section = RulesSection { builtin, dirs: args.map(PathBuf::from).collect() };
    let compiled = compile_here(&section)?;
    let written = Body::of(&compiled).and_then(|body| body.write(&mut io::stdout().lock()));
    written.map_err(|source| Error::System { doing: "write standard output", source })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const RULE: &str = "title: T\nid: 2f1b7a52-8a4e-4c57-9d0e-000000000001\nlogsource:\n  product: linux\n  \
                        service: sshd\ndetection:\n  s:\n    message|contains: needle\n  condition: s\n\
                        level: high\n";

    fn section(dir: &Path) -> RulesSection {
        RulesSection { builtin: false, dirs: vec![dir.to_owned()] }
    }

    /// A state folder with a folder of one rule in it, and its store.
    fn house() -> (tempfile::TempDir, PathBuf, Store) {
        let dir = tempfile::tempdir().unwrap();
        let rules = dir.path().join("rules");
        fs::create_dir(&rules).unwrap();
        fs::write(rules.join("one.yml"), RULE).unwrap();
        let store = Store::new(dir.path(), &Identity::from_seed(&[7; 32]));
        (dir, rules, store)
    }

    fn wanted(section: &RulesSection) -> Hash {
        made_of(section.builtin, &rules_pack::read_texts(false, &section.dirs).unwrap())
    }

    #[test]
    fn rules_are_kept_for_the_same_texts_only_and_for_the_agent_alone() {
        let (_dir, rules, store) = house();
        let section = section(&rules);
        assert!(store.read(&wanted(&section)).unwrap().is_none(), "nothing is there yet");
        let first = store.load(&section).unwrap();
        let kept = store.read(&wanted(&section)).unwrap().expect("it is kept");
        assert_eq!(kept.matcher.to_image(), first.matcher.to_image());
        assert_eq!((kept.matcher.len(), kept.matcher.title(0)), (1, "T"));
        let mode = fs::metadata(&store.path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(rules.join("one.yml"), RULE.replace("needle", "thread")).unwrap();
        assert!(store.read(&wanted(&section)).unwrap().is_none(), "the text is another one");
        let second = store.load(&section).unwrap();
        assert_ne!(second.matcher.identity(), first.matcher.identity());
        assert!(store.read(&wanted(&section)).unwrap().is_some());
        // A file that came, or has another name, is another set.
        fs::rename(rules.join("one.yml"), rules.join("two.yml")).unwrap();
        assert!(store.read(&wanted(&section)).unwrap().is_none());
        assert!(store.read(&wanted(&RulesSection { builtin: true, ..section })).unwrap().is_none());
    }

    #[test]
    fn what_was_changed_or_is_anothers_is_never_used() {
        let (dir, rules, store) = house();
        let section = section(&rules);
        let good = store.load(&section).unwrap();
        let wanted = wanted(&section);
        let bytes = fs::read(&store.path).unwrap();
        let is_used = |bytes: &[u8]| {
            fs::write(&store.path, bytes).unwrap();
            matches!(store.read(&wanted), Ok(Some(_)))
        };
        assert!(is_used(&bytes));
        for index in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[index] ^= 1;
            assert!(!is_used(&bad), "byte {index} of {}", bytes.len());
        }
        for len in (0..bytes.len()).step_by(7) {
            assert!(!is_used(&bytes[..len]), "cut at {len}");
        }
        assert!(!is_used(&[&bytes[..], b"0000"].concat()), "more than there was");
        // And the agent goes on with rules all the same.
        assert_eq!(store.load(&section).unwrap().matcher.to_image(), good.matcher.to_image());
        assert!(is_used(&fs::read(&store.path).unwrap()));
        let other = Store::new(dir.path(), &Identity::from_seed(&[8; 32]));
        let said = other.read(&wanted).err().unwrap_or_default();
        assert!(said.contains("another agent's"), "{said}");
    }

    #[test]
    fn what_was_wrong_is_said_again_at_every_start() {
        let dir = tempfile::tempdir().unwrap();
        let rules = dir.path().join("rules");
        fs::create_dir(&rules).unwrap();
        fs::write(rules.join("good.yml"), RULE).unwrap();
        fs::write(rules.join("wrong.yml"), RULE.replace("condition: s", "condition: t")).unwrap();
        let store = Store::new(dir.path(), &Identity::from_seed(&[7; 32]));
        let section = section(&rules);
        let fresh = store.load(&section).unwrap();
        let kept = store.read(&wanted(&section)).unwrap().expect("it is kept");
        assert_eq!(kept.notes, fresh.notes);
        assert_eq!((kept.matcher.len(), kept.notes.diagnostics.is_empty()), (1, false));
        for _ in 0..2 {
            let refused = super::super::load_all_or_nothing(&section, &store).unwrap_err();
            assert!(refused.to_string().contains("wrong.yml:"), "{refused}");
        }
    }
}
