//! sshd: OpenSSH's server.
//!
//! Account names are what a stranger typed: they may hold blanks and the words of a message. So the
//! end of a failed name is looked for from the right, where sshd itself writes the address.

use rules_event::{Event, field};

use super::program::{FAILURE, SUCCESS, set_action};
use super::source::{is_place, set_port, set_source, set_user};
use crate::find;

const AUTH: &str = "authentication";
const NETWORK: &str = "network";

/// Decodes a message of sshd.
pub(super) fn decode(message: &str, event: &mut Event) {
    let (message, before_login) = match message.trim_end().strip_suffix(" [preauth]") {
        Some(message) => (message, true),
        None => (message.trim_end(), false),
    };
    let message = ["error: ", "fatal: "]
        .iter()
        .find_map(|prefix| message.strip_prefix(prefix))
        .unwrap_or(message);
    let _ = login(message, event)
        || refused(message, event)
        || ended(message, before_login, event)
        || probed(message, event)
        || session(message, event);
}

/// `Failed password for invalid user x from 203.0.113.5 port 22 ssh2` and its kin.
fn login(message: &str, event: &mut Event) -> bool {
    let words =
        [("Accepted ", true), ("Failed ", false), ("Postponed ", false), ("Partial ", false)];
    let Some((word, accepted, rest)) = words.iter().find_map(|(word, accepted)| {
        message.strip_prefix(word).map(|rest| (word.trim_end(), *accepted, rest))
    }) else {
        return false;
    };
    let Some((method, rest)) = find::split(rest, " for ") else { return false };
    if find::byte(method.as_bytes(), b' ').is_some() {
        return false;
    }
    let rest = match rest.strip_prefix("invalid user ") {
        Some(rest) => {
            event.set("vonglau.auth.invalid_user", true);
            rest
        }
        None => rest.strip_prefix("illegal user ").unwrap_or(rest),
    };
    // The name of an account that exists holds no blank; what follows the address then is the key.
    let found = if accepted { from_left(rest) } else { stated(rest).or_else(|| from_right(rest)) };
    let Some((user, place)) = found else { return false };
    match word {
        "Accepted" => set_action(event, AUTH, "ssh_login", SUCCESS),
        "Failed" => set_action(event, AUTH, "ssh_login", FAILURE),
        _ => set_action(event, AUTH, "ssh_login_step", Some("unknown")),
    }
    set_user(event, user);
    set_place(place, event);
    event.set_text("vonglau.auth.method", method);
    if let Some((_, key)) = find::split(place, " ssh2: ") {
        event.set_text("vonglau.auth.key", key);
    }
    true
}

/// Attempts that end before a method is tried.
fn refused(message: &str, event: &mut Event) -> bool {
    if let Some(rest) = strip_any(message, &["Invalid user ", "Illegal user "]) {
        // "Invalid user  from …": the name is empty.
        let Some((user, place)) = from_right(rest) else { return false };
        set_action(event, AUTH, "ssh_invalid_user", FAILURE);
        event.set("vonglau.auth.invalid_user", true);
        set_user(event, user);
        set_place(place, event);
        return true;
    }
    if let Some(user) = message.strip_prefix("input_userauth_request: invalid user ") {
        set_action(event, AUTH, "ssh_invalid_user", FAILURE);
        event.set("vonglau.auth.invalid_user", true);
        set_user(event, user);
        return true;
    }
    if let Some(rest) = message.strip_prefix("maximum authentication attempts exceeded for ") {
        let Some((user, place)) = from_right(strip_invalid(rest, event)) else { return false };
        set_action(event, AUTH, "ssh_too_many_attempts", FAILURE);
        set_user(event, user);
        set_place(place, event);
        return true;
    }
    if let Some(rest) = message.strip_prefix("User ") {
        let Some((who, reason)) = find::rsplit(rest, " not allowed because ") else { return false };
        let (user, place) = find::rsplit(who, " from ").unwrap_or((who, ""));
        set_action(event, AUTH, "ssh_user_not_allowed", FAILURE);
        set_user(event, user);
        set_source(event, place);
        event.set_text("event.reason", reason);
        return true;
    }
    if let Some(rest) = message.strip_prefix("PAM: ") {
        let Some((reason, rest)) = find::split(rest, " for ") else { return false };
        let Some((user, place)) = strip_invalid(rest, event).rsplit_once(" from ") else {
            return false;
        };
        set_action(event, AUTH, "ssh_pam_failure", FAILURE);
        set_user(event, user);
        // FreeBSD adds its own address: "from 203.0.113.5 via 10.0.0.9".
        set_source(event, find::before_byte(place, b' '));
        event.set_text("event.reason", reason);
        return true;
    }
    if let Some(rest) = message.strip_prefix("PAM ") {
        // PAM 2 more authentication failures; logname= uid=0 … rhost=203.0.113.5  user=root
        let Some((count, facts)) = find::split(rest, " more authentication failure") else {
            return false;
        };
        set_action(event, AUTH, "ssh_pam_failures", FAILURE);
        if let Ok(count) = count.parse::<i64>() {
            event.set("vonglau.auth.failures", count);
        }
        super::pam::set_facts(facts, event);
        return true;
    }
    if let Some(rest) = message.strip_prefix("ROOT LOGIN REFUSED FROM ") {
        set_action(event, AUTH, "ssh_user_not_allowed", FAILURE);
        set_user(event, "root");
        set_place(rest, event);
        return true;
    }
    false
}

