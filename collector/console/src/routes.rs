//! Routes: the one table of who may do what, and the router made from it.

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};

use crate::access::{ADMINISTER, APPROVE, Need, OVERSEE, READ, Trace, WORK};
use crate::envelope::{OwnBody, envelope};
use crate::guard::{BODY_BYTES_MAX, Rule, guard};
use crate::problem::Problem;
use crate::{ConsoleState, api, pages};

/// A line of the table.
pub(crate) struct Route {
    pub(crate) rule: Rule,
    handler: MethodRouter<ConsoleState>,
}

macro_rules! route {
    (GET $path:literal, $need:expr, $trace:ident, $handler:path) => {
        Route {
            rule: Rule { method: "GET", path: $path, need: $need, trace: Trace::$trace },
            handler: get($handler),
        }
    };
    (POST $path:literal, $need:expr, $trace:ident, $handler:path) => {
        Route {
            rule: Rule { method: "POST", path: $path, need: $need, trace: Trace::$trace },
            handler: post($handler),
        }
    };
}

/// Returns the table. What is not in it does not exist; what is, is guarded as it says.
pub(crate) fn table(open_metrics: bool) -> Vec<Route> {
    let metrics_need = if open_metrics { Need::Nothing } else { READ };
    vec![
        // open: no data of anybody
        route!(GET "/healthz", Need::Nothing, None, healthz),
        route!(GET "/metrics", metrics_need, None, metrics),
        route!(GET "/assets/console.css", Need::Nothing, None, pages::style),
        route!(GET "/assets/icon.svg", Need::Nothing, None, pages::icon),
        route!(GET "/login", Need::Nothing, None, pages::login::show),
        route!(POST "/login", Need::Nothing, None, pages::login::log_in),
        route!(POST "/api/v1/login", Need::Nothing, None, api::login::log_in),
        // the API
        route!(POST "/api/v1/logout", READ, None, api::login::log_out),
        route!(GET "/api/v1/openapi.json", READ, None, api::openapi::show),
        route!(GET "/api/v1/incidents", READ, Read, api::incidents::list),
        route!(GET "/api/v1/incidents/{id}", READ, Read, api::incidents::show),
        route!(POST "/api/v1/incidents/{id}/assign", WORK, Change, api::incidents::assign),
        route!(POST "/api/v1/incidents/{id}/transition", WORK, Change, api::incidents::transition),
        route!(POST "/api/v1/incidents/{id}/note", WORK, Change, api::incidents::note),
        route!(POST "/api/v1/incidents/{id}/report", WORK, Change, api::reports::request),
        route!(GET "/api/v1/reports", READ, Read, api::reports::list),
        route!(GET "/api/v1/reports/{id}", READ, Read, api::reports::show),
        route!(POST "/api/v1/reports/{id}/approve", APPROVE, Change, api::reports::approve),
        route!(POST "/api/v1/reports/{id}/refuse", APPROVE, Change, api::reports::refuse),
        route!(POST "/api/v1/reports/{id}/retry", APPROVE, Change, api::reports::retry),
        route!(GET "/api/v1/events", READ, Read, api::events::search),
        route!(POST "/api/v1/hunt", WORK, Read, api::hunt::hunt),
        route!(GET "/api/v1/agents", READ, None, api::agents::list),
        route!(POST "/api/v1/agents/{key}/trust", ADMINISTER, Change, api::agents::trust),
        route!(POST "/api/v1/agents/{key}/revoke", ADMINISTER, Change, api::agents::revoke),
        route!(GET "/api/v1/ledger", READ, None, api::ledger::show),
        route!(GET "/api/v1/audit", OVERSEE, Read, api::audit::list),
        // the pages
        route!(GET "/", READ, None, pages::home),
        route!(POST "/logout", READ, None, pages::login::log_out),
        route!(GET "/incidents", READ, Read, pages::incidents::show),
        route!(GET "/incidents/{id}", READ, Read, pages::incident::show),
        route!(POST "/incidents/{id}/assign", WORK, Change, pages::incident::assign),
        route!(POST "/incidents/{id}/transition", WORK, Change, pages::incident::transition),
        route!(POST "/incidents/{id}/note", WORK, Change, pages::incident::note),
        route!(POST "/incidents/{id}/report", WORK, Change, pages::incident::report),
        route!(GET "/reports", READ, Read, pages::reports::list),
        route!(GET "/reports/{id}", READ, Read, pages::reports::show),
        route!(POST "/reports/{id}/approve", APPROVE, Change, pages::reports::approve),
        route!(POST "/reports/{id}/refuse", APPROVE, Change, pages::reports::refuse),
        route!(POST "/reports/{id}/retry", APPROVE, Change, pages::reports::retry),
        route!(GET "/events", READ, Read, pages::events::show),
        route!(GET "/agents", READ, None, pages::agents::show),
        route!(POST "/agents/{key}/trust", ADMINISTER, Change, pages::agents::trust),
        route!(POST "/agents/{key}/revoke", ADMINISTER, Change, pages::agents::revoke),
        route!(GET "/ledger", READ, None, pages::ledger::show),
        route!(GET "/audit", OVERSEE, Read, pages::audit::show),
    ]
}

/// Returns the router: API under `/api/v1`, pages under `/`, `/healthz` and `/metrics`.
///
/// Serve it with `into_make_service_with_connect_info::<SocketAddr>()`: throttling and the audit log
/// need the caller's address.
pub fn router(state: ConsoleState) -> Router {
    let mut router = Router::new();
    for Route { rule, handler, .. } in table(state.config.open_metrics) {
        router = router.route(rule.path, guarded(handler, rule, &state));
    }
    // Who is not logged in learns nothing of which paths exist.
    let rest = Rule { method: "", path: "*", need: READ, trace: Trace::None };
    let unknown = || async { Problem::not_found("there is nothing at this address") };
    let wrong = || async { Problem::of_status(StatusCode::METHOD_NOT_ALLOWED) };
    router
        .method_not_allowed_fallback(wrong)
        .fallback_service(
            guarded(axum::routing::any(unknown), rest, &state).with_state(state.clone()),
        )
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn_with_state(state.clone(), envelope))
        .with_state(state)
}

fn guarded(
    handler: MethodRouter<ConsoleState>,
    rule: Rule,
    state: &ConsoleState,
) -> MethodRouter<ConsoleState> {
    handler.layer(middleware::from_fn_with_state((state.clone(), rule), guard))
}

async fn healthz(State(state): State<ConsoleState>) -> Response {
    let (status, text) = state.health.answer();
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, text).into_response();
    response.extensions_mut().insert(OwnBody);
    response
}

async fn metrics(State(state): State<ConsoleState>) -> Response {
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    let text = rules_service::meter::render(&state.registry);
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}
