//! Facts: what `/proc` says of a process; proc(5).

use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// Longest command line taken, bytes; longer ones are cut and flagged.
const COMMAND_BYTES_MAX: u64 = 16 << 10;

/// Most arguments listed; the command line holds all.
const ARGUMENTS_MAX: usize = 128;

/// `USER_HZ`: ticks of `/proc` a second, 100 on every architecture we build for (`include/asm-generic/param.h`).
pub(super) const TICKS_PER_S: u64 = 100;

/// `loginuid` of a process that no login began.
const NO_LOGIN: u32 = u32::MAX;

/// What one process is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Facts {
    pub(super) pid: u32,
    pub(super) parent: u32,
    /// When it began, in ticks since boot.
    pub(super) start: u64,
    /// Ticks of processor time it used.
    pub(super) used: u64,
    /// The kernel's short name.
    pub(super) name: Vec<u8>,
    /// Path of the program; empty when it may not be read.
    pub(super) executable: Vec<u8>,
    /// The program's file is gone.
    pub(super) is_deleted: bool,
    pub(super) arguments: Vec<Vec<u8>>,
    pub(super) is_cut: bool,
    pub(super) working_directory: Vec<u8>,
    pub(super) uid: u32,
    pub(super) euid: u32,
    pub(super) gid: u32,
    pub(super) login: Option<u32>,
}

/// The numbers of `/proc/PID/stat`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Stat {
    pub(super) name: Vec<u8>,
    pub(super) parent: u32,
    pub(super) start: u64,
    pub(super) used: u64,
    /// A thread of the kernel: no program.
    pub(super) is_kernel: bool,
}

/// Reads the numbers of a process; `None` when it is gone.
pub(super) fn stat(pid: u32) -> Option<Stat> {
    parse_stat(&read(&format!("/proc/{pid}/stat"), 4_096)?)
}

fn parse_stat(text: &[u8]) -> Option<Stat> {
    // The name may hold anything, also brackets: it ends at the last one.
    let open = memchr::memchr(b'(', text)?;
    let close = memchr::memrchr(b')', text)?;
    let name = text.get(open + 1..close)?.to_vec();
    let rest = std::str::from_utf8(text.get(close + 1..)?).ok()?;
    // From the third field on: state, ppid, …
    let mut fields = rest.split_ascii_whitespace();
    let parent = fields.nth(1)?.parse().ok()?;
    // pgrp session tty_nr tpgid flags
    let flags: u32 = fields.nth(4)?.parse().ok()?;
    // minflt cminflt majflt cmajflt utime stime
    let user: u64 = fields.nth(4)?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    // cutime cstime priority nice num_threads itrealvalue starttime
    let start = fields.nth(6)?.parse().ok()?;
    /// `PF_KTHREAD` of `include/linux/sched.h`.
    const KERNEL_THREAD: u32 = 0x0020_0000;
    let is_kernel = flags & KERNEL_THREAD != 0;
    Some(Stat { name, parent, start, used: user + system, is_kernel })
}

