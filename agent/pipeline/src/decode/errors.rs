//! Error logs of nginx and Apache, with what ModSecurity writes into them.
//!
//! Spec: nginx, ngx_log.c and ngx_http_request.c (`ngx_http_log_error`); Apache HTTP Server 2.4,
//! ErrorLogFormat; ModSecurity Reference Manual v2/v3, "Audit log", section H.

use rules_event::{Event, Value, field};

use super::pairs::quote_end;
use super::source::{is_address, set_port, set_source, set_user};
use super::table::set_dataset;
use super::url::{set_authority, set_target};
use super::{Context, template, web};
use crate::moment;

/// Most tags of a ModSecurity message that are kept.
const TAGS_MAX: usize = 32;

/// Sentences that say who was refused. Those without an account are refusals of a rule.
const NGINX: &[&str] = &[
    "user \"{user>}\" was not found in ",
    "user \"{user>}\": password mismatch",
    "no user/password was provided for basic authentication",
    "access forbidden by rule",
    "limiting requests, excess",
    "limiting connections by zone",
    "client login failed: {_}",
    "client sent invalid ",
    "client sent plain HTTP request to HTTPS port",
    "PAM: user '{user>}' - not authenticated: {reason}",
    "delaying request, excess",
    "SSL_do_handshake() failed",
    "SSL_read() failed",
];

const APACHE: &[&str] = &[
    "user {user>}: authentication failure for \"",
    "user {user>} not found: ",
    "user `{user>}' in realm `",
    "user '{user>}' not found in ",
    "user {user>}: password mismatch: ",
    "user {user>} in realm ",
    "client used wrong authentication scheme",
    "client denied by server configuration: ",
    "invalid URI path ",
    "Invalid URI in request ",
    "Invalid method in request ",
    "request failed: ",
    "invalid nonce ",
    "unknown algorithm ",
    "invalid qop ",
    "invalid opaque ",
    "Got error 'Primary script unknown",
];

/// Decodes a line of nginx' error log:
/// `2026/11/21 08:30:00 [error] 12#34: *56 text, client: 203.0.113.5, server: x, request: "GET / HTTP/1.1", host: "x"`.
pub(super) fn decode_nginx(text: &str, context: &Context<'_>, event: &mut Event) -> bool {
    nginx(text, context, event).is_some()
}

fn nginx(text: &str, context: &Context<'_>, event: &mut Event) -> Option<()> {
    let (time, rest) = moment::slashed(text, context.zone)?;
    let (level, rest) = rest.strip_prefix(" [")?.split_once("] ")?;
    let (process, message) = rest.split_once(": ").unwrap_or((rest, ""));
    event.time = time;
    set_dataset(event, "nginx", "nginx.error");
    event.set(field::EVENT_CATEGORY, "web");
    event.set_text("log.level", level);
    let pid = process.split_once('#').map_or(process, |(pid, _)| pid);
    if let Ok(pid) = pid.parse::<i64>() {
        event.set(field::PROCESS_PID, pid);
    }
    nginx_message(message, event);
    Some(())
}

/// Decodes a message that nginx sent to syslog: with the time and the level of its file, or without.
pub(super) fn nginx_syslog(message: &str, event: &mut Event) {
    let bare = match moment::slashed(message, &jiff::tz::TimeZone::UTC) {
        Some((_, rest)) => rest.split_once(": ").map_or(rest, |(_, message)| message),
        None => message,
    };
    if bare.starts_with('*') {
        set_dataset(event, "nginx", "nginx.error");
        event.set(field::EVENT_CATEGORY, "web");
        nginx_message(bare, event);
    }
}

