//! Syslog: the envelopes of RFC 3164 and RFC 5424, with or without priority.

use rules_event::{Event, field};

use super::devices::{self, esxi};
use super::{Context, program};
use crate::{find, moment};

/// Most parameters of structured data that are kept.
const PARAMETERS_MAX: usize = 64;

/// Facilities `auth` and `authpriv`. Spec: RFC 5424, 6.2.1, table 1.
const AUTH_FACILITIES: [u8; 2] = [4, 10];

/// Whether a program's lines are authentication whatever file they are in.
fn is_auth_program(name: &str) -> bool {
    // A match looks at the length first; a list is compared name by name.
    matches!(
        name,
        "sshd"
            | "sshd-session"
            | "sshd-auth"
            | "sudo"
            | "su"
            | "login"
            | "useradd"
            | "usermod"
            | "userdel"
            | "groupadd"
            | "groupmod"
            | "groupdel"
            | "gpasswd"
            | "passwd"
            | "chpasswd"
            | "chage"
            | "chfn"
            | "chsh"
            | "newusers"
            | "systemd-logind"
            | "polkitd"
            | "pkexec"
            | "runuser"
            | "dropbear"
            | "gdm-password"
            | "vsftpd"
            | "unix_chkpwd"
            | "adduser"
    )
}

/// Decodes a line; false when it has no envelope.
pub(super) fn decode(text: &str, context: &Context<'_>, event: &mut Event) -> bool {
    let (priority, rest) = match priority(text) {
        Some((priority, rest)) => (Some(priority), rest),
        None => (None, text),
    };
    let header = match rest.strip_prefix("1 ").filter(|_| priority.is_some()) {
        Some(rest) => rfc5424(rest, context, event),
        None => rfc3164(rest, context, event),
    };
    let Some(header) = header else {
        // Devices that write no header, or one of their own.
        let known = priority.is_some() && decode_device(rest, context, event);
        if let Some(priority) = priority.filter(|_| known) {
            set_priority(event, priority);
        }
        return known;
    };
    if let Some(priority) = priority {
        set_priority(event, priority);
    }
    let facility = priority.map(|priority| priority / 8);
    finish(&header, facility, context, event);
    true
}

/// What both envelopes, and the journal, say of a message.
pub(super) struct Header<'a> {
    pub(super) host: &'a str,
    pub(super) process: &'a str,
    pub(super) pid: &'a str,
    pub(super) message: &'a str,
    /// The message with the tag before it.
    pub(super) tagged: &'a str,
}

/// Sets the fields of a header and decodes the message by its program.
pub(super) fn finish(
    header: &Header<'_>,
    facility: Option<u8>,
    context: &Context<'_>,
    event: &mut Event,
) {
    event.set(field::EVENT_MODULE, "system");
    if !header.host.is_empty() {
        event.set_text(field::HOST_NAME, header.host);
    }
    if !header.process.is_empty() {
        event.set_text(field::PROCESS_NAME, header.process);
    }
    if let Some(pid) = find::number(header.pid) {
        event.set(field::PROCESS_PID, pid);
    }
    event.set_text(field::MESSAGE, header.message);
    let base = match find::byte(header.process.as_bytes(), b'/') {
        Some(_) => header.process.rsplit('/').next().unwrap_or_default(),
        None => header.process,
    };
    let is_auth = is_auth_program(base)
        || facility.is_some_and(|facility| AUTH_FACILITIES.contains(&facility))
        || context.log.is_auth;
    event.set(field::EVENT_DATASET, if is_auth { "system.auth" } else { "system.syslog" });
    match base.as_bytes() {
        [] => {
            devices::decode(header.message, context, event);
        }
        // Cisco's mnemonic, and CEF, stand where the program does.
        [b'%', ..] | [b'C', b'E', b'F'] => {
            let known = devices::decode(header.tagged, context, event);
            if known {
                event.remove(field::PROCESS_NAME);
            }
        }
        _ if !is_auth && esxi::decode(base, header.message, event) => {}
        _ => program::decode(base, header.message, event),
    }
}

/// Decodes what a device sends without a header, or behind a time with a year.
pub(super) fn decode_device(text: &str, context: &Context<'_>, event: &mut Event) -> bool {
    let (time, text) = match moment::dated(text, context.zone) {
        Some((time, rest)) => (Some(time), rest.trim_start_matches([':', ' '])),
        None => (None, text),
    };
    // "host : %ASA…", "host %%01POLICY…": a name may stand between.
    let found = devices::decode(text, context, event) || {
        let rest =
            text.split_once(' ').map(|(host, rest)| (host, rest.trim_start_matches([':', ' '])));
        match rest.filter(|_| time.is_some()) {
            Some((host, rest)) if devices::decode(rest, context, event) => {
                event.set_text(field::HOST_NAME, host.trim_end_matches(':'));
                true
            }
            _ => false,
        }
    };
    if let Some(time) = time.filter(|_| found) {
        event.time = time;
    }
    found
}

/// `auth.log`, `secure`, and rotated ones.
pub(super) fn is_auth_file(name: &str) -> bool {
    ["auth.log", "secure", "authlog"].iter().any(|base| {
        name.strip_prefix(base).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-']))
    })
}

/// Sets priority, facility and severity.
pub(super) fn set_priority(event: &mut Event, priority: u8) {
    event.set(field::LOG_SYSLOG_PRIORITY, i64::from(priority));
    event.set("log.syslog.facility.code", i64::from(priority / 8));
    event.set("log.syslog.severity.code", i64::from(priority % 8));
}

