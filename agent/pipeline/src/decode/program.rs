//! Programs: which decoder understands the message of which program.

use rules_event::{Event, field};

use super::devices::{checkpoint, filterlog, juniper};
use super::{accounts, auditd, errors, haproxy, kernel, login, pam, services, sshd, sudo};
use crate::find;

/// Decodes a message; what is not understood stays message.
pub(super) fn decode(program: &str, message: &str, event: &mut Event) {
    // Solaris puts a message id in front: [ID 800047 auth.info]
    let message = message
        .strip_prefix("[ID ")
        .and_then(|rest| find::split(rest, "] "))
        .map_or(message, |(_, message)| message);
    // rsyslog and syslog-ng fold repetitions: message repeated 2 times: [ Failed password … ]
    if let Some((times, inner)) = repeated(message) {
        event.set("vonglau.repeat_count", times);
        by_program(program, inner, event);
    } else {
        by_program(program, message, event);
    }
}

fn by_program(program: &str, message: &str, event: &mut Event) {
    // Audit records that something put into syslog: audisp-syslog, rsyslog's imfile.
    if message.starts_with("type=") && auditd::decode(message, event) {
        return;
    }
    if message.starts_with("pam_") && pam::decode(message, event) {
        return;
    }
    match program {
        "sshd" | "sshd-session" | "sshd-auth" => sshd::decode(message, event),
        "sudo" => sudo::decode_sudo(message, event),
        "su" => sudo::decode_su(message, event),
        "useradd" | "usermod" | "userdel" | "groupadd" | "groupmod" | "groupdel" | "gpasswd"
        | "passwd" | "chpasswd" | "chage" | "chfn" | "chsh" | "newusers" | "adduser" => {
            accounts::decode(program, message, event);
        }
        "login" | "systemd-logind" => login::decode(message, event),
        "CRON" | "cron" | "crond" | "crontab" => login::decode_cron(message, event),
        "kernel" => kernel::decode(message, event),
        "CheckPoint" => {
            checkpoint::decode(message, event);
        }
        "RT_FLOW" => juniper::decode(message, event),
        "filterlog" => filterlog::decode(message, event),
        "haproxy" => {
            haproxy::decode(message, event);
        }
        "nginx" => errors::nginx_syslog(message, event),
        _ => services::decode(program, message, event),
    }
}

fn repeated(message: &str) -> Option<(i64, &str)> {
    let rest = message.strip_prefix("message repeated ")?;
    let (times, rest) = find::split(rest, " times: [")?;
    let inner = rest.strip_suffix(']')?.trim();
    Some((times.parse().ok()?, inner))
}

/// Sets category, action and outcome.
pub(super) fn set_action(
    event: &mut Event,
    category: &'static str,
    action: &'static str,
    outcome: Option<&'static str>,
) {
    event.set(field::EVENT_CATEGORY, category);
    event.set(field::EVENT_ACTION, action);
    if let Some(outcome) = outcome {
        event.set(field::EVENT_OUTCOME, outcome);
    }
}

/// The outcome of something that happened.
pub(super) const SUCCESS: Option<&str> = Some("success");

/// The outcome of something that was tried.
pub(super) const FAILURE: Option<&str> = Some("failure");
