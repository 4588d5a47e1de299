//! Visit: what is known of a request before anybody is asked who they are.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use crate::Role;
use crate::language::Language;
use crate::problem::{Kind, Problem};
use crate::state::ConsoleConfig;

/// Which form an answer takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Face {
    /// JSON for programs.
    Api,
    /// HTML for people.
    Page,
}

/// A request's circumstances.
#[derive(Debug, Clone)]
pub(crate) struct Visit {
    pub(crate) request_id: String,
    pub(crate) address: IpAddr,
    pub(crate) language: Language,
    pub(crate) face: Face,
    /// The path with its query, as asked for.
    pub(crate) target: String,
}

impl Visit {
    pub(crate) fn of(request: &Request, config: &ConsoleConfig) -> Self {
        let path = request.uri().path();
        let face =
            if path.starts_with("/api/") || path == "/metrics" { Face::Api } else { Face::Page };
        let target = request.uri().path_and_query().map_or(path, |both| both.as_str());
        Self {
            request_id: uuid::Uuid::new_v4().simple().to_string(),
            address: address(request, config),
            language: Language::of(request),
            face,
            target: target.to_owned(),
        }
    }
}

/// Who asks. Present on every route that is not open.
#[derive(Debug, Clone)]
pub(crate) struct Who {
    pub(crate) name: String,
    pub(crate) display_name: String,
    pub(crate) role: Role,
    pub(crate) address: String,
    /// The secret they entered with, to be able to end it.
    pub(crate) secret: String,
    /// What their forms must carry; empty for programs.
    pub(crate) form_token: String,
}

/// Returns the peer's address or, behind a trusted proxy, the last one that the proxy saw itself.
fn address(request: &Request, config: &ConsoleConfig) -> IpAddr {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>();
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip()).to_canonical();
    if !config.trusted_proxies.contains(&peer) {
        return peer;
    }
    let forwarded = request.headers().get_all("x-forwarded-for").iter().next_back();
    forwarded
        .and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok())
        .unwrap_or(peer)
}

/// Returns a cookie's value.
pub(crate) fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    cookies
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value)
}

impl<S: Sync> FromRequestParts<S> for Visit {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let missing = || Problem::new(Kind::Internal, "the request has no envelope");
        parts.extensions.get::<Self>().cloned().ok_or_else(missing)
    }
}

impl<S: Sync> FromRequestParts<S> for Who {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let missing = || Problem::new(Kind::Unauthenticated, "log in first");
        parts.extensions.get::<Self>().cloned().ok_or_else(missing)
    }
}
