//! What a collector found, as a table.

use std::io::Write;

use serde_json::Value;

use crate::paint::safe;

/// Longest line shown of an event, in characters; JSON has all.
const LINE_CHARS_MAX: usize = 200;

/// Prints events, newest first, as the collector sent them.
pub(super) fn table(answer: &Value, out: &mut dyn Write) -> anyhow::Result<()> {
    let events = answer["events"].as_array().map(Vec::as_slice).unwrap_or_default();
    let cell = |event: &Value, name: &str| safe(event["fields"][name].as_str().unwrap_or("-"));
    let rows: Vec<[String; 4]> = events
        .iter()
        .map(|event| {
            let original = event["fields"]["event.original"].as_str();
            let line = original.or(event["fields"]["message"].as_str()).unwrap_or("-");
            [
                safe(event["time"].as_str().unwrap_or("-")),
                cell(event, "host.name"),
                cell(event, "event.dataset"),
                safe(&line.chars().take(LINE_CHARS_MAX).collect::<String>()),
            ]
        })
        .collect();
    let mut widths = ["time", "host", "dataset"].map(str::len);
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let [time, host, dataset] = widths;
    if !rows.is_empty() {
        writeln!(out, "{:time$}  {:host$}  {:dataset$}  line", "time", "host", "dataset")?;
    }
    if rows.is_empty() {
        let from = safe(answer["since"].as_str().unwrap_or("the start"));
        writeln!(out, "nothing since {from}; --since looks further back")?;
    }
    for [at, who, log, line] in &rows {
        writeln!(out, "{at:time$}  {who:host$}  {log:dataset$}  {line}")?;
    }
    if answer["more"] == true {
        writeln!(out, "… and more; --limit shows them, a shorter --since fewer")?;
    }
    Ok(())
}
