//! The pages: what is shown, in which language, and that nothing in it is code.

use std::sync::atomic::Ordering;

use axum::http::header;

use super::house::{SCRIPT, house};
use crate::Role;

#[tokio::test]
async fn an_incident_page_shows_all_and_escapes_all() {
    let house = house().await;
    let number = house.incident(1).await;
    let session = house.session(Role::Analyst).await;
    let page = house.page(&format!("/incidents/{number}"), &session).await;
    assert_eq!(page.status, 200, "{}", page.text);
    assert!(!page.text.contains("<script"), "an event's text must stay text");
    let escaped = "&#60;script&#62;alert(&#39;xin chào&#39;)&#60;/script&#62;";
    for text in [
        &format!("Dò mật khẩu SSH {escaped}"),
        &format!("line 0 {escaped}"),
        &format!("Chặn địa chỉ {escaped}"),
        "T1110.001",
        "rule-1",
        "203.0.113.1",
        "UTC+7",
        "18/11/2026 18:06:40",
        "title=\"2026-11-18T11:06:40Z\"",
        "Tiếp nhận",
        "Căn cứ",
    ] {
        assert!(page.text.contains(text), "{text} is missing in {}", page.text);
    }
    for path in ["/incidents", "/events?span=30d", "/agents", "/ledger", "/reports"] {
        let page = house.page(path, &session).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text);
        assert!(!page.text.contains(SCRIPT), "{path}");
        assert!(!page.text.contains("style=") && !page.text.contains("onclick"), "{path}");
    }
}

#[tokio::test]
async fn the_language_is_chosen_and_remembered() {
    let house = house().await;
    let session = house.session(Role::Analyst).await;
    let vietnamese = house.page("/incidents", &session).await;
    assert!(vietnamese.text.contains("<html lang=\"vi\">") && vietnamese.text.contains("Sự cố"));
    assert!(vietnamese.text.contains("href=\"/incidents?lang=en\""));
    let english = house.page("/incidents?lang=en", &session).await;
    assert!(english.text.contains("<html lang=\"en\">") && english.text.contains("Incidents"));
    let cookie = english.header(header::SET_COOKIE);
    assert!(cookie.starts_with("vonglau_lang=en;"), "{cookie}");
    let kept = house.page("/incidents", &format!("{session}; vonglau_lang=en")).await;
    assert!(kept.text.contains("<html lang=\"en\">"));
    let odd = house.page("/incidents?lang=%3Cscript%3E", &session).await;
    assert!(odd.text.contains("<html lang=\"vi\">") && odd.headers.get("set-cookie").is_none());
}

#[tokio::test]
async fn an_incident_is_worked_from_its_page() {
    let house = house().await;
    let number = house.incident(1).await;
    let session = house.session(Role::Lead).await;
    let path = format!("/incidents/{number}");
    let taken = house.form(&format!("{path}/assign"), &session, "revision=1&assignee=lead").await;
    assert_eq!((taken.status.as_u16(), taken.header(header::LOCATION)), (303, path.as_str()));
    let stale = house.form(&format!("{path}/assign"), &session, "revision=1&assignee=lead").await;
    assert_eq!(stale.status, 412);
    assert!(stale.text.contains("Người khác vừa thay đổi"), "{}", stale.text);
    let fields = "revision=2&to=closed&reason=benign&note=%C4%91%C3%BAng+quy+tr%C3%ACnh";
    let closed = house.form(&format!("{path}/transition"), &session, fields).await;
    assert_eq!(closed.status, 303, "{}", closed.text);
    let page = house.page(&path, &session).await;
    assert!(page.text.contains("Hoạt động hợp lệ") && page.text.contains("đúng quy trình"));
    assert!(page.text.contains("Mở lại"));
    let mine = house.page("/incidents?assignee=me&status=all", &session).await;
    assert!(mine.text.contains(&number));
}

#[tokio::test]
async fn an_auditor_reads_and_finds_no_buttons() {
    let house = house().await;
    let number = house.incident(1).await;
    let session = house.session(Role::Auditor).await;
    let page = house.page(&format!("/incidents/{number}"), &session).await;
    assert_eq!(page.text.matches("<form").count(), 1, "only the one to log out");
    let audit = house.page("/audit", &session).await;
    assert!(audit.text.contains("Chuỗi nhật ký nguyên vẹn"), "{}", audit.text);
    assert!(audit.text.contains(&format!("/incidents/{number}")));
}

#[tokio::test]
async fn problems_are_pages_too() {
    let house = house().await;
    let session = house.session(Role::Analyst).await;
    let missing = house.page("/incidents/INC-1", &session).await;
    assert_eq!(missing.status, 404);
    assert!(missing.text.contains("Không tìm thấy") && missing.text.contains("Mã yêu cầu"));
    let forbidden = house.form(&format!("/agents/{}/trust", "ab".repeat(32)), &session, "").await;
    assert_eq!(forbidden.status, 403);
    house.store.open.store(true, Ordering::SeqCst);
    let ledger = house.page("/ledger", &session).await;
    assert!(ledger.text.contains("Sổ KHÔNG khớp"), "{}", ledger.text);
}
