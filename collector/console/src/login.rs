//! Login: names and passwords into tokens and sessions, slowly enough for guessers.

use axum::http::HeaderValue;
use rules_event::Timestamp;

use crate::audit::{self, Act};
use crate::credential::{self, Kind as Entrance};
use crate::problem::{Kind, Problem};
use crate::state::ConsoleConfig;
use crate::users::{self, User};
use crate::visit::Visit;
use crate::{ConsoleState, moment};

/// A login that succeeded.
pub(crate) struct Entered {
    pub(crate) user: User,
    pub(crate) secret: String,
    pub(crate) expires: Timestamp,
}

/// Checks a name and password and issues a token or a session.
pub(crate) async fn enter(
    state: &ConsoleState,
    visit: &Visit,
    entrance: Entrance,
    name: &str,
    password: String,
) -> Result<Entered, Problem> {
    let now = moment::now();
    // A name that cannot exist takes the same way as one that does not.
    let name = users::fold(name).unwrap_or_else(|_| "-".to_owned());
    attempt(state, &name, visit, now)?;
    let found = users::find_with_hash(&state.db, &name).await?;
    let (user, hash) = found.map_or((None, None), |(user, hash)| (Some(user), Some(hash)));
    let fits = state.passwords.verify(password, hash).await?;
    let user = user.filter(|user| fits && !user.disabled);
    let Some(user) = user else {
        state.logins.with_label_values(&["refused"]).inc();
        note(state, visit, &name, "-", "login refused").await?;
        return Err(Problem::new(
            Kind::WrongPassword,
            "the name or the password is wrong, or the account is disabled",
        ));
    };
    let lifetime = match entrance {
        Entrance::Token => state.config.token_lifetime,
        Entrance::Session => state.config.session_lifetime,
    };
    note(state, visit, &name, user.role.as_str(), "login").await?;
    let address = visit.address.to_string();
    let secret =
        credential::issue(&state.db, entrance, &user.name, &address, lifetime, now).await?;
    state
        .throttle
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .succeeded(&name, visit.address);
    state.logins.with_label_values(&["accepted"]).inc();
    Ok(Entered { user, secret, expires: now.saturating_add(lifetime) })
}

fn attempt(state: &ConsoleState, name: &str, visit: &Visit, now: Timestamp) -> Result<(), Problem> {
    let mut throttle = state.throttle.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    throttle.attempt(name, visit.address, now).map_err(|wait| {
        state.logins.with_label_values(&["throttled"]).inc();
        Problem::throttled(wait)
    })
}

async fn note(
    state: &ConsoleState,
    visit: &Visit,
    user: &str,
    role: &str,
    action: &str,
) -> Result<(), Problem> {
    let address = visit.address.to_string();
    let target = visit.target.split('?').next().unwrap_or_default();
    let request_id = &visit.request_id;
    let act = Act { user, role, address: &address, action, target, detail: "", request_id };
    audit::write(&state.db, act, moment::now()).await.map_err(Problem::from)
}

/// Returns the session cookie's name. `__Host-` makes browsers insist on `Secure`, `Path=/` and no
/// domain (RFC 6265bis, section 4.1.3.2), so no neighbouring host can plant one.
pub(crate) fn cookie_name(config: &ConsoleConfig) -> &'static str {
    if config.secure { "__Host-vonglau" } else { "vonglau_session" }
}

/// Returns the `Set-Cookie` of a session; an empty secret removes the cookie.
pub(crate) fn set_cookie(config: &ConsoleConfig, secret: &str) -> HeaderValue {
    let age = if secret.is_empty() { 0 } else { config.session_lifetime.as_secs() };
    let secure = if config.secure { "; Secure" } else { "" };
    let text = format!(
        "{}={secret}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict{secure}",
        cookie_name(config)
    );
    HeaderValue::from_str(&text).expect("a secret is hexadecimal")
}

/// Returns where to go after the login: a path of ours, never another site.
pub(crate) fn landing(next: &str) -> &str {
    let inside = next.starts_with('/')
        && !next.starts_with("//")
        && !next.contains('\\')
        && next.bytes().all(|byte| byte.is_ascii_graphic());
    if inside && next.len() <= 1000 && !next.starts_with("/login") { next } else { "/incidents" }
}

/// Escapes a text for a query value (RFC 3986, section 2.3: all but unreserved characters).
pub(crate) fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 16);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            quoted.push(char::from(byte));
        } else {
            quoted.push_str(&format!("%{byte:02X}"));
        }
    }
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere() {
        for outside in
            ["", "https://evil.example", "//evil.example", "/\\evil.example", "/a\r\nb", "/login"]
        {
            assert_eq!(landing(outside), "/incidents", "{outside:?}");
        }
        assert_eq!(landing("/incidents/INC-1?x=%20"), "/incidents/INC-1?x=%20");
    }

    #[test]
    fn quoting_leaves_no_separator() {
        assert_eq!(quote("/a?b=c&d é"), "%2Fa%3Fb%3Dc%26d%20%C3%A9");
    }
}
