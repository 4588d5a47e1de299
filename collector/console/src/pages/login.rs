//! The login page.

use askama::Template;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;

use super::{Chrome, done, render};
use crate::body::{FormBody, QueryBody};
use crate::credential::{self, Kind as Entrance};
use crate::envelope::OwnBody;
use crate::problem::{Kind, Problem};
use crate::visit::{Visit, Who};
use crate::{ConsoleState, login};

/// Where to go afterwards.
#[derive(Deserialize)]
pub(crate) struct LoginQuery {
    #[serde(default)]
    next: String,
}

/// A name and password.
#[derive(Deserialize)]
pub(crate) struct LoginForm {
    #[serde(default)]
    name: String,
    #[serde(default)]
    password: String,
    #[serde(default)]
    next: String,
}

#[derive(Template)]
#[template(path = "login.html")]
struct LoginPage {
    page: Chrome,
    problem: Option<String>,
    name: String,
    next: String,
}

/// Shows the form.
pub(crate) async fn show(
    visit: Visit,
    QueryBody(query): QueryBody<LoginQuery>,
) -> Result<Response, Problem> {
    let page = Chrome::new(&visit, None, "");
    render(&LoginPage { page, problem: None, name: String::new(), next: query.next })
}

/// Starts a session, or shows the form again with the reason.
pub(crate) async fn log_in(
    State(state): State<ConsoleState>,
    visit: Visit,
    FormBody(form): FormBody<LoginForm>,
) -> Result<Response, Problem> {
    match login::enter(&state, &visit, Entrance::Session, &form.name, form.password).await {
        Ok(entered) => {
            let mut response = done(login::landing(&form.next));
            let cookie = login::set_cookie(&state.config, &entered.secret);
            response.headers_mut().insert(header::SET_COOKIE, cookie);
            Ok(response)
        }
        Err(problem) if matches!(problem.kind, Kind::WrongPassword | Kind::Throttled) => {
            let mut text = visit.language.messages().problem(problem.kind).to_owned();
            if let Some(seconds) = problem.retry_after_s {
                text.push_str(&format!(" ({seconds} s)"));
            }
            let name = form.name.chars().take(crate::users::NAME_LENGTH_MAX).collect();
            let page = Chrome::new(&visit, None, "");
            let page = LoginPage { page, problem: Some(text), name, next: form.next };
            let mut response = render(&page)?;
            *response.status_mut() = problem.kind.status();
            if let Some(seconds) = problem.retry_after_s {
                response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
            }
            response.extensions_mut().insert(OwnBody);
            Ok(response)
        }
        Err(problem) => Err(problem),
    }
}

/// Ends the session.
pub(crate) async fn log_out(
    State(state): State<ConsoleState>,
    who: Who,
) -> Result<Response, Problem> {
    credential::revoke(&state.db, &who.secret).await?;
    let cookie = [(header::SET_COOKIE, login::set_cookie(&state.config, ""))];
    let location = [(header::LOCATION, "/login")];
    Ok((StatusCode::SEE_OTHER, cookie, location).into_response())
}
