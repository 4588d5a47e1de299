//! Guard: before any handler runs, who asks, may they, is the form ours, and is it written down.

use axum::body::{Body, to_bytes};
use axum::extract::{Form, FromRequest, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};

use crate::access::{Need, Trace};
use crate::audit::{self, Act};
use crate::credential::{self, Kind as Entrance};
use crate::problem::{Kind, Problem};
use crate::visit::{Face, Visit, Who, cookie};
use crate::{ConsoleState, login, moment};

/// The largest form or JSON body taken, in bytes. The longest thing people write is a note.
pub(crate) const BODY_BYTES_MAX: usize = 64 * 1024;

/// What the table says of the route at hand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rule {
    pub(crate) method: &'static str,
    pub(crate) path: &'static str,
    pub(crate) need: Need,
    pub(crate) trace: Trace,
}

/// Lets a request through to its handler, or says why not.
pub(crate) async fn guard(
    State((state, rule)): State<(ConsoleState, Rule)>,
    request: Request,
    next: Next,
) -> Response {
    match admit(&state, rule, request).await {
        Ok((request, None)) => next.run(request).await,
        Ok((request, Some(note))) => {
            let response = next.run(request).await;
            let status = response.status();
            if status.is_client_error() || status.is_server_error() {
                let problem = response.extensions().get::<Problem>();
                let reason = problem.map(|problem| problem.detail.clone()).unwrap_or_default();
                note.refused(&state, status, &reason).await;
            }
            response
        }
        Err(refusal) => refusal,
    }
}

async fn admit(
    state: &ConsoleState,
    rule: Rule,
    mut request: Request,
) -> Result<(Request, Option<Note>), Response> {
    let Some(visit) = request.extensions().get::<Visit>().cloned() else {
        return Err(Problem::new(Kind::Internal, "the request has no envelope").into_response());
    };
    let changes = !matches!(*request.method(), Method::GET | Method::HEAD);
    if rule.need == Need::Nothing {
        if changes && visit.face == Face::Page {
            own_origin(state, request.headers()).map_err(IntoResponse::into_response)?;
        }
        return Ok((request, None));
    }
    let who = match authenticate(state, &visit, request.headers()).await {
        Ok(Some(who)) => who,
        Ok(None) => return Err(anonymous(&visit, changes)),
        Err(problem) => return Err(problem.into_response()),
    };
    if !rule.need.admits(who.role) {
        tracing::warn!(user = %who.name, role = %who.role, target = %visit.target, "refused");
        let detail = format!(
            "{} has the role {}, which may not do this; ask {}",
            who.name,
            who.role,
            remedy(rule.need)
        );
        return Err(Problem::new(Kind::Forbidden, detail).into_response());
    }
    if changes && visit.face == Face::Page {
        own_origin(state, request.headers()).map_err(IntoResponse::into_response)?;
        request = own_form(request, &who).await.map_err(IntoResponse::into_response)?;
    }
    let note = write_down(state, rule, &visit, &who).await;
    let note = note.map_err(IntoResponse::into_response)?;
    request.extensions_mut().insert(who);
    Ok((request, note))
}

