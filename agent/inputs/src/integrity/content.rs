//! Content: reads files to hash them, gently, and looks whether there is a program in them.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{Advice, OFlags, fadvise, lgetxattr};

use super::entry::{Entry, Kind};

/// Bytes read at once.
const BLOCK_BYTES: usize = 64 << 10;

/// Longest capability believed, bytes; version 3 has 24 (`include/uapi/linux/capability.h`).
const CAPABILITY_BYTES_MAX: usize = 64;

/// What content is found in a file, and how random it is.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Finding {
    /// `script`, `executable`, or nothing.
    pub(super) content: Option<&'static str>,
    /// Shannon entropy of the first block, bits a byte: 8 is random, compressed or encrypted.
    pub(super) entropy: Option<f64>,
}

/// Reads files no faster than allowed.
#[derive(Debug)]
pub(super) struct Reader {
    bytes_max: u64,
    bytes_per_s: u64,
    block: Vec<u8>,
    /// Until when what was read so far is paid for.
    paid_until: Instant,
    /// Bytes read, ever.
    pub(super) read_bytes: u64,
}

impl Reader {
    pub(super) fn new(bytes_max: u64, bytes_per_s: u64) -> Self {
        Self {
            bytes_max,
            bytes_per_s,
            block: vec![0; BLOCK_BYTES],
            paid_until: Instant::now(),
            read_bytes: 0,
        }
    }

    /// Fills in what only reading tells: hash and capability. `sniffed` asks for programs anywhere in
    /// the file. `pause` waits, and returns false when it is time to end.
    pub(super) fn fill(
        &mut self,
        path: &Path,
        entry: &mut Entry,
        sniffed: bool,
        pause: &mut dyn FnMut(Duration) -> bool,
    ) -> io::Result<Finding> {
        match entry.kind {
            Kind::Link => {
                let target = std::fs::read_link(path)?;
                entry.hash = Some(*blake3::hash(target.as_os_str().as_bytes()).as_bytes());
                Ok(Finding::default())
            }
            Kind::Folder | Kind::Special => Ok(Finding::default()),
            Kind::File => {
                let mut value = [0; CAPABILITY_BYTES_MAX];
                let length = lgetxattr(path, c"security.capability", &mut value[..]).unwrap_or(0);
                entry.capability = value.get(..length).filter(|v| !v.is_empty()).map(Box::from);
                if entry.size > self.bytes_max {
                    return Ok(Finding::default());
                }
                self.hash(path, entry, sniffed, pause)
            }
        }
    }

    fn hash(
        &mut self,
        path: &Path,
        entry: &mut Entry,
        sniffed: bool,
        pause: &mut dyn FnMut(Duration) -> bool,
    ) -> io::Result<Finding> {
        // Between `lstat` and here somebody may have put a link or a pipe in its place.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(flags.bits().cast_signed());
        let mut file = options.open(path)?;
        let facts = file.metadata()?;
        if !facts.is_file() || facts.ino() != entry.inode {
            return Err(io::Error::other("it was replaced while it was looked at"));
        }
        let mut hasher = blake3::Hasher::new();
        let mut finding = Finding::default();
        let mut total = 0;
        loop {
            let got = read_block(&mut file, &mut self.block)?;
            let block = self.block.get(..got).unwrap_or_default();
            if total == 0 && !block.is_empty() {
                finding = Finding { content: head(block), entropy: Some(entropy(block)) };
            }
            if sniffed && finding.content.is_none() && holds_script(block) {
                finding.content = Some("script");
            }
            hasher.update(block);
            total += got as u64;
            if !self.pay(got as u64, pause) {
                return Err(io::ErrorKind::Interrupted.into());
            }
            if got < BLOCK_BYTES || total > self.bytes_max {
                break;
            }
        }
        // Others' files shall stay in the page cache, not these.
        if total as usize > BLOCK_BYTES {
            let _ = fadvise(&file, 0, None, Advice::DontNeed);
        }
        entry.hash = (total <= self.bytes_max).then(|| *hasher.finalize().as_bytes());
        Ok(finding)
    }

