//! Names of numbers: system calls, architectures, errors, signals, capabilities.

use std::sync::LazyLock;

use super::calls::{self, Call};

/// Greatest number of a table; above it there is nothing, whatever a log says.
const NUMBER_MAX: usize = 1_023;

static X86_64: LazyLock<Calls> = LazyLock::new(|| Calls::read(include_str!("x86_64.calls")));
static I386: LazyLock<Calls> = LazyLock::new(|| Calls::read(include_str!("i386.calls")));
static AARCH64: LazyLock<Calls> = LazyLock::new(|| Calls::read(include_str!("aarch64.calls")));
static ERRORS: LazyLock<Names> = LazyLock::new(|| Names::read(include_str!("errors.names")));

/// Names by number.
struct Names(Vec<&'static str>);

impl Names {
    /// Reads lines of number and name.
    fn read(text: &'static str) -> Self {
        let mut names = Vec::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((number, name)) = line.split_once(' ') else { continue };
            let Ok(number) = number.parse::<usize>() else { continue };
            if number <= NUMBER_MAX {
                if names.len() <= number {
                    names.resize(number + 1, "");
                }
                if let Some(place) = names.get_mut(number) {
                    *place = name;
                }
            }
        }
        Self(names)
    }

    fn get(&self, number: usize) -> Option<&'static str> {
        self.0.get(number).copied().filter(|name| !name.is_empty())
    }
}

/// A call by its number: its name, and what it means if that is known.
pub(super) type Numbered = (&'static str, Option<&'static Call>);

/// The calls of an architecture by number.
struct Calls(Vec<Numbered>);

impl Calls {
    fn read(text: &'static str) -> Self {
        Self(Names::read(text).0.into_iter().map(|name| (name, calls::call(name))).collect())
    }

    fn get(&self, number: usize) -> Option<Numbered> {
        self.0.get(number).copied().filter(|(name, _)| !name.is_empty())
    }
}

/// Architectures. Source: Linux `include/uapi/linux/audit.h`, `AUDIT_ARCH_*`: the machine of ELF with
/// two bits for 64 bits and little endian.
const ARCHITECTURES: [(&str, &str); 9] = [
    ("c000003e", "x86_64"),
    ("40000003", "i386"),
    ("c00000b7", "aarch64"),
    ("40000028", "arm"),
    ("c0000015", "ppc64le"),
    ("80000015", "ppc64"),
    ("80000016", "s390x"),
    ("c00000f3", "riscv64"),
    ("c0000102", "loongarch64"),
];

/// Returns the name of an architecture; the text itself when it is a name already.
pub(super) fn architecture(text: &str) -> Option<&'static str> {
    let known = ARCHITECTURES.iter().find(|(number, name)| *number == text || *name == text);
    known.map(|(_, name)| *name)
}

/// Returns a system call by its number.
pub(super) fn call(architecture: &str, number: &str) -> Option<Numbered> {
    let table = match architecture {
        "x86_64" => &X86_64,
        "i386" => &I386,
        "aarch64" => &AARCH64,
        _ => return None,
    };
    let mut number: usize = number.parse().ok()?;
    // x32: the calls of x86_64 with a bit set. Linux, __X32_SYSCALL_BIT.
    if architecture == "x86_64" {
        number &= !0x4000_0000;
    }
    table.get(number)
}

/// Returns the name of an error by what the call returned: -13 is `EACCES`.
pub(super) fn error(exit: &str) -> Option<&'static str> {
    ERRORS.get(exit.strip_prefix('-')?.parse().ok()?)
}

/// Signals 1 to 31. Source: Linux `include/uapi/asm-generic/signal.h`.
const SIGNALS: &str = "HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT \
                       CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH IO PWR SYS";

/// Returns the name of a signal, without `SIG`.
pub(super) fn signal(number: &str) -> Option<&'static str> {
    let number: usize = number.parse().ok()?;
    SIGNALS.split(' ').nth(number.checked_sub(1)?)
}

/// Capabilities from 0 on. Source: Linux `include/uapi/linux/capability.h`.
const CAPABILITIES: &str = "chown dac_override dac_read_search fowner fsetid kill setgid setuid \
    setpcap linux_immutable net_bind_service net_broadcast net_admin net_raw ipc_lock ipc_owner \
    sys_module sys_rawio sys_chroot sys_ptrace sys_pacct sys_admin sys_boot sys_nice sys_resource \
    sys_time sys_tty_config mknod lease audit_write audit_control setfcap mac_override mac_admin \
    syslog wake_alarm block_suspend audit_read perfmon bpf checkpoint_restore";

/// Returns the name of a capability, as libaudit writes it: lower case, without `CAP_`.
pub(super) fn capability(number: &str) -> Option<&'static str> {
    CAPABILITIES.split_ascii_whitespace().nth(number.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_names() {
        // From ausyscall(8) and the manual pages signal(7), errno(3), capabilities(7).
        for (architecture, number, name) in [
            ("x86_64", "0", "read"),
            ("x86_64", "59", "execve"),
            ("x86_64", "257", "openat"),
            ("x86_64", "322", "execveat"),
            ("x86_64", "1073741883", "execve"),
            ("i386", "11", "execve"),
            ("i386", "102", "socketcall"),
            ("aarch64", "221", "execve"),
            ("aarch64", "56", "openat"),
            ("aarch64", "79", "newfstatat"),
            ("aarch64", "203", "connect"),
        ] {
            let (found, meaning) = call(architecture, number).unwrap();
            assert_eq!(found, name, "{architecture} {number}");
            assert_eq!(meaning.map(|call| call.0), calls::call(name).map(|call| call.0));
        }
        assert_eq!(call("x86_64", "999999999999"), None);
        assert_eq!(call("sparc", "1"), None);
        assert_eq!((error("-13"), error("-115")), (Some("EACCES"), Some("EINPROGRESS")));
        assert_eq!((error("13"), error("-0"), error("--1")), (None, None, None));
        assert_eq!((signal("31"), signal("11"), signal("0")), (Some("SYS"), Some("SEGV"), None));
        assert_eq!(
            (capability("7"), capability("40")),
            (Some("setuid"), Some("checkpoint_restore"))
        );
        assert_eq!(capability("41"), None);
        assert_eq!(architecture("c000003e"), Some("x86_64"));
    }
}
