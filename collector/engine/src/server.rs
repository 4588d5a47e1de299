//! The HTTP side: routes, admission, answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures_util::stream;
use rules_service::meter::{self, Health};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use crate::auth::Password;
use crate::body::{self, Bodies, Held};
use crate::engine::Engine;
use crate::exception::{Exception, code};
use crate::format::content_type;
use crate::frame;
use crate::limits::{
    CHUNKS_MAX, MULTIPART_BYTES_MAX, QUERY_BYTES_MAX, RUNNING_MAX, WAIT_TIME_MAX, WAITING_MAX,
};
use crate::metrics::Metrics;
use crate::multipart;
use crate::request::Request;
use crate::run::{self, Head, Job, Rest};
use crate::statement::Statement;

/// What all requests share.
pub(crate) struct Server {
    pub(crate) engine: Engine,
    pub(crate) password: Password,
    pub(crate) metrics: Metrics,
    pub(crate) health: Health,
    pub(crate) bodies: Bodies,
    /// Places for running statements.
    pub(crate) running: Arc<Semaphore>,
    /// Places for waiting ones.
    pub(crate) waiting: Semaphore,
}

impl Server {
    pub(crate) fn new(engine: Engine, password: Password, metrics: Metrics) -> Self {
        Self {
            engine,
            password,
            metrics,
            health: Health::default(),
            bodies: Bodies::new(),
            running: Arc::new(Semaphore::new(RUNNING_MAX)),
            waiting: Semaphore::new(WAITING_MAX),
        }
    }

    /// Waits for a place to run.
    async fn place(&self) -> Result<OwnedSemaphorePermit, Exception> {
        if let Ok(place) = self.running.clone().try_acquire_owned() {
            return Ok(place);
        }
        let busy = || {
            Exception::new(
                code::TOO_MANY_SIMULTANEOUS_QUERIES,
                "TOO_MANY_SIMULTANEOUS_QUERIES",
                format!("Too many simultaneous queries. Maximum: {RUNNING_MAX}"),
            )
        };
        let _waiting = self.waiting.try_acquire().map_err(|_| busy())?;
        let place = timeout(WAIT_TIME_MAX, self.running.clone().acquire_owned()).await;
        place.ok().and_then(Result::ok).ok_or_else(busy)
    }
}

/// Returns the routes. Only `/ping`, `/healthz`, `/metrics` and a bare `GET /` need no password.
pub(crate) fn router(server: Arc<Server>) -> Router {
    Router::new()
        .route("/", get(query).post(query))
        .route("/ping", get(|| async { "Ok.\n" }))
        .route("/healthz", get(healthz))
        .route("/metrics", get(metrics))
        .fallback(|uri: Uri| async move {
            let text =
                format!("There is no handle {}\n\nUse / or /ping for health checks.\n", uri.path());
            (StatusCode::NOT_FOUND, text)
        })
        .with_state(server)
}

async fn healthz(State(server): State<Arc<Server>>) -> Response {
    let (status, text) = server.health.answer();
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, text).into_response()
}

