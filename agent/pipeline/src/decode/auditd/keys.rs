//! Keys: the names of values in audit records, and the fields they become.
//!
//! Source of the names: audit-userspace, "specs/fields/field-dictionary.csv" of the audit
//! documentation project; Linux `kernel/audit*.c`. A name that is not here costs a little more and is
//! kept all the same.

macro_rules! keys {
    ($($name:ident $text:literal $form:ident,)*) => {
        /// One name that audit records use.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub(super) enum Key { $($name),* }

        /// Every name, the field it becomes, and whether its value may be written in hexadecimal.
        const KEYS: &[(Key, &str, &str, bool)] =
            &[$((Key::$name, $text, concat!("auditd.", $text), keys!(@ $form))),*];
    };
    (@ plain) => { false };
    (@ hex) => { true };
}

keys! {
    // Those that become ECS fields come first: see `Facts`.
    Pid "pid" plain, Ppid "ppid" plain, Uid "uid" plain, Auid "auid" plain, Euid "euid" plain,
    Exe "exe" hex, Comm "comm" hex, Success "success" plain, Res "res" plain, Exit "exit" plain,
    Syscall "syscall" plain, Arch "arch" plain, A0 "a0" plain, A1 "a1" plain, A2 "a2" plain,
    Tty "tty" plain, Terminal "terminal" plain, Acct "acct" hex, Id "id" plain,
    Addr "addr" plain, Hostname "hostname" plain, Cwd "cwd" hex, Cmd "cmd" hex, Unit "unit" plain,
    Op "op" plain, Saddr "saddr" plain, Proctitle "proctitle" hex, NameSyscall "SYSCALL" plain,
    NameArch "ARCH" plain, NameUid "UID" hex, NameAuid "AUID" hex, NameEuid "EUID" hex,
    NameId "ID" hex, Rport "rport" plain, Laddr "laddr" plain, Lport "lport" plain,
    Src "src" plain, Dst "dst" plain, Sig "sig" plain, Path "path" hex, User "user" plain,
    Capability "capability" plain, Seresult "seresult" plain, Apparmor "apparmor" plain,
    Ses "ses" plain, Sw "sw" hex, Grp "grp" hex, Data "data" hex, Argc "argc" plain,
    Name "name" hex, Nametype "nametype" plain, Objtype "objtype" plain, Profile "profile" hex,
    Operation "operation" plain, Result "result" plain, Table "table" plain, Vm "vm" hex,
    Gid "gid" plain, OldAuid "old-auid" plain, AuditLost "lost" plain,
    // The rest is only kept.
    A3 "a3" plain, A4 "a4" plain, A5 "a5" plain, A6 "a6" plain, A7 "a7" plain, A8 "a8" plain, A9 "a9" plain,
    A10 "a10" plain, A11 "a11" plain, A12 "a12" plain, A13 "a13" plain, A14 "a14" plain, A15 "a15" plain,
    A16 "a16" plain, A17 "a17" plain, A18 "a18" plain, A19 "a19" plain, A20 "a20" plain, A21 "a21" plain,
    A22 "a22" plain, A23 "a23" plain, A24 "a24" plain, A25 "a25" plain, A26 "a26" plain, A27 "a27" plain,
    A28 "a28" plain, A29 "a29" plain, A30 "a30" plain, A31 "a31" plain, Items "items" plain,
    Suid "suid" plain, Fsuid "fsuid" plain, Egid "egid" plain, Sgid "sgid" plain,
    Fsgid "fsgid" plain, Subj "subj" plain, Tag "key" hex, Item "item" plain,
    Inode "inode" plain, Dev "dev" plain, Mode "mode" plain, Ouid "ouid" plain,
    Ogid "ogid" plain, Rdev "rdev" plain, Obj "obj" plain, CapFp "cap_fp" plain,
    CapFi "cap_fi" plain, CapFe "cap_fe" plain, CapFver "cap_fver" plain,
    CapFrootid "cap_frootid" plain, Grantors "grantors" plain, NameGid "GID" hex,
    NameSuid "SUID" hex, NameFsuid "FSUID" hex, NameEgid "EGID" hex, NameSgid "SGID" hex,
    NameFsgid "FSGID" hex, NameOuid "OUID" hex, NameOgid "OGID" hex, Ino "ino" plain,
    Scontext "scontext" plain, Tcontext "tcontext" plain, Tclass "tclass" plain,
    Permissive "permissive" plain, Seperms "seperms" plain, List "list" plain,
    Family "family" plain, Entries "entries" plain, Opid "opid" plain, Oauid "oauid" plain,
    Oses "oses" plain, Ocomm "ocomm" hex, OldSes "old-ses" plain,
    Code "code" plain, Compat "compat" plain, Ip "ip" plain, Reason "reason" plain,
    Major "major" plain, Minor "minor" plain, Fver "fver" plain, Fp "fp" plain, Fi "fi" plain,
    Fe "fe" plain, OldPp "old_pp" plain, OldPi "old_pi" plain, OldPe "old_pe" plain,
    OldPa "old_pa" plain, NewPp "new_pp" plain, NewPi "new_pi" plain, NewPe "new_pe" plain,
    NewPa "new_pa" plain, Fd "fd" plain, Flags "flags" plain, ProgId "prog-id" plain,
    Kind "kind" plain, Direction "direction" plain, Spid "spid" plain, Cipher "cipher" plain,
    Ksize "ksize" plain, Mac "mac" plain, Pfs "pfs" plain, SwType "sw_type" plain,
    Enforced "key_enforce" plain, GpgRes "gpg_res" plain, RootDir "root_dir" hex,
    Virt "virt" plain, Uuid "uuid" plain, VmPid "vm-pid" plain, VmCtx "vm-ctx" plain,
    ImgCtx "img-ctx" plain, Model "model" plain, Ver "ver" plain, Format "format" plain,
    Kernel "kernel" plain, Dir "dir" hex, Watch "watch" hex, Device "device" hex, File "file" hex,
    Seqno "seqno" plain, Old "old" plain, New "new" plain, OldProm "old_prom" plain,
    Prom "prom" plain, SaddrFam "saddr_fam" plain, Proto "proto" plain,
    Sport "sport" plain, Dport "dport" plain, Hook "hook" plain, Mark "mark" plain,
    RequestedMask "requested_mask" plain, DeniedMask "denied_mask" plain, Peer "peer" plain,
    Class "class" plain, Info "info" plain, Namespace "namespace" plain,
    UringOp "uring_op" plain, Cause "cause" plain, Audit "audit_enabled" plain,
    Pidfd "audit_pid" plain, Backlog "audit_backlog_limit" plain, Failure "audit_failure" plain,
    Feature "feature" plain, OldLock "old_lock" plain, NewLock "new_lock" plain,
    Version "version" plain, OldLevel "old-level" plain, NewLevel "new-level" plain,
    Prot "prot" plain, Per "per" plain, Fanotify "resp" plain, Frame "fan_type" plain,
}

