//! Usage: what this process takes of memory, processor, descriptors and disk, and what it may take.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::time::{ClockId, clock_gettime};

/// What was measured at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Resident memory, bytes.
    pub(crate) memory: u64,
    /// Open descriptors.
    pub(crate) open_files: u64,
}

impl Usage {
    /// Measures this process; what cannot be read counts as 0.
    pub(crate) fn measure() -> Self {
        Self { memory: memory_bytes().unwrap_or(0), open_files: open_files() }
    }
}

/// Resident pages are the second number of `statm` (proc_pid_statm(5)).
fn memory_bytes() -> Option<u64> {
    let statm = fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_whitespace().nth(1)?.parse().ok()?;
    Some(pages.saturating_mul(rustix::param::page_size() as u64))
}

fn open_files() -> u64 {
    // The folder itself is open while it is listed.
    fs::read_dir("/proc/self/fd").map_or(0, |list| list.count().saturating_sub(1) as u64)
}

/// Returns the processor time this process has used.
pub(crate) fn cpu_time() -> Duration {
    of(clock_gettime(ClockId::ProcessCPUTime))
}

/// Returns the time since the host was started, sleep included; nobody can set it.
pub(crate) fn since_boot() -> Duration {
    of(clock_gettime(ClockId::Boottime))
}

/// Returns the time as `CLOCK_MONOTONIC` has it, which is what systemd compares with.
pub(crate) fn monotonic() -> Duration {
    of(clock_gettime(ClockId::Monotonic))
}

/// Returns the time people's clocks show, since 1970.
pub(crate) fn wall() -> Duration {
    of(clock_gettime(ClockId::Realtime))
}

fn of(time: rustix::time::Timespec) -> Duration {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Sets how many descriptors may be open; returns what is in force, which the hard limit bounds.
pub(crate) fn limit_open_files(wanted: u64) -> u64 {
    let now = getrlimit(Resource::Nofile);
    let limit = now.maximum.map_or(wanted, |maximum| wanted.min(maximum));
    let new = Rlimit { current: Some(limit), maximum: now.maximum };
    match setrlimit(Resource::Nofile, new) {
        Ok(()) => limit,
        Err(error) => {
            tracing::warn!(%error, limit, "cannot set the limit of open files");
            now.current.unwrap_or(u64::MAX)
        }
    }
}

/// What the control group of this process may take; `None`: no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Quota {
    /// Memory, bytes.
    pub(crate) memory: Option<u64>,
    /// Processors, such as 0.5.
    pub(crate) cpus: Option<f64>,
}

impl Quota {
    /// Reads the bounds of this process's control group and of those above it.
    pub(crate) fn of_process() -> Self {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        Self::read(Path::new("/sys/fs/cgroup"), &groups)
    }

    /// `groups` is what `/proc/self/cgroup` says: `0::PATH` of version 2, `N:CONTROLLERS:PATH` of
    /// version 1 (cgroups(7)). In a container the path may be that of the host and not be seen here:
    /// then the root of what is seen is our group.
    fn read(root: &Path, groups: &str) -> Self {
        let mut quota = Self::default();
        for line in groups.lines() {
            let mut parts = line.splitn(3, ':');
            let (Some(_), Some(controllers), Some(path)) =
                (parts.next(), parts.next(), parts.next())
            else {
                continue;
            };
            let has = |name: &str| controllers.split(',').any(|it| it == name);
            if controllers.is_empty() {
                for dir in upwards(root, path) {
                    quota.take_memory(number(&dir.join("memory.max")));
                    quota.take_cpus(cpu_max(&dir.join("cpu.max")));
                }
            } else if has("memory") {
                for dir in upwards(&root.join("memory"), path) {
                    quota.take_memory(number(&dir.join("memory.limit_in_bytes")));
                }
            } else if has("cpu") {
                for base in ["cpu", "cpu,cpuacct"] {
                    for dir in upwards(&root.join(base), path) {
                        let quota_us = number(&dir.join("cpu.cfs_quota_us"));
                        let period_us = number(&dir.join("cpu.cfs_period_us"));
                        quota.take_cpus(share(quota_us, period_us));
                    }
                }
            }
        }
        quota
    }

    fn take_memory(&mut self, bytes: Option<u64>) {
        /// Version 1 says "no bound" with the largest number of whole pages.
        const UNBOUNDED: u64 = 1 << 62;
        if let Some(bytes) = bytes.filter(|bytes| *bytes < UNBOUNDED) {
            self.memory = Some(self.memory.map_or(bytes, |known| known.min(bytes)));
        }
    }

    fn take_cpus(&mut self, cpus: Option<f64>) {
        if let Some(cpus) = cpus {
            self.cpus = Some(self.cpus.map_or(cpus, |known| known.min(cpus)));
        }
    }
}

