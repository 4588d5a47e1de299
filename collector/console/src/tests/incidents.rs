//! The API of incidents, events, agents and the ledger.

use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::json;

use super::house::{SCRIPT, house};
use crate::Role;

#[tokio::test]
async fn an_incident_is_listed_shown_and_worked() {
    let house = house().await;
    let number = house.incident(1).await;
    let token = house.token(Role::Analyst).await;
    let list = house.api("GET", "/api/v1/incidents", &token, None).await.json();
    assert_eq!(list["incidents"][0]["number"], number);
    assert!(!list["incidents"][0]["deadlines"].as_array().unwrap().is_empty());

    let path = format!("/api/v1/incidents/{number}");
    let shown = house.api("GET", &path, &token, None).await;
    let tag = shown.header(header::ETAG).to_owned();
    let body = shown.json();
    assert_eq!(tag, format!("\"{}\"", body["incident"]["revision"]));
    assert_eq!(body["events"].as_array().unwrap().len(), 2);
    assert_eq!(body["events"][0]["fields"]["source.ip"], "203.0.113.9");
    assert!(body["alerts"][0]["runbook_vi"].as_str().unwrap().contains("Chặn"));
    let id = body["incident"]["id"].as_str().unwrap();
    let by_id = house.api("GET", &format!("/api/v1/incidents/{id}"), &token, None).await;
    assert_eq!(by_id.json()["incident"]["number"], number);

    let assign = json!({"assignee": "me"});
    let changed = house.api("POST", &format!("{path}/assign"), &token, Some(assign)).await;
    assert_eq!(changed.json()["assignee"], "analyst", "{}", changed.text);
    let moved = json!({"to": "triage"});
    let moved = house.api("POST", &format!("{path}/transition"), &token, Some(moved)).await;
    assert_eq!(moved.json()["status"], "triage");
    let note = json!({"note": "đã gọi đơn vị"});
    let noted = house.api("POST", &format!("{path}/note"), &token, Some(note)).await;
    assert!(noted.json()["seq"].as_i64().unwrap() > 1);
    let close = json!({"to": "closed", "reason": "false_positive", "note": "máy quét của ta"});
    let closed = house.api("POST", &format!("{path}/transition"), &token, Some(close)).await;
    assert_eq!(closed.json()["close_reason"], "false_positive");
    let body = house.api("GET", &path, &token, None).await.json();
    let acts: Vec<_> =
        body["journal"].as_array().unwrap().iter().map(|entry| entry["action"].clone()).collect();
    for act in ["assigned", "moved", "commented"] {
        assert!(acts.contains(&json!(act)), "{acts:?}");
    }
    assert_eq!(body["journal"][1]["address"], "192.0.2.10");
    let list = house.api("GET", "/api/v1/incidents?status=closed", &token, None).await.json();
    assert_eq!(list["incidents"].as_array().unwrap().len(), 1);
    let open = house.api("GET", "/api/v1/incidents", &token, None).await.json();
    assert!(open["incidents"].as_array().unwrap().is_empty());
}

#[tokio::test]
async fn what_is_never_forwarded_says_so_and_why() {
    let house = house().await;
    let (open, home) = (house.incident(1).await, house.incident_of(2, true).await);
    let token = house.token(Role::Analyst).await;
    let list = house.api("GET", "/api/v1/incidents", &token, None).await.json();
    for one in list["incidents"].as_array().unwrap() {
        let kept = if one["number"] == home.as_str() { json!("rule-1") } else { json!(null) };
        assert_eq!(one["kept_by"]["rule_id"], kept, "{one}");
    }
    for (number, never) in [(&open, false), (&home, true)] {
        let path = format!("/api/v1/incidents/{number}");
        let body = house.api("GET", &path, &token, None).await.json();
        assert_eq!(body["alerts"][0]["never_forward"], never);
        assert_eq!(body["incident"]["kept_by"].is_object(), never);
    }
    let session = house.session(Role::Analyst).await;
    for (number, never) in [(&open, false), (&home, true)] {
        let page = house.page(&format!("/incidents/{number}"), &session).await.text;
        assert_eq!(page.contains("Không chuyển tiếp"), never);
        assert_eq!(page.contains("kênh dành cho tài liệu mật. Luật: Dò mật khẩu SSH"), never);
        assert_eq!(page.contains(&format!("action=\"/incidents/{number}/report\"")), !never);
        let page = house.page(&format!("/incidents/{number}?lang=en"), &session).await.text;
        assert_eq!(page.contains("Never forwarded"), never);
    }
    let page = house.page("/incidents", &session).await.text;
    assert_eq!(page.matches("Không chuyển tiếp").count(), 1);
}

