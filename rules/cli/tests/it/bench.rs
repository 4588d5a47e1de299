//! `bench`: costs, hits and rates of a sample that is counted by hand.

use std::fs;

use crate::{CORRELATION, RULE, check, json, program, run};

/// Two days of one event an hour; every sixth is by root, and so are four within a minute.
fn sample() -> String {
    let event = |time: String, user: &str| {
        format!(
            "{{\"@timestamp\":\"{time}\",\"event.dataset\":\"system.auth\",\"process.name\":\
             \"sshd\",\"user.name\":\"{user}\",\"source.ip\":\"192.0.2.1\"}}\n"
        )
    };
    let mut text = String::new();
    for hour in 0..=48 {
        let time = format!("2026-11-{:02}T{:02}:00:00Z", 20 + hour / 24, hour % 24);
        text += &event(time, if hour % 6 == 0 { "root" } else { "lan" });
    }
    for second in 1..=3 {
        text += &event(format!("2026-11-21T00:00:0{second}Z"), "root");
    }
    text + "{\"@timestamp\":\"2026-11-21T00:00:09Z\",\"event.dataset\":\"nginx.access\"}\n"
}

#[test]
fn costs_and_rates_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("root.yml"), RULE).unwrap();
    fs::write(folder.path().join("many.yml"), CORRELATION).unwrap();
    let low = RULE.replace("0001", "0003").replace("root_login", "web");
    let low =
        low.replace("high", "low").replace("{product: linux, service: sshd}", "{product: nginx}");
    fs::write(folder.path().join("web.yml"), low).unwrap();
    let args = ["bench", ".", "--events", "-", "--format", "json"];
    let output = program(folder.path(), &args, &sample());
    check(&output, 0, &[]);
    let report = json(&output);
    assert_eq!((&report["events"], &report["span_seconds"]), (&53.into(), &172_800.0.into()));
    let rules = report["rules"].as_array().unwrap();
    let of = |name: &str| rules.iter().find(|rule| rule["name"] == name).unwrap();
    let root = of("root_login");
    // 9 on the hour and 3 in between, in two days.
    assert_eq!((&root["candidates"], &root["hits"]), (&52.into(), &12.into()));
    assert_eq!(root["hits_per_day"], 6.0);
    assert!(report["full_scan_ns_per_event"].as_f64().unwrap() > 0.0);
    assert!(root["ns_per_event"].as_f64().unwrap() > 0.0);
    assert_eq!((&of("web")["candidates"], &of("web")["hits"]), (&1.into(), &0.into()));
    assert_eq!(report["correlations"][0]["alerts"], 1);
    assert_eq!((&report["alerts"], &report["alerts_per_day"]), (&13.into(), &6.5.into()));
    let costs: Vec<f64> = rules.iter().filter_map(|it| it["ns_per_event"].as_f64()).collect();
    assert!(costs.is_sorted_by(|a, b| a >= b), "slowest first: {costs:?}");
}

#[test]
fn the_table_is_cut_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("day.ndjson"), sample()).unwrap();
    let output = run(folder.path(), &["bench", "--events", "day.ndjson", "--top", "2"]);
    check(
        &output,
        0,
        &[
            "ns/event",
            "faster rules; --top 0 shows all",
            "53 events over 2.0 days",
            "correlations did not fire",
        ],
    );
    fs::write(folder.path().join("bad.ndjson"), "{\"a\": 1}\nnope\n").unwrap();
    check(&run(folder.path(), &["bench", "--events", "bad.ndjson"]), 2, &["bad.ndjson line 2"]);
    check(&run(folder.path(), &["bench"]), 2, &["--events"]);
}
