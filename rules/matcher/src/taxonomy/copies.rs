//! Which fields are also matched on decoded copies.

use crate::Copies;

/// Returns which decoded copies the values of an ECS field have.
///
/// Url: what a client sends in a request, because attackers encode it and servers decode it. Text:
/// command lines, programs and files, where the same strings turn up as they were sent. Not
/// `message` and `event.original`: they hold the same texts as the fields do, and every event has
/// them. Not raw names (`auditd.*`, `winlog.event_data.*`): decoders have decoded what their format
/// encodes.
#[must_use]
pub fn copies(field: &str) -> Copies {
    match field {
        "url.original"
        | "url.full"
        | "url.path"
        | "url.query"
        | "url.fragment"
        | "url.domain"
        | "url.extension"
        | "http.request.referrer"
        | "http.request.body.content"
        | "http.request.headers.cookie"
        | "user_agent.original" => Copies::Url,
        "process.command_line"
        | "process.args"
        | "process.executable"
        | "process.parent.command_line"
        | "process.parent.args"
        | "process.parent.executable"
        | "file.path"
        | "file.name" => Copies::Text,
        _ => Copies::None,
    }
}