#[tokio::test]
async fn what_cannot_be_done_says_why() {
    let house = house().await;
    let number = house.incident(1).await;
    let token = house.token(Role::Lead).await;
    let path = format!("/api/v1/incidents/{number}");
    let post = async |what: &str, body| {
        house.api("POST", &format!("{path}/{what}"), &token, Some(body)).await
    };
    let detail = post("transition", json!({"to": "closed"})).await.problem(400, "invalid");
    assert!(detail.contains("say why"), "{detail}");
    let body = json!({"to": "closed", "reason": "benign"});
    assert!(post("transition", body).await.problem(400, "invalid").contains("note"));
    let body = json!({"to": "reopened"});
    let detail = post("transition", body).await.problem(409, "conflict");
    assert!(detail.contains("triage, in_progress, closed"), "{detail}");
    let detail = post("transition", json!({"to": "done"})).await.problem(400, "invalid");
    assert!(detail.contains("'done' is none of new, triage"), "{detail}");
    let detail = post("transition", json!({})).await.problem(400, "invalid");
    assert!(detail.contains("missing field `to`"), "{detail}");
    let detail = post("assign", json!({"assignee": "nobody"})).await.problem(400, "invalid");
    assert!(detail.contains("'nobody' is no user"), "{detail}");
    let detail = post("assign", json!({"assignee": "auditor"})).await.problem(400, "invalid");
    assert!(detail.contains("'auditor'"), "{detail}");
    let detail = post("assign", json!({"asignee": "lead"})).await.problem(400, "invalid");
    assert!(detail.contains("unknown field `asignee`"), "{detail}");
    post("note", json!({"note": "  "})).await.problem(400, "invalid");
    let missing = house.api("GET", "/api/v1/incidents/INC-9999-1", &token, None).await;
    assert!(missing.problem(404, "not-found").contains("INC-9999-1"));
    let plain = house.api("POST", &format!("{path}/note"), &token, None).await;
    assert!(plain.problem(400, "invalid").contains("application/json"));
}

#[tokio::test]
async fn a_stale_revision_is_refused() {
    let house = house().await;
    let number = house.incident(1).await;
    let token = house.token(Role::Analyst).await;
    let send = async |tag: &str| {
        let request = Request::post(format!("/api/v1/incidents/{number}/assign"))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .header("if-match", tag)
            .body(Body::from(json!({"assignee": "lead"}).to_string()))
            .unwrap();
        house.send(request).await
    };
    let first = send("\"1\"").await;
    assert_eq!(first.status, 200, "{}", first.text);
    let detail = send("\"1\"").await.problem(412, "stale");
    assert!(detail.contains("reload"), "{detail}");
    send("abc").await.problem(400, "invalid");
    assert_eq!(send(first.header(header::ETAG)).await.status, 200);
}

