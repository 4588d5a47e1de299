//! Who may ask: one user, one password, in any of the four places ClickHouse looks.
//!
//! Source: ClickHouse, `src/Server/HTTP/authenticateUserByHTTP.cpp`: `X-ClickHouse-User`/`-Key`,
//! `Authorization: Basic`, or the URL parameters `user`/`password`, never two at once.

use axum::http::{HeaderMap, header};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use subtle::ConstantTimeEq;

use crate::exception::{Exception, code};

/// The only user.
pub(crate) const USER: &str = "vonglau";

/// The password that requests must show. Its Debug form shows nothing of it.
pub(crate) struct Password(String);

impl Password {
    pub(crate) fn new(password: String) -> Self {
        Self(password)
    }

    /// Checks a request. Comparing takes the same time wherever the first difference is.
    pub(crate) fn check(
        &self,
        headers: &HeaderMap,
        url: &[(String, String)],
    ) -> Result<(), Exception> {
        let (user, password) = credentials(headers, url)?;
        let user_fits = user.as_bytes().ct_eq(USER.as_bytes());
        let password_fits = password.as_bytes().ct_eq(self.0.as_bytes());
        if bool::from(user_fits & password_fits) {
            return Ok(());
        }
        Err(Exception::new(
            code::AUTHENTICATION_FAILED,
            "AUTHENTICATION_FAILED",
            "Authentication failed: password is incorrect, or there is no user with such name",
        ))
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Password(***)")
    }
}

fn credentials(
    headers: &HeaderMap,
    url: &[(String, String)],
) -> Result<(String, String), Exception> {
    let header = |name: &str| {
        headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let parameter =
        |name: &str| url.iter().rfind(|(known, _)| known == name).map(|(_, value)| value.clone());
    let own = (header("x-clickhouse-user"), header("x-clickhouse-key"));
    let basic = header(header::AUTHORIZATION.as_str());
    let asked = (parameter("user"), parameter("password"));
    let given = [
        own.0.is_some() || own.1.is_some(),
        basic.is_some(),
        asked.0.is_some() || asked.1.is_some(),
    ];
    if given.iter().filter(|given| **given).count() > 1 {
        return Err(Exception::new(
            code::AUTHENTICATION_FAILED,
            "AUTHENTICATION_FAILED",
            "Invalid authentication: it is not allowed to give credentials in more than one of the \
             X-ClickHouse headers, the Authorization header and the URL parameters",
        ));
    }
    if let Some(basic) = basic {
        return decode_basic(&basic).ok_or_else(|| {
            Exception::new(
                code::AUTHENTICATION_FAILED,
                "AUTHENTICATION_FAILED",
                "Invalid authentication: the Authorization header is not 'Basic' with user and password",
            )
        });
    }
    let (user, password) = if given[0] { own } else { asked };
    match (user, password) {
        (None, None) => Err(Exception::new(
            code::REQUIRED_PASSWORD,
            "REQUIRED_PASSWORD",
            format!("{USER}: Authentication failed: a user and a password are required"),
        )),
        (user, password) => {
            // A ClickHouse server takes `default` for an absent user; it does not exist here.
            Ok((user.unwrap_or_else(|| "default".into()), password.unwrap_or_default()))
        }
    }
}

fn decode_basic(value: &str) -> Option<(String, String)> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(BASE64_STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (user, password) = decoded.split_once(':')?;
    Some((user.to_owned(), password.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(headers: &[(&'static str, &str)], url: &[(&str, &str)]) -> Result<(), u32> {
        let map = headers
            .iter()
            .map(|(name, value)| (header::HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        let url: Vec<_> =
            url.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        Password::new("s:3".into()).check(&map, &url).map_err(|error| error.code)
    }

    #[test]
    fn every_place_works_alone() {
        let basic = format!("Basic {}", BASE64_STANDARD.encode("vonglau:s:3"));
        assert_eq!(
            check(&[("x-clickhouse-user", "vonglau"), ("x-clickhouse-key", "s:3")], &[]),
            Ok(())
        );
        assert_eq!(check(&[("authorization", &basic)], &[]), Ok(()));
        assert_eq!(check(&[], &[("user", "vonglau"), ("password", "s:3")]), Ok(()));
        assert_eq!(
            check(&[("authorization", &basic)], &[("user", "vonglau"), ("password", "s:3")]),
            Err(516)
        );
    }

    #[test]
    fn nothing_and_wrong_things_are_told_apart() {
        assert_eq!(check(&[], &[]), Err(194));
        for (user, key) in [("vonglau", "s:4"), ("vonglau", ""), ("root", "s:3"), ("", "")] {
            let headers = [("x-clickhouse-user", user), ("x-clickhouse-key", key)];
            assert_eq!(check(&headers, &[]), Err(516), "{user} {key}");
        }
        assert_eq!(check(&[("x-clickhouse-key", "s:3")], &[]), Err(516));
        for odd in ["Basic", "Basic !", "Bearer x", "Basic dm9uZ2xhdQ=="] {
            assert_eq!(check(&[("authorization", odd)], &[]), Err(516), "{odd}");
        }
    }

    #[test]
    fn the_password_is_not_shown() {
        assert_eq!(format!("{:?}", Password::new("x".into())), "Password(***)");
    }
}
