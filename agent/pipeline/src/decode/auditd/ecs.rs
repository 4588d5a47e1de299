//! ECS: what an audit event says, in the fields every log shares.

use std::borrow::Cow;

use rules_event::{Event, Value, field};

use super::calls::{self, About, Call};
use super::facts::Facts;
use super::keys::Key;
use super::kinds::{Class, Meaning};
use super::names;
use super::socket::{self, Address};
use crate::decode::source::{set_port, set_source};

/// The login uid of what nobody logged in for. Spec: Linux, `AUDIT_UID_UNSET`, as the kernel and as
/// auditd write it.
const UNSET: [&str; 3] = ["4294967295", "-1", "unset"];

/// Descriptor that stands for the working directory in calls that take one: `AT_FDCWD`, -100.
const AT_FDCWD: [&str; 2] = ["ffffff9c", "ffffffffffffff9c"];

/// Sets the fields of an event from what its records say.
pub(super) fn finish(facts: &Facts<'_>, kind: &str, meaning: Meaning, event: &mut Event) {
    let call = call_of(facts, event);
    set_action(facts, kind, meaning, call, event);
    set_process(facts, event);
    set_users(facts, meaning, event);
    set_address(facts, call, event);
    set_names(facts, event);
    if let Some(call) = call.filter(|call| matches!(call.4, About::File | About::Open(_)))
        && let Some(path) = full_path(facts, call.0)
    {
        event.set_text(field::FILE_PATH, &path);
    } else if let Some(path) = facts.text(Key::Path).filter(|_| meaning.class == Class::Main) {
        event.set_text(field::FILE_PATH, &path);
    }
}

