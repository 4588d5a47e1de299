//! Suricata: EVE JSON, and the one-line form of fast.log.
//!
//! Every member stays under `suricata.eve.`, where rules look for Suricata's own names; what ECS has
//! a field for is there as well. Spec: Suricata User Guide, "Eve JSON Format"; Filebeat module
//! suricata.

use rules_event::{Event, Value, field};

use super::table::{As, Row, also, find, moved, put, set_dataset};
use super::{Context, json};

/// Where Suricata's names stand.
const PREFIX: &str = "suricata.eve";

/// Ordered by name.
pub(super) const ROWS: &[Row] = &[
    also("alert.action", field::EVENT_ACTION, As::Same),
    also("alert.severity", "event.severity", As::Int),
    also("alert.signature", field::MESSAGE, As::Same),
    also("app_proto", "network.protocol", As::Lower),
    moved("dest_ip", field::DESTINATION_IP, As::Destination),
    moved("dest_port", field::DESTINATION_PORT, As::DestinationPort),
    also("dns.id", "dns.id", As::Same),
    also("dns.rcode", "dns.response_code", As::Same),
    also("dns.rrname", "dns.question.name", As::Same),
    also("dns.rrtype", "dns.question.type", As::Same),
    also("dns.type", "dns.type", As::Same),
    also("fileinfo.filename", field::FILE_PATH, As::Same),
    also("fileinfo.md5", "file.hash.md5", As::Same),
    also("fileinfo.sha1", "file.hash.sha1", As::Same),
    also("fileinfo.sha256", "file.hash.sha256", As::Same),
    also("fileinfo.size", "file.size", As::Int),
    also("flow.bytes_toclient", "destination.bytes", As::Int),
    also("flow.bytes_toserver", "source.bytes", As::Int),
    also("flow.pkts_toclient", "destination.packets", As::Int),
    also("flow.pkts_toserver", "source.packets", As::Int),
    also("http.hostname", field::URL_DOMAIN, As::Same),
    also("http.http_method", field::HTTP_REQUEST_METHOD, As::Same),
    also("http.http_refer", field::HTTP_REFERRER, As::Same),
    also("http.http_user_agent", field::USER_AGENT, As::Same),
    also("http.length", field::HTTP_RESPONSE_BYTES, As::Int),
    also("http.protocol", field::HTTP_VERSION, As::Version),
    also("http.status", field::HTTP_RESPONSE_STATUS, As::Int),
    also("http.url", field::URL_ORIGINAL, As::Url),
    also("http.xff", "network.forwarded_ip", As::Same),
    also("in_iface", "observer.ingress.interface.name", As::Same),
    moved("proto", "network.transport", As::Transport),
    also("smtp.mail_from", "email.from.address", As::Same),
    also("smtp.rcpt_to", "email.to.address", As::Same),
    moved("src_ip", field::SOURCE_IP, As::Source),
    moved("src_port", field::SOURCE_PORT, As::SourcePort),
    also("tls.fingerprint", "tls.server.hash.sha1", As::Same),
    also("tls.issuerdn", "tls.server.issuer", As::Same),
    also("tls.ja3.hash", "tls.client.ja3", As::Same),
    also("tls.ja3s.hash", "tls.server.ja3s", As::Same),
    also("tls.sni", "tls.client.server_name", As::Same),
    also("tls.subject", "tls.server.subject", As::Same),
    also("tls.version", "tls.version", As::Same),
];

