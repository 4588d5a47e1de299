//! Hand back: pages of the program that only its start needed, unmapped once it runs.
//!
//! A page of a program that was needed once stays in its resident memory until the system is short of
//! memory, and with each the kernel maps up to fifteen neighbours that happened to be in its cache
//! (`fault_around_bytes`). The agent reads its command line and settings, sets everything up, and
//! then needs less than half of that again. What is handed back is read-only and unchanged, so the
//! system may drop it from its cache whenever it likes; what is needed after all is mapped again at
//! the next use. See `docs/adr/0016-start-pages-are-handed-back.md`.
//!
//! Besides `agent/inputs/src/files/version.rs` the only `unsafe` in the agent.

use std::collections::HashSet;
use std::ffi::c_void;
use std::fs;
use std::sync::OnceLock;

use rustix::mm::{Advice, madvise};

/// Where a mapping begins and ends.
type Range = (usize, usize);

/// What was mapped before the first thread was started: the program and the libraries that it is
/// linked with. They stay where they are as long as the process lives.
static MAPPED_AT_START: OnceLock<HashSet<Range>> = OnceLock::new();

/// Takes note of the program and its libraries. Call it before there is a second thread.
pub(crate) fn at_start() {
    let maps = fs::read_to_string("/proc/self/maps").unwrap_or_default();
    // Only the first call counts.
    let _ = MAPPED_AT_START.set(maps.lines().filter_map(of_file).collect());
}

/// Unmaps the pages of the program that are unchanged; returns how many KiB were resident of what was
/// unmapped. Nothing, where `/proc` does not tell.
pub(crate) fn pages_of_the_start() -> u64 {
    let Some(at_start) = MAPPED_AT_START.get() else { return 0 };
    let maps = fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    let mut handed_back = 0;
    for (range, resident) in unchanged(&maps).filter(|(range, _)| at_start.contains(range)) {
        let (start, end) = range;
        #[expect(
            unsafe_code,
            reason = "the kernel is told about addresses, which nothing can check"
        )]
        // SAFETY: the range is a private, read-only mapping of a file that is linked into the process:
        // it was there before the first thread, so nothing ever unmaps it and no other mapping can
        // have taken its place. None of its pages was changed since it was mapped (`Anonymous: 0`),
        // and nothing writes to read-only memory. So each byte reads the same before and after.
        let done = unsafe { madvise(start as *mut c_void, end - start, Advice::LinuxDontNeed) };
        if done.is_ok() {
            handed_back += resident;
        }
    }
    handed_back
}

/// Reads the head of a mapping; nothing unless it is a private, read-only one of a file.
fn of_file(line: &str) -> Option<Range> {
    let mut words = line.split_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let mode = words.next()?;
    let path = words.nth(3)?;
    if !matches!(mode, "r--p" | "r-xp") || !path.starts_with('/') {
        return None;
    }
    let address = |text| usize::from_str_radix(text, 16).ok();
    Some((address(start)?, address(end)?))
}

/// Returns the read-only mappings of files of which no page was changed, and the KiB resident of each
/// (`proc_pid_smaps(5)`).
fn unchanged(smaps: &str) -> impl Iterator<Item = (Range, u64)> {
    let mut found: Vec<(Range, u64)> = Vec::new();
    let mut current: Option<(Range, u64)> = None;
    for line in smaps.lines() {
        let Some((name, rest)) = line.split_once(':').filter(|(name, _)| !name.contains('-'))
        else {
            current = of_file(line).map(|range| (range, 0));
            continue;
        };
        let kib = || rest.split_whitespace().next().and_then(|word| word.parse::<u64>().ok());
        match name {
            "Rss" => current = current.zip(kib()).map(|((range, _), kib)| (range, kib)),
            "Anonymous" => {
                found.extend(current.take().filter(|(_, rss)| *rss > 0 && kib() == Some(0)));
            }
            _ => {}
        }
    }
    found.into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
5585e7a00000-5585e7e00000 r-xp 0048c000 fe:00 1 /usr/bin/vonglau-agent
Size:               4096 kB
Rss:                2048 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
5585e7e00000-5585e7f00000 r--p 0088c000 fe:00 1 /usr/bin/vonglau-agent
Rss:                 700 kB
Anonymous:           700 kB
5585e7f00000-5585e7f10000 rw-p 0098c000 fe:00 1 /usr/bin/vonglau-agent
Rss:                  64 kB
Anonymous:             0 kB
7f0000000000-7f0000010000 r--s 00000000 fe:00 2 /var/cache/shared
Rss:                  64 kB
Anonymous:             0 kB
7f0000010000-7f0000020000 r--p 00000000 00:00 0 
Rss:                  64 kB
Anonymous:             0 kB
7f0000020000-7f0000030000 r--p 00000000 fe:00 3 /usr/lib/libc.so.6
Rss:                  12 kB
Anonymous:             0 kB
7ffd00000000-7ffd00002000 r-xp 00000000 00:00 0 [vdso]
Rss:                   4 kB
Anonymous:             0 kB
";

    #[test]
    fn only_what_is_read_only_private_of_a_file_and_unchanged_is_handed_back() {
        let found: Vec<_> = unchanged(SMAPS).collect();
        let expected =
            [((0x5585e7a00000, 0x5585e7e00000), 2048), ((0x7f0000020000, 0x7f0000030000), 12)];
        assert_eq!(found, expected);
    }

    /// The program of this test itself: it goes on, and what it reads is the same.
    #[test]
    fn a_program_goes_on_without_the_pages_of_its_start() {
        let texts = ["what is read", "before and after"].map(|text| (text, text.to_uppercase()));
        at_start();
        assert!(pages_of_the_start() > 0, "something of the program is resident");
        for (text, upper) in texts {
            assert_eq!(text.to_uppercase(), upper);
        }
        // What is needed comes back by itself, and again.
        assert!(pages_of_the_start() > 0);
    }
}
