//! Mail servers: Dovecot, and what Postfix, Exim and Roundcube say of strangers.

use rules_event::{Event, field};

use super::program::{FAILURE, SUCCESS, set_action};
use super::source::{is_address, set_destination, set_source, set_user};
use super::template;

const AUTH: &str = "authentication";

/// Databases of accounts that Dovecot names before the account. Spec: Dovecot, auth-request.c
/// (`auth_request_get_log_prefix`).
const DATABASES: [&str; 9] =
    ["pam(", "sql(", "ldap(", "passwd-file(", "passwd(", "shadow(", "static(", "policy(", "auth("];

/// Decodes a message of Dovecot; false when it is not understood. Spec: Dovecot, login-common/client-common.c.
pub(super) fn dovecot(message: &str, event: &mut Event) -> bool {
    if let Some((what, facts)) = login(message) {
        let outcome = match () {
            () if what.contains("auth failed") || what.contains("tried to use dis") => FAILURE,
            () if what.starts_with("Login: ") || what == "Login" => SUCCESS,
            () => Some("unknown"),
        };
        set_action(event, AUTH, "mail_login", outcome);
        set_facts(facts, event);
        if outcome != SUCCESS {
            event.set_text("event.reason", what);
        }
        return true;
    }
    account(message, event).is_some()
}

/// Splits `imap-login: Disconnected (auth failed, 1 attempts): user=<x>, method=PLAIN, rip=203.0.113.5`
/// into what happened and the facts. What happened may hold text of a stranger's client, so the facts
/// are looked for from the right.
fn login(message: &str) -> Option<(&str, &str)> {
    let at = message.find("-login: ").map(|at| at + 8);
    let rest = at.and_then(|at| message.get(at..)).unwrap_or(message);
    let rest = rest.strip_prefix("Info: ").unwrap_or(rest);
    let end = message_end(rest)?;
    let (what, facts) = rest.split_at_checked(end)?;
    let facts = facts.trim_start_matches([':', ' ', ',']);
    (facts.contains("rip=")).then_some((what, facts))
}

fn message_end(text: &str) -> Option<usize> {
    let rip = text.find("rip=")?;
    let before = text.get(..rip)?;
    // user=<…> and method=… stand before the address, but not always.
    ["user=<", "method="]
        .iter()
        .filter_map(|word| before.find(word))
        .min()
        .or(Some(rip))
        .map(|at| text.get(..at).map_or(at, |text| text.trim_end_matches([':', ' ', ',']).len()))
}

fn set_facts(facts: &str, event: &mut Event) {
    let until = |start: &str, end: &[char]| {
        let rest = facts.split_once(start)?.1;
        rest.split(end).next()
    };
    if let Some(user) = until("user=<", &['>']) {
        set_user(event, user);
    }
    if let Some(method) = until("method=", &[',', ' ']) {
        event.set_text("vonglau.auth.method", method);
    }
    if let Some(place) = until("rip=", &[',', ' ']) {
        set_source(event, place);
    }
    if let Some(place) = until("lip=", &[',', ' ']) {
        set_destination(event, place);
    }
}

/// `auth-worker(304): pam(x,203.0.113.5,<session>): pam_authenticate() failed: …`
fn account(message: &str, event: &mut Event) -> Option<()> {
    let mut places: Vec<usize> =
        DATABASES.iter().filter_map(|name| Some(message.find(name)? + name.len())).collect();
    places.sort_unstable();
    // The first that an address follows: "auth(default): pam(x,203.0.113.5)".
    let (inside, said, address) = places.into_iter().find_map(|at| {
        let (inside, said) = message.get(at..)?.split_once(')')?;
        // The account may hold commas; the address is the last that is one.
        let address = inside.split(',').rev().find(|part| is_address(part))?;
        Some((inside, said, address))
    })?;
    let reasons =
        ["failed", "unknown user", "mismatch", "invalid credentials", "denied", "disabled"];
    let lower = said.to_ascii_lowercase();
    if !reasons.iter().any(|reason| lower.contains(reason)) {
        return None;
    }
    let user = inside.split_once(&format!(",{address}")).map_or("", |(user, _)| user);
    set_action(event, AUTH, "mail_login", FAILURE);
    set_user(event, user);
    set_source(event, address);
    event.set_text("event.reason", said.trim_start_matches([':', ' ', '>']));
    Some(())
}

