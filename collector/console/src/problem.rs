//! Problem: what a caller is told when something is not done (RFC 9457).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::Error;

/// The kinds of problem. Each has a stable name, `urn:vonglau:problem:<name>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Unauthenticated,
    WrongPassword,
    Throttled,
    Forbidden,
    ForeignForm,
    NotFound,
    MethodNotAllowed,
    Invalid,
    TooLarge,
    Conflict,
    Stale,
    Busy,
    Unavailable,
    Internal,
}

impl Kind {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 14] = [
        Self::Unauthenticated,
        Self::WrongPassword,
        Self::Throttled,
        Self::Forbidden,
        Self::ForeignForm,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Invalid,
        Self::TooLarge,
        Self::Conflict,
        Self::Stale,
        Self::Busy,
        Self::Unavailable,
        Self::Internal,
    ];

    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Unauthenticated | Self::WrongPassword => StatusCode::UNAUTHORIZED,
            Self::Throttled => StatusCode::TOO_MANY_REQUESTS,
            Self::Forbidden | Self::ForeignForm => StatusCode::FORBIDDEN,
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Invalid => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Conflict => StatusCode::CONFLICT,
            Self::Stale => StatusCode::PRECONDITION_FAILED,
            Self::Busy | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// Returns the last word of the problem's type.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Unauthenticated => "unauthenticated",
            Self::WrongPassword => "wrong-password",
            Self::Throttled => "throttled",
            Self::Forbidden => "forbidden",
            Self::ForeignForm => "foreign-form",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::Invalid => "invalid",
            Self::TooLarge => "too-large",
            Self::Conflict => "conflict",
            Self::Stale => "stale",
            Self::Busy => "busy",
            Self::Unavailable => "unavailable",
            Self::Internal => "internal",
        }
    }

    fn of_status(status: StatusCode) -> Self {
        match status {
            StatusCode::UNAUTHORIZED => Self::Unauthenticated,
            StatusCode::FORBIDDEN => Self::Forbidden,
            StatusCode::NOT_FOUND => Self::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Self::MethodNotAllowed,
            StatusCode::PAYLOAD_TOO_LARGE => Self::TooLarge,
            status if status.is_client_error() => Self::Invalid,
            _ => Self::Internal,
        }
    }
}

/// Why a request was not done. Becomes JSON for programs and a page for people; see `envelope`.
#[derive(Debug, Clone)]
pub struct Problem {
    pub(crate) kind: Kind,
    pub(crate) detail: String,
    pub(crate) retry_after_s: Option<u64>,
}

/// The body of a problem (RFC 9457, section 3).
#[derive(Debug, Serialize, serde::Deserialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub(crate) struct ProblemBody {
    /// `urn:vonglau:problem:<name>`, stable.
    #[serde(rename = "type")]
    pub(crate) kind: String,
    /// The same for every problem of this type.
    pub(crate) title: String,
    /// The HTTP status.
    pub(crate) status: u16,
    /// What happened this time, and the remedy.
    pub(crate) detail: String,
    /// The path that was asked for.
    pub(crate) instance: String,
    /// To be quoted to the operator, who finds it in the log.
    pub(crate) request_id: String,
}

impl Problem {
    pub(crate) fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), retry_after_s: None }
    }

    pub(crate) fn invalid(detail: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, detail)
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, detail)
    }

    /// The whole error goes to the log under the request id; the caller learns only that.
    pub(crate) fn internal(error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(error = %rules_service::logs::chain(error), "a request failed");
        Self::new(Kind::Internal, "the collector's log says why, under this request id")
    }

    /// Something the console needs does not answer.
    pub(crate) fn unavailable(what: &str, error: &(dyn std::error::Error + 'static)) -> Self {
        tracing::error!(what, error = %rules_service::logs::chain(error), "unavailable");
        let mut problem = Self::new(
            Kind::Unavailable,
            format!("{what} does not answer; try again, and see the collector's log"),
        );
        problem.retry_after_s = Some(10);
        problem
    }

    pub(crate) fn throttled(wait: std::time::Duration) -> Self {
        let seconds = wait.as_secs().max(1);
        let mut problem = Self::new(
            Kind::Throttled,
            format!("too many failed logins; wait {seconds} seconds and try again"),
        );
        problem.retry_after_s = Some(seconds);
        problem
    }

    /// Returns the problem of an answer that axum made by itself, such as 405.
    pub(crate) fn of_status(status: StatusCode) -> Self {
        Self::new(Kind::of_status(status), status.canonical_reason().unwrap_or("refused"))
    }

    pub(crate) fn body(&self, instance: &str, request_id: &str) -> ProblemBody {
        ProblemBody {
            kind: format!("urn:vonglau:problem:{}", self.kind.name()),
            title: crate::language::EN.problem(self.kind).to_owned(),
            status: self.kind.status().as_u16(),
            detail: self.detail.clone(),
            instance: instance.to_owned(),
            request_id: request_id.to_owned(),
        }
    }
}

/// The status and the headers only; `envelope` finds the problem among the extensions and writes
/// the body that the caller can read.
impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.kind.status().into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after_s {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.kind == Kind::Unauthenticated {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match &error {
            Error::Busy => {
                let mut problem = Self::new(Kind::Busy, error.to_string());
                problem.retry_after_s = Some(2);
                problem
            }
            Error::BadName(_) | Error::BadPassword(_) | Error::BadRole(_) => {
                Self::invalid(error.to_string())
            }
            Error::UserExists(_) | Error::LastAdmin(_) => {
                Self::new(Kind::Conflict, error.to_string())
            }
            Error::UnknownUser(_) => Self::not_found(error.to_string()),
            Error::Database { .. } | Error::Migrate(_) | Error::Hash(_) => Self::internal(&error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        let mut names: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Kind::ALL.len());
    }
}