/// Decodes what stands behind the process of a line of nginx.
fn nginx_message(message: &str, event: &mut Event) {
    let message = match message.strip_prefix('*') {
        Some(rest) => rest.split_once(' ').map_or(rest, |(_, message)| message),
        None => message,
    };
    event.set_text(field::MESSAGE, message);
    // What nginx itself adds stands last; the text before it may hold anything.
    let (what, facts) = message.rsplit_once(", client: ").unwrap_or((message, ""));
    let client_end = facts.find([',', ' ']).unwrap_or(facts.len());
    let (client, facts) = facts.split_at(client_end);
    set_source(event, client);
    let fact = |name: &str| facts.split_once(name).map(|(_, rest)| rest);
    if let Some(request) = fact(", request: \"") {
        let request = request.get(..quote_end(request)).unwrap_or(request);
        web::set_request(request, event);
    }
    let quoted = |name| fact(name).and_then(|rest| rest.split('"').next());
    if let Some(host) = quoted(", host: \"") {
        set_authority(event, host);
    }
    if let Some(referrer) = quoted(", referrer: \"") {
        event.set_text(field::HTTP_REFERRER, referrer);
    }
    if let Some(login) = quoted(", login: \"") {
        set_user(event, login);
    }
    judge(what, NGINX, event);
    // open() "/srv/x" failed (2: No such file or directory), "/srv/x/index.html" is not found (…)
    let missing = what.strip_prefix("open() \"").or_else(|| what.strip_prefix('"'));
    let found = missing.and_then(|rest| rest.split_once('"')).filter(|(_, reason)| {
        ["failed (", "is not found", "forbidden"].iter().any(|words| reason.contains(words))
    });
    if let Some((path, _)) = found {
        event.set_text(field::FILE_PATH, path);
        event.set(field::EVENT_OUTCOME, "failure");
    }
    // Its connector for nginx puts the client in front again: "[client 203.0.113.5] ModSecurity: …".
    let waf = what.strip_prefix("[client ").and_then(|rest| rest.split_once("] "));
    let waf = waf.map_or(what, |(_, rest)| rest);
    if waf.starts_with("ModSecurity: ") {
        modsecurity(waf, event);
    }
}

/// Decodes a line of Apache's error log:
/// `[Sat Nov 21 08:30:00.123456 2026] [core:error] [pid 12:tid 34] [client 203.0.113.5:4711] text`.
pub(super) fn decode_apache(text: &str, context: &Context<'_>, event: &mut Event) -> bool {
    apache(text, context, event).is_some()
}

fn apache(text: &str, context: &Context<'_>, event: &mut Event) -> Option<()> {
    let (time, rest) = moment::asctime(text.strip_prefix('[')?, context.zone)?;
    let mut rest = rest.strip_prefix("] ")?;
    event.time = time;
    set_dataset(event, "apache", "apache.error");
    event.set(field::EVENT_CATEGORY, "web");
    let mut is_first = true;
    while let Some((inside, behind)) = rest.strip_prefix('[').and_then(|it| it.split_once(']')) {
        let client = ["client ", "remote "].iter().find_map(|word| inside.strip_prefix(word));
        if let Some(client) = client {
            set_client(client, event);
        } else if let Some(pid) = inside.strip_prefix("pid ") {
            let (pid, thread) = pid.split_once(":tid ").unwrap_or((pid, ""));
            for (name, text) in [(field::PROCESS_PID, pid), ("process.thread.id", thread)] {
                if let Ok(number) = text.parse::<i64>() {
                    event.set(name, number);
                }
            }
        } else if is_first {
            let (module, level) = inside.rsplit_once(':').unwrap_or(("", inside));
            if !module.is_empty() {
                event.set_text("apache.error.module", module);
            }
            event.set_text("log.level", level);
        } else {
            // The text itself begins with a bracket.
            break;
        }
        is_first = false;
        rest = behind.trim_start_matches(' ');
    }
    event.set_text(field::MESSAGE, rest);
    // "(70014)End of file found: [client 203.0.113.5:4711] AH02006: …": what the system said comes first.
    let rest = match rest.strip_prefix('(').and_then(|rest| rest.split_once(": [client ")) {
        Some((_, behind)) => match behind.split_once("] ") {
            Some((client, text)) => {
                set_client(client, event);
                text
            }
            None => rest,
        },
        None => rest,
    };
    let (body, referrer) = rest.rsplit_once(", referer: ").unwrap_or((rest, ""));
    if !referrer.is_empty() {
        event.set_text(field::HTTP_REFERRER, referrer);
    }
    // AH01617: user x: authentication failure …
    let bare = match body.strip_prefix("AH") {
        Some(rest) => match rest.split_once(": ") {
            Some((code, bare)) => {
                event.set("event.code", format!("AH{code}"));
                bare
            }
            None => body,
        },
        None => body,
    };
    // "script '/x' not found", "File does not exist: /x", "attempt to invoke directory as script: /x"
    let path = ["File does not exist: ", "script not found or unable to stat: "];
    let path = path.iter().find_map(|start| bare.strip_prefix(start));
    let script = bare.strip_prefix("script '").and_then(|rest| rest.split_once('\''));
    if let Some(path) = path.or(script.map(|(path, _)| path)) {
        event.set_text(field::FILE_PATH, path);
        event.set(field::EVENT_OUTCOME, "failure");
    }
    // What a script said: "stderr from /x: script not found", a shell that met a function in a header.
    let odd = ["script not found or unable to stat", "function definition"];
    if odd.iter().any(|words| bare.contains(words)) {
        event.set(field::EVENT_OUTCOME, "failure");
    }
    judge(bare, APACHE, event);
    if bare.starts_with("ModSecurity: ") {
        modsecurity(bare, event);
    }
    Some(())
}