/// Resolves architecture and call; auditd writes the names itself when it enriches.
fn call_of(facts: &Facts<'_>, event: &mut Event) -> Option<&'static Call> {
    let number = facts.raw(Key::Syscall)?;
    let architecture = facts.raw(Key::Arch).and_then(names::architecture);
    if let Some(architecture) = architecture.filter(|_| facts.raw(Key::NameArch).is_none()) {
        event.set(Key::NameArch.field(), architecture);
    }
    if let Some(name) = facts.raw(Key::NameSyscall) {
        return calls::call(name);
    }
    let (name, call) = match names::call(architecture.unwrap_or_default(), number) {
        Some(numbered) => numbered,
        // Interpreted already, as by `ausearch -i`.
        None if number.starts_with(|c: char| c.is_ascii_lowercase()) => {
            event.set(Key::NameSyscall.field(), number.to_owned());
            return calls::call(number);
        }
        None => return None,
    };
    event.set(Key::NameSyscall.field(), name);
    call
}

/// Whether it worked.
fn outcome(facts: &Facts<'_>) -> Option<&'static str> {
    let word = facts.raw(Key::Success).or(facts.raw(Key::Res)).or(facts.raw(Key::Result))?;
    match word {
        "yes" | "success" | "1" | "Success" => Some("success"),
        "no" | "failed" | "fail" | "0" | "Failed" => Some("failure"),
        _ => None,
    }
}

fn set_action(
    facts: &Facts<'_>,
    kind: &str,
    meaning: Meaning,
    call: Option<&'static Call>,
    event: &mut Event,
) {
    let outcome = outcome(facts);
    if let Some(outcome) = outcome {
        event.set(field::EVENT_OUTCOME, outcome);
    }
    if meaning.class == Class::Companion
        && let Some(&(_, action, category, what, about)) = call
    {
        event.set(field::EVENT_ACTION, action);
        event.set(field::EVENT_CATEGORY, category);
        event.set("event.type", what_happened(facts, what, about, outcome));
        return;
    }
    if meaning.action.is_empty() {
        event.set(field::EVENT_ACTION, kind.to_ascii_lowercase().replace('_', "-"));
    } else if facts.raw(Key::Apparmor).is_some() {
        event.set(field::EVENT_ACTION, "violated-apparmor-policy");
    } else {
        event.set(field::EVENT_ACTION, meaning.action);
    }
    if !meaning.category.is_empty() {
        event.set(field::EVENT_CATEGORY, meaning.category);
        event.set("event.type", meaning.kind);
    }
}

/// ECS `event.type` of a call: what was tried and refused has not happened.
fn what_happened(
    facts: &Facts<'_>,
    what: &'static str,
    about: About,
    outcome: Option<&'static str>,
) -> &'static str {
    if outcome == Some("failure") {
        // A connection that is being made: the caller does not wait for it.
        let going_on = about == About::To && facts.raw(Key::Exit) == Some("-115");
        return if going_on { what } else { "info" };
    }
    match (about, facts.file_made_or_removed()) {
        (About::File | About::Open(_), (true, _)) => "creation",
        (About::Open(_), (_, true)) => "deletion",
        (About::Open(argument), _) => {
            let flags = facts.raw(if argument == 1 { Key::A1 } else { Key::A2 });
            if flags.is_some_and(calls::opens_for_writing) { "change" } else { what }
        }
        _ => what,
    }
}

fn set_process(facts: &Facts<'_>, event: &mut Event) {
    if let Some(pid) = facts.number(Key::Pid) {
        event.set(field::PROCESS_PID, pid);
    }
    if let Some(pid) = facts.number(Key::Ppid) {
        event.set("process.parent.pid", pid);
    }
    let exe = facts.text(Key::Exe);
    if let Some(name) = facts.text(Key::Comm) {
        event.set_text(field::PROCESS_NAME, &name);
    } else if let Some(name) = exe.as_deref().and_then(|exe| exe.rsplit('/').next()) {
        event.set_text(field::PROCESS_NAME, name);
    }
    if let Some(exe) = &exe {
        event.set_text(field::PROCESS_EXECUTABLE, exe);
    }
    if let Some(cwd) = facts.text(Key::Cwd) {
        event.set_text(field::PROCESS_WORKING_DIRECTORY, &cwd);
    }
    if let Some(title) = facts.text(Key::Proctitle) {
        if event.get(field::PROCESS_COMMAND_LINE).is_none() {
            event.set_text(field::PROCESS_COMMAND_LINE, &title);
        }
        event.set_text("process.title", &title);
    }
    if let Some(command) = facts.text(Key::Cmd) {
        let words = command.split_ascii_whitespace().map(Value::text).collect();
        event.set("process.args", Value::List(words));
        event.set_text(field::PROCESS_COMMAND_LINE, &command);
    }
    if let Some(count) = facts.number(Key::Argc) {
        event.set("process.args_count", count);
    }
    let tty = facts.raw(Key::Terminal).or(facts.raw(Key::Tty)).filter(|tty| *tty != "(none)");
    if let Some(tty) = tty {
        event.set_text("process.tty.name", tty);
    }
}

fn set_users(facts: &Facts<'_>, meaning: Meaning, event: &mut Event) {
    let auid = facts.raw(Key::Auid).filter(|auid| !UNSET.contains(auid));
    if let Some(auid) = auid {
        event.set_text("user.audit.id", auid);
        set_name("user.audit.name", facts.text(Key::NameAuid), event);
    }
    // Messages of user space speak of an account; what wrote them runs as somebody else.
    let about = facts.text(Key::Acct);
    if about.is_some() || (facts.raw(Key::Id).is_some() && meaning.class == Class::Main) {
        if let Some(id) = facts.raw(Key::Id) {
            event.set_text("user.id", id);
        }
        set_name(field::USER_NAME, about.or_else(|| facts.text(Key::NameId)), event);
        return;
    }
    let uid = facts.raw(Key::Uid);
    if let Some(uid) = uid {
        event.set_text("user.id", uid);
        let name = facts.text(Key::NameUid).or_else(|| facts.text(Key::User));
        set_name(field::USER_NAME, name, event);
    }
    // ECS: set when it is another than the user's own.
    if let Some(euid) = facts.raw(Key::Euid).filter(|euid| Some(*euid) != uid) {
        event.set_text("user.effective.id", euid);
        set_name(field::USER_EFFECTIVE_NAME, facts.text(Key::NameEuid), event);
    }
}

fn set_name(name: &'static str, text: Option<Cow<'_, str>>, event: &mut Event) {
    let known = |text: &str| !text.starts_with("unknown(") && text != "unset";
    if let Some(text) = text.filter(|text| known(text)) {
        event.set_text(name, &text);
    }
}

fn set_address(facts: &Facts<'_>, call: Option<&Call>, event: &mut Event) {
    if let Some(address) = facts.raw(Key::Saddr).and_then(socket::address) {
        set_socket(&address, call.map_or(About::Other, |call| call.4), event);
    }
    if let Some(place) = facts.raw(Key::Addr).or(facts.raw(Key::Src)) {
        set_source(event, place);
    }
    if let Some(name) = facts.raw(Key::Hostname) {
        if event.get(field::SOURCE_IP).is_none() {
            set_source(event, name);
        } else if event.get_str(field::SOURCE_IP) != Some(name) {
            event.set_text("source.domain", name);
        }
    }
    if let Some(port) = facts.raw(Key::Rport) {
        set_port(event, port);
    }
    // The local side of a session of sshd; the other end of a rule of IPsec.
    if let Some(place) = facts.raw(Key::Laddr).or(facts.raw(Key::Dst)) {
        event.set_text(field::DESTINATION_IP, place);
        if let Some(port) = facts.number(Key::Lport) {
            event.set(field::DESTINATION_PORT, port);
        }
    }
}

fn set_socket(address: &Address, about: About, event: &mut Event) {
    match address {
        Address::Inet(ip, port) => {
            let (name, port_name) = match about {
                About::To => (field::DESTINATION_IP, field::DESTINATION_PORT),
                About::From => (field::SOURCE_IP, field::SOURCE_PORT),
                _ => ("server.ip", "server.port"),
            };
            let text = ip.to_string();
            event.set_text("auditd.laddr", &text);
            event.set("auditd.lport", Value::from(port.to_string()));
            event.set("auditd.saddr_fam", if ip.is_ipv4() { "inet" } else { "inet6" });
            event.set(name, text);
            event.set(port_name, i64::from(*port));
            event.set("network.type", if ip.is_ipv4() { "ipv4" } else { "ipv6" });
            let (direction, initiated) = match about {
                About::To => ("egress", true),
                About::From => ("ingress", false),
                _ => return,
            };
            event.set("network.direction", direction);
            event.set("vonglau.network.initiated", initiated);
        }
        Address::Unix(path) => {
            event.set("auditd.saddr_fam", "local");
            event.set_text("auditd.path", path);
            if about == About::To {
                event.set_text("destination.address", path);
            }
            not_a_connection(event);
        }
        Address::Other(family) => {
            event.set_text("auditd.saddr_fam", family);
            not_a_connection(event);
        }
    }
}

/// What stays on the host is no connection to the rules.
fn not_a_connection(event: &mut Event) {
    if event.get_str(field::EVENT_CATEGORY) == Some("network") {
        event.set("event.type", "info");
    }
}

/// Names of numbers, under the keys in capitals that auditd gives to what it enriches.
fn set_names(facts: &Facts<'_>, event: &mut Event) {
    if let Some(error) = facts.raw(Key::Exit).and_then(names::error) {
        event.set("auditd.EXIT", error);
        event.set("error.code", error);
    }
    if let Some(signal) = facts.raw(Key::Sig).and_then(names::signal) {
        event.set("auditd.SIG", signal);
    }
    if let Some(name) = facts.raw(Key::Capability).and_then(names::capability) {
        event.set("auditd.CAPABILITY", name);
    }
}

/// The file's path from the root, as far as the records say it.
fn full_path<'a>(facts: &Facts<'a>, call: &str) -> Option<Cow<'a, str>> {
    let path = facts.file()?;
    if path.starts_with('/') {
        return Some(path);
    }
    // Relative to a directory that only the process knows.
    let by_descriptor = call.ends_with("at") || call.ends_with("at2");
    let from_cwd = facts.raw(Key::A0).is_some_and(|a0| AT_FDCWD.contains(&a0));
    if by_descriptor && !from_cwd {
        return Some(path);
    }
    let Some(cwd) = facts.text(Key::Cwd) else { return Some(path) };
    let name = path.strip_prefix("./").unwrap_or(&path);
    Some(Cow::Owned(format!("{}/{name}", cwd.trim_end_matches('/'))))
}
