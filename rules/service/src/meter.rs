//! Meter: Prometheus metrics and health over HTTP, for processes that serve nothing else.
//!
//! `GET /metrics` is the Prometheus text format; `GET /healthz` answers 200 `ok`, or 503 and the
//! reasons, one a line. Both are open by design: they hold counts and no event data.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use prometheus::{Registry, TextEncoder};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// At most this many reasons are kept: more would mean that nobody reads them.
const PROBLEMS_MAX: usize = 16;

/// What is wrong right now, by subject. Shared by all parts of a process.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<Vec<(String, String)>>>);

impl Health {
    /// Sets what is wrong with a subject, replacing what was said of it.
    pub fn problem(&self, subject: &str, problem: impl Into<String>) {
        let mut list = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        list.retain(|(known, _)| known != subject);
        if list.len() == PROBLEMS_MAX {
            list.remove(0);
        }
        list.push((subject.to_owned(), problem.into()));
    }

    /// Says that a subject is well again.
    pub fn resolved(&self, subject: &str) {
        let mut list = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        list.retain(|(known, _)| known != subject);
    }

    /// Returns the problems as `subject: problem`, oldest first; empty means healthy.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let list = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        list.iter().map(|(subject, problem)| format!("{subject}: {problem}")).collect()
    }

    /// Returns the status and text that `/healthz` answers with.
    #[must_use]
    pub fn answer(&self) -> (u16, String) {
        let problems = self.problems();
        if problems.is_empty() { (200, "ok\n".into()) } else { (503, problems.join("\n") + "\n") }
    }
}

/// Returns every metric of the registry in the Prometheus text format.
#[must_use]
pub fn render(registry: &Registry) -> String {
    TextEncoder::new().encode_to_string(&registry.gather()).unwrap_or_else(|error| {
        tracing::error!(%error, "cannot encode metrics");
        String::new()
    })
}

/// Serves `/metrics` and `/healthz` until the token is cancelled; returns the bound address.
///
/// # Errors
/// If the address cannot be bound.
pub async fn serve(
    address: SocketAddr,
    registry: Registry,
    health: Health,
    stop: CancellationToken,
) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    tokio::spawn(async move {
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let Ok((stream, _)) = accepted else { continue };
            let (registry, health) = (registry.clone(), health.clone());
            let serve =
                hyper::server::conn::http1::Builder::new().keep_alive(false).serve_connection(
                    TokioIo::new(stream),
                    service_fn(move |request: Request<Incoming>| {
                        let answer = answer(request.uri().path(), &registry, &health);
                        async move { answer }
                    }),
                );
            // A scrape takes milliseconds; whoever holds the line longer is cut off.
            tokio::spawn(tokio::time::timeout(std::time::Duration::from_secs(10), serve));
        }
    });
    Ok(bound)
}

fn answer(
    path: &str,
    registry: &Registry,
    health: &Health,
) -> hyper::http::Result<Response<Full<Bytes>>> {
    let (status, text) = match path {
        "/metrics" => (200, render(registry)),
        "/healthz" => health.answer(),
        _ => (404, "try /metrics or /healthz\n".into()),
    };
    Response::builder()
        .status(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR))
        .header("content-type", "text/plain; version=0.0.4; charset=utf-8")
        .body(Full::new(Bytes::from(text)))
}