/// Programs come with a bearer token, browsers with a cookie; neither is taken for the other, so a
/// browser cannot be tricked into using the API.
async fn authenticate(
    state: &ConsoleState,
    visit: &Visit,
    headers: &HeaderMap,
) -> Result<Option<Who>, Problem> {
    let (entrance, secret) = match visit.face {
        Face::Api => (Entrance::Token, bearer(headers)),
        Face::Page => (Entrance::Session, cookie(headers, login::cookie_name(&state.config))),
    };
    let Some(secret) = secret else { return Ok(None) };
    let user = credential::holder(&state.db, entrance, secret, moment::now()).await?;
    Ok(user.map(|user| Who {
        name: user.name,
        display_name: user.display_name,
        role: user.role,
        address: visit.address.to_string(),
        secret: secret.to_owned(),
        form_token: match entrance {
            Entrance::Session => credential::form_token(secret),
            Entrance::Token => String::new(),
        },
    }))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// A browser is sent to the login page and from there back to where it was going.
fn anonymous(visit: &Visit, changes: bool) -> Response {
    match visit.face {
        Face::Api => Problem::new(
            Kind::Unauthenticated,
            "send 'Authorization: Bearer TOKEN' with a token from POST /api/v1/login; \
             it may have expired",
        )
        .into_response(),
        Face::Page if changes => Redirect::to("/login").into_response(),
        Face::Page => {
            Redirect::to(&format!("/login?next={}", login::quote(&visit.target))).into_response()
        }
    }
}

/// Returns an error unless the form was sent by a page of ours: browsers name the origin of every
/// POST, and scripts elsewhere cannot change it.
fn own_origin(state: &ConsoleState, headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let origin = text(header::ORIGIN).unwrap_or_default();
    let ours = match &state.config.public_origin {
        Some(ours) => origin.eq_ignore_ascii_case(ours.trim_end_matches('/')),
        None => {
            let authority = origin.split_once("://").map(|(_, authority)| authority);
            authority.is_some_and(|authority| Some(authority) == text(header::HOST))
        }
    };
    if ours {
        return Ok(());
    }
    tracing::warn!(origin, "a form came from elsewhere");
    Err(Problem::new(
        Kind::ForeignForm,
        "this form was not sent from the console's own address; open the console and try again",
    ))
}

/// Reads the form, checks that it carries the session's token, and puts it back for the handler.
async fn own_form(request: Request, who: &Who) -> Result<Request, Problem> {
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, BODY_BYTES_MAX)
        .await
        .map_err(|_| Problem::new(Kind::TooLarge, "a form may have 64 KiB at most"))?;
    let copy = Request::from_parts(parts.clone(), Body::from(bytes.clone()));
    let fields = match Form::<Vec<(String, String)>>::from_request(copy, &()).await {
        Ok(Form(fields)) => fields,
        Err(rejection) => return Err(Problem::invalid(rejection.body_text())),
    };
    let token = fields.iter().find(|(name, _)| name == "csrf").map(|(_, value)| value.as_str());
    if !token.is_some_and(|token| credential::same(token, &who.form_token)) {
        return Err(Problem::new(
            Kind::ForeignForm,
            "the form is older than this login; go back, reload the page and send it again",
        ));
    }
    Ok(Request::from_parts(parts, Body::from(bytes)))
}

/// Writes the audit entry. If it cannot be written, the request is not done.
async fn write_down(
    state: &ConsoleState,
    rule: Rule,
    visit: &Visit,
    who: &Who,
) -> Result<Option<Note>, Problem> {
    if rule.trace == Trace::None {
        return Ok(None);
    }
    let (target, detail) = visit.target.split_once('?').unwrap_or((&visit.target, ""));
    let note = Note {
        user: who.name.clone(),
        role: who.role.as_str(),
        address: who.address.clone(),
        action: format!("{} {}", rule.method, rule.path),
        target: target.to_owned(),
        request_id: visit.request_id.clone(),
    };
    note.write(state, detail).await?;
    Ok((rule.trace == Trace::Change).then_some(note))
}

/// The facts of an audit entry.
struct Note {
    user: String,
    role: &'static str,
    address: String,
    action: String,
    target: String,
    request_id: String,
}

impl Note {
    async fn write(&self, state: &ConsoleState, detail: &str) -> Result<(), Problem> {
        let act = Act {
            user: &self.user,
            role: self.role,
            address: &self.address,
            action: &self.action,
            target: &self.target,
            detail,
            request_id: &self.request_id,
        };
        audit::write(&state.db, act, moment::now()).await.map_err(Problem::from)
    }

    /// Adds that the change was not made after all.
    async fn refused(&self, state: &ConsoleState, status: StatusCode, reason: &str) {
        if self.write(state, &format!("refused with {status}: {reason}")).await.is_err() {
            tracing::error!(action = %self.action, %status, "a refusal is missing from the audit");
        }
    }
}

fn remedy(need: Need) -> String {
    let Need::Roles(roles) = need else { return "an administrator".to_owned() };
    let words: Vec<_> = roles.iter().map(|role| role.as_str()).collect();
    format!("somebody with the role {}", words.join(" or "))
}
