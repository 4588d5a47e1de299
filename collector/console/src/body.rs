//! Bodies: what comes in, read with errors that people understand, and ETags.

use axum::Json;
use axum::extract::rejection::{FormRejection, JsonRejection, QueryRejection};
use axum::extract::{Form, FromRequest, FromRequestParts, Query, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::de::DeserializeOwned;

use crate::problem::{Kind, Problem};

/// A JSON body.
pub(crate) struct JsonBody<T>(pub(crate) T);
/// The query of the address.
pub(crate) struct QueryBody<T>(pub(crate) T);
/// A page's form. The guard has checked its token.
pub(crate) struct FormBody<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match Json::<T>::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(rejection) => Err(of_json(&rejection)),
        }
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryBody<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, state).await {
            Ok(Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(of_query(&rejection)),
        }
    }
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for FormBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        match Form::<T>::from_request(request, state).await {
            Ok(Form(form)) => Ok(Self(form)),
            Err(rejection) => Err(of_form(&rejection)),
        }
    }
}

fn of_json(rejection: &JsonRejection) -> Problem {
    match rejection {
        JsonRejection::MissingJsonContentType(_) => {
            Problem::invalid("send the body as JSON, with 'Content-Type: application/json'")
        }
        other => refused(other.status(), &other.body_text()),
    }
}

fn of_query(rejection: &QueryRejection) -> Problem {
    refused(rejection.status(), &rejection.body_text())
}

fn of_form(rejection: &FormRejection) -> Problem {
    refused(rejection.status(), &rejection.body_text())
}

fn refused(status: StatusCode, text: &str) -> Problem {
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        return Problem::new(Kind::TooLarge, "a body may have 64 KiB at most");
    }
    // axum's texts start with a sentence about Rust types; what follows the first colon is for us.
    let detail = text.split_once(": ").map_or(text, |(_, detail)| detail);
    Problem::invalid(detail)
}

/// Returns the revision that `If-Match` names (RFC 9110, section 13.1.1).
pub(crate) fn if_match(headers: &HeaderMap) -> Result<Option<i64>, Problem> {
    let Some(value) = headers.get(header::IF_MATCH) else { return Ok(None) };
    let text = value.to_str().unwrap_or_default().trim();
    if text == "*" {
        return Ok(None);
    }
    let number = text.trim_matches('"').parse();
    number.map(Some).map_err(|_| {
        Problem::invalid("If-Match holds the revision as it came in ETag, such as \"7\"")
    })
}

/// Returns the entity tag of a revision.
pub(crate) fn etag(revision: i64) -> HeaderValue {
    HeaderValue::from_str(&format!("\"{revision}\"")).expect("a number is ASCII")
}
