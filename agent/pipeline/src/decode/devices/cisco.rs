//! Cisco: ASA and Firepower (`%ASA-6-302013: …`), IOS (`%SEC_LOGIN-4-LOGIN_FAILED: …`).
//!
//! Spec: Cisco, "Cisco Secure Firewall ASA Series Syslog Messages"; "Cisco IOS System Message Guide".

use rules_event::{Event, field};

use super::super::table::set_dataset;
use super::super::template;

/// One message: its id, its text, what was done, and how that went.
type Message = (&'static str, &'static str, &'static str, Option<&'static str>);

const FAILURE: Option<&str> = Some("failure");
const SUCCESS: Option<&str> = Some("success");

/// Messages that rules can use. Of several texts with one id, the first that fits.
const MESSAGES: &[Message] = &[
    (
        "106001",
        "Inbound TCP connection denied from {ip}/{port} to {toip}/{toport} flags{_}",
        "deny",
        None,
    ),
    ("106006", "Deny inbound UDP from {ip}/{port} to {toip}/{toport} {_}", "deny", None),
    ("106007", "Deny inbound UDP from {ip}/{port} to {toip}/{toport} {_}", "deny", None),
    ("106010", "Deny inbound {transport} src {_}:{ip} dst {_}:{toip}", "deny", None),
    ("106014", "Deny inbound {transport} src {_}:{ip} dst {_}:{toip} {_}", "deny", None),
    (
        "106015",
        "Deny TCP (no connection) from {ip}/{port} to {toip}/{toport} flags{_}",
        "deny",
        None,
    ),
    (
        "106021",
        "Deny {transport} reverse path check from {ip} to {toip} on interface {_}",
        "deny",
        None,
    ),
    ("106023", "Deny {transport} src {_}:{ip}/{port} dst {_}:{toip}/{toport} by {_}", "deny", None),
    ("106023", "Deny {transport} src {_}:{ip} dst {_}:{toip} {_}", "deny", None),
    (
        "106100",
        "access-list {_} denied {transport} {_}/{ip}({port}) -> {_}/{toip}({toport}){_}",
        "deny",
        None,
    ),
    (
        "106100",
        "access-list {_} permitted {transport} {_}/{ip}({port}) -> {_}/{toip}({toport}){_}",
        "permit",
        None,
    ),
    ("111010", "User '{user}', running '{_}' from IP {ip}, executed '{command>}'", "command", None),
    (
        "113004",
        "AAA user authentication Successful : server = {_} : user = {user}",
        "login",
        SUCCESS,
    ),
    (
        "113005",
        "AAA user authentication Rejected : reason = {reason} : server = {_} : user = {user} : user IP = {ip}",
        "login",
        FAILURE,
    ),
    (
        "113012",
        "AAA user authentication Successful : local database : user = {user}",
        "login",
        SUCCESS,
    ),
    (
        "113015",
        "AAA user authentication Rejected : reason = {reason} : local database : user = {user} : user IP = {ip}",
        "login",
        FAILURE,
    ),
    (
        "113015",
        "AAA user authentication Rejected : reason = {reason} : local database : user = {user}",
        "login",
        FAILURE,
    ),
    (
        "113019",
        "Group = {_}, Username = {user}, IP = {ip}, Session disconnected{_}",
        "vpn-logout",
        None,
    ),
    (
        "113039",
        "Group <{_}> User <{user}> IP <{ip}> AnyConnect parent session started{_}",
        "sslvpn-login",
        SUCCESS,
    ),
    (
        "302013",
        "Built inbound TCP connection {_} for {_}:{ip}/{port} ({_}) to {_}:{toip}/{toport} ({_}",
        "built",
        None,
    ),
    (
        "302013",
        "Built outbound TCP connection {_} for {_}:{toip}/{toport} ({_}) to {_}:{ip}/{port} ({_}",
        "built",
        None,
    ),
    (
        "302014",
        "Teardown TCP connection {_} for {_}:{ip}/{port} to {_}:{toip}/{toport} duration {_}",
        "teardown",
        None,
    ),
    (
        "302015",
        "Built inbound UDP connection {_} for {_}:{ip}/{port} ({_}) to {_}:{toip}/{toport} ({_}",
        "built",
        None,
    ),
    (
        "302015",
        "Built outbound UDP connection {_} for {_}:{toip}/{toport} ({_}) to {_}:{ip}/{port} ({_}",
        "built",
        None,
    ),
    (
        "302016",
        "Teardown UDP connection {_} for {_}:{ip}/{port} to {_}:{toip}/{toport} duration {_}",
        "teardown",
        None,
    ),
    (
        "605004",
        "Login denied from {ip}/{port} to {_}:{_}/{_} for user \"{user>}\"",
        "login",
        FAILURE,
    ),
    (
        "605005",
        "Login permitted from {ip}/{port} to {_}:{_}/{_} for user \"{user>}\"",
        "login",
        SUCCESS,
    ),
    ("611101", "User authentication succeeded: IP address: {ip}, Uname: {user}", "login", SUCCESS),
    ("611102", "User authentication failed: IP address: {ip}, Uname: {user}", "login", FAILURE),
    (
        "716001",
        "Group <{_}> User <{user}> IP <{ip}> WebVPN session started{_}",
        "sslvpn-login",
        SUCCESS,
    ),
    ("722051", "Group <{_}> User <{user}> IP <{ip}> {_}", "sslvpn-tunnel-up", SUCCESS),
    (
        "IPACCESSLOGP",
        "list {_} denied {transport} {ip}({port}) {_}-> {toip}({toport}){_}",
        "deny",
        None,
    ),
    (
        "IPACCESSLOGP",
        "list {_} permitted {transport} {ip}({port}) {_}-> {toip}({toport}){_}",
        "permit",
        None,
    ),
    (
        "LOGIN_FAILED",
        "Login failed [user: {user>}] [Source: {ip}] [localport: {toport}] [Reason: {reason}]{_}",
        "login",
        FAILURE,
    ),
    (
        "LOGIN_SUCCESS",
        "Login Success [user: {user>}] [Source: {ip}] [localport: {toport}]{_}",
        "login",
        SUCCESS,
    ),
    ("CONFIG_I", "Configured from {_} by {user} on {_} ({ip})", "configured", None),
];

