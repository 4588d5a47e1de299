//! PAM: what its modules write under the name of the program that asked.

use rules_event::{Event, field};

use super::program::{FAILURE, SUCCESS, set_action};
use super::source::{set_source, set_user};
use crate::find;

/// Decodes `pam_unix(sshd:auth): …`; false when it is not of that form.
pub(super) fn decode(message: &str, event: &mut Event) -> bool {
    let Some((module, rest)) = find::split_byte(message, b'(') else { return false };
    let Some((service, text)) = find::split(rest, "): ") else { return false };
    if find::byte(module.as_bytes(), b' ').is_some() {
        return false;
    }
    event.set_text("vonglau.pam.module", module);
    let service = find::before_byte(service, b':');
    event.set_text("vonglau.pam.service", service);
    if let Some(facts) = text.strip_prefix("authentication failure;") {
        set_action(event, "authentication", "pam_authentication", FAILURE);
        set_facts(facts, event);
    } else if let Some(rest) = text.strip_prefix("session opened for user ") {
        set_action(event, "session", "session_opened", SUCCESS);
        let (user, by) = find::split(rest, " by ").unwrap_or((rest, ""));
        let (name, id) = account(user);
        let (by, by_id) = account(by);
        // Who acts is the user, who is acted as the effective one. Spec: ECS, "User fields usage".
        // "LOGIN" is what login calls itself before anybody is logged in.
        if matches!(by, "" | "LOGIN") {
            set_user(event, name);
            set_id(event, "user.id", id);
        } else {
            set_user(event, by);
            set_id(event, "user.id", by_id);
            event.set_text(field::USER_EFFECTIVE_NAME, name);
            set_id(event, "user.effective.id", id);
            event.set_text("vonglau.auth.by", by);
        }
    } else if let Some(user) = text.strip_prefix("session closed for user ") {
        set_action(event, "session", "session_closed", SUCCESS);
        set_account(user, event);
    } else if text.starts_with("check pass; user unknown") {
        set_action(event, "authentication", "pam_authentication", FAILURE);
        event.set("vonglau.auth.invalid_user", true);
    } else if let Some(user) = text.strip_prefix("password changed for ") {
        set_action(event, "iam", "password_changed", SUCCESS);
        set_user(event, user);
    } else if let Some(rest) = text.strip_prefix("Consecutive login failures for user ") {
        set_action(event, "authentication", "account_locked", FAILURE);
        set_user(event, rest.split(' ').next().unwrap_or_default());
    } else if let Some(rest) = text.strip_prefix("user \"") {
        // user "x" does not exist in /etc/passwd
        if let Some((user, reason)) = find::split(rest, "\" ") {
            set_action(event, "authentication", "pam_authentication", FAILURE);
            set_user(event, user);
            event.set_text("event.reason", reason);
        }
    } else if let Some(user) =
        quoted_after(text, "account ").or_else(|| quoted_after(text, "user "))
    {
        set_user(event, user);
    }
    true
}

/// Sets `rhost=`, `user=` and what else of `logname= uid=0 … rhost=203.0.113.5  user=root` matters.
pub(super) fn set_facts(facts: &str, event: &mut Event) {
    // user= comes last and is what a stranger typed: it may hold blanks and equal signs.
    let (facts, user) = match find::split(facts, " user=") {
        Some((facts, user)) => (facts, user),
        None => (facts, ""),
    };
    set_user(event, user);
    for fact in find::pieces(facts, b' ') {
        match find::split_byte(fact, b'=') {
            Some(("rhost", place)) => set_source(event, place),
            Some(("tty", tty)) if !tty.is_empty() => event.set_text("process.tty.name", tty),
            Some(("ruser", user)) if !user.is_empty() => {
                event.set_text("vonglau.auth.by", user);
            }
            _ => {}
        }
    }
}

/// `root`, `root(uid=0)`: the name and the id.
fn account(text: &str) -> (&str, &str) {
    let (name, rest) = find::split(text, "(uid=").unwrap_or((text, ""));
    (name.trim_end(), find::split_byte(rest, b')').map_or("", |(id, _)| id))
}

fn set_account(text: &str, event: &mut Event) {
    let (name, id) = account(text);
    set_user(event, name);
    set_id(event, "user.id", id);
}

fn set_id(event: &mut Event, name: &'static str, id: &str) {
    if !id.is_empty() {
        event.set_text(name, id);
    }
}

/// `account x has expired (…)`.
fn quoted_after<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    text.strip_prefix(word)?.split(' ').next().map(|name| name.trim_matches('"'))
}
