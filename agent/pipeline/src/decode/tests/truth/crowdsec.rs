//! CrowdSec's hub: what its parsers assert of the logs in their tests.

use std::fs;
use std::path::Path;

use rules_event::{Event, field};
use serde_json::{Map, Value as Json};

use super::{Log, Score, Scores, data, hold, percent_decoded, place, shown, text};

/// Parsers whose assertions should hold: at least 90 of a hundred.
const AIMED: [&str; 3] = ["sshd-logs", "nginx-logs", "apache2-logs"];

/// Parsers of logs that nobody here decodes, and of applications whose lines are JSON of their own.
const LEAST: usize = 3;

#[test]
fn ground_truth_crowdsec() {
    let Some(folder) = data("crowdsec") else { return };
    let mut parsers: std::collections::BTreeMap<String, Scores> = std::collections::BTreeMap::new();
    let mut tests: Vec<_> = fs::read_dir(&folder).unwrap().map(|it| it.unwrap().path()).collect();
    tests.sort();
    for test in tests {
        let Ok(expected) = fs::read(test.join("expected.json")) else { continue };
        let Ok(expected) = serde_json::from_slice::<Json>(&expected) else { continue };
        one(&test, &expected, &mut parsers);
    }
    let mut rest = Scores::default();
    let mut least = Scores::default();
    for (parser, scores) in parsers {
        let all = scores.0.get("asserts").copied().unwrap_or_default();
        if AIMED.contains(&parser.as_str()) {
            let Score { right, all } = all;
            assert!(right * 100 >= all * 90, "{parser}: {right} of {all}");
        }
        if all.all == 0 {
            continue;
        }
        if all.right > LEAST {
            hold(&format!("crowdsec {parser}"), &scores);
        } else {
            least.set(&parser, all);
        }
        let sum = rest.0.entry("asserts".to_owned()).or_default();
        (sum.right, sum.all) = (sum.right + all.right, sum.all + all.all);
    }
    hold("crowdsec (all)", &rest);
    hold("crowdsec (hardly read)", &least);
}

fn one(test: &Path, expected: &Json, parsers: &mut std::collections::BTreeMap<String, Scores>) {
    let Some(name) = expected["log_file"].as_str() else { return };
    let Ok(bytes) = fs::read(test.join(name)) else { return };
    let log_text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = log_text.lines().filter(|line| !line.trim().is_empty()).collect();
    let log_type = expected["log_type"].as_str().unwrap_or_default();
    let path = match log_type {
        "nginx" | "apache2" => format!("/var/log/{log_type}/{name}"),
        _ => format!("/var/log/{name}"),
    };
    let log = Log::new(&path);
    let Some(stages) = expected["parser_results"].as_object() else { return };
    for (stage, results) in stages {
        let Some(parser) = stage.strip_prefix("s01-parse|") else { continue };
        let parser = parser.rsplit('/').next().unwrap_or(parser).trim_end_matches(".yaml");
        let results = results.as_array().map(Vec::as_slice).unwrap_or_default();
        for (index, result) in results.iter().enumerate() {
            let message = result["parsed"]["message"].as_str().unwrap_or_default();
            // Lines and results stand in the same order, but lines without a result may be left out.
            let by_place = lines.get(index).filter(|line| line.contains(message));
            let found = by_place.or_else(|| lines.iter().find(|line| line.ends_with(message)));
            let (true, Some(line)) = (result["success"] == true, found) else { continue };
            let event = log.decode(line);
            let scores = parsers.entry(parser.to_owned()).or_default();
            for part in ["meta", "parsed"] {
                if let Some(values) = result[part].as_object() {
                    compare(parser, values, &event, line, scores);
                }
            }
        }
    }
}

fn compare(
    parser: &str,
    values: &Map<String, Json>,
    event: &Event,
    line: &str,
    scores: &mut Scores,
) {
    for (name, expected) in values {
        let Some(expected) = expected.as_str().filter(|text| !matches!(*text, "" | "-")) else {
            continue;
        };
        let Some(fields) = ours(name) else { continue };
        let right = fields.iter().any(|field| {
            let ours = if *field == "place" { place(event) } else { text(event, field) };
            ours.is_some_and(|ours| {
                ours.eq_ignore_ascii_case(expected) || percent_decoded(&ours) == expected
            })
        });
        if !right && shown() {
            eprintln!("{parser} {name}: expected {expected}: {line}");
        }
        scores.add("asserts", right);
    }
}

/// Our names of what CrowdSec asserts; `None` is what only its own scenarios use.
fn ours(name: &str) -> Option<&'static [&'static str]> {
    Some(match name {
        "source_ip" | "src_ip" | "remote_addr" | "clientip" | "sshd_client_ip"
        | "dovecot_remote_ip" => &["place"],
        "target_user" | "user" | "username" | "dovecot_user" | "sshd_invalid_user"
        | "pgsql_target_user" => &[field::USER_NAME],
        "src_port" | "remote_port" | "source_port" => &[field::SOURCE_PORT],
        "dst_ip" | "dest_ip" => &[field::DESTINATION_IP],
        "dst_port" | "dest_port" => &[field::DESTINATION_PORT],
        "http_status" | "response" | "status" => &[field::HTTP_RESPONSE_STATUS],
        "http_verb" | "verb" => &[field::HTTP_REQUEST_METHOD],
        "http_path" => &[field::URL_ORIGINAL, field::URL_PATH],
        "request" => &[field::URL_ORIGINAL, field::URL_PATH, "message"],
        "http_user_agent" => &[field::USER_AGENT],
        "httpversion" | "http_version" => &[field::HTTP_VERSION],
        "bytes" | "body_bytes_sent" => &[field::HTTP_RESPONSE_BYTES],
        "referrer" | "http_referer" => &[field::HTTP_REFERRER],
        "machine" | "logsource_host" => &[field::HOST_NAME],
        "pid" => &[field::PROCESS_PID],
        _ => return None,
    })
}
