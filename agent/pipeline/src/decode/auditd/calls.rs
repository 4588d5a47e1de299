//! Calls: what system calls mean in ECS.

/// What a call is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// A program that begins.
    Exec,
    /// A file, by one of its names.
    File,
    /// A file that is opened: for what, its flags say, in the argument of this number.
    Open(u8),
    /// A peer this host speaks to.
    To,
    /// A peer that speaks to this host.
    From,
    /// Something else.
    Other,
}

/// Name, action, ECS category and type, and what it is about.
pub(super) type Call = (&'static str, &'static str, &'static str, &'static str, About);

use About::{Exec, File, From, Open, Other, To};

/// Sorted by name. Words of actions as in `kinds.rs`.
const CALLS: &[Call] = &[
    ("accept", "accepted-connection-from", "network", "connection", From),
    ("accept4", "accepted-connection-from", "network", "connection", From),
    ("adjtimex", "changed-system-time", "host", "change", Other),
    ("bind", "bound-socket", "network", "info", Other),
    ("bpf", "used-bpf", "driver", "info", Other),
    ("chmod", "changed-file-permissions-of", "file", "change", File),
    ("chown", "changed-file-ownership-of", "file", "change", File),
    ("chown32", "changed-file-ownership-of", "file", "change", File),
    ("clock_settime", "changed-system-time", "host", "change", Other),
    ("connect", "connected-to", "network", "connection", To),
    ("creat", "opened-file", "file", "change", File),
    ("delete_module", "unloaded-kernel-module", "driver", "end", Other),
    ("execve", "executed", "process", "start", Exec),
    ("execveat", "executed", "process", "start", Exec),
    ("exit", "exited", "process", "end", Other),
    ("exit_group", "exited", "process", "end", Other),
    ("fchmod", "changed-file-permissions-of", "file", "change", File),
    ("fchmodat", "changed-file-permissions-of", "file", "change", File),
    ("fchmodat2", "changed-file-permissions-of", "file", "change", File),
    ("fchown", "changed-file-ownership-of", "file", "change", File),
    ("fchownat", "changed-file-ownership-of", "file", "change", File),
    ("finit_module", "loaded-kernel-module", "driver", "start", Other),
    ("fremovexattr", "changed-file-attributes-of", "file", "change", File),
    ("fsetxattr", "changed-file-attributes-of", "file", "change", File),
    ("ftruncate", "truncated-file", "file", "change", File),
    ("init_module", "loaded-kernel-module", "driver", "start", Other),
    ("kill", "killed-pid", "process", "info", Other),
    ("lchown", "changed-file-ownership-of", "file", "change", File),
    ("link", "linked", "file", "creation", File),
    ("linkat", "linked", "file", "creation", File),
    ("listen", "listen-for-connections", "network", "info", Other),
    ("lremovexattr", "changed-file-attributes-of", "file", "change", File),
    ("lsetxattr", "changed-file-attributes-of", "file", "change", File),
    ("memfd_create", "created-memory-file", "process", "info", Other),
    ("mkdir", "created-directory", "file", "creation", File),
    ("mkdirat", "created-directory", "file", "creation", File),
    ("mknod", "make-device", "file", "creation", File),
    ("mknodat", "make-device", "file", "creation", File),
    ("mount", "mounted", "file", "creation", File),
    ("open", "opened-file", "file", "access", Open(1)),
    ("openat", "opened-file", "file", "access", Open(2)),
    ("openat2", "opened-file", "file", "access", File),
    ("ptrace", "traced-process", "process", "info", Other),
    ("recvfrom", "received-from", "network", "connection", From),
    ("recvmsg", "received-from", "network", "connection", From),
    ("removexattr", "changed-file-attributes-of", "file", "change", File),
    ("rename", "renamed", "file", "change", File),
    ("renameat", "renamed", "file", "change", File),
    ("renameat2", "renamed", "file", "change", File),
    ("rmdir", "deleted", "file", "deletion", File),
    ("sendmsg", "sent-to", "network", "connection", To),
    ("sendto", "sent-to", "network", "connection", To),
    ("setdomainname", "changed-system-name", "host", "change", Other),
    ("setgid", "changed-identity-of", "process", "change", Other),
    ("sethostname", "changed-system-name", "host", "change", Other),
    ("setregid", "changed-identity-of", "process", "change", Other),
    ("setresgid", "changed-identity-of", "process", "change", Other),
    ("setresuid", "changed-identity-of", "process", "change", Other),
    ("setreuid", "changed-identity-of", "process", "change", Other),
    ("settimeofday", "changed-system-time", "host", "change", Other),
    ("setuid", "changed-identity-of", "process", "change", Other),
    ("setxattr", "changed-file-attributes-of", "file", "change", File),
    ("symlink", "symlinked", "file", "creation", File),
    ("symlinkat", "symlinked", "file", "creation", File),
    ("tgkill", "killed-pid", "process", "info", Other),
    ("tkill", "killed-pid", "process", "info", Other),
    ("truncate", "truncated-file", "file", "change", File),
    ("umount2", "unmounted", "file", "deletion", File),
    ("unlink", "deleted", "file", "deletion", File),
    ("unlinkat", "deleted", "file", "deletion", File),
    ("utime", "changed-timestamp-of", "file", "change", File),
    ("utimensat", "changed-timestamp-of", "file", "change", File),
    ("utimes", "changed-timestamp-of", "file", "change", File),
];

/// Returns what a call means, if that is known.
pub(super) fn call(name: &str) -> Option<&'static Call> {
    CALLS.get(CALLS.binary_search_by_key(&name, |call| call.0).ok()?)
}

/// Returns whether the flags of an open, in hexadecimal, are for writing. Spec: open(2): the two lowest
/// bits are `O_RDONLY` (0), `O_WRONLY`, `O_RDWR`; `O_TRUNC` is 0o1000.
pub(super) fn opens_for_writing(flags: &str) -> bool {
    u64::from_str_radix(flags, 16).is_ok_and(|flags| flags & 0o1003 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorted_so_that_they_are_found() {
        assert!(CALLS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(call("execve").unwrap().4, Exec);
        assert!(call("getpid").is_none());
        assert!(opens_for_writing("241") && opens_for_writing("2"));
        assert!(!opens_for_writing("80000") && !opens_for_writing("x"));
    }
}
