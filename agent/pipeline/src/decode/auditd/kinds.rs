//! Kinds: what the types of audit records mean in ECS.

use Class::{Companion, Main};

/// Whether a type says what happened, or only adds to what another record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// It says what happened.
    Main,
    /// It belongs to a system call.
    Companion,
}

/// What a type of record means.
#[derive(Debug, Clone, Copy)]
pub(super) struct Meaning {
    pub(super) class: Class,
    pub(super) action: &'static str,
    /// ECS category and type; empty where ECS has none.
    pub(super) category: &'static str,
    pub(super) kind: &'static str,
}

type Row = (&'static str, Class, &'static str, &'static str, &'static str);

/// Sorted by name. Words of actions are those of Elastic's audit readers where we know them, so that
/// searches made for one work on the other.
///
/// Source of the types: Linux `include/uapi/linux/audit.h`; audit-userspace `lib/libaudit.h`.
const MEANINGS: &[Row] = &[
    ("ACCT_LOCK", Main, "locked-account", "iam", "change"),
    ("ACCT_UNLOCK", Main, "unlocked-account", "iam", "change"),
    ("ADD_GROUP", Main, "added-group-account", "iam", "creation"),
    ("ADD_USER", Main, "added-user-account", "iam", "creation"),
    ("ANOM_ABEND", Main, "crashed-program", "process", "end"),
    ("ANOM_CREAT", Main, "suspicious-creation", "file", "info"),
    ("ANOM_LINK", Main, "used-suspicious-link", "file", "info"),
    ("ANOM_PROMISCUOUS", Main, "changed-promiscuous-mode-on-device", "network", "info"),
    ("AVC", Main, "violated-selinux-policy", "", ""),
    ("BPF", Main, "bpf-program", "driver", "info"),
    ("BPRM_FCAPS", Companion, "", "", ""),
    ("CAPSET", Companion, "", "", ""),
    ("CHGRP_ID", Main, "changed-group", "iam", "change"),
    ("CHUSER_ID", Main, "changed-user-id", "iam", "change"),
    ("CONFIG_CHANGE", Main, "changed-audit-configuration", "configuration", "change"),
    ("CRED_ACQ", Main, "acquired-credentials", "authentication", "info"),
    ("CRED_DISP", Main, "disposed-credentials", "authentication", "info"),
    ("CRED_REFR", Main, "refreshed-credentials", "authentication", "info"),
    ("CRYPTO_KEY_USER", Main, "negotiated-crypto-key", "process", "info"),
    ("CRYPTO_SESSION", Main, "started-crypto-session", "process", "info"),
    ("CWD", Companion, "", "", ""),
    ("DAEMON_ABORT", Main, "aborted-auditd-startup", "process", "end"),
    ("DAEMON_CONFIG", Main, "reconfigured-auditd", "configuration", "change"),
    ("DAEMON_END", Main, "shutdown-audit", "process", "end"),
    ("DAEMON_START", Main, "started-audit", "process", "start"),
    ("DEL_GROUP", Main, "deleted-group-account-from", "iam", "deletion"),
    ("DEL_USER", Main, "deleted-user-account", "iam", "deletion"),
    ("EOE", Companion, "", "", ""),
    ("EXECVE", Companion, "execve", "process", "start"),
    ("FD_PAIR", Companion, "", "", ""),
    ("GRP_AUTH", Main, "authenticated-to-group", "authentication", "info"),
    ("GRP_CHAUTHTOK", Main, "changed-group-password", "iam", "change"),
    ("GRP_MGMT", Main, "modified-group-account", "iam", "change"),
    ("IPC", Companion, "", "", ""),
    ("KERN_MODULE", Main, "loaded-kernel-module", "driver", "start"),
    ("LOGIN", Main, "changed-login-id-to", "authentication", "start"),
    ("MMAP", Companion, "", "", ""),
    ("NETFILTER_CFG", Main, "loaded-firewall-rule-to", "configuration", "change"),
    ("OBJ_PID", Companion, "", "", ""),
    ("OPENAT2", Companion, "", "", ""),
    ("PATH", Companion, "path", "", ""),
    ("PROCTITLE", Companion, "proctitle", "", ""),
    ("SECCOMP", Main, "violated-seccomp-policy", "process", "info"),
    ("SELINUX_ERR", Main, "caused-mac-policy-error", "", ""),
    ("SERVICE_START", Main, "started-service", "process", "start"),
    // ECS has `end`, but for the service's process: Elastic's reader says so, too.
    ("SERVICE_STOP", Main, "stopped-service", "process", "end"),
    ("SOCKADDR", Companion, "", "", ""),
    ("SOFTWARE_UPDATE", Main, "package-updated", "package", "info"),
    ("SYSCALL", Companion, "syscall", "process", "info"),
    ("SYSTEM_BOOT", Main, "booted-system", "host", "start"),
    ("SYSTEM_RUNLEVEL", Main, "changed-to-runlevel", "host", "change"),
    ("SYSTEM_SHUTDOWN", Main, "shutdown-system", "host", "end"),
    ("TTY", Main, "typed", "process", "info"),
    ("USER_ACCT", Main, "was-authorized", "authentication", "info"),
    ("USER_AUTH", Main, "authenticated", "authentication", "info"),
    ("USER_AVC", Main, "access-permission", "", ""),
    ("USER_CHAUTHTOK", Main, "changed-password", "iam", "change"),
    ("USER_CMD", Main, "ran-command", "process", "start"),
    ("USER_END", Main, "ended-session", "session", "end"),
    ("USER_ERR", Main, "error", "authentication", "info"),
    ("USER_LOGIN", Main, "logged-in", "authentication", "start"),
    ("USER_LOGOUT", Main, "logged-out", "authentication", "end"),
    ("USER_MGMT", Main, "modified-user-account", "iam", "change"),
    ("USER_ROLE_CHANGE", Main, "changed-role-to", "iam", "change"),
    ("USER_SELINUX_ERR", Main, "access-error", "", ""),
    ("USER_START", Main, "started-session", "session", "start"),
    ("USER_TTY", Main, "typed", "process", "info"),
    ("USYS_CONFIG", Main, "changed-configuration", "configuration", "change"),
    ("VIRT_CONTROL", Main, "issued-vm-control", "host", "change"),
    ("VIRT_MACHINE_ID", Main, "assigned-vm-id", "host", "creation"),
    ("VIRT_RESOURCE", Main, "assigned-vm-resource", "host", "change"),
];

