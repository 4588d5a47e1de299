//! The pages: HTML rendered here, readable without script, Vietnamese first.

pub(crate) mod agents;
pub(crate) mod audit;
pub(crate) mod events;
pub(crate) mod incident;
pub(crate) mod incidents;
pub(crate) mod ledger;
pub(crate) mod login;
pub(crate) mod parts;
pub(crate) mod reports;

use askama::Template;
use axum::http::{HeaderValue, header};
use axum::response::{Html, IntoResponse, Redirect, Response};

use crate::Role;
use crate::access::{ADMINISTER, APPROVE, OVERSEE, WORK};
use crate::language::{Language, Messages};
use crate::problem::Problem;
use crate::visit::{Visit, Who};

/// What surrounds every page.
pub(crate) struct Chrome {
    m: &'static Messages,
    lang: Language,
    switch: String,
    user: Option<Who>,
    here: &'static str,
}

impl Chrome {
    pub(crate) fn new(visit: &Visit, who: Option<&Who>, here: &'static str) -> Self {
        Self {
            m: visit.language.messages(),
            lang: visit.language,
            switch: switch(&visit.target, visit.language.other()),
            user: who.cloned(),
            here,
        }
    }

    fn links(&self) -> Vec<(&'static str, &'static str)> {
        let mut links = vec![
            ("/incidents", self.m.incidents),
            ("/events", self.m.events),
            ("/reports", self.m.reports),
            ("/agents", self.m.agents),
            ("/ledger", self.m.ledger),
        ];
        if self.role().is_some_and(|role| OVERSEE.admits(role)) {
            links.push(("/audit", self.m.audit));
        }
        links
    }

    fn version(&self) -> &'static str {
        env!("CARGO_PKG_VERSION")
    }

    fn form_token(&self) -> &str {
        self.user.as_ref().map_or("", |user| &user.form_token)
    }

    fn role(&self) -> Option<Role> {
        self.user.as_ref().map(|user| user.role)
    }

    fn role_name(&self) -> &'static str {
        self.role().map_or("", |role| self.m.role(role))
    }

    fn may_work(&self) -> bool {
        self.role().is_some_and(|role| WORK.admits(role))
    }

    fn may_approve(&self) -> bool {
        self.role().is_some_and(|role| APPROVE.admits(role))
    }

    fn may_administer(&self) -> bool {
        self.role().is_some_and(|role| ADMINISTER.admits(role))
    }
}

/// Returns the present address in the other language.
fn switch(target: &str, other: Language) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let kept = query.split('&').filter(|pair| !pair.is_empty() && !pair.starts_with("lang="));
    let kept: String = kept.map(|pair| format!("{pair}&")).collect();
    format!("{path}?{kept}lang={}", other.code())
}

/// Returns a rendered page.
pub(crate) fn render(page: &impl Template) -> Result<Response, Problem> {
    let html = page.render().map_err(|error| Problem::internal(&error))?;
    Ok(Html(html).into_response())
}

/// Sends the browser to a page after a form was done (303, RFC 9110 section 15.4.4).
pub(crate) fn done(path: &str) -> Response {
    Redirect::to(path).into_response()
}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    page: Chrome,
    title: &'static str,
    detail: String,
    request_id: String,
}

/// Returns the page of a problem.
pub(crate) fn problem(problem: &Problem, visit: &Visit) -> String {
    // The address may be a form's, which cannot be looked at in another language.
    let home = Visit { target: "/incidents".into(), ..visit.clone() };
    let page = ProblemPage {
        page: Chrome::new(&home, None, ""),
        title: visit.language.messages().problem(problem.kind),
        detail: problem.detail.clone(),
        request_id: visit.request_id.clone(),
    };
    page.render().unwrap_or_else(|_| problem.kind.name().to_owned())
}

/// Serves the style sheet.
pub(crate) async fn style() -> Response {
    asset(include_str!("../assets/console.css"), "text/css; charset=utf-8")
}

/// Serves the watchtower that browsers show on a tab.
pub(crate) async fn icon() -> Response {
    asset(include_str!("../assets/icon.svg"), "image/svg+xml")
}

/// Returns a file of the program itself. It holds no secret and changes with the build only.
fn asset(text: &'static str, kind: &'static str) -> Response {
    let mut response = text.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=3600"));
    response
}

/// Sends the front door to the list of incidents.
pub(crate) async fn home() -> Redirect {
    Redirect::to("/incidents")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_switch_keeps_the_rest_of_the_address() {
        let english = |target| switch(target, Language::English);
        assert_eq!(english("/agents"), "/agents?lang=en");
        assert_eq!(english("/incidents?q=a&lang=vi&x=1"), "/incidents?q=a&x=1&lang=en");
    }
}
