//! Programs: which options of which programs are followed by a secret.
//!
//! From the manual pages of the programs. Options with a long name that says so itself (`--password=x`)
//! are found by their name.

use super::kind::Kind;

/// How an option and its secret stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `-p x`
    Next,
    /// `-px`
    Attached,
    /// Either.
    Both,
}

/// Which part of the argument is the secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it.
    Whole,
    /// What stands behind this sign: `user:password`.
    Behind(char),
}

/// An option with a secret.
#[derive(Debug)]
pub(super) struct Opt {
    pub(super) name: &'static str,
    pub(super) form: Form,
    pub(super) part: Part,
    pub(super) kind: Kind,
}

const fn opt(name: &'static str, form: Form, part: Part) -> Opt {
    Opt { name, form, part, kind: Kind::Password }
}

const P: &[Opt] = &[opt("-p", Form::Both, Part::Whole)];
const UPPER_P: &[Opt] = &[opt("-P", Form::Both, Part::Whole)];
const PW: &[Opt] = &[opt("-pw", Form::Next, Part::Whole)];
const CURL: &[Opt] = &[
    opt("-u", Form::Both, Part::Behind(':')),
    opt("--user", Form::Next, Part::Behind(':')),
    opt("-U", Form::Both, Part::Behind(':')),
    opt("--proxy-user", Form::Next, Part::Behind(':')),
    Opt { name: "-b", form: Form::Next, part: Part::Behind('='), kind: Kind::Cookie },
    Opt { name: "--cookie", form: Form::Next, part: Part::Behind('='), kind: Kind::Cookie },
    Opt { name: "--oauth2-bearer", form: Form::Next, part: Part::Whole, kind: Kind::Token },
];
const LDAP: &[Opt] = &[
    opt("-w", Form::Both, Part::Whole),
    opt("-s", Form::Next, Part::Whole),
    opt("-a", Form::Next, Part::Whole),
];
const LDAP_SEARCH: &[Opt] = &[opt("-w", Form::Both, Part::Whole)];
const SAMBA: &[Opt] =
    &[opt("-U", Form::Both, Part::Behind('%')), opt("--user", Form::Next, Part::Behind('%'))];
const REDIS: &[Opt] = &[opt("-a", Form::Next, Part::Whole)];
const TASKS: &[Opt] = &[
    opt("/rp", Form::Next, Part::Whole),
    opt("/RP", Form::Next, Part::Whole),
    opt("/p", Form::Next, Part::Whole),
];
const RDP: &[Opt] = &[opt("/p:", Form::Attached, Part::Whole), opt("-p", Form::Both, Part::Whole)];
const SNMP: &[Opt] = &[
    opt("-c", Form::Both, Part::Whole),
    opt("-A", Form::Next, Part::Whole),
    opt("-X", Form::Next, Part::Whole),
];
const OPENSSL: &[Opt] = &[opt("-k", Form::Next, Part::Whole), opt("-K", Form::Next, Part::Whole)];
const ARCHIVE: &[Opt] =
    &[opt("-hp", Form::Attached, Part::Whole), opt("-p", Form::Attached, Part::Whole)];

/// Returns the options with secrets of a program; `None` when it is none of those known.
pub(super) fn options(program: &str) -> Option<&'static [Opt]> {
    let program = program.strip_suffix(".exe").unwrap_or(program);
    Some(match program {
        "sshpass" | "mongo" | "mongosh" | "mongodump" | "mongorestore" | "mongoexport"
        | "mongoimport" | "mongostat" | "psexec" | "psexec64" | "rdesktop" | "useradd"
        | "usermod" | "smbmap" | "docker" | "podman" => P,
        "sqlcmd" | "osql" | "isql" | "bcp" | "ipmitool" | "zip" | "unzip" => UPPER_P,
        "plink" | "pscp" | "psftp" => PW,
        "curl" => CURL,
        "ldappasswd" => LDAP,
        "smbclient" | "rpcclient" | "smbget" | "smbcacls" | "winexe" => SAMBA,
        "redis-cli" => REDIS,
        "schtasks" => TASKS,
        "xfreerdp" => RDP,
        "openssl" => OPENSSL,
        "7z" | "7za" | "rar" => ARCHIVE,
        _ if program.starts_with("mysql") || program.starts_with("mariadb") => P,
        _ if program.starts_with("ldap") => LDAP_SEARCH,
        _ if program.starts_with("snmp") => SNMP,
        _ => return None,
    })
}