/// `<34>`, at most 191. Spec: RFC 5424, 6.2.1.
fn priority(text: &str) -> Option<(u8, &str)> {
    let (digits, rest) = text.strip_prefix('<')?.split_once('>')?;
    let number = digits.parse().ok().filter(|number| *number <= 191 && digits.len() <= 3)?;
    Some((number, rest))
}

/// `Nov 21 08:30:00 host tag[pid]: message`, the time also by RFC 3339 as rsyslog and syslog-ng
/// write it. Spec: RFC 3164, 4.1.
fn rfc3164<'a>(text: &'a str, context: &Context<'_>, event: &mut Event) -> Option<Header<'a>> {
    let (time, rest) = match context.clock.rfc3164(text, context.read_at, context.zone) {
        Some(found) => found,
        None => {
            let (time, rest) = moment::rfc3339(text, context.zone)?;
            (time, rest.strip_prefix(' ')?)
        }
    };
    let rest = rest.trim_start_matches(' ');
    let (host, rest) = find::split_byte(rest, b' ')?;
    // A tag where the host belongs: the line was written without host name.
    let is_tag = host.ends_with(':') || host.starts_with('[');
    let (host, rest) = if is_tag { ("", text_from(text, host)) } else { (host, rest) };
    // ESXi 8 writes the level where others have the host.
    let host = if esxi::is_level(host) { "" } else { host };
    event.time = time;
    let rest = rest.trim_start_matches(' ');
    let (process, pid, message) = tag(rest).unwrap_or(("", "", rest));
    Some(Header { host, process, pid, message, tagged: rest })
}

/// Returns `text` from where `part`, a slice of it, begins.
fn text_from<'a>(text: &'a str, part: &str) -> &'a str {
    text.find(part).and_then(|start| text.get(start..)).unwrap_or(text)
}

/// Splits `sshd[123]: message` into name, pid and message.
fn tag(text: &str) -> Option<(&str, &str, &str)> {
    // metalog puts the name itself in brackets, with or without a colon.
    if let Some((name, rest)) = text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        let message = rest.strip_prefix(": ").or_else(|| rest.strip_prefix(' '))?;
        let is_name = !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_/.".contains(&b));
        return is_name.then_some((name, "", message));
    }
    let end = find::byte3(text.as_bytes(), [b':', b'[', b' '])?;
    let (name, rest) = text.split_at_checked(end)?;
    if name.is_empty() {
        return None;
    }
    let (pid, rest) = match rest.strip_prefix('[') {
        Some(rest) => {
            let (pid, rest) = find::split_byte(rest, b']')?;
            // Some writers leave the colon out behind a pid.
            (pid, rest.strip_prefix(':').or_else(|| rest.strip_prefix(' '))?)
        }
        None => ("", rest.strip_prefix(':')?),
    };
    // Linux-PAM before 1.0 wrote its module into the tag: sshd(pam_unix)[123].
    let name = find::before_byte(name, b'(');
    Some((name, pid, rest.trim_start_matches(' ')))
}

/// `1 time host app pid msgid data message`. Spec: RFC 5424, 6.
fn rfc5424<'a>(text: &'a str, context: &Context<'_>, event: &mut Event) -> Option<Header<'a>> {
    let (time, rest) = text.split_once(' ')?;
    let (host, rest) = rest.split_once(' ')?;
    let (process, rest) = rest.split_once(' ')?;
    let (pid, rest) = rest.split_once(' ')?;
    let (msgid, rest) = rest.split_once(' ')?;
    // What is none, such as Check Point's own form, is the message.
    let rest = structured_data(rest, event).unwrap_or(rest);
    let message = rest.strip_prefix(' ').unwrap_or(rest);
    let message = message.strip_prefix('\u{feff}').unwrap_or(message);
    if let Some((time, _)) = moment::rfc3339(time, context.zone) {
        event.time = time;
    }
    if msgid != "-" {
        event.set_text("log.syslog.msgid", msgid);
    }
    let given = |text: &'a str| if text == "-" { "" } else { text };
    Some(Header {
        host: given(host),
        process: given(process),
        pid: given(pid),
        message,
        tagged: message,
    })
}

/// `-` or `[id name="value" …]…`; returns what follows. Spec: RFC 5424, 6.3.
fn structured_data<'a>(text: &'a str, event: &mut Event) -> Option<&'a str> {
    if let Some(rest) = text.strip_prefix('-') {
        return Some(rest);
    }
    let mut rest = text;
    let mut parameters = Vec::new();
    while let Some(element) = rest.strip_prefix('[') {
        let end = element.find([' ', ']'])?;
        let (id, mut inside) = element.split_at_checked(end)?;
        while let Some(parameter) = inside.strip_prefix(' ') {
            let (name, value) = parameter.trim_start_matches(' ').split_once("=\"")?;
            let (value, after) = quoted(value)?;
            if parameters.len() < PARAMETERS_MAX {
                parameters.push((format!("log.syslog.structured_data.{id}.{name}"), value));
            }
            inside = after;
        }
        rest = inside.strip_prefix(']')?;
    }
    if rest.len() == text.len() {
        return None;
    }
    for (name, value) in parameters {
        event.set(name, value);
    }
    Some(rest)
}

/// Reads up to the closing quote; a backslash escapes `"`, `\` and `]`.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, text.get(at + 1..)?)),
            '\\' => match characters.next()?.1 {
                escaped @ ('"' | '\\' | ']') => value.push(escaped),
                other => value.extend(['\\', other]),
            },
            other => value.push(other),
        }
    }
    None
}