/// Decodes a line of eve.json; false when it is no JSON object.
pub(super) fn decode(text: &str, context: &Context<'_>, event: &mut Event) -> bool {
    let read = json::walk(text, PREFIX, event, |name, value, event| {
        let key = name.get(PREFIX.len() + 1..).unwrap_or_default();
        // Suricata 7: the questions and answers are objects in lists.
        if key == "dns.answers" || key == "dns.queries" {
            set_dns(key, &value, event);
        }
        if let Some(row) = find(ROWS, key) {
            put(row, &value, event);
            if !row.keep {
                return;
            }
        }
        event.set(rules_event::intern(name), value);
    });
    if !read {
        return false;
    }
    set_dataset(event, "suricata", "suricata.eve");
    let time = event.remove("suricata.eve.timestamp");
    if let Some(time) = time.as_ref().and_then(|value| json::time(value.into(), context)) {
        event.time = time;
    }
    let kind = event.get_str("suricata.eve.event_type").unwrap_or_default();
    let category = match kind {
        "alert" => "intrusion_detection",
        "http" => "web",
        "fileinfo" => "file",
        _ => "network",
    };
    let is_alert = kind == "alert";
    if event.get(field::MESSAGE).is_none() {
        let message = event.get_str("suricata.eve.dns.rrname").unwrap_or(kind);
        let message = Value::text(message);
        event.set(field::MESSAGE, message);
    }
    event.set(field::EVENT_CATEGORY, category);
    event.set(field::EVENT_KIND, if is_alert { "alert" } else { "event" });
    if is_alert {
        let blocked = event.get_str(field::EVENT_ACTION) == Some("blocked");
        event.set("vonglau.firewall.blocked", blocked);
    }
    true
}

/// Sets the question, or the data of the answers, of lists of JSON texts.
fn set_dns(key: &str, value: &Value, event: &mut Event) {
    let member = |text: &str, name: &str| {
        let json: serde_json::Value = serde_json::from_str(text).ok()?;
        json.get(name)?.as_str().map(Value::text)
    };
    let texts = value.as_slice().iter().filter_map(Value::as_str);
    if key == "dns.answers" {
        let data: Vec<Value> = texts.filter_map(|text| member(text, "rdata")).collect();
        if !data.is_empty() {
            event.set("dns.answers.data", Value::List(data));
        }
        return;
    }
    for (name, field) in [("rrname", "dns.question.name"), ("rrtype", "dns.question.type")] {
        let mut texts = value.as_slice().iter().filter_map(Value::as_str);
        if let Some(value) = texts.find_map(|text| member(text, name)) {
            event.set(field, value);
        }
    }
}

/// Decodes a line of fast.log:
/// `07/11/2022-10:29:01.860293  [**] [1:2200074:2] text [**] [Classification: …] [Priority: 3] {TCP}
/// 203.0.113.5:28487 -> 10.0.0.9:80`.
pub(super) fn decode_fast(text: &str, context: &Context<'_>, event: &mut Event) -> bool {
    fast(text, context, event).is_some()
}

fn fast(text: &str, context: &Context<'_>, event: &mut Event) -> Option<()> {
    let (time, rest) = text.split_once("  [**] [")?;
    let (date, clock) = time.split_once('-')?;
    let mut parts = date.split('/');
    let (month, day, year) = (parts.next()?, parts.next()?, parts.next()?);
    let time = crate::moment::parts(year, month, day, clock, context.zone)?;
    let (ids, rest) = rest.split_once("] ")?;
    let (signature, rest) = rest.split_once(" [**] ")?;
    event.time = time;
    set_dataset(event, "suricata", "suricata.eve");
    event.set(field::EVENT_KIND, "alert");
    event.set(field::EVENT_CATEGORY, "intrusion_detection");
    event.set("suricata.eve.event_type", "alert");
    event.set_text(field::MESSAGE, signature);
    event.set_text("suricata.eve.alert.signature", signature);
    let id = ids.split(':').nth(1).and_then(|id| id.parse::<i64>().ok());
    if let Some(id) = id {
        event.set("suricata.eve.alert.signature_id", id);
    }
    let inside = |start: &str| rest.split_once(start)?.1.split_once(']').map(|(text, _)| text);
    if let Some(category) = inside("[Classification: ") {
        event.set_text("suricata.eve.alert.category", category);
    }
    if let Some(severity) = inside("[Priority: ").and_then(|text| text.parse::<i64>().ok()) {
        event.set("event.severity", severity);
    }
    let (transport, flow) = rest.split_once('{')?.1.split_once("} ")?;
    super::source::set_transport(event, transport);
    let (from, to) = flow.split_once(" -> ")?;
    let (address, port) = from.rsplit_once(':').unwrap_or((from, ""));
    super::source::set_source(event, address);
    super::source::set_port(event, port);
    let (address, port) = to.rsplit_once(':').unwrap_or((to, ""));
    super::source::set_destination(event, address);
    super::source::set_destination_port(event, port);
    Some(())
}