#[tokio::test]
async fn incidents_come_in_pages() {
    let house = house().await;
    for number in 1..=7 {
        house.incident(number).await;
    }
    let token = house.token(Role::Auditor).await;
    let (mut seen, mut path) = (Vec::new(), "/api/v1/incidents?limit=3".to_owned());
    loop {
        let body = house.api("GET", &path, &token, None).await.json();
        let page = body["incidents"].as_array().unwrap();
        seen.extend(page.iter().map(|one| one["number"].as_str().unwrap().to_owned()));
        let Some(next) = body["next"].as_str() else { break };
        path = format!("/api/v1/incidents?limit=3&cursor={next}");
    }
    assert_eq!(seen.len(), 7);
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 7, "none twice");
    for (query, part) in [
        ("limit=0", "limit 0"),
        ("limit=many", "invalid digit"),
        ("status=open", "'open' is none of"),
        ("severity=worst", "'worst'"),
        ("since=yesterday", "since: 'yesterday'"),
        ("entity=x", "field:value"),
        ("colour=red", "unknown field `colour`"),
        ("cursor=x", "cursor"),
    ] {
        let answered = house.api("GET", &format!("/api/v1/incidents?{query}"), &token, None).await;
        let detail = answered.problem(400, "invalid");
        assert!(detail.contains(part), "{query}: {detail}");
    }
    for query in [
        "severity=high",
        "assignee=",
        "entity=source.ip:203.0.113.1",
        "q=do+mat+khau",
        "rule=rule-1",
    ] {
        let answered = house.api("GET", &format!("/api/v1/incidents?{query}"), &token, None).await;
        assert!(!answered.json()["incidents"].as_array().unwrap().is_empty(), "{query}");
    }
}

#[tokio::test]
async fn events_are_searched_page_by_page() {
    let house = house().await;
    let token = house.token(Role::Analyst).await;
    let window = "since=2026-01-01T00:00:00Z&until=2027-01-01T00:00:00%2B07:00";
    let first = format!("/api/v1/events?{window}&limit=50&source.ip=203.0.113.9&q=line");
    let (mut seen, mut path) = (Vec::new(), first.clone());
    loop {
        let body = house.api("GET", &path, &token, None).await.json();
        seen.extend(body["events"].as_array().unwrap().iter().map(|event| event["id"].to_string()));
        let Some(next) = body["next"].as_str() else { break };
        path = format!("{first}&cursor={next}");
    }
    assert_eq!(seen.len(), 120);
    let body = house.api("GET", &format!("{first}&limit=1"), &token, None).await.json();
    let event = &body["events"][0];
    assert_eq!(event["fields"]["event.original"], format!("line 119 {SCRIPT}"));
    assert_eq!(event["received"], "2026-11-18T11:08:39Z");
    for (query, part) in [
        ("ip=1", "'ip' is no filter"),
        ("since=2027-01-01T00:00:00Z&until=2026-01-01T00:00:00Z", "not before"),
        ("source.port=ssh", "holds a number"),
        ("cursor=zz", "cursor"),
        (&format!("q={}", "x".repeat(600)), "512"),
    ] {
        let answered = house.api("GET", &format!("/api/v1/events?{query}"), &token, None).await;
        let detail = answered.problem(400, "invalid");
        assert!(detail.contains(part), "{query}: {detail}");
    }
    let audit = crate::audit(&house.db, None, 1).await.unwrap();
    assert_eq!(audit[0].action, "GET /api/v1/events");
    assert!(audit[0].detail.starts_with("q=xxx"), "who looked for what is written down");
}

#[tokio::test]
async fn a_dead_event_store_is_said_and_the_rest_stands() {
    let house = house().await;
    let number = house.incident(1).await;
    let token = house.token(Role::Analyst).await;
    house.store.broken.store(true, Ordering::SeqCst);
    let answered = house.api("GET", "/api/v1/events", &token, None).await;
    assert!(answered.problem(503, "unavailable").contains("event store"));
    assert!(!answered.text.contains("127.0.0.1"), "the inside stays in the log");
    house.api("GET", "/api/v1/ledger", &token, None).await.problem(503, "unavailable");
    let shown = house.api("GET", &format!("/api/v1/incidents/{number}"), &token, None).await;
    let body = shown.json();
    assert_eq!(body["incident"]["number"], number);
    assert!(body["events_problem"].as_str().unwrap().contains("event store"));
    let agents = house.api("GET", "/api/v1/agents", &token, None).await.json();
    assert!(agents["heartbeats_problem"].is_string());
    let session = house.session(Role::Analyst).await;
    let page = house.page(&format!("/incidents/{number}"), &session).await;
    assert_eq!(page.status, 200);
    assert!(page.text.contains("Không đọc được kho sự kiện"));
}

