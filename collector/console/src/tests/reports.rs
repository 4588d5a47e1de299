//! Reports: drafted by one, approved by another, from the API and from the pages.

use axum::http::header;
use serde_json::json;

use super::house::house;
use crate::Role;

#[tokio::test]
async fn a_report_needs_a_second_person() {
    let house = house().await;
    let number = house.incident(1).await;
    let lead = house.token(Role::Lead).await;
    let path = format!("/api/v1/incidents/{number}/report");
    let body = json!({"kind": "initial", "text_vi": "Dò mật khẩu từ một địa chỉ"});
    let drafted = house.api("POST", &path, &lead, Some(body)).await;
    assert_eq!(drafted.status, 200, "{}", drafted.text);
    let report = drafted.json();
    assert_eq!(report["state"], "pending_approval");
    let id = report["id"].as_str().unwrap();
    let approve = format!("/api/v1/reports/{id}/approve");
    let own = house.api("POST", &approve, &lead, None).await.problem(403, "forbidden");
    assert!(own.contains("another lead or admin"), "{own}");
    let analyst = house.token(Role::Analyst).await;
    house.api("POST", &approve, &analyst, None).await.problem(403, "forbidden");
    let admin = house.token(Role::Admin).await;
    let approved = house.api("POST", &approve, &admin, None).await.json();
    assert_eq!((&approved["state"], &approved["approver"]), (&json!("approved"), &json!("admin")));
    house.api("POST", &approve, &admin, None).await.problem(409, "conflict");
    let shown = house.api("GET", &format!("/api/v1/reports/{id}"), &analyst, None).await.json();
    assert_eq!(shown["receipts"], json!([]), "no receipt, not sent");
    assert!(shown["document"].as_str().unwrap().contains("\"objects\""));
    let list = house.api("GET", "/api/v1/reports?state=approved", &analyst, None).await.json();
    assert_eq!(list["reports"].as_array().unwrap().len(), 1);
    let of = format!("/api/v1/reports?incident={number}");
    let of = house.api("GET", &of, &analyst, None).await.json();
    assert_eq!(of["reports"][0]["id"], id);
    let odd = house.api("GET", "/api/v1/reports?state=sent", &analyst, None).await;
    assert!(odd.problem(400, "invalid").contains("pending_approval"));
    house.api("GET", "/api/v1/reports/none", &analyst, None).await.problem(404, "not-found");
    let retry = format!("/api/v1/reports/{id}/retry");
    house.api("POST", &retry, &admin, None).await.problem(409, "conflict");
    let kind = house.api("POST", &path, &lead, Some(json!({"kind": "final"}))).await;
    assert!(kind.problem(400, "invalid").contains("closing"));
}

#[tokio::test]
async fn a_report_is_drafted_and_decided_on_pages() {
    let house = house().await;
    let number = house.incident(1).await;
    let (analyst, lead) = (house.session(Role::Analyst).await, house.session(Role::Lead).await);
    let path = format!("/incidents/{number}/report");
    let drafted = house.form(&path, &analyst, "kind=initial&text_vi=Th%E1%BB%AD").await;
    assert_eq!(drafted.status, 303, "{}", drafted.text);
    let path = drafted.header(header::LOCATION).to_owned();
    let shown = house.page(&path, &lead).await;
    assert!(shown.text.contains("Chờ phê duyệt") && shown.text.contains("Chưa có biên nhận"));
    let revision = shown.text.split("name=\"revision\" value=\"").nth(1).unwrap();
    let revision = revision.split('"').next().unwrap();
    let fields = format!("revision={revision}&reason=thi%E1%BA%BFu");
    let refused = house.form(&format!("{path}/refuse"), &lead, &fields).await;
    assert_eq!(refused.status, 303, "{}", refused.text);
    let shown = house.page(&path, &lead).await;
    assert!(shown.text.contains("Bản nháp") && shown.text.contains("thiếu"), "{}", shown.text);
    let page = house.page(&format!("/incidents/{number}"), &analyst).await;
    assert!(page.text.contains("từ chối báo cáo"), "the journal tells it");
    assert!(house.page("/reports", &analyst).await.text.contains(&number));
}