    /// Waits until so many bytes more may be read.
    fn pay(&mut self, bytes: u64, pause: &mut dyn FnMut(Duration) -> bool) -> bool {
        self.read_bytes += bytes;
        let now = Instant::now();
        let cost = Duration::from_secs_f64(bytes as f64 / self.bytes_per_s as f64);
        self.paid_until = self.paid_until.max(now) + cost;
        // Short debts are saved up: a wait costs more than it spares.
        let debt = self.paid_until.saturating_duration_since(now);
        debt < Duration::from_millis(50) || pause(debt)
    }
}

fn read_block(file: &mut File, block: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while got < block.len() {
        match file.read(&mut block[got..]) {
            Ok(0) => break,
            Ok(more) => got += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

/// What a file is by its first bytes.
fn head(block: &[u8]) -> Option<&'static str> {
    let text = block.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(block);
    let text = text.trim_ascii_start();
    if block.starts_with(b"\x7fELF") || block.starts_with(b"MZ") {
        Some("executable")
    } else if text.starts_with(b"#!") || text.starts_with(b"<?php") || text.starts_with(b"<%") {
        Some("script")
    } else {
        None
    }
}

/// Looks for what web servers run wherever it stands: a picture may carry it in its comment. Across
/// the border of two blocks it is not seen.
fn holds_script(block: &[u8]) -> bool {
    const MARKS: [&[u8]; 4] = [b"<?php", b"<?=", b"<%@", b"<%eval"];
    memchr::memchr_iter(b'<', block).any(|at| {
        let rest = &block[at..];
        MARKS.iter().any(|mark| {
            rest.get(..mark.len()).is_some_and(|start| start.eq_ignore_ascii_case(mark))
                // Three bytes are found in any picture; what follows them then is no text.
                && rest.iter().take(24).all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace())
        })
    })
}

fn entropy(block: &[u8]) -> f64 {
    let mut counts = [0_u32; 256];
    for &byte in block {
        counts[usize::from(byte)] += 1;
    }
    let total = block.len() as f64;
    let bits: f64 = counts
        .iter()
        .filter(|count| **count > 0)
        .map(|&count| {
            let share = f64::from(count) / total;
            -share * share.log2()
        })
        .sum();
    (bits * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_found_and_pictures_are_not() {
        assert_eq!(head(b"\x7fELF\x02"), Some("executable"));
        assert_eq!(head(b"\xEF\xBB\xBF\n<?php x"), Some("script"));
        assert_eq!(head(b"#!/bin/sh\n"), Some("script"));
        assert_eq!(head(b"\xFF\xD8\xFF\xE0"), None);
        assert!(holds_script(b"\xFF\xD8\xFF\xE0 junk <?php system($_GET['c']); ?> junk"));
        assert!(holds_script(b"GIF89a<?= `$_GET[0]` ?>                    "));
        assert!(!holds_script(b"\xFF\xD8<?=\x01\x02"));
        assert!(!holds_script(b"<html><body>hello</body></html>"));
        assert!(entropy(&[0; 100]) < 0.01);
        let all: Vec<u8> = (0..=255).collect();
        assert!((entropy(&all) - 8.0).abs() < 0.01);
    }

    #[test]
    fn reading_is_paid_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a");
        std::fs::write(&path, vec![5; 1 << 20]).unwrap();
        let mut entry = Entry::of(&std::fs::symlink_metadata(&path).unwrap());
        let mut reader = Reader::new(1 << 30, 1 << 20);
        let mut waited = Duration::ZERO;
        let mut asked = Duration::ZERO;
        reader
            .fill(&path, &mut entry, false, &mut |span| {
                // Nobody really waits here: debts are told again and again, growing.
                asked = asked.max(span);
                waited += span;
                true
            })
            .unwrap();
        assert_eq!(entry.hash, Some(*blake3::hash(&vec![5; 1 << 20]).as_bytes()));
        assert!(asked > Duration::from_millis(900), "a MiB at a MiB a second: {asked:?}");
        // Larger than allowed: not read.
        let mut entry = Entry::of(&std::fs::symlink_metadata(&path).unwrap());
        let mut reader = Reader::new(1_000, 1 << 20);
        reader.fill(&path, &mut entry, false, &mut |_| true).unwrap();
        assert_eq!((entry.hash, reader.read_bytes), (None, 0));
    }
}