/// Where the mnemonic may begin at most: behind a sequence number, a host and a time.
const START_MAX: usize = 96;

/// The message from its mnemonic on, if it has one near its start.
pub(super) fn find(message: &str) -> Option<&str> {
    let at = memchr::memchr(b'%', message.as_bytes()).filter(|at| *at <= START_MAX)?;
    let rest = message.get(at..)?;
    mnemonic(rest).map(|_| rest)
}

/// Splits `%ASA-6-302013: text` into facility, severity, id and text.
fn mnemonic(message: &str) -> Option<(&str, &str, &str, &str)> {
    let (head, text) = message.strip_prefix('%')?.split_once(": ")?;
    let (head, id) = head.rsplit_once('-')?;
    let (facility, severity) = head.rsplit_once('-')?;
    let is_name = |text: &str| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b"_-".contains(&b))
    };
    let is_one = matches!(severity.as_bytes(), [b'0'..=b'7'])
        && is_name(facility)
        && is_name(id)
        && head.len() <= START_MAX;
    is_one.then_some((facility, severity, id, text))
}

/// Decodes a message from its mnemonic on; false when it has none.
pub(super) fn decode(message: &str, event: &mut Event) -> bool {
    let Some((facility, severity, id, text)) = mnemonic(message) else { return false };
    let is_firewall = matches!(facility, "ASA" | "FTD" | "PIX" | "FWSM");
    if is_firewall {
        super::firewall(event, "cisco", "Cisco", "asa");
    } else {
        set_dataset(event, "cisco", "network.syslog");
        event.set(field::EVENT_CATEGORY, "network");
        super::observed(event, "Cisco", "ios");
    }
    event.set_text("event.code", id);
    event.set_text(field::MESSAGE, text);
    if let Ok(severity) = severity.parse::<i64>() {
        event.set("log.syslog.severity.code", severity);
    }
    let fitting = MESSAGES.iter().filter(|(known, ..)| *known == id);
    for (_, words, action, outcome) in fitting {
        let Some(holes) = template::fit(words, text) else { continue };
        template::set(&holes, event);
        super::act(event, action);
        if let Some(outcome) = outcome {
            event.set(field::EVENT_CATEGORY, "authentication");
            event.set(field::EVENT_OUTCOME, *outcome);
            event.remove("vonglau.firewall.blocked");
        }
        if *action == "teardown" {
            set_bytes(text, event);
        }
        break;
    }
    true
}

/// `… duration 0:00:01 bytes 1234 TCP FINs`: of both directions together.
fn set_bytes(text: &str, event: &mut Event) {
    let bytes = text.rsplit_once(" bytes ").and_then(|(_, rest)| rest.split(' ').next());
    if let Some(bytes) = bytes.and_then(|bytes| bytes.parse::<i64>().ok()) {
        event.set("network.bytes", bytes);
    }
}
