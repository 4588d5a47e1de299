//! Client: one request to the collector, and what its refusal means.

use std::path::Path;
use std::time::Duration;

use reqwest::{Certificate, Method, StatusCode, Url, redirect};
use serde_json::Value;

use crate::failure::{Failure, Result};

/// Finding the server takes at most this long.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(10);
/// An answer takes at most this long: a little more than the server allows itself.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(75);

/// A collector, and who we are there.
pub(crate) struct Client {
    http: reqwest::Client,
    server: Url,
    token: Option<String>,
}

impl Client {
    pub(crate) fn new(server: &str, token: Option<String>, ca: Option<&Path>) -> Result<Self> {
        let server = normal(server)?;
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("vonglau/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .connect_timeout(CONNECT_TIME_MAX)
            .timeout(ANSWER_TIME_MAX);
        if loopback(&server) {
            builder = builder.no_proxy();
        }
        if let Some(path) = ca {
            let read = |source| Failure::File { doing: "read", path: path.to_owned(), source };
            let bad = || Failure::BadCertificate(path.to_owned());
            let pem = std::fs::read(path).map_err(read)?;
            let certificates = Certificate::from_pem_bundle(&pem).map_err(|_| bad())?;
            if certificates.is_empty() {
                return Err(bad());
            }
            for certificate in certificates {
                builder = builder.add_root_certificate(certificate);
            }
        }
        Ok(Self { http: builder.build().map_err(Failure::Client)?, server, token })
    }

    /// Returns the server's address as it is kept.
    pub(crate) fn server(&self) -> &str {
        self.server.as_str().trim_end_matches('/')
    }

    /// Whether a password sent there can be read on the way.
    pub(crate) fn in_the_clear(&self) -> bool {
        self.server.scheme() != "https" && !loopback(&self.server)
    }

    pub(crate) async fn get(&self, path: &[&str], query: &[(&str, String)]) -> Result<Value> {
        self.send(Method::GET, path, query, None).await
    }

    pub(crate) async fn post(&self, path: &[&str], body: Option<Value>) -> Result<Value> {
        self.send(Method::POST, path, &[], body).await
    }

    async fn send(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, String)],
        body: Option<Value>,
    ) -> Result<Value> {
        let mut url = self.server.clone();
        url.path_segments_mut()
            .map_err(|()| Failure::BadServer(self.server.to_string()))?
            .pop_if_empty()
            .extend(["api", "v1"])
            .extend(path);
        let mut request = self.http.request(method, url).query(query);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let down = |source: reqwest::Error| Failure::Down {
            server: self.server().to_owned(),
            source: source.without_url(),
        };
        let response = request.send().await.map_err(down)?;
        let status = response.status();
        let text = response.text().await.map_err(down)?;
        if status == StatusCode::NO_CONTENT {
            return Ok(Value::Null);
        }
        let not_ours =
            || Failure::NotOurs { server: self.server().to_owned(), status: status.as_u16() };
        let answer: Value = serde_json::from_str(&text).map_err(|_| not_ours())?;
        if status.is_success() {
            return Ok(answer);
        }
        Err(self.refusal(status, &answer).unwrap_or_else(not_ours))
    }

    /// Reads a problem (RFC 9457).
    fn refusal(&self, status: StatusCode, body: &Value) -> Option<Failure> {
        let text = |name: &str| body.get(name)?.as_str().map(crate::style::safe);
        let kind = text("type")?;
        let detail = text("detail")?;
        Some(match kind.strip_prefix("urn:vonglau:problem:")? {
            "wrong-password" => Failure::WrongPassword,
            "unauthenticated" => Failure::Expired(self.server().to_owned()),
            "throttled" => Failure::Throttled(detail),
            "forbidden" => Failure::Forbidden(detail),
            _ => Failure::Refused {
                status: status.as_u16(),
                detail,
                request_id: text("request_id").unwrap_or_default(),
            },
        })
    }
}

fn normal(text: &str) -> Result<Url> {
    let bad = || Failure::BadServer(text.chars().take(100).collect());
    let url: Url = text.trim().parse().map_err(|_| bad())?;
    let http = matches!(url.scheme(), "http" | "https") && url.has_host();
    if http && url.query().is_none() && url.username().is_empty() { Ok(url) } else { Err(bad()) }
}

fn loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked() {
        for bad in ["", "soc.tinh.gov.vn", "ftp://x", "https://", "http://u@x", "http://x/?q=1"] {
            assert!(matches!(normal(bad), Err(Failure::BadServer(_))), "{bad}");
        }
        let clear = |text| Client::new(text, None, None).unwrap().in_the_clear();
        assert!(clear("http://192.0.2.1:8080/"));
        assert!(!clear("http://127.0.0.1:8080") && !clear("http://[::1]:8080"));
        assert!(!clear("https://soc.tinh.gov.vn/"));
        let client = Client::new("https://soc.tinh.gov.vn/", None, None).unwrap();
        assert_eq!(client.server(), "https://soc.tinh.gov.vn");
    }
}
