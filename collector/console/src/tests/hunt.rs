//! Hunting for a rule over the API.

use serde_json::json;

use super::house::house;
use crate::{Role, audit};

const RULE: &str = "title: Root logs in\nid: 00000000-0000-0000-0000-000000000001\nlevel: high\n\
                    logsource: {product: linux, service: sshd}\n\
                    detection: {a: {user.name: root}, condition: a}\n";

#[tokio::test]
async fn a_rule_is_asked_of_stored_events() {
    let house = house().await;
    let token = house.token(Role::Analyst).await;
    let body = json!({
        "rule": RULE, "limit": 5,
        "since": "2026-11-18T00:00:00Z", "until": "2026-11-19T00:00:00Z",
    });
    let answer = house.api("POST", "/api/v1/hunt", &token, Some(body)).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    let found = answer.json();
    assert_eq!(found["rule"], "00000000-0000-0000-0000-000000000001");
    assert_eq!(found["events"].as_array().unwrap().len(), 5);
    assert_eq!(found["events"][0]["fields"]["source.ip"], "203.0.113.9");
    assert_eq!(found["more"], true);
    // Events lie in that day only.
    let body = json!({"rule": RULE, "until": "2026-11-01T00:00:00Z", "since_seconds": 600});
    let answer = house.api("POST", "/api/v1/hunt", &token, Some(body)).await;
    assert_eq!(answer.json()["events"], json!([]));
    assert_eq!(answer.json()["since"], "2026-10-31T23:50:00Z");
    let entries = audit::list(&house.db, None, 10).await.unwrap();
    let hunts: Vec<_> = entries.iter().filter(|entry| entry.action == "hunt").collect();
    assert_eq!(hunts.len(), 2);
    assert_eq!(hunts[0].target, "00000000-0000-0000-0000-000000000001");
    assert!(hunts[0].detail.starts_with("Root logs in, sha256 "), "{}", hunts[0].detail);
    assert_eq!(hunts[0].user, "analyst");
    assert_eq!(audit::first_broken(&house.db).await.unwrap(), None);
}

#[tokio::test]
async fn what_cannot_be_hunted_for_says_why() {
    let house = house().await;
    let token = house.token(Role::Lead).await;
    let check = async |body: serde_json::Value, part: &str| {
        let answer = house.api("POST", "/api/v1/hunt", &token, Some(body)).await;
        let detail = answer.problem(400, "invalid");
        assert!(detail.contains(part), "{detail}");
    };
    check(json!({"rule": ""}), "no such rule").await;
    check(json!({"rule": RULE, "id": "other"}), "no such rule").await;
    check(json!({"rule": RULE.replace("condition: a", "condition: b")}), "R0").await;
    let other = RULE.replace("0001", "0002");
    check(json!({"rule": format!("{RULE}---\n{other}")}), "several").await;
    let boundary = RULE.replace("user.name: root", r"user.name|re: '^(a\b|-)*$'");
    check(json!({"rule": boundary}), "cannot be hunted for").await;
    check(json!({"rule": RULE, "since_seconds": 0}), "before").await;
    check(json!({"rule": RULE, "since_seconds": 1, "since": "2026-01-01T00:00:00Z"}), "both").await;
    check(json!({"rule": RULE, "since_seconds": 99_999_999_999_u64}), "since_seconds").await;
    check(json!({"sql": "SELECT 1"}), "sql").await;
    house.store.broken.store(true, std::sync::atomic::Ordering::SeqCst);
    let answer = house.api("POST", "/api/v1/hunt", &token, Some(json!({"rule": RULE}))).await;
    answer.problem(503, "unavailable");
}

#[tokio::test]
async fn auditors_do_not_hunt() {
    let house = house().await;
    let token = house.token(Role::Auditor).await;
    let answer = house.api("POST", "/api/v1/hunt", &token, Some(json!({"rule": RULE}))).await;
    answer.problem(403, "forbidden");
}