const AT_SYSCALL: Option<usize> = place(b"SYSCALL");
const AT_PATH: Option<usize> = place(b"PATH");

const fn place(kind: &[u8]) -> Option<usize> {
    let mut at = 0;
    while at < MEANINGS.len() {
        let (name, mut byte) = (MEANINGS[at].0.as_bytes(), 0);
        while byte < name.len() && name.len() == kind.len() && name[byte] == kind[byte] {
            byte += 1;
        }
        if byte == kind.len() && byte == name.len() {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// Returns what a type means; a type that is not listed says what happened by its name.
pub(super) fn meaning(kind: &str) -> Meaning {
    // Most records are of these.
    let at = match kind {
        "SYSCALL" => AT_SYSCALL,
        "PATH" => AT_PATH,
        _ => MEANINGS.binary_search_by_key(&kind, |row| row.0).ok(),
    };
    match at.and_then(|at| MEANINGS.get(at)) {
        Some(&(_, class, action, category, kind)) => Meaning { class, action, category, kind },
        None => Meaning { class: Main, action: "", category: "", kind: "" },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorted_so_that_they_are_found() {
        assert!(MEANINGS.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert_eq!(meaning("USER_LOGIN").action, "logged-in");
        assert_eq!(meaning("PATH").class, Companion);
        for (kind, _, action, ..) in MEANINGS {
            assert_eq!(meaning(kind).action, *action);
        }
        assert_eq!(meaning("SOMETHING_NEW").class, Main);
    }
}