/// Returns the folder of a group and all above it, down from the deepest that is there.
fn upwards(root: &Path, path: &str) -> Vec<PathBuf> {
    let mut dirs = Vec::new();
    let mut path = Path::new(path.trim_start_matches('/'));
    loop {
        dirs.push(root.join(path));
        match path.parent() {
            Some(parent) => path = parent,
            None => return dirs,
        }
    }
}

fn number(path: &Path) -> Option<u64> {
    // "max" and "-1" are no numbers: no bound.
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// `cpu.max` of version 2: `QUOTA PERIOD` in microseconds, or `max PERIOD`.
fn cpu_max(path: &Path) -> Option<f64> {
    let text = fs::read_to_string(path).ok()?;
    let mut numbers = text.split_whitespace().map(|word| word.parse().ok());
    share(numbers.next()?, numbers.next()?)
}

fn share(quota_us: Option<u64>, period_us: Option<u64>) -> Option<f64> {
    let (quota, period) = (quota_us?, period_us?);
    (period > 0).then(|| quota as f64 / period as f64)
}

/// Returns the bytes of all files below a folder, without following links. What vanishes meanwhile
/// counts as 0.
pub(crate) fn folder_bytes(dir: &Path) -> u64 {
    /// The state folder has two levels, kept epochs a third.
    const DEPTH_MAX: usize = 4;
    fn walk(dir: &Path, depth: usize) -> u64 {
        let Ok(list) = fs::read_dir(dir) else { return 0 };
        list.filter_map(Result::ok)
            .map(|entry| match entry.metadata() {
                Ok(facts) if facts.is_file() => facts.len(),
                Ok(facts) if facts.is_dir() && depth < DEPTH_MAX => walk(&entry.path(), depth + 1),
                _ => 0,
            })
            .sum()
    }
    walk(dir, 0)
}

/// Returns the bytes free to us on the disk that holds a folder.
pub(crate) fn free_bytes(dir: &Path) -> Option<u64> {
    let facts = rustix::fs::statvfs(dir).ok()?;
    Some(facts.f_bavail.saturating_mul(facts.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    #[test]
    fn this_process_is_measured() {
        let before = Usage::measure();
        let kept: Vec<_> = (0..5).map(|_| fs::File::open("/proc/self/exe").unwrap()).collect();
        let block = vec![1_u8; 32 << 20];
        let after = Usage::measure();
        assert!(after.open_files >= before.open_files.saturating_sub(2) + 5, "{after:?}");
        assert!(after.memory >= block.iter().map(|&byte| u64::from(byte)).sum(), "{after:?}");
        drop(kept);
        let start = cpu_time();
        while cpu_time() - start < Duration::from_millis(2) {}
        assert!(since_boot() >= monotonic().saturating_sub(Duration::from_secs(1)));
    }

    #[test]
    fn the_tightest_bound_of_all_groups_above_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        write(root, "system.slice/agent.service/memory.max", "134217728\n");
        write(root, "system.slice/memory.max", "max\n");
        write(root, "memory.max", "268435456\n");
        write(root, "system.slice/cpu.max", "50000 100000\n");
        write(root, "system.slice/agent.service/cpu.max", "max 100000\n");
        let quota = Quota::read(root, "0::/system.slice/agent.service\n");
        assert_eq!(quota, Quota { memory: Some(128 << 20), cpus: Some(0.5) });
        // A container that sees only its own part.
        let quota = Quota::read(root, "0::/docker/0123\n");
        assert_eq!(quota, Quota { memory: Some(256 << 20), cpus: None });
        assert_eq!(Quota::read(root, "nonsense"), Quota::default());
    }

    #[test]
    fn version_one_is_understood() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        write(root, "memory/a/memory.limit_in_bytes", "67108864\n");
        write(root, "memory/memory.limit_in_bytes", "9223372036854771712\n");
        write(root, "cpu,cpuacct/a/cpu.cfs_quota_us", "20000\n");
        write(root, "cpu,cpuacct/a/cpu.cfs_period_us", "100000\n");
        write(root, "cpu,cpuacct/cpu.cfs_quota_us", "-1\n");
        let quota = Quota::read(root, "4:memory:/a\n3:cpu,cpuacct:/a\n1:name=systemd:/a\n");
        assert_eq!(quota, Quota { memory: Some(64 << 20), cpus: Some(0.2) });
    }

    #[test]
    fn a_folder_is_weighed() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), "a", "12345");
        write(dir.path(), "b/c", "123");
        assert_eq!(folder_bytes(dir.path()), 8);
        assert_eq!(folder_bytes(&dir.path().join("absent")), 0);
        assert!(free_bytes(dir.path()).unwrap() > 0);
    }
}