/// Decodes `Login failed for x from 203.0.113.5. AUTHENTICATE …`; false when it is no such message.
pub(super) fn roundcube(message: &str, event: &mut Event) -> bool {
    // What the mail server answered stands behind, and repeats what the stranger typed.
    let end = [". AUTHENTICATE", ". LOGIN", " in session ", "(X-Real-IP", "(X-Forwarded-For"]
        .iter()
        .filter_map(|word| message.find(word))
        .min();
    let said = end.and_then(|end| message.get(..end)).unwrap_or(message);
    for words in [
        "…ogin failed for {user>} from {place}",
        "…ailed login for {user>} from {place}",
        "FAILED login for {user>} from {place}",
    ] {
        let Some(holes) = template::fit(words, said) else { continue };
        template::set(&holes, event);
        // Roundcube 1.5: "for x against localhost from …".
        if let Some((user, _)) =
            event.get_str(field::USER_NAME).and_then(|it| it.split_once(" against "))
        {
            let user = user.to_owned();
            set_user(event, &user);
        }
        set_action(event, AUTH, "mail_login", FAILURE);
        return true;
    }
    false
}

/// What Exim says of a stranger, and what that is called here. Spec: Exim, smtp_in.c, acl.c, receive.c,
/// auths/; the address of the peer stands in brackets behind its name.
const EXIM: [(&str, &str); 15] = [
    ("authenticator failed for ", "mail_login"),
    (" rejected RCPT ", "mail_rejected"),
    (" rejected MAIL ", "mail_rejected"),
    ("rejected EHLO ", "mail_rejected"),
    ("rejected HELO ", "mail_rejected"),
    ("rejected connection ", "mail_rejected"),
    (" rejected by local_scan()", "mail_rejected"),
    (" rejected after DATA", "mail_rejected"),
    (" sender verify fail for ", "mail_rejected"),
    ("SMTP protocol synchronization error", "mail_probe"),
    ("SMTP protocol error in ", "mail_probe"),
    ("no MAIL in SMTP connection from ", "mail_probe"),
    (" dropped: too many ", "mail_probe"),
    (" closed by DROP in ACL", "mail_rejected"),
    (" dropped by ", "mail_rejected"),
];

/// Decodes a message of Exim; false when it says nothing of a stranger.
pub(super) fn exim(message: &str, event: &mut Event) -> bool {
    let Some((_, action)) = EXIM.iter().find(|(words, _)| message.contains(words)) else {
        return false;
    };
    let Some((address, behind)) = peer(message) else { return false };
    let is_login = *action == "mail_login";
    set_action(event, if is_login { AUTH } else { "email" }, action, FAILURE);
    set_source(event, address);
    if let Some(port) = behind.strip_prefix(':') {
        let end = port.find(|c: char| !c.is_ascii_digit()).unwrap_or(port.len());
        super::source::set_port(event, port.get(..end).unwrap_or_default());
    }
    if let Some((_, user)) = message.rsplit_once("(set_id=") {
        set_user(event, user.strip_suffix(')').unwrap_or(user));
    }
    if let Some((_, sender)) = message.split_once(" F=<") {
        let sender = sender.split('>').next().unwrap_or_default();
        event.set_text("email.from.address", sender);
    }
    true
}

/// The first address in brackets that is not in parentheses (the name a client gave itself) or in
/// quotes (what it sent), and what stands behind the bracket.
fn peer(message: &str) -> Option<(&str, &str)> {
    let mut depth = 0_u32;
    let mut in_quotes = false;
    for (at, byte) in message.bytes().enumerate() {
        match byte {
            b'"' => in_quotes = !in_quotes,
            _ if in_quotes => {}
            b'(' => depth = depth.saturating_add(1),
            b')' => depth = depth.saturating_sub(1),
            b'[' if depth == 0 => {
                let (inside, behind) = message.get(at + 1..)?.split_once(']')?;
                if is_address(inside) {
                    return Some((inside, behind));
                }
            }
            _ => {}
        }
    }
    None
}