/// Slots of the table below; four times as many as there are keys, so that few share one.
const SLOTS: usize = 1_024;

/// No key here.
const EMPTY: u8 = u8::MAX;

static TABLE: [u8; SLOTS] = table();

const fn slot(name: &[u8]) -> usize {
    let len = name.len();
    if len == 0 {
        return 0;
    }
    let (first, last, middle) = (name[0] as usize, name[len - 1] as usize, name[len / 2] as usize);
    (len * 151 + first * 37 + last * 211 + middle * 67) % SLOTS
}

/// The first and the last four bytes of a name, which may be the same ones, or all three.
const fn mark(name: &[u8]) -> u64 {
    match (name.first_chunk::<4>(), name.last_chunk::<4>()) {
        (Some(first), Some(last)) => {
            (u32::from_le_bytes(*first) as u64) << 32 | u32::from_le_bytes(*last) as u64
        }
        _ => match name {
            [a, b, c] => u32::from_le_bytes([*a, *b, *c, 0]) as u64,
            [a, b] => u32::from_le_bytes([*a, *b, 0, 0]) as u64,
            [a] => *a as u64,
            _ => 0,
        },
    }
}

/// The marks of all keys.
static MARKS: [u64; COUNT] = {
    let mut marks = [0; COUNT];
    let mut index = 0;
    while index < COUNT {
        marks[index] = mark(KEYS[index].1.as_bytes());
        index += 1;
    }
    marks
};