/// Reads everything; `None` when the process is gone or a thread of the kernel.
pub(super) fn facts(pid: u32) -> Option<Facts> {
    let stat = stat(pid)?;
    if stat.is_kernel {
        return None;
    }
    let mut facts = Facts {
        pid,
        parent: stat.parent,
        start: stat.start,
        used: stat.used,
        name: stat.name,
        ..Facts::default()
    };
    if let Ok(path) = std::fs::read_link(format!("/proc/{pid}/exe")) {
        let path = path.into_os_string().into_vec();
        let deleted = path.strip_suffix(b" (deleted)").map(<[u8]>::to_vec);
        facts.is_deleted = deleted.is_some();
        facts.executable = deleted.unwrap_or(path);
    }
    let command = read(&format!("/proc/{pid}/cmdline"), COMMAND_BYTES_MAX).unwrap_or_default();
    facts.is_cut = command.len() as u64 >= COMMAND_BYTES_MAX;
    let command = command.strip_suffix(b"\0").unwrap_or(&command);
    if !command.is_empty() {
        facts.arguments = command.split(|&byte| byte == 0).map(<[u8]>::to_vec).collect();
    }
    if let Ok(path) = std::fs::read_link(format!("/proc/{pid}/cwd")) {
        facts.working_directory = path.as_os_str().as_bytes().to_vec();
    }
    let status = read(&format!("/proc/{pid}/status"), 16 << 10)?;
    let ids = |name: &[u8]| -> Option<(u32, u32)> {
        let line = status.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(name))?;
        let mut numbers = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
        Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
    };
    (facts.uid, facts.euid) = ids(b"Uid:")?;
    facts.gid = ids(b"Gid:")?.0;
    facts.login = read(&format!("/proc/{pid}/loginuid"), 32)
        .and_then(|text| std::str::from_utf8(&text).ok()?.trim().parse().ok())
        .filter(|login| *login != NO_LOGIN);
    Some(facts)
}

impl Facts {
    /// Returns the path of the program, or what comes nearest.
    pub(super) fn program(&self) -> &[u8] {
        if !self.executable.is_empty() {
            return &self.executable;
        }
        self.arguments.first().filter(|first| first.starts_with(b"/")).map_or(&[], Vec::as_slice)
    }

    /// Returns the arguments joined by spaces.
    pub(super) fn command_line(&self) -> Vec<u8> {
        self.arguments.join(&b' ')
    }

    /// Returns the arguments to be listed.
    pub(super) fn listed(&self) -> &[Vec<u8>] {
        self.arguments.get(..ARGUMENTS_MAX).unwrap_or(&self.arguments)
    }
}

/// Returns the ids of all processes.
pub(super) fn pids() -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// Returns what the kernel calls this boot.
pub(super) fn boot_id() -> String {
    let text = read("/proc/sys/kernel/random/boot_id", 64).unwrap_or_default();
    String::from_utf8_lossy(&text).trim().to_owned()
}

/// Returns when the host was booted, seconds since 1970.
pub(super) fn boot_time() -> u64 {
    let text = read("/proc/stat", 1 << 20).unwrap_or_default();
    let line = text.split(|&byte| byte == b'\n').find_map(|line| line.strip_prefix(b"btime "));
    line.and_then(|text| std::str::from_utf8(text).ok()?.trim().parse().ok()).unwrap_or_default()
}

/// Reads at most so many bytes of a file of `/proc`.
pub(super) fn read(path: &str, bytes_max: u64) -> Option<Vec<u8>> {
    let file = File::open(PathBuf::from(path)).ok()?;
    let mut bytes = Vec::with_capacity(512);
    file.take(bytes_max).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_anything() {
        let text = b"42 (a) b (c)) S 7 42 42 0 -1 4194560 1 2 3 4 50 60 0 0 20 0 1 0 12345 0 0";
        let stat = parse_stat(text).unwrap();
        assert_eq!(stat.name, b"a) b (c)");
        assert_eq!((stat.parent, stat.start, stat.used, stat.is_kernel), (7, 12_345, 110, false));
        for cut in 0..text.len() - 6 {
            // Never a panic; a number cut short is another number, not an error.
            let _ = parse_stat(&text[..cut]);
        }
    }

    #[test]
    fn we_are_what_we_are() {
        let me = facts(std::process::id()).unwrap();
        let program = std::env::current_exe().unwrap();
        assert_eq!(me.program(), program.as_os_str().as_bytes());
        let directory = std::env::current_dir().unwrap();
        assert_eq!(me.working_directory, directory.as_os_str().as_bytes());
        assert!(!me.arguments.is_empty() && !me.is_deleted && me.start > 0);
        assert!(pids().contains(&me.pid));
        assert_eq!(facts(u32::MAX), None);
        assert!(boot_time() > 1_000_000_000 && !boot_id().is_empty());
    }
}
