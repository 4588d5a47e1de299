//! Host: answers from this host for the pipeline: names of accounts, programs of processes.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use agent_inputs::Accounts;
use agent_pipeline::Host;

/// Longest text read of a process.
const TEXT_BYTES_MAX: usize = 4_096;

/// Where a program is looked for by its name alone.
const FOLDERS: [&str; 4] = ["/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin"];

/// This host.
pub(crate) struct ThisHost {
    accounts: Mutex<Accounts>,
}

impl ThisHost {
    pub(crate) fn new() -> Self {
        Self { accounts: Mutex::new(Accounts::new()) }
    }
}

impl Host for ThisHost {
    fn user(&self, id: u32, take: &mut dyn FnMut(&str)) {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = accounts.user(id) {
            take(name);
        }
    }

    fn program(&self, pid: u32) -> Option<String> {
        program(Path::new("/proc"), &FOLDERS, pid)
    }
}

/// Returns the program of a process as well as it may be seen: the link needs the right to trace
/// (proc(5), `/proc/pid/exe`); its command line and its name are open to all, unless `hidepid` is set.
fn program(proc: &Path, folders: &[&str], pid: u32) -> Option<String> {
    let process = proc.join(pid.to_string());
    if let Ok(path) = fs::read_link(process.join("exe")) {
        let path = path.to_string_lossy();
        return Some(path.strip_suffix(" (deleted)").unwrap_or(&path).to_owned());
    }
    let first = |name: &str| {
        let bytes = fs::read(process.join(name)).ok()?;
        let bytes = bytes.get(..bytes.len().min(TEXT_BYTES_MAX))?;
        let end = bytes.iter().position(|byte| matches!(byte, 0 | b'\n')).unwrap_or(bytes.len());
        std::str::from_utf8(bytes.get(..end)?).ok().map(str::to_owned)
    };
    // Apache's and Java's begin with the path; others write a title over it: `nginx: worker process`.
    let command = first("cmdline").unwrap_or_default();
    let path = command.split(' ').next().unwrap_or_default();
    if path.starts_with('/') && Path::new(path).is_file() {
        return Some(path.to_owned());
    }
    let name = first("comm").filter(|name| !name.is_empty() && !name.contains('/'))?;
    folders.iter().map(|folder| format!("{folder}/{name}")).find(|path| Path::new(path).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_as_far_as_they_may_be_seen() {
        let folder = tempfile::tempdir().unwrap();
        let (proc, bin) = (folder.path().join("proc"), folder.path().join("bin"));
        fs::create_dir_all(&bin).unwrap();
        let nginx = bin.join("nginx");
        fs::write(&nginx, "").unwrap();
        let process = |pid: &str, cmdline: &str, comm: &str| {
            let process = proc.join(pid);
            fs::create_dir_all(&process).unwrap();
            fs::write(process.join("cmdline"), cmdline).unwrap();
            fs::write(process.join("comm"), format!("{comm}\n")).unwrap();
            process
        };
        let bins = [bin.to_str().unwrap()];
        let of = |pid| program(&proc, &bins, pid);
        let with_link = process("1", "x\0", "x");
        std::os::unix::fs::symlink("/opt/app (deleted)", with_link.join("exe")).unwrap();
        process("2", &format!("{} -g\0-x\0", nginx.display()), "other");
        process("3", "nginx: worker process\0", "nginx");
        process("4", "php-fpm: pool www\0", "php-fpm");
        assert_eq!(of(1).as_deref(), Some("/opt/app"));
        assert_eq!(of(2).as_deref(), nginx.to_str());
        assert_eq!(of(3).as_deref(), nginx.to_str());
        assert_eq!(of(4), None);
        assert_eq!(of(5), None);
    }

    #[test]
    fn this_process_and_root_are_known() {
        let host = ThisHost::new();
        let own = host.program(std::process::id()).unwrap();
        assert_eq!(Path::new(&own), std::env::current_exe().unwrap());
        let mut root = String::new();
        host.user(0, &mut |name| root = name.to_owned());
        assert_eq!(root, "root");
    }
}