const fn table() -> [u8; SLOTS] {
    assert!(KEYS.len() < EMPTY as usize, "a key is one byte");
    let mut table = [EMPTY; SLOTS];
    let mut index = 0;
    while index < KEYS.len() {
        let mut at = slot(KEYS[index].1.as_bytes());
        while table[at] != EMPTY {
            at = (at + 1) % SLOTS;
        }
        table[at] = index as u8;
        index += 1;
    }
    table
}

impl Key {
    /// Keys that [`super::facts::Facts`] keeps: those up to this one.
    pub(super) const LAST_FACT: Self = Self::AuditLost;

    /// Returns the key of a name.
    #[inline]
    pub(super) fn of(name: &str) -> Option<Self> {
        let (mut at, mark) = (slot(name.as_bytes()), mark(name.as_bytes()));
        loop {
            let index = usize::from(*TABLE.get(at)?);
            let (key, text, ..) = KEYS.get(index)?;
            // Up to eight bytes the marks say it all.
            let is_same = MARKS.get(index) == Some(&mark) && text.len() == name.len();
            if is_same && (name.len() <= 8 || *text == name) {
                return Some(*key);
            }
            at = (at + 1) % SLOTS;
        }
    }

    /// Returns the field it becomes.
    #[inline]
    pub(super) fn field(self) -> &'static str {
        KEYS.get(self as usize).map_or("", |(_, _, field, _)| field)
    }

    /// Returns whether an unquoted value of it may be written in hexadecimal.
    #[inline]
    pub(super) fn may_be_hex(self) -> bool {
        KEYS.get(self as usize).is_some_and(|(.., hex)| *hex)
    }

    /// Returns the key of an argument, `a0` to `a31`.
    pub(super) fn argument(number: usize) -> Option<Self> {
        match number {
            0 => Some(Self::A0),
            1 => Some(Self::A1),
            2 => Some(Self::A2),
            3..=31 => KEYS.get(Self::A3 as usize + number - 3).map(|(key, ..)| *key),
            _ => None,
        }
    }
}

/// How many keys there are.
pub(super) const COUNT: usize = KEYS.len();

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_found() {
        for (key, text, field, _) in KEYS {
            assert_eq!(Key::of(text), Some(*key), "{text}");
            assert_eq!(key.field(), *field);
        }
        // Of the same length, first and last four bytes as a longer one, and others.
        for other in ["", "a", "a32", "pidx", "PID", "a0[0]", "saddr_fax", "requesxed_mask", "pif"]
        {
            assert_eq!(Key::of(other), None, "{other}");
        }
        assert_eq!(Key::argument(31).map(Key::field), Some("auditd.a31"));
        assert_eq!(Key::argument(3).map(Key::field), Some("auditd.a3"));
        assert_eq!(Key::argument(32), None);
        let facts = Key::LAST_FACT as usize;
        assert!(facts < 64, "{facts}");
    }

    #[test]
    fn few_steps_find_a_key() {
        let steps = |name: &str| {
            let (mut at, mut steps) = (slot(name.as_bytes()), 1);
            while TABLE[at] != EMPTY && KEYS[usize::from(TABLE[at])].1 != name {
                (at, steps) = ((at + 1) % SLOTS, steps + 1);
            }
            steps
        };
        let sum: usize = KEYS.iter().map(|(_, text, ..)| steps(text)).sum();
        assert!(sum < KEYS.len() * 2, "{sum} steps for {} keys", KEYS.len());
    }
}
