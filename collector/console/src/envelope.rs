//! Envelope: around every request a request id, a time limit, security headers and readable errors.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument;

use crate::ConsoleState;
use crate::language::Language;
use crate::pages;
use crate::problem::{Kind, Problem};
use crate::visit::{Face, Visit};

/// A request that takes longer is answered with 503. Searches have shorter limits of their own.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(60);

/// Nothing may be loaded but our own style sheet; nothing may frame us; forms go nowhere else.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Sent with every answer.
const HEADERS: [(HeaderName, &str); 8] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    // Not `no-referrer`: browsers would then send `Origin: null` with our own forms (Fetch
    // standard, "append a request `Origin` header").
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
    (header::CACHE_CONTROL, "no-store"),
];

/// Two years, as browsers' preload lists ask (RFC 6797 leaves it open).
const STRICT_TRANSPORT_SECURITY: &str = "max-age=63072000; includeSubDomains";

/// Wraps a request; the outermost layer.
pub(crate) async fn envelope(
    State(state): State<ConsoleState>,
    mut request: Request,
    next: Next,
) -> Response {
    let visit = Visit::of(&request, &state.config);
    let chosen = Language::chosen(&request);
    request.extensions_mut().insert(visit.clone());
    let span = tracing::info_span!("request", id = %visit.request_id);
    let answered = tokio::time::timeout(REQUEST_TIME_MAX, next.run(request)).instrument(span).await;
    let response = answered.unwrap_or_else(|_| {
        Problem::new(Kind::Unavailable, "this took longer than a minute; ask for less")
            .into_response()
    });
    let mut response = readable(response, &visit);
    state.requests.with_label_values(&[class(response.status())]).inc();
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    if state.config.secure {
        let value = HeaderValue::from_static(STRICT_TRANSPORT_SECURITY);
        headers.insert(header::STRICT_TRANSPORT_SECURITY, value);
    }
    if let Ok(id) = HeaderValue::from_str(&visit.request_id) {
        headers.insert("x-request-id", id);
    }
    if let Some(language) = chosen {
        headers.append(header::SET_COOKIE, language.cookie(state.config.secure));
    }
    response
}

/// Gives a failed answer a body: problem+json for programs, a page for people.
fn readable(mut response: Response, visit: &Visit) -> Response {
    let status = response.status();
    let problem = match response.extensions_mut().remove::<Problem>() {
        Some(problem) => problem,
        None if status.is_client_error() || status.is_server_error() => {
            // `/healthz` answers 503 with reasons of its own.
            if response.extensions_mut().remove::<OwnBody>().is_some() {
                return response;
            }
            Problem::of_status(status)
        }
        None => return response,
    };
    let (kind, body) = match visit.face {
        Face::Api => {
            let path = visit.target.split('?').next().unwrap_or_default();
            let body = problem.body(path, &visit.request_id);
            let body = serde_json::to_string(&body).unwrap_or_default();
            ("application/problem+json", body)
        }
        Face::Page => ("text/html; charset=utf-8", pages::problem(&problem, visit)),
    };
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.remove(header::CONTENT_LENGTH);
    *response.body_mut() = Body::from(body);
    response
}

/// Marks a failed answer whose body is meant as it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OwnBody;

fn class(status: StatusCode) -> &'static str {
    match status.as_u16() {
        ..300 => "2xx",
        300..400 => "3xx",
        400..500 => "4xx",
        _ => "5xx",
    }
}