async fn metrics(State(server): State<Arc<Server>>) -> Response {
    let kind = [(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")];
    (kind, meter::render(&server.metrics.registry)).into_response()
}

async fn query(
    State(server): State<Arc<Server>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Body,
) -> Response {
    // axum serves HEAD with the handler of GET; both only read.
    let only_reads = method != Method::POST;
    let mut kind = "none";
    let mut query_id = String::new();
    match answer(&server, only_reads, &uri, &headers, body, &mut kind, &mut query_id).await {
        Ok(response) => {
            server.metrics.requests.with_label_values(&[kind, "ok"]).inc();
            response
        }
        Err(error) => {
            let outcome = error.code.to_string();
            server.metrics.requests.with_label_values(&[kind, &outcome]).inc();
            tracing::info!(query_id, kind, error = error.text, "request refused or failed");
            refusal(&server, &error, &query_id)
        }
    }
}

async fn answer(
    server: &Arc<Server>,
    only_reads: bool,
    uri: &Uri,
    headers: &HeaderMap,
    body: Body,
    kind: &mut &'static str,
    query_id: &mut String,
) -> Result<Response, Exception> {
    let parsed = parse(server, only_reads, uri, headers);
    let mut request = match parsed {
        Ok(Some(request)) => request,
        Ok(None) => return Ok("Ok.\n".into_response()),
        Err(error) => {
            body::refuse(body.into_data_stream()).await;
            return Err(error);
        }
    };
    query_id.clone_from(&request.query_id);
    let body = if only_reads { Body::empty() } else { body };
    let held = server.bodies.receive(body).await?;
    let held = server.bodies.decode(held, request.body_encoding, request.decompress).await?;
    let (sql, held) = assemble(&mut request, held)?;
    let statement = Statement::parse(&sql)?;
    *kind = match statement {
        Statement::Read { .. } => "read",
        Statement::Write { .. } => "write",
        Statement::Insert { .. } => "insert",
    };
    let place = server.place().await?;
    let abandoned = Arc::new(AtomicBool::new(false));
    let tag = format!("vonglau-{}", uuid::Uuid::new_v4());
    let mut watch = Watch {
        server: Arc::clone(server),
        tag: tag.clone(),
        abandoned: Arc::clone(&abandoned),
        armed: *kind == "read",
    };
    let query_id = request.query_id.clone();
    let encoding = request.answer_encoding.filter(|_| !request.compress);
    let job = Job { request, statement, sql, body: held, tag, abandoned };
    let (sender, receiver) = oneshot::channel();
    let working = Arc::clone(server);
    tokio::task::spawn_blocking(move || {
        run::run(&job, &working.engine, &working.metrics, CHUNKS_MAX, sender);
        drop(place);
    });
    let head = receiver.await.map_err(|_| {
        Exception::new(code::STD_EXCEPTION, "STD_EXCEPTION", "the statement's thread ended early")
    });
    let head = match head.and_then(|head| head) {
        Ok(head) => head,
        Err(error) => {
            watch.armed = false;
            return Err(error);
        }
    };
    let encoding = encoding.filter(|_| head.encoded);
    Ok(respond(server, watch, head, encoding.map(|encoding| encoding.name()), &query_id))
}

/// Checks the password and reads the parameters; `None` for a bare `GET /`.
fn parse(
    server: &Server,
    only_reads: bool,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Option<Request>, Exception> {
    if only_reads && uri.query().unwrap_or_default().is_empty() {
        return Ok(None);
    }
    let Query(url) = Query::<Vec<(String, String)>>::try_from_uri(uri).map_err(|error| {
        let message = format!("Cannot read the URL parameters: {error}");
        Exception::new(code::BAD_ARGUMENTS, "BAD_ARGUMENTS", message)
    })?;
    server.password.check(headers, &url)?;
    Request::parse(url, headers, only_reads).map(Some)
}

/// Finds the statement: in the URL, in a form field, at the beginning of the body, or in two of them
/// behind each other. Returns it and what is left of the body as data.
fn assemble(request: &mut Request, held: Held) -> Result<(Vec<u8>, Held), Exception> {
    if let Some(boundary) = multipart::boundary(&request.content_type).map(str::to_owned) {
        if held.bytes.len() > MULTIPART_BYTES_MAX {
            return Err(frame::too_large(MULTIPART_BYTES_MAX));
        }
        for (name, value) in multipart::fields(&held.bytes, &boundary)? {
            request.field(&name, value)?;
        }
        let sql = std::mem::take(&mut request.query).into_bytes();
        return Ok((sql, held.replace(Vec::new())));
    }
    let mut sql = std::mem::take(&mut request.query).into_bytes();
    if sql.iter().all(u8::is_ascii_whitespace) {
        // The data of an INSERT stays behind its statement, in the same bytes.
        let mut held = held;
        let bytes = std::mem::take(&mut held.bytes);
        return Ok((bytes, held));
    }
    if held.bytes.is_empty() || matches!(Statement::parse(&sql)?, Statement::Insert { .. }) {
        return Ok((sql, held));
    }
    if held.bytes.len() > QUERY_BYTES_MAX {
        return Err(frame::too_large(QUERY_BYTES_MAX));
    }
    sql.push(b'\n');
    sql.extend_from_slice(&held.bytes);
    Ok((sql, held.replace(Vec::new())))
}

/// Stops a reading statement when its client goes away. (An INSERT is left to end: half-known is
/// worse than late.)
struct Watch {
    server: Arc<Server>,
    tag: String,
    abandoned: Arc<AtomicBool>,
    armed: bool,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        self.abandoned.store(true, Ordering::Relaxed);
        self.server.metrics.abandoned.inc();
        let (server, tag) = (Arc::clone(&self.server), std::mem::take(&mut self.tag));
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn_blocking(move || server.engine.kill(&tag));
        }
    }
}

fn respond(
    server: &Server,
    mut watch: Watch,
    head: Head,
    encoding: Option<&'static str>,
    query_id: &str,
) -> Response {
    let [read_rows, read_bytes, written_rows, written_bytes, elapsed] = head.summary;
    let summary = format!(
        "{{\"read_rows\":\"{read_rows}\",\"read_bytes\":\"{read_bytes}\",\
         \"written_rows\":\"{written_rows}\",\"written_bytes\":\"{written_bytes}\",\
         \"total_rows_to_read\":\"0\",\"result_rows\":\"0\",\"result_bytes\":\"0\",\
         \"elapsed_ns\":\"{elapsed}\"}}"
    );
    let mut response = Response::builder()
        .header(header::CONTENT_TYPE, content_type(&head.format))
        .header("x-clickhouse-format", &head.format)
        .header("x-clickhouse-summary", summary);
    if let Some(encoding) = encoding {
        response = response.header(header::CONTENT_ENCODING, encoding);
    }
    response = common(response, server, query_id);
    let body = match head.rest {
        None => {
            watch.armed = false;
            Body::from(head.bytes)
        }
        Some(rest) => {
            response = response.header("x-clickhouse-exception-tag", &rest.exception_tag);
            streamed(watch, head.bytes, rest)
        }
    };
    response.body(body).unwrap_or_else(|error| {
        tracing::error!(%error, "an answer has an impossible header");
        StatusCode::INTERNAL_SERVER_ERROR.into_response()
    })
}

/// A body that ends well only when the answer is complete; otherwise the connection breaks, so that
/// no client takes a part for the whole.
fn streamed(watch: Watch, first: Bytes, rest: Rest) -> Body {
    let state = (Some(first), rest, watch);
    Body::from_stream(stream::unfold(state, |(first, mut rest, mut watch)| async move {
        if let Some(first) = first {
            return Some((Ok(first), (None, rest, watch)));
        }
        if let Some(piece) = rest.pieces.recv().await {
            return Some((Ok(Bytes::from(piece)), (None, rest, watch)));
        }
        watch.armed = false;
        if rest.complete.load(Ordering::Acquire) {
            return None;
        }
        rest.complete.store(true, Ordering::Release);
        Some((Err(std::io::Error::other("the answer was cut")), (None, rest, watch)))
    }))
}

fn refusal(server: &Server, error: &Exception, query_id: &str) -> Response {
    let mut response = Response::builder()
        .status(error.status())
        .header(header::CONTENT_TYPE, "text/plain; charset=UTF-8")
        .header("x-clickhouse-exception-code", error.code);
    if error.code == code::REQUIRED_PASSWORD {
        response =
            response.header(header::WWW_AUTHENTICATE, "Basic realm=\"ClickHouse server HTTP API\"");
    }
    common(response, server, query_id)
        .body(Body::from(error.body(&server.engine.version)))
        .unwrap_or_else(|_| error.status().into_response())
}

fn common(
    response: axum::http::response::Builder,
    server: &Server,
    query_id: &str,
) -> axum::http::response::Builder {
    let response = response
        .header("x-clickhouse-server-display-name", "vonglau-engine")
        .header("x-clickhouse-timezone", &server.engine.timezone);
    if query_id.is_empty() { response } else { response.header("x-clickhouse-query-id", query_id) }
}
