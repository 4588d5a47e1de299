//! Every route × every role, by way of the table, and what nobody may see.

use axum::body::Body;
use axum::http::{Request, header};

use super::house::{House, house, house_with};
use crate::access::Need;
use crate::routes::table;
use crate::{ConsoleConfig, Role};

/// What answers without authentication. A change here is a decision, so it is written out.
const OPEN: [&str; 6] = [
    "GET /healthz",
    "GET /assets/console.css",
    "GET /assets/icon.svg",
    "GET /login",
    "POST /login",
    "POST /api/v1/login",
];

/// What each role may not do, written out once more, independently of the table.
fn allowed(role: Role, method: &str, path: &str) -> bool {
    let ends = |ends: &[&str]| ends.iter().any(|end| path.ends_with(end));
    if path.ends_with("/audit") {
        return matches!(role, Role::Auditor | Role::Admin);
    }
    if method == "GET" || path.ends_with("/logout") {
        return true;
    }
    if ends(&["/trust", "/revoke"]) {
        return role == Role::Admin;
    }
    if ends(&["/approve", "/refuse", "/retry"]) {
        return matches!(role, Role::Lead | Role::Admin);
    }
    role != Role::Auditor
}

fn concrete(path: &str) -> String {
    path.replace("{id}", "INC-none").replace("{key}", &"ab".repeat(32))
}

async fn ask(house: &House, method: &str, path: &str, role: Role) -> u16 {
    let path = concrete(path);
    if path.starts_with("/api/") || path == "/metrics" {
        let token = house.token(role).await;
        let body = (method == "POST").then(|| serde_json::json!({}));
        return house.api(method, &path, &token, body).await.status.as_u16();
    }
    let session = house.session(role).await;
    let answered = match method {
        "GET" => house.page(&path, &session).await,
        _ => house.form(&path, &session, "").await,
    };
    answered.status.as_u16()
}

#[tokio::test]
async fn every_route_admits_the_roles_it_should() {
    let house = house().await;
    for route in table(false) {
        let (method, path) = (route.rule.method, route.rule.path);
        if OPEN.contains(&format!("{method} {path}").as_str()) {
            assert_eq!(route.rule.need, Need::Nothing, "{path}");
            continue;
        }
        for role in Role::ALL {
            let status = ask(&house, method, path, role).await;
            let admitted = status != 403;
            assert_eq!(admitted, allowed(role, method, path), "{role} {method} {path}: {status}");
            assert!(status < 500 && status != 401 && status != 405, "{method} {path}: {status}");
        }
    }
}

#[tokio::test]
async fn nothing_else_answers_without_authentication() {
    let house = house().await;
    let strangers =
        ["/nothing", "/api/v1/nothing", "/api/v2/incidents", "/assets/", "/.git/config"];
    let strangers = strangers.map(|path| ("GET", path));
    let routes = table(false);
    let routes = routes.iter().map(|route| (route.rule.method, route.rule.path));
    for (method, path) in routes.chain(strangers) {
        if OPEN.contains(&format!("{method} {path}").as_str()) {
            continue;
        }
        let path = concrete(path);
        for secret in ["", "vlt_wrong", "x\u{7f}"] {
            let cookie = format!("vonglau_session={secret}");
            let request = Request::builder().method(method).uri(&path).header("cookie", cookie);
            let request = request.header("authorization", format!("Bearer {}", secret.trim()));
            let Ok(request) = request.body(Body::empty()) else { continue };
            let answered = house.send(request).await;
            let sent_away = answered.header(header::LOCATION).starts_with("/login");
            let refused = answered.status == 401 || (answered.status == 303 && sent_away);
            assert!(refused, "{method} {path}: {} {}", answered.status, answered.text);
        }
    }
}

#[tokio::test]
async fn metrics_are_open_by_configuration_only() {
    let closed = house().await;
    assert_eq!(closed.api("GET", "/metrics", "", None).await.status, 401);
    let open = house_with(ConsoleConfig { open_metrics: true, ..ConsoleConfig::default() }).await;
    open.api("GET", "/api/v1/incidents", "", None).await;
    let answered = open.api("GET", "/metrics", "", None).await;
    assert_eq!(answered.status, 200);
    assert!(answered.text.contains("vonglau_console_requests_total{status=\"4xx\"} 1"));
}

#[tokio::test]
async fn neither_entrance_takes_the_others_key() {
    let house = house().await;
    let (token, session) = (house.token(Role::Admin).await, house.session(Role::Admin).await);
    assert_eq!(house.api("GET", "/api/v1/incidents", &session, None).await.status, 401);
    assert_eq!(house.page("/incidents", &token).await.status, 303);
    let request = Request::get("/api/v1/incidents")
        .header("cookie", format!("vonglau_session={session}"))
        .body(Body::empty())
        .unwrap();
    assert_eq!(house.send(request).await.status, 401, "a browser must not be usable for the API");
}

#[tokio::test]
async fn a_shut_out_user_is_out_at_once() {
    let house = house().await;
    let token = house.token(Role::Analyst).await;
    assert_eq!(house.api("GET", "/api/v1/incidents", &token, None).await.status, 200);
    let now = crate::moment::now();
    crate::users::set_disabled(&house.db, "analyst", true, now).await.unwrap();
    assert_eq!(house.api("GET", "/api/v1/incidents", &token, None).await.status, 401);
}

#[tokio::test]
async fn every_answer_carries_the_security_headers() {
    let config = ConsoleConfig { secure: true, ..ConsoleConfig::default() };
    let house = house_with(config).await;
    for path in ["/login", "/api/v1/incidents", "/healthz", "/nothing"] {
        let answered = house.api("GET", path, "", None).await;
        let csp = answered.header(header::CONTENT_SECURITY_POLICY);
        assert!(csp.contains("default-src 'none'") && !csp.contains("unsafe"), "{path}: {csp}");
        assert_eq!(answered.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff", "{path}");
        assert_eq!(answered.header(header::CACHE_CONTROL), "no-store", "{path}");
        assert!(answered.header(header::STRICT_TRANSPORT_SECURITY).contains("max-age"), "{path}");
        assert_eq!(answered.headers["x-request-id"].len(), 32, "{path}");
    }
    let css = house.api("GET", "/assets/console.css", "", None).await;
    assert_eq!(css.header(header::CONTENT_TYPE), "text/css; charset=utf-8");
    let health = house.api("GET", "/healthz", "", None).await;
    assert_eq!((health.status.as_u16(), health.text.as_str()), (200, "ok\n"));
}

#[tokio::test]
async fn the_wrong_method_is_named() {
    let house = house().await;
    let token = house.token(Role::Admin).await;
    let answered = house.api("DELETE", "/api/v1/incidents", &token, None).await;
    answered.problem(405, "method-not-allowed");
    house.api("GET", "/api/v1/nothing", &token, None).await.problem(404, "not-found");
}
