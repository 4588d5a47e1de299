//! Access logs written as JSON lines: nginx, Apache, Caddy and Traefik under the names that their own
//! variables have.
//!
//! Spec: nginx, ngx_http_core_module, "Embedded Variables"; Traefik, "Access Logs", field names.

use rules_event::{Event, field};

use super::table::{As, Row, find, moved, put, set_dataset};
use super::{Context, json, web};

/// Ordered by name.
pub(super) const ROWS: &[Row] = &[
    moved("ClientHost", field::SOURCE_IP, As::Source),
    moved("DownstreamContentSize", field::HTTP_RESPONSE_BYTES, As::Int),
    moved("DownstreamStatus", field::HTTP_RESPONSE_STATUS, As::Int),
    moved("RequestHost", field::URL_DOMAIN, As::Same),
    moved("RequestMethod", field::HTTP_REQUEST_METHOD, As::Same),
    moved("RequestPath", field::URL_ORIGINAL, As::Url),
    moved("RequestProtocol", field::HTTP_VERSION, As::Version),
    moved("body_bytes_sent", field::HTTP_RESPONSE_BYTES, As::Int),
    moved("bytes_sent", field::HTTP_RESPONSE_BYTES, As::Int),
    moved("clientip", field::SOURCE_IP, As::Source),
    moved("http_host", field::URL_DOMAIN, As::Same),
    moved("http_referer", field::HTTP_REFERRER, As::Same),
    moved("http_referrer", field::HTTP_REFERRER, As::Same),
    moved("http_user_agent", field::USER_AGENT, As::Same),
    moved("http_x_forwarded_for", "network.forwarded_ip", As::Same),
    moved("referer", field::HTTP_REFERRER, As::Same),
    moved("remote_addr", field::SOURCE_IP, As::Source),
    moved("remote_ip", field::SOURCE_IP, As::Source),
    moved("remote_port", field::SOURCE_PORT, As::SourcePort),
    moved("remote_user", field::USER_NAME, As::User),
    moved("request_Referer", field::HTTP_REFERRER, As::Same),
    moved("request_User-Agent", field::USER_AGENT, As::Same),
    moved("request_method", field::HTTP_REQUEST_METHOD, As::Same),
    moved("request_uri", field::URL_ORIGINAL, As::Url),
    moved("scheme", "url.scheme", As::Lower),
    moved("server_name", field::URL_DOMAIN, As::Same),
    moved("server_protocol", field::HTTP_VERSION, As::Version),
    moved("status", field::HTTP_RESPONSE_STATUS, As::Int),
    moved("user_agent", field::USER_AGENT, As::Same),
];

/// Decodes a line; false when it is no JSON object.
pub(super) fn decode(text: &str, context: &Context<'_>, event: &mut Event) -> bool {
    if !json::decode(text, context, event) {
        return false;
    }
    // A log that says itself what it is needs no guess.
    if event.get_str(field::EVENT_DATASET) != Some("json") {
        return true;
    }
    let names: Vec<&'static Row> =
        event.fields().filter_map(|(name, _)| find(ROWS, name)).collect();
    for row in names {
        let Some(value) = event.remove(row.key) else { continue };
        if !matches!(value.as_str(), Some("" | "-")) {
            put(row, &value, event);
        }
    }
    if let Some(request) = event.get_str("request").map(str::to_owned) {
        web::set_request(&request, event);
        event.remove("request");
        event.set(field::MESSAGE, request);
    }
    for name in ["time_iso8601", "time_local", "StartUTC", "msec"] {
        if let Some(time) = event.get(name).and_then(|value| json::time(value, context)) {
            event.time = time;
            break;
        }
    }
    let is_traefik = event.get("DownstreamStatus").is_some() || context.path_contains("traefik");
    if context.path_contains("apache") || context.path_contains("httpd") {
        set_dataset(event, "apache", "apache.access");
    } else if is_traefik {
        set_dataset(event, "traefik", "traefik.access");
    } else {
        set_dataset(event, "nginx", "nginx.access");
    }
    event.set(field::EVENT_CATEGORY, "web");
    event.set(field::EVENT_ACTION, "web_request");
    let status = event.get(field::HTTP_RESPONSE_STATUS).and_then(rules_event::ValueRef::as_int);
    if let Some(status) = status {
        event.set(field::EVENT_OUTCOME, if status < 400 { "success" } else { "failure" });
    }
    true
}