/// `203.0.113.5:4711`, `203.0.113.5`, `::1`.
fn set_client(client: &str, event: &mut Event) {
    let with_port = client.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
    // `::1:4711` is an address by itself, and no port then.
    let (address, port) = with_port.filter(|_| !is_address(client)).unwrap_or((client, ""));
    set_source(event, address);
    set_port(event, port);
}

/// Sets what a sentence of refusal says.
fn judge(text: &str, sentences: &[&'static str], event: &mut Event) {
    for sentence in sentences {
        let literal = sentence.split('{').next().unwrap_or_default();
        if !text.starts_with(literal) {
            continue;
        }
        let holes = template::fit(sentence, text);
        if let Some(holes) = holes.filter(|_| sentence.contains('{')) {
            template::set(&holes, event);
            if sentence.contains("{user") || sentence.contains("login failed") {
                event.set(field::EVENT_CATEGORY, "authentication");
                event.set(field::EVENT_ACTION, "web_login");
            }
        }
        event.set(field::EVENT_OUTCOME, "failure");
        return;
    }
}

/// `ModSecurity: Access denied with code 403 (phase 2). … [id "949110"] [msg "…"] [tag "attack-sqli"]`
fn modsecurity(text: &str, event: &mut Event) {
    let denied = text.contains("Access denied");
    event.set(field::EVENT_KIND, "alert");
    event.set(field::EVENT_ACTION, if denied { "waf_denied" } else { "waf_warned" });
    event.set(field::EVENT_OUTCOME, if denied { "failure" } else { "unknown" });
    event.set("vonglau.firewall.blocked", denied);
    let mut tags = Vec::new();
    let mut rest = text;
    while let Some((_, inside)) = rest.split_once(" [") {
        rest = inside;
        let Some((name, value)) = inside.split_once(" \"") else { break };
        if name.contains([']', ' ']) {
            continue;
        }
        let end = quote_end(value);
        let (value, behind) = value.split_at(end);
        rest = behind;
        let field = match name {
            "id" => "modsecurity.rule.id",
            "msg" => "modsecurity.rule.message",
            "severity" => "modsecurity.rule.severity",
            "data" => "modsecurity.data",
            "unique_id" => "transaction.id",
            "hostname" => {
                set_authority(event, value);
                continue;
            }
            "uri" => {
                if event.get(field::URL_ORIGINAL).is_none() {
                    set_target(event, value);
                }
                continue;
            }
            "tag" => {
                if tags.len() < TAGS_MAX {
                    tags.push(Value::text(value));
                }
                continue;
            }
            _ => continue,
        };
        event.set_text(field, value);
    }
    if !tags.is_empty() {
        event.set("modsecurity.tags", Value::List(tags));
    }
}
