//! OpenAPI: the description of the API, made from the handlers themselves.

use axum::Json;
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};

use super::{agents, audit, events, hunt, incidents, ledger, login, reports};

#[derive(OpenApi)]
#[openapi(
    info(title = "Vọng Lâu", description = "Security monitoring for provincial government.",
         license(name = "Apache-2.0", identifier = "Apache-2.0")),
    paths(
        login::log_in, login::log_out,
        incidents::list, incidents::show, incidents::assign, incidents::transition,
        incidents::note, reports::request,
        reports::list, reports::show, reports::approve, reports::refuse, reports::retry,
        events::search, hunt::hunt, agents::list, agents::trust, agents::revoke, ledger::show, audit::list,
        show,
    ),
    security(("token" = [])),
    modifiers(&Token),
)]
struct Api;

struct Token;

impl Modify for Token {
    fn modify(&self, document: &mut Document) {
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
        let text = "A token from POST /api/v1/login.";
        let scheme = SecurityScheme::Http(scheme.description(Some(text)).build());
        document.components.get_or_insert_default().add_security_scheme("token", scheme);
    }
}

/// Returns the description of the API (OpenAPI 3.1).
#[must_use]
pub fn document() -> Document {
    Api::openapi()
}

/// Describes the API.
#[utoipa::path(get, path = "/api/v1/openapi.json", tag = "openapi", responses(
    (status = 200, description = "This document", body = Object)))]
pub(crate) async fn show() -> Json<Document> {
    Json(document())
}
