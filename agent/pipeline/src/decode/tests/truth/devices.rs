//! Zeek, Suricata and Wazuh: two writings of one record, and fields that must be there.

use std::collections::BTreeMap;
use std::fs;

use rules_event::{Event, field};

use super::{Log, Scores, data, hold, shown, text};

/// What an event says, for comparing two of them: all but the line itself.
fn facts(event: &Event) -> BTreeMap<String, String> {
    let mut facts: BTreeMap<String, String> = event
        .fields()
        .filter(|(name, _)| !matches!(*name, "message" | "event.original"))
        .map(|(name, value)| (name.to_owned(), format!("{value:?}")))
        .collect();
    facts.insert("@timestamp".to_owned(), event.time.to_string());
    facts
}

#[test]
fn ground_truth_zeek() {
    let Some(folder) = data("zeek/tsv_json_pairs") else { return };
    let mut scores = Scores::default();
    let mut files: Vec<_> = fs::read_dir(&folder).unwrap().map(|it| it.unwrap().path()).collect();
    files.sort();
    for file in files.iter().filter(|file| file.extension().is_some_and(|ext| ext == "log")) {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let tsv = fs::read_to_string(file).unwrap();
        let json = fs::read_to_string(file.with_extension("json")).unwrap();
        let log = Log::new(&format!("/opt/zeek/logs/current/{name}.log"));
        let mut rows = Vec::new();
        for line in tsv.lines() {
            let event = log.decode(line);
            if !line.starts_with('#') {
                rows.push((line, event));
            }
        }
        let json: Vec<&str> = json.lines().collect();
        assert_eq!(rows.len(), json.len(), "{name}");
        for ((line, one), other) in rows.iter().zip(json) {
            let (one, other_facts) = (facts(one), facts(&log.decode(other)));
            let known =
                one.get("event.dataset").is_some_and(|it| it.contains(&format!("zeek.{name}")));
            if (one != other_facts || !known) && shown() {
                let odd = one.iter().filter(|(name, value)| other_facts.get(*name) != Some(value));
                let odd: Vec<_> = odd.collect();
                let back = other_facts.iter().filter(|(name, value)| one.get(*name) != Some(value));
                eprintln!("{odd:?}\n{:?}\n{line}\n{other}", back.collect::<Vec<_>>());
            }
            scores.add("records", one == other_facts && known);
        }
    }
    hold("zeek tsv = json", &scores);
    assert_eq!(scores.0["records"].right, scores.0["records"].all);
}

#[test]
fn ground_truth_zeek_campaigns() {
    // Every line of the campaigns is decoded by its own log's columns.
    for set in ["apt29_day1", "lsass_campaign_01", "lsass_campaign_02"] {
        let Some(folder) = data(&format!("zeek/{set}")) else { return };
        let mut scores = Scores::default();
        let mut files: Vec<_> =
            fs::read_dir(&folder).unwrap().map(|it| it.unwrap().path()).collect();
        files.sort();
        for file in files {
            let name = file.file_stem().unwrap().to_str().unwrap();
            let log = Log::new(&format!("/opt/zeek/logs/current/{name}.log"));
            for line in fs::read_to_string(&file).unwrap().lines() {
                let event = log.decode(line);
                if line.starts_with('#') {
                    continue;
                }
                let dataset = text(&event, field::EVENT_DATASET).unwrap_or_default();
                scores.add("decoded", dataset.starts_with("zeek.") && event.time != log.read_at);
                if line.contains("id.orig_h") || line.starts_with(|c: char| c.is_ascii_digit()) {
                    let has = event.get(field::SOURCE_IP).is_some();
                    scores.add("with a source", has);
                }
            }
        }
        hold(&format!("zeek {set}"), &scores);
        assert_eq!(scores.0["decoded"].right, scores.0["decoded"].all);
    }
}

#[test]
fn ground_truth_suricata() {
    for set in ["honeypot-2018", "wrccdc-2017"] {
        let Some(folder) = data(&format!("suricata/{set}")) else { return };
        let log = Log::new("/var/log/suricata/eve.json");
        let lines = fs::read_to_string(folder.join("alerts-only.json")).unwrap();
        let mut scores = Scores::default();
        let mut signatures: BTreeMap<String, usize> = BTreeMap::new();
        let alerts: Vec<serde_json::Value> = serde_json::from_str(&lines).unwrap();
        for alert in alerts {
            let event = log.decode(&alert.to_string());
            scores.add(
                "decoded",
                text(&event, field::EVENT_DATASET).as_deref() == Some("suricata.eve"),
            );
            for name in [field::SOURCE_IP, field::DESTINATION_IP, "network.transport"] {
                scores.add(name, event.get(name).is_some());
            }
            if let Some(signature) = text(&event, "suricata.eve.alert.signature") {
                *signatures.entry(signature).or_default() += 1;
            }
        }
        let listed = fs::read_to_string(folder.join("signature-list.txt")).unwrap();
        let rows = listed.lines().filter(|row| row.starts_with('"'));
        for row in rows {
            let row: String = serde_json::from_str(row).unwrap();
            let found = signatures.contains_key(&row);
            if !found && shown() {
                eprintln!("no alert '{row}'");
            }
            scores.add("listed signatures", found);
        }
        hold(&format!("suricata {set}"), &scores);
    }
}
