//! Events under Sigma's own field names, as Windows and other programs log them.

use rules_event::Event;

/// What the names of an event of the Windows event log begin with, once it is flattened.
const ROOT: &str = "Event.";

/// Returns the event with the names that Sigma rules use: those of an event of the Windows event log
/// (`Event.System…`, `Event.EventData…`) become `EventID`, `Channel`, `Image` …; others stay.
///
/// Spec: Sigma taxonomy appendix 2.0.1, "Windows".
pub(crate) fn named(event: Event) -> Event {
    if !event.fields().any(|(name, _)| name.starts_with("Event.System.")) {
        return event;
    }
    let mut renamed = Event::new(event.time, event.id.clone());
    for (name, value) in event.fields() {
        if let Some(name) = short(name) {
            renamed.set(name.to_owned(), value);
        }
    }
    renamed
}

/// Returns the last part of a name, if rules can know it.
fn short(name: &str) -> Option<&str> {
    let Some(rest) = name.strip_prefix(ROOT) else { return Some(name) };
    match rest {
        "System.Provider.#attributes.Name" | "System.Provider.Name" => Some("Provider_Name"),
        _ => {
            if let Some(name) = rest.strip_prefix("EventData.") {
                return Some(name);
            }
            if let Some(rest) = rest.strip_prefix("UserData.") {
                // One element of the program's own choice stands between.
                return Some(rest.split_once('.').map_or(rest, |(_, name)| name));
            }
            let name = rest.strip_prefix("System.")?;
            // `EventID` may carry attributes: `{"#attributes": {…}, "#text": 4624}`.
            let name = name.strip_suffix(".#text").unwrap_or(name);
            (!name.contains('#')).then_some(name)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_events_get_the_names_of_rules() {
        let json = br##"{"Event": {"#attributes": {"xmlns": "x"}, "System": {"Provider":
            {"#attributes": {"Name": "Microsoft-Windows-Sysmon"}}, "EventID": {"#attributes":
            {"Qualifiers": ""}, "#text": 1}, "Channel": "c"}, "EventData": {"Image": "C:\\a.exe"},
            "UserData": {"EventXML": {"User": "lan"}}}, "extra": 1}"##;
        let event = named(agent_wire::parse_event(json).unwrap());
        let names: Vec<&str> = event.fields().map(|(name, _)| name).collect();
        assert_eq!(names, ["Provider_Name", "EventID", "Channel", "Image", "User", "extra"]);
        assert_eq!(event.get_str("Provider_Name"), Some("Microsoft-Windows-Sysmon"));
        let plain = agent_wire::parse_event(br#"{"Image": "a", "b": {"c": 1}}"#).unwrap();
        assert_eq!(named(plain.clone()), plain);
    }
}
