//! Summary: an audit event as one line that people read.

use rules_event::{Event, field};

use super::facts::Facts;
use super::keys::Key;

/// Where a message is cut, bytes; arguments can be long, and stand in their own fields.
const MESSAGE_BYTES_MAX: usize = 1_024;

/// Fields of which the first that is there says what it was about.
const OBJECTS: [&str; 6] = [
    field::FILE_PATH,
    field::PROCESS_COMMAND_LINE,
    field::DESTINATION_IP,
    "destination.address",
    field::SOURCE_IP,
    field::PROCESS_EXECUTABLE,
];

/// Sets `message`: `executed: tar czf /tmp/a /etc (tar[812], uid 1000, success)`.
pub(super) fn set(facts: &Facts<'_>, event: &mut Event) {
    let mut text = String::with_capacity(128);
    let word = |event: &Event, name: &str, text: &mut String| {
        text.push_str(event.get_str(name).unwrap_or_default());
    };
    word(event, field::EVENT_ACTION, &mut text);
    let object = match facts.raw(Key::Unit).or(facts.raw(Key::Op)) {
        // What happened to a program says its command line best, also when a file is known.
        _ if event.get("process.args").is_some() => event.get_str(field::PROCESS_COMMAND_LINE),
        Some(given) => Some(given),
        None => OBJECTS.iter().find_map(|name| event.get_str(name)),
    };
    if let Some(object) = object {
        text.push_str(": ");
        text.push_str(object);
    }
    text.push_str(" (");
    word(event, field::PROCESS_NAME, &mut text);
    if let Some(pid) = facts.raw(Key::Pid) {
        text.push('[');
        text.push_str(pid);
        text.push(']');
    }
    if let Some(user) = event.get_str(field::USER_NAME) {
        text.push_str(", ");
        text.push_str(user);
    } else if let Some(id) = facts.raw(Key::Uid) {
        text.push_str(", uid ");
        text.push_str(id);
    }
    if let Some(outcome) = event.get_str(field::EVENT_OUTCOME) {
        text.push_str(", ");
        text.push_str(outcome);
    }
    text.push(')');
    if text.len() > MESSAGE_BYTES_MAX {
        let cut = (0..=MESSAGE_BYTES_MAX).rev().find(|at| text.is_char_boundary(*at));
        text.truncate(cut.unwrap_or_default());
    }
    event.set_text(field::MESSAGE, &text);
}
