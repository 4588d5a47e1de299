//! sudo and su: acting as somebody else.

use rules_event::{Event, field};

use super::program::{FAILURE, SUCCESS, set_action};
use super::source::set_user;
use crate::find;

/// Decodes `x : TTY=pts/0 ; PWD=/home/x ; USER=root ; COMMAND=/bin/ls`, also with a reason for
/// refusal before `TTY=`. Spec: sudo manual, LOG FORMAT.
pub(super) fn decode_sudo(message: &str, event: &mut Event) {
    let Some((user, rest)) = find::split(message, " : ") else { return };
    let (facts, command) = match find::split(rest, "COMMAND=") {
        Some((facts, command)) => (facts, Some(command)),
        None => (rest, None),
    };
    let mut reason = None;
    let (mut rest, mut at) = (Some(facts), 0);
    while let Some(text) = rest {
        let fact;
        (fact, rest) = match find::split(text, " ; ") {
            Some((fact, more)) => (fact, Some(more)),
            None => (text, None),
        };
        let mut bare = fact.trim();
        while let Some(less) = bare.strip_suffix(" ;") {
            bare = less;
        }
        match find::split_byte(bare, b'=') {
            Some(("TTY", tty)) => event.set_text("process.tty.name", tty),
            Some(("PWD", folder)) => event.set_text(field::PROCESS_WORKING_DIRECTORY, folder),
            Some(("USER", target)) => event.set_text(field::USER_EFFECTIVE_NAME, target),
            Some(("GROUP", group)) => event.set_text("group.name", group),
            None if at == 0 && !fact.trim().is_empty() => reason = Some(fact.trim().to_owned()),
            _ => {}
        }
        at += 1;
    }
    if command.is_none() && reason.is_none() {
        return;
    }
    let category = match &reason {
        Some(reason) if reason.contains("password") => "authentication",
        _ => "process",
    };
    set_action(event, category, "sudo", if reason.is_some() { FAILURE } else { SUCCESS });
    set_user(event, user.trim());
    if let Some(reason) = reason {
        let count = find::split(&reason, " incorrect password attempt").map(|(count, _)| count);
        if let Some(count) = count.and_then(|count| count.parse::<i64>().ok()) {
            event.set("vonglau.auth.failures", count);
        }
        event.set("event.reason", reason);
    }
    if let Some(command) = command {
        let program = find::before_byte(command, b' ');
        if program.starts_with('/') {
            event.set_text(field::PROCESS_EXECUTABLE, program);
        }
        event.set_text(field::PROCESS_COMMAND_LINE, command);
    }
}

/// Decodes what su of shadow-utils and of util-linux write.
pub(super) fn decode_su(message: &str, event: &mut Event) {
    let (user, target, outcome) = if let Some(rest) = message.strip_prefix("Successful su for ") {
        let Some((target, user)) = find::split(rest, " by ") else { return };
        (user, target, SUCCESS)
    } else if let Some(rest) = message.strip_prefix("FAILED su for ") {
        let Some((target, user)) = find::split(rest, " by ") else { return };
        (user, target, FAILURE)
    } else if let Some((word, rest)) = find::split(message, "(to ") {
        // "(to root) x on pts/0", "FAILED SU (to root) x on pts/0"
        let Some((target, rest)) = find::split(rest, ") ") else { return };
        let (user, tty) = find::split(rest, " on ").unwrap_or((rest, ""));
        if !tty.is_empty() {
            event.set_text("process.tty.name", tty);
        }
        (user, target, if word.starts_with("FAILED") { FAILURE } else { SUCCESS })
    } else {
        // "+ /dev/pts/0 x:root", "- /dev/pts/0 x:root"
        let (sign, rest) = message.split_at_checked(2).unwrap_or_default();
        let outcome = match sign {
            "+ " => SUCCESS,
            "- " => FAILURE,
            _ => return,
        };
        let Some((tty, who)) = rest.split_once(' ') else { return };
        let Some((user, target)) = who.split_once([':', '-']) else { return };
        event.set_text("process.tty.name", tty);
        (user, target, outcome)
    };
    set_action(event, "authentication", "su", outcome);
    set_user(event, user.trim());
    event.set_text(field::USER_EFFECTIVE_NAME, target.trim());
}
