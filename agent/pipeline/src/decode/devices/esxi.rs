//! ESXi and vCenter: told by the names of their programs, which no other system has.
//!
//! Spec: VMware, "ESXi Log File Locations" and "Location of vCenter Server log files"; the programs of
//! ESXi 6.5 to 8.

use rules_event::{Event, field};

use super::super::table::set_dataset;
use super::super::template;

/// Whether a program is one of ESXi.
fn is_esxi(program: &str) -> bool {
    // A match looks at the length first.
    matches!(
        program,
        "ESXShell"
            | "Fdm"
            | "Hostd"
            | "Rhttpproxy"
            | "VSANMGMTSVC"
            | "Vpxa"
            | "apiForwarder"
            | "clomd"
            | "esxcli"
            | "esximage"
            | "esxtokend"
            | "esxupdate"
            | "fdm"
            | "hostd"
            | "hostd-probe"
            | "kmxa"
            | "nfcd"
            | "sandboxd"
            | "settingsd"
            | "shell"
            | "usbarb"
            | "vitd"
            | "vmauthd"
            | "vmkernel"
            | "vmkeventd"
            | "vmksummary"
            | "vmkwarning"
            | "vobd"
            | "vpxa"
            | "vsanmgmt"
            | "vsansystem"
            | "vvold"
    )
}

/// Whether a program is one of vCenter.
fn is_vcenter(program: &str) -> bool {
    // A match looks at the length first.
    matches!(
        program,
        "analytics"
            | "applmgmt"
            | "content-library"
            | "eam-access"
            | "eam-api"
            | "eam-main"
            | "envoy-access"
            | "envoy-main"
            | "rhttpproxy"
            | "rhttpproxy-main"
            | "ssoAdminServer"
            | "ssoadminserver"
            | "sts"
            | "ui-access"
            | "vapi-endpoint"
            | "vmcad"
            | "vmdird"
            | "vpxd"
            | "vpxd-main"
            | "vpxd-svcs"
            | "vsphere-ui"
            | "vsphere-ui-runtime"
    )
}

/// Sentences about accounts and machines, wherever in a message they begin.
const SENTENCES: &[(&str, &str, Option<&str>)] = &[
    ("…Rejected password for user {user>} from {ip}", "login", Some("failure")),
    ("…Accepted password for user {user>} from {ip}", "login", Some("success")),
    ("…Cannot login {user>}@{ip}", "login", Some("failure")),
    ("…User {user>}@{ip} logged in as {_}", "login", Some("success")),
    ("…User {user>}@{ip} logged out{_}", "logout", None),
    (
        "…Remote access for ESXi local user account '{user>}' has been locked{_}",
        "account_locked",
        Some("failure"),
    ),
    (
        "…Remote access for ESXi local user account {user} has been locked{_}",
        "account_locked",
        Some("failure"),
    ),
    ("…SSH access has been enabled{_}", "ssh_enabled", None),
    ("…authentication failure for {user>} from {ip}", "login", Some("failure")),
];

/// Sets the dataset if a program is one of these; false otherwise.
pub(crate) fn decode(program: &str, message: &str, event: &mut Event) -> bool {
    if is_esxi(program) {
        set_dataset(event, "esxi", "esxi.syslog");
        super::observed(event, "VMware", "ESXi");
    } else if is_vcenter(program) {
        set_dataset(event, "vcenter", "vcenter.syslog");
        super::observed(event, "VMware", "vCenter");
    } else {
        return false;
    }
    for (sentence, action, outcome) in SENTENCES {
        let Some(holes) = template::fit(sentence, message) else { continue };
        template::set(&holes, event);
        event.set(field::EVENT_ACTION, *action);
        if let Some(outcome) = outcome {
            event.set(field::EVENT_CATEGORY, "authentication");
            event.set(field::EVENT_OUTCOME, *outcome);
        }
        return true;
    }
    shell(program, message, event);
    machine(message, event);
    true
}

/// `[root]: esxcli vm process kill …`, what was typed into the shell.
fn shell(program: &str, message: &str, event: &mut Event) {
    if !matches!(program, "shell" | "ESXShell") {
        return;
    }
    let Some((user, command)) = message.strip_prefix('[').and_then(|it| it.split_once("]: "))
    else {
        return;
    };
    super::super::source::set_user(event, user);
    event.set(field::EVENT_CATEGORY, "process");
    event.set(field::EVENT_ACTION, "command");
    event.set_text(field::PROCESS_COMMAND_LINE, command);
}

/// `Event 512 : db01 on esxi01 in ha-datacenter is powered off`
fn machine(message: &str, event: &mut Event) {
    for (words, action) in
        [(" is powered off", "vm_powered_off"), (" is powered on", "vm_powered_on")]
    {
        let Some((before, _)) = message.split_once(words) else { continue };
        let before = before.rsplit_once(" : ").map_or(before, |(_, rest)| rest);
        let name = before.split_once(" on ").map_or(before, |(name, _)| name);
        event.set(field::EVENT_CATEGORY, "host");
        event.set(field::EVENT_ACTION, action);
        event.set_text("vonglau.vm", name);
    }
}

/// Whether a word is the level that ESXi 8 writes where others have the host: `In(14)`.
pub(crate) fn is_level(word: &str) -> bool {
    // Nearly every line's host comes by here.
    if !word.ends_with(')') {
        return false;
    }
    let Some((level, number)) = word.split_once('(') else { return false };
    matches!(level, "Em" | "Al" | "Cr" | "Er" | "Wa" | "No" | "In" | "Db")
        && number.strip_suffix(')').is_some_and(|it| it.bytes().all(|b| b.is_ascii_digit()))
}
