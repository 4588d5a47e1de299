//! One request to a collector, and what its refusal means.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use reqwest::{Certificate, StatusCode, Url, redirect};
use serde_json::Value;

/// Finding the server takes at most this long.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// An answer takes at most this long: a little more than the server allows itself.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(75);
/// The largest answer read: 64 MiB.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Longest refusal shown, in characters.
const REFUSAL_CHARS_MAX: usize = 500;

/// The collector does not answer, or does not want to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unavailable {
    /// Nothing came back.
    #[error("{server} does not answer; is it running, and is the address right?")]
    Down {
        /// As asked.
        server: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The token is missing, wrong or too weak.
    #[error("{server} does not take the token; '--token' or VONGLAU_TOKEN gives one: {detail}")]
    Denied {
        /// As asked.
        server: String,
        /// What it said.
        detail: String,
    },
    /// Anything else.
    #[error("{server} refused ({status}): {detail}")]
    Refused {
        /// As asked.
        server: String,
        /// HTTP status code.
        status: u16,
        /// What it said.
        detail: String,
    },
}

/// Sends a JSON body to a path below `/api/v1` and returns the answer.
///
/// # Errors
/// [`Unavailable`], or misuse: an address that is none, or a token that would travel unprotected.
pub(super) fn post(
    server: &str,
    token: Option<&str>,
    ca: Option<&Path>,
    path: &str,
    body: &Value,
) -> anyhow::Result<Value> {
    let url = address(server, path)?;
    ensure!(
        url.scheme() == "https" || is_loopback(&url) || token.is_none(),
        "a token must not travel over plain HTTP to another machine; use https"
    );
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("vonglau-rules/", env!("CARGO_PKG_VERSION")))
        .redirect(redirect::Policy::none())
        .connect_timeout(CONNECT_TIME_MAX)
        .timeout(ANSWER_TIME_MAX);
    if is_loopback(&url) {
        builder = builder.no_proxy();
    }
    if let Some(path) = ca {
        let named = || format!("cannot read certificates from {}", path.display());
        let pem = std::fs::read(path).with_context(named)?;
        let certificates = Certificate::from_pem_bundle(&pem).with_context(named)?;
        ensure!(!certificates.is_empty(), "{} holds no certificate", path.display());
        for certificate in certificates {
            builder = builder.add_root_certificate(certificate);
        }
    }
    let mut request = builder.build().context("cannot set up TLS")?.post(url).json(body);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(send(server, request))
}

async fn send(server: &str, request: reqwest::RequestBuilder) -> anyhow::Result<Value> {
    let server = server.to_owned();
    let down = |source: reqwest::Error| Unavailable::Down {
        server: server.clone(),
        source: source.without_url(),
    };
    let mut response = request.send().await.map_err(down)?;
    let status = response.status();
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(down)? {
        ensure!(
            bytes.len() + chunk.len() <= ANSWER_BYTES_MAX,
            "the answer has more than {ANSWER_BYTES_MAX} bytes; ask for less with --limit"
        );
        bytes.extend_from_slice(&chunk);
    }
    let answer: Option<Value> = serde_json::from_slice(&bytes).ok();
    if status.is_success()
        && let Some(answer) = answer
    {
        return Ok(answer);
    }
    // A problem (RFC 9457) says what is wrong; anything else is no collector of ours.
    let detail = answer.as_ref().and_then(|it| it["detail"].as_str());
    let detail = detail.unwrap_or("this is no answer of a collector");
    let detail = detail.replace(char::is_control, " ").chars().take(REFUSAL_CHARS_MAX).collect();
    if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        bail!(Unavailable::Denied { server, detail });
    }
    bail!(Unavailable::Refused { server, status: status.as_u16(), detail })
}

fn address(server: &str, path: &str) -> anyhow::Result<Url> {
    let bad = || {
        let server: String = server.replace(char::is_control, " ").chars().take(100).collect();
        format!("'{server}' is no address of a collector; write https://soc.tinh.gov.vn")
    };
    let mut url: Url = server.trim().parse().with_context(bad)?;
    let plain = url.query().is_none() && url.username().is_empty();
    ensure!(matches!(url.scheme(), "http" | "https") && url.has_host() && plain, bad());
    match url.path_segments_mut() {
        Ok(mut segments) => segments.pop_if_empty().extend(["api", "v1", path]),
        Err(()) => bail!(bad()),
    };
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked_and_tokens_protected() {
        for bad in ["", "soc.tinh.gov.vn", "ftp://x", "https://", "http://u@x", "http://x/?q=1"] {
            assert!(address(bad, "hunt").is_err(), "{bad}");
        }
        let url = address("https://soc.tinh.gov.vn/", "hunt").unwrap();
        assert_eq!(url.as_str(), "https://soc.tinh.gov.vn/api/v1/hunt");
        let error = post("http://192.0.2.1", Some("t"), None, "hunt", &Value::Null).unwrap_err();
        assert!(error.to_string().contains("plain HTTP"), "{error}");
    }
}
