//! Accounts: useradd, usermod, groupadd, passwd and their kin (shadow-utils).

use rules_event::Event;

use super::program::{FAILURE, SUCCESS, set_action};
use super::source::set_user;

/// Decodes a message of a program that manages accounts.
pub(super) fn decode(program: &str, message: &str, event: &mut Event) {
    let (message, outcome) = match message.strip_prefix("failed ") {
        Some(message) => (message, FAILURE),
        None => (message, SUCCESS),
    };
    if let Some(facts) = message.strip_prefix("new user: ") {
        set_action(event, "iam", "user_added", outcome);
        set_facts(facts, "user", event);
    } else if let Some(facts) = after_any(message, &["new group: ", "group added to /etc/group: "])
    {
        set_action(event, "iam", "group_added", outcome);
        set_facts(facts, "group", event);
    } else if message.starts_with("adding user '") {
        set_action(event, "iam", "user_added", outcome);
        set_user(event, quoted(message, 0).unwrap_or_default());
    } else if after_any(message, &["delete user '", "remove user '"]).is_some() {
        set_action(event, "iam", "user_deleted", outcome);
        set_user(event, quoted(message, 0).unwrap_or_default());
    } else if after_any(message, &["removed group '", "group '"]).is_some()
        && message.contains("remove")
    {
        set_action(event, "iam", "group_deleted", outcome);
        set_group(event, quoted(message, 0));
    } else if let Some(rest) = message.strip_prefix("password for '") {
        // password for 'x' changed by 'root'
        set_action(event, "iam", "password_changed", outcome);
        set_user(event, rest.split('\'').next().unwrap_or_default());
        set_by(event, quoted(message, 1));
    } else if let Some(rest) = message.strip_prefix("user ").filter(|_| program == "gpasswd") {
        // user x added by root to group sudo
        let mut words = rest.split(' ');
        set_action(event, "iam", "user_modified", outcome);
        set_user(event, words.next().unwrap_or_default());
        let by = rest.split_once(" by ").and_then(|(_, rest)| rest.split(' ').next());
        set_by(event, by);
        set_group(event, rest.split_once(" group ").map(|(_, group)| group));
    } else if message.starts_with("add '") || message.starts_with("delete '") {
        // add 'x' to group 'sudo', delete 'x' from group 'sudo'
        set_action(event, "iam", "user_modified", outcome);
        set_user(event, quoted(message, 0).unwrap_or_default());
        set_group(event, quoted(message, 1));
    } else if after_any(
        message,
        &["change user '", "changed user '", "lock user '", "unlock user '"],
    )
    .is_some()
    {
        set_action(event, "iam", "user_modified", outcome);
        set_user(event, quoted(message, 0).unwrap_or_default());
    } else if let Some(user) = message.strip_prefix("changed password expiry for ") {
        set_action(event, "iam", "user_modified", outcome);
        set_user(event, user);
    } else if message.starts_with("group changed in ") || message.starts_with("change group '") {
        set_action(event, "iam", "group_modified", outcome);
        set_group(event, quoted(message, 0));
    }
}

/// `name=x, UID=1001, GID=1001, home=/home/x, shell=/bin/bash, from=/dev/pts/0`.
fn set_facts(facts: &str, kind: &str, event: &mut Event) {
    for fact in facts.split([',']).map(str::trim) {
        match fact.split_once('=') {
            Some(("name", name)) if kind == "user" => set_user(event, name),
            Some(("name", name)) => set_group(event, Some(name)),
            Some(("UID", id)) => event.set_text("user.id", id),
            Some(("GID", id)) => event.set_text("group.id", id),
            Some(("home", home)) => event.set_text("vonglau.account.home", home),
            Some(("shell", shell)) => event.set_text("vonglau.account.shell", shell),
            Some(("from", from)) if from != "none" => {
                event.set_text("process.tty.name", from);
            }
            _ => {}
        }
    }
}

fn set_group(event: &mut Event, name: Option<&str>) {
    if let Some(name) = name.filter(|name| !name.is_empty()) {
        event.set_text("group.name", name);
    }
}

fn set_by(event: &mut Event, name: Option<&str>) {
    if let Some(name) = name.filter(|name| !name.is_empty()) {
        event.set_text("vonglau.auth.by", name);
    }
}

/// The text between the quotes of the pair with this index.
fn quoted(text: &str, index: usize) -> Option<&str> {
    text.split('\'').nth(index * 2 + 1)
}

fn after_any<'a>(message: &'a str, starts: &[&str]) -> Option<&'a str> {
    starts.iter().find_map(|start| message.strip_prefix(start))
}