/// Connections that end; before the login, which is then a failure, or after it.
fn ended(message: &str, before_login: bool, event: &mut Event) -> bool {
    let failed = |reason: Option<&str>| {
        let refused =
            ["Too many authentication failures", "Auth fail", "uthentication methods available"];
        let is_refused = reason.is_some_and(|reason| refused.iter().any(|it| reason.contains(it)));
        if before_login || is_refused { FAILURE } else { None }
    };
    let starts = [
        "Connection closed by ",
        "Connection reset by ",
        "Disconnected from ",
        "Disconnecting ",
        "Received disconnect from ",
    ];
    let Some(rest) = strip_any(message, &starts) else {
        if let Some(reason) = message.strip_prefix("Disconnecting: ") {
            set_action(event, NETWORK, "ssh_disconnect", failed(Some(reason)));
            event.set_text("event.reason", reason);
            if let Some((_, user)) = find::split(reason, "Too many authentication failures for ") {
                set_user(event, user);
            }
            return true;
        }
        return false;
    };
    // "203.0.113.5 port 1: 11: text", "203.0.113.5 port 1:11: text", "203.0.113.5: 3: text"
    set_action(event, NETWORK, "ssh_disconnect", failed(Some(rest)));
    let who = ["authenticating user ", "invalid user ", "user "]
        .iter()
        .find_map(|word| rest.strip_prefix(word).map(|rest| (*word, rest)));
    let (place, reason) = match who {
        Some((word, rest)) => {
            if word == "invalid user " {
                event.set("vonglau.auth.invalid_user", true);
            }
            // "x 203.0.113.5 port 22: Too many …": the name is what stands before the address.
            let Some(at) = find::rfind(rest, " port ") else { return true };
            let (before, after) = rest.split_at(at);
            let (user, address) = before.rsplit_once(' ').unwrap_or(("", before));
            set_user(event, user);
            set_source(event, address);
            (after.trim_start(), find::split(after, ": ").map(|(_, reason)| reason))
        }
        None => {
            let address = rest.split([' ']).next().unwrap_or_default();
            set_source(event, address.trim_end_matches(':'));
            let reason = find::split(rest, ": ").map(|(_, reason)| reason);
            (rest.get(address.len()..).unwrap_or_default().trim_start(), reason)
        }
    };
    if let Some(port) = place.strip_prefix("port ") {
        set_port(event, digits(port));
    }
    if let Some(reason) = reason.filter(|reason| !reason.is_empty()) {
        event.set_text("event.reason", reason);
    }
    true
}

/// Strangers that speak no SSH, or whose address does not fit.
fn probed(message: &str, event: &mut Event) -> bool {
    let place = if let Some(place) = strip_any(
        message,
        &[
            "Did not receive identification string from ",
            "Timeout before authentication for connection from ",
            "Timeout before authentication for ",
            "banner exchange: Connection from ",
            "ssh_dispatch_run_fatal: Connection from ",
            "Unable to negotiate with ",
            "scanned from ",
        ],
    ) {
        place
    } else if let Some(who) = message.strip_prefix("refused connect from ") {
        // "name@host (203.0.113.5)": the address stands in brackets where TCP wrappers asked for names.
        let address = who.rsplit_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
        address.unwrap_or(who)
    } else if let Some(rest) = strip_any(
        message,
        &["Read from socket failed: ", "Unable to negotiate a key exchange method", "no matching "],
    ) {
        set_action(event, NETWORK, "ssh_probe", FAILURE);
        event.set_text("event.reason", if rest.is_empty() { message } else { rest });
        return true;
    } else if let Some(reason) = message.strip_prefix("kex_exchange_identification: ") {
        set_action(event, NETWORK, "ssh_probe", FAILURE);
        event.set_text("event.reason", reason);
        return true;
    } else if message.starts_with("Bad protocol version identification ") {
        let Some((_, place)) = find::rsplit(message, " from ") else { return false };
        place
    } else if let Some(rest) = strip_any(
        message,
        &["reverse mapping checking getaddrinfo for ", "Address ", "Nasty PTR record "],
    ) {
        // "host [203.0.113.5] failed - …" or "203.0.113.5 maps to host, but …"
        let address = rest
            .split_once('[')
            .and_then(|(_, rest)| rest.split_once(']'))
            .map(|(address, _)| address)
            .or_else(|| rest.split(' ').next());
        set_action(event, NETWORK, "ssh_reverse_mapping", None);
        set_source(event, address.unwrap_or_default());
        return true;
    } else {
        return false;
    };
    set_action(event, NETWORK, "ssh_probe", FAILURE);
    set_place(place, event);
    if let Some((_, reason)) = find::split(place, ": ") {
        event.set_text("event.reason", reason);
    }
    true
}

