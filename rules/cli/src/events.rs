//! Events from a file or standard input, as `vonglau-agent decode` prints them.

use std::path::Path;

use anyhow::{anyhow, bail};
use rules_event::Event;

use crate::target;

/// The most text read as events: 256 MiB, about half a million events.
const EVENTS_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Reads events: JSON objects, one a line, or a single one over several lines. Nested objects become
/// dotted names.
///
/// # Errors
/// When a line is no event (the message names the line), or when there is none.
pub(crate) fn read(path: &Path) -> anyhow::Result<Vec<Event>> {
    let text = if path == Path::new("-") {
        target::read_stdin(EVENTS_BYTES_MAX)?
    } else {
        target::read_up_to(path, EVENTS_BYTES_MAX)?
    };
    let name =
        if path == Path::new("-") { "standard input".into() } else { path.display().to_string() };
    parse(&name, &text)
}

fn parse(name: &str, text: &str) -> anyhow::Result<Vec<Event>> {
    let first_line = text.trim_start().lines().next().unwrap_or_default();
    // An event over several lines opens with a line that is no object by itself.
    if agent_wire::parse_event(first_line.as_bytes()).is_err()
        && let Ok(event) = agent_wire::parse_event(text.trim().as_bytes())
    {
        return Ok(vec![event]);
    }
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let events: anyhow::Result<Vec<Event>> = lines
        .map(|(number, line)| {
            agent_wire::parse_event(line.trim().as_bytes()).map_err(|reason| {
                anyhow!("{name} line {}: {}", number + 1, no_event(line, &reason))
            })
        })
        .collect();
    let events = events?;
    if events.is_empty() {
        bail!("{name} holds no event");
    }
    Ok(events)
}

/// Says what is wrong with a line, and what to do when it is a log line as a program wrote it.
fn no_event(line: &str, reason: &str) -> String {
    if line.trim_start().starts_with('{') {
        return format!("not an event: {reason}");
    }
    "not a JSON object; make events of log lines with 'vonglau-agent decode --path LOG < LOG'"
        .into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_or_many_events_are_read() {
        let one = parse("x", "\n{\n  \"user\": {\"name\": \"lan\"}\n}\n").unwrap();
        assert_eq!(one[0].get_str("user.name"), Some("lan"));
        let two = parse("x", "{\"a\": 1}\n\n {\"a\": 2}\n").unwrap();
        assert_eq!(two.len(), 2);
        let error = parse("x", "{\"a\": 1}\n{\"a\": \n").unwrap_err().to_string();
        assert!(error.starts_with("x line 2: not an event: "), "{error}");
        let error = parse("x", "Nov 21 08:00:00 web01 sshd[77]: hello\n").unwrap_err().to_string();
        assert!(error.starts_with("x line 1: not a JSON object; ") && error.contains("decode"));
        assert_eq!(parse("x", " \n").unwrap_err().to_string(), "x holds no event");
    }
}