#[tokio::test]
async fn agents_are_trusted_and_revoked_by_administrators() {
    let house = house().await;
    let token = house.token(Role::Admin).await;
    let identity = agent_wire::Identity::from_seed(&[7; 32]);
    let key = identity.public_key();
    let agents = house.api("GET", "/api/v1/agents", &token, None).await.json();
    assert_eq!(agents["agents"][0]["heartbeat"]["host"], "web01");
    assert_eq!(agents["agents"][0]["status"], "unknown");
    let path = format!("/api/v1/agents/{key}");
    let named = Some(json!({"name": "web server"}));
    let done = house.api("POST", &format!("{path}/trust"), &token, named).await;
    assert_eq!(done.status, 204, "{}", done.text);
    let agents = house.api("GET", "/api/v1/agents", &token, None).await.json();
    assert_eq!(agents["agents"].as_array().unwrap().len(), 1, "joined by id");
    let agent = &agents["agents"][0];
    assert_eq!(agent["wanted"], "trusted");
    assert_eq!((&agent["name"], &agent["decided_by"]), (&json!("web server"), &json!("admin")));
    let by_id = format!("/api/v1/agents/{}/revoke", identity.agent_id());
    assert_eq!(house.api("POST", &by_id, &token, None).await.status, 204);
    let unknown = format!("/api/v1/agents/{}/revoke", "ab".repeat(16));
    house.api("POST", &unknown, &token, None).await.problem(404, "not-found");
    let odd = house.api("POST", "/api/v1/agents/web01/revoke", &token, None).await;
    assert!(odd.problem(400, "invalid").contains("64 hexadecimal"));
}

#[tokio::test]
async fn the_ledger_says_whether_it_closes() {
    let house = house().await;
    let token = house.token(Role::Auditor).await;
    let ledger = house.api("GET", "/api/v1/ledger", &token, None).await.json();
    assert_eq!((&ledger["closes"], &ledger["lines"][0]["seq_max"]), (&json!(true), &json!(9)));
    house.store.open.store(true, Ordering::SeqCst);
    let ledger = house.api("GET", "/api/v1/ledger", &token, None).await.json();
    assert_eq!(ledger["closes"], false);
    assert_eq!(ledger["lines"][0]["missing"], json!([[4, 4]]));
    house.api("GET", "/api/v1/ledger?since=x", &token, None).await.problem(400, "invalid");
}

#[tokio::test]
async fn reads_and_changes_are_written_down_and_the_chain_shows_tampering() {
    let house = house().await;
    let number = house.incident(1).await;
    let token = house.token(Role::Analyst).await;
    house.api("GET", &format!("/api/v1/incidents/{number}"), &token, None).await;
    let path = format!("/api/v1/incidents/{number}/transition");
    house.api("POST", &path, &token, Some(json!({"to": "new"}))).await.problem(409, "conflict");
    let admin = house.token(Role::Admin).await;
    let body = house.api("GET", "/api/v1/audit", &admin, None).await.json();
    assert_eq!(body["broken_at"], json!(null));
    let entries = body["entries"].as_array().unwrap();
    let acts: Vec<_> = entries.iter().rev().map(|entry| entry["action"].clone()).collect();
    let change = "POST /api/v1/incidents/{id}/transition";
    assert_eq!(
        acts,
        ["GET /api/v1/incidents/{id}", change, change, "GET /api/v1/audit"].map(|act| json!(act))
    );
    assert!(entries[1]["detail"].as_str().unwrap().starts_with("refused with 409"));
    assert_eq!(entries[1]["request_id"], entries[2]["request_id"]);
    sqlx::query("UPDATE console_audit SET user_name = 'lead' WHERE seq = 2")
        .execute(&house.db)
        .await
        .unwrap();
    let body = house.api("GET", "/api/v1/audit", &admin, None).await.json();
    assert_eq!(body["broken_at"], 2);
}