/// Connections and sessions that begin.
fn session(message: &str, event: &mut Event) -> bool {
    if let Some(rest) = message.strip_prefix("Connection from ") {
        set_action(event, NETWORK, "ssh_connect", None);
        set_place(rest, event);
        if let Some((_, here)) = find::split(rest, " on ") {
            let mut words = here.split(' ');
            if let Some(address) =
                words.next().filter(|word| word.parse::<std::net::IpAddr>().is_ok())
            {
                event.set_text(field::DESTINATION_IP, address);
            }
            if let (Some("port"), Some(Ok(port))) =
                (words.next(), words.next().map(str::parse::<u16>))
            {
                event.set(field::DESTINATION_PORT, i64::from(port));
            }
        }
    } else if let Some(rest) = message.strip_prefix("Starting session: ") {
        // shell on pts/0 for x from 203.0.113.5 port 22 id 0
        let Some((what, rest)) = find::split(rest, " for ") else { return false };
        let Some((user, place)) = from_left(rest) else { return false };
        set_action(event, "session", "ssh_session", SUCCESS);
        set_user(event, user);
        set_place(place, event);
        event.set_text("vonglau.auth.session", what);
    } else if let Some(rest) = message.strip_prefix("Close session: user ") {
        let Some((user, place)) = from_left(rest) else { return false };
        set_action(event, "session", "ssh_session_closed", SUCCESS);
        set_user(event, user);
        set_place(place, event);
    } else if let Some(rest) = message.strip_prefix("subsystem request for ") {
        set_action(event, "session", "ssh_subsystem", None);
        let mut words = rest.split(' ');
        event.set_text("vonglau.auth.session", words.next().unwrap_or_default());
        if let Some((_, user)) = find::split(rest, " by user ") {
            set_user(event, user);
        }
    } else if let Some((_, place)) = find::split(message, ";Remote: ") {
        // Patched by HPN-SSH: "SSH: Server;Ltype: Kex;Remote: 203.0.113.5-4711;Enc: …".
        let place = place.split(';').next().unwrap_or_default();
        let (address, port) = place.rsplit_once('-').unwrap_or((place, ""));
        set_action(event, NETWORK, "ssh_connect", None);
        set_source(event, address);
        set_port(event, port);
    } else if message.starts_with("Server listening on ") {
        set_action(event, "process", "ssh_listening", None);
    } else if message.starts_with("Received signal 15") {
        set_action(event, "process", "ssh_stopping", None);
    } else {
        return false;
    }
    true
}

fn strip_any<'a>(message: &'a str, starts: &[&str]) -> Option<&'a str> {
    starts.iter().find_map(|start| message.strip_prefix(start))
}

fn strip_invalid<'a>(rest: &'a str, event: &mut Event) -> &'a str {
    match strip_any(rest, &["invalid user ", "illegal user "]) {
        Some(rest) => {
            event.set("vonglau.auth.invalid_user", true);
            rest
        }
        None => rest,
    }
}

/// Splits at the last " from " that all follows which sshd itself writes: an address, a port, the
/// protocol, and then nothing or a colon. Spec: OpenSSH, auth.c, `auth_log`.
fn stated(text: &str) -> Option<(&str, &str)> {
    let mut end = text.len();
    while let Some(at) = find::rfind(text.get(..end)?, " from ") {
        let place = text.get(at + 6..)?;
        let mut words = find::pieces(place, b' ');
        let is_place = words.next().is_some_and(is_place);
        let is_port = words.next() == Some("port")
            && words.next().is_some_and(|port| port.parse::<u16>().is_ok());
        let protocol = words.next().unwrap_or_default();
        let is_last = words.next().is_none();
        let protocol_ends = match protocol {
            "ssh1" | "ssh2" => is_last,
            "ssh1:" | "ssh2:" => true,
            _ => false,
        };
        if is_place && is_port && protocol_ends {
            return Some((text.get(..at)?, place));
        }
        end = at;
    }
    None
}

/// Splits at the last " from " that a place follows.
fn from_right(text: &str) -> Option<(&str, &str)> {
    let mut end = text.len();
    while let Some(at) = find::rfind(text.get(..end)?, "from ") {
        let place = text.get(at + 5..)?;
        let before = text.get(..at)?;
        if is_place(find::before_byte(place, b' ')) && (at == 0 || before.ends_with(' ')) {
            return Some((before.strip_suffix(' ').unwrap_or(before), place));
        }
        end = at;
    }
    None
}

/// Splits at the first " from ".
fn from_left(text: &str) -> Option<(&str, &str)> {
    find::split(text, " from ")
}

/// `203.0.113.5 port 22 …`
fn set_place(place: &str, event: &mut Event) {
    let mut words = find::pieces(place, b' ');
    let address = words.next().unwrap_or_default();
    set_source(event, address.trim_end_matches([':', ',']));
    if words.next() == Some("port") {
        set_port(event, digits(words.next().unwrap_or_default()));
    }
}

/// The digits a text begins with.
fn digits(text: &str) -> &str {
    let end = text.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}
