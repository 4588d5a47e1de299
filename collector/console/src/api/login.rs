//! Login and logout for programs.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::body::JsonBody;
use crate::credential::{self, Kind as Entrance};
use crate::problem::{Problem, ProblemBody};
use crate::visit::{Visit, Who};
use crate::{ConsoleState, Role, login};

/// A name and password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LoginBody {
    /// User name.
    name: String,
    /// Password.
    password: String,
}

/// A token, shown this once.
#[derive(Serialize, Deserialize, ToSchema)]
pub(crate) struct TokenBody {
    /// To be sent as `Authorization: Bearer TOKEN`.
    token: String,
    /// RFC 3339: until when it is good.
    expires_at: String,
    /// Whose it is.
    name: String,
    /// What it may do.
    role: Role,
}

/// Exchanges a name and password for a bearer token.
#[utoipa::path(post, path = "/api/v1/login", tag = "login", request_body = LoginBody,
    security(()), responses(
    (status = 200, description = "A token", body = TokenBody),
    (status = 401, description = "Wrong name or password, or disabled", body = ProblemBody),
    (status = 429, description = "Too many failures; see Retry-After", body = ProblemBody)))]
pub(crate) async fn log_in(
    State(state): State<ConsoleState>,
    visit: Visit,
    JsonBody(body): JsonBody<LoginBody>,
) -> Result<Json<TokenBody>, Problem> {
    let entered = login::enter(&state, &visit, Entrance::Token, &body.name, body.password).await?;
    Ok(Json(TokenBody {
        token: entered.secret,
        expires_at: entered.expires.to_string(),
        name: entered.user.name,
        role: entered.user.role,
    }))
}

/// Ends the token that it is called with.
#[utoipa::path(post, path = "/api/v1/logout", tag = "login", responses(
    (status = 204, description = "The token is no longer good"),
    (status = 401, description = "It was not good any more", body = ProblemBody)))]
pub(crate) async fn log_out(
    State(state): State<ConsoleState>,
    who: Who,
) -> Result<StatusCode, Problem> {
    credential::revoke(&state.db, &who.secret).await?;
    Ok(StatusCode::NO_CONTENT)
}
