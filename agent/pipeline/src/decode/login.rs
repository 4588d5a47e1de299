//! login, logind and cron: sessions on the console and commands on the clock.

use rules_event::{Event, field};

use super::program::{FAILURE, SUCCESS, set_action};
use super::source::{set_source, set_user};
use crate::find;

/// Decodes messages of login (util-linux) and systemd-logind.
pub(super) fn decode(message: &str, event: &mut Event) {
    if let Some(rest) = message.strip_prefix("New session ") {
        // New session 12 of user x.
        let Some((id, user)) = find::split(rest, " of user ") else { return };
        set_action(event, "session", "session_started", SUCCESS);
        set_user(event, user.trim_end_matches('.').trim_matches('\''));
        event.set_text("vonglau.auth.session", id.trim_matches('\''));
    } else if let Some(rest) = message.strip_prefix("Removed session ") {
        set_action(event, "session", "session_ended", SUCCESS);
        event.set_text("vonglau.auth.session", rest.trim_end_matches('.'));
    } else if let Some(rest) = message.strip_prefix("FAILED LOGIN ") {
        // (1) on '/dev/tty1' FOR 'root', Authentication failure
        let Some((place, rest)) = find::split(rest, " FOR ") else { return };
        let (user, reason) = find::rsplit(rest, ", ").unwrap_or((rest, ""));
        set_action(event, "authentication", "login", FAILURE);
        set_user(event, user.trim_matches('\''));
        event.set_text("event.reason", reason);
        set_where(place, event);
    } else if let Some(rest) = message.strip_prefix("LOGIN ON ") {
        // tty1 BY x, or: pts/0 BY x FROM 203.0.113.5
        let Some((tty, rest)) = find::split(rest, " BY ") else { return };
        let (user, from) = find::split(rest, " FROM ").unwrap_or((rest, ""));
        set_action(event, "authentication", "login", SUCCESS);
        set_user(event, user);
        event.set_text("process.tty.name", tty);
        set_source(event, from);
    } else if let Some(rest) = message.trim_start().strip_prefix("ROOT LOGIN ") {
        set_action(event, "authentication", "login", SUCCESS);
        set_user(event, "root");
        set_where(rest, event);
    }
}

/// `ON tty1`, `on '/dev/tty1' from '203.0.113.5'`, `1 FROM tty1`.
fn set_where(text: &str, event: &mut Event) {
    let mut words = text.split(' ').map(|word| word.trim_matches('\''));
    while let Some(word) = words.next() {
        match word {
            "on" | "ON" => {
                if let Some(tty) = words.next() {
                    event.set_text("process.tty.name", tty);
                }
            }
            "from" | "FROM" => set_source(event, words.next().unwrap_or_default()),
            _ => {}
        }
    }
}

/// Decodes `(root) CMD (command)` and `(root) REPLACE (root)`.
pub(super) fn decode_cron(message: &str, event: &mut Event) {
    let Some((user, rest)) = message.strip_prefix('(').and_then(|rest| find::split(rest, ") "))
    else {
        return;
    };
    let Some((word, inside)) = find::split(rest, " (") else { return };
    let inside = inside.strip_suffix(')').unwrap_or(inside);
    match word {
        "CMD" => {
            set_action(event, "process", "cron_command", SUCCESS);
            event.set_text(field::PROCESS_COMMAND_LINE, inside.trim());
        }
        "REPLACE" | "BEGIN EDIT" | "END EDIT" | "DELETE" => {
            set_action(event, "configuration", "crontab_changed", None);
            event.set_text(field::USER_EFFECTIVE_NAME, inside);
        }
        "LIST" => set_action(event, "configuration", "crontab_listed", None),
        _ => return,
    }
    set_user(event, user);
}
