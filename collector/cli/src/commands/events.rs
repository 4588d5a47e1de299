//! Events.

use rules_service::exit::Exit;
use serde_json::Value;

use super::incidents::event_line;
use super::{Desk, items, more, print};
use crate::args::Events;
use crate::failure::{Failure, Result};
use crate::style::safe;

pub(super) async fn run(desk: &Desk, verb: &Events) -> Result<Exit> {
    let Events::Search { q, filters, rule, since, until, limit, cursor } = verb;
    let mut query = vec![("limit", limit.to_string())];
    for filter in filters {
        let (name, value) = filter.split_once('=').ok_or_else(|| {
            Failure::Misuse(format!(
                "'{}' is no filter; write --where field=value, such as source.ip=203.0.113.9",
                safe(filter)
            ))
        })?;
        if !name.contains('.') && name != "message" {
            let name = safe(name);
            let problem = format!("'{name}' is no field; write its dotted name, such as source.ip");
            return Err(Failure::Misuse(problem));
        }
        query.push((name, value.to_owned()));
    }
    let mut add = |name, value: Option<String>| {
        if let Some(value) = value {
            query.push((name, value));
        }
    };
    add("q", Some(q.clone()).filter(|words| !words.is_empty()));
    add("rule", rule.clone());
    add("since", since.as_deref().map(|text| desk.time(text)).transpose()?);
    add("until", until.as_deref().map(|text| desk.time(text)).transpose()?);
    add("cursor", cursor.clone());
    let answer = desk.client.get(&["events"], &query).await?;
    if !desk.printed_json(&answer)? {
        print(&list(desk, &answer))?;
    }
    Ok(Exit::Done)
}

fn list(desk: &Desk, answer: &Value) -> String {
    let events = items(&answer["events"]);
    if events.is_empty() {
        let (since, until) = (desk.shown(&answer["since"]), desk.shown(&answer["until"]));
        return format!("no events from {since} to {until}; --since looks further back\n");
    }
    let lines = events.iter().map(|event| event_line(desk, event).trim_start().to_owned() + "\n");
    lines.collect::<String>() + &more(answer)
}
