//! Centre: a small TAXII 2.1 server that answers like medallion, and misbehaves on demand.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

const MEDIA_TYPE: &str = "application/taxii+json;version=2.1";

/// What the next POST meets.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// This status, before anything is stored.
    Status(u16),
    /// This status with `Retry-After`.
    Later(u16, &'static str),
    /// Everything is stored, and the answer breaks off: as if our process died before storing it.
    Broken,
    /// Everything is stored, and this many polls say "pending".
    Pending(u32),
    /// Everything is stored, "pending" is said, and the status is forgotten.
    Forgotten,
    /// "pending" is said, and everything is lost.
    Lost,
    /// This kind of object is refused.
    Refuse(&'static str),
    /// The answer has counts but no lists.
    CountsOnly,
}

#[derive(Default)]
pub(crate) struct Inner {
    pub(crate) faults: VecDeque<Fault>,
    pub(crate) objects: Vec<Value>,
    pub(crate) bodies: Vec<Vec<u8>>,
    pub(crate) bytes_max: Option<usize>,
    statuses: Vec<(String, u32, Value)>,
    pub(crate) problems: Vec<String>,
    pub(crate) can_read: bool,
    /// Knows the list of versions of an object; 404 otherwise.
    pub(crate) has_versions: bool,
}

pub(crate) struct Centre {
    pub(crate) url: String,
    pub(crate) inner: Arc<Mutex<Inner>>,
}

impl Centre {
    pub(crate) async fn start(faults: &[Fault]) -> Self {
        let inner = Inner {
            faults: faults.iter().cloned().collect(),
            can_read: true,
            has_versions: true,
            ..Inner::default()
        };
        let inner = Arc::new(Mutex::new(inner));
        let router = Router::new()
            .route(
                "/taxii2/",
                get(async || taxii(200, &json!({ "title": "c", "default": "/root/" }))),
            )
            .route("/root/", get(root))
            .route("/root/collections/", get(collections))
            .route("/root/collections/c1/objects/", post(push))
            .route("/root/collections/c1/objects/{id}/", get(object))
            .route("/root/collections/c1/objects/{id}/versions/", get(versions))
            .route("/root/status/{id}/", get(status))
            .with_state(inner.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/taxii2/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, inner }
    }

    /// Ids with versions that the centre holds, sorted; panics if one is held twice or a request was
    /// malformed.
    pub(crate) fn held(&self) -> Vec<(String, String)> {
        let inner = self.inner.lock().unwrap();
        assert!(inner.problems.is_empty(), "{:?}", inner.problems);
        let mut held: Vec<_> = inner.objects.iter().map(key).collect();
        held.sort();
        let count = held.len();
        held.dedup();
        assert_eq!(held.len(), count, "an object is held twice");
        held
    }
}

type Shared = State<Arc<Mutex<Inner>>>;

fn taxii(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).unwrap();
    (status, [("content-type", MEDIA_TYPE)], body.to_string()).into_response()
}

fn key(object: &Value) -> (String, String) {
    let text = |name: &str| object[name].as_str().unwrap_or_default().to_owned();
    (text("id"), text("modified"))
}

async fn root(State(inner): Shared) -> Response {
    let mut root = json!({ "title": "r", "versions": [MEDIA_TYPE] });
    root["max_content_length"] = json!(inner.lock().unwrap().bytes_max.unwrap_or(1_000_000));
    taxii(200, &root)
}

async fn collections(State(inner): Shared) -> Response {
    let can_read = inner.lock().unwrap().can_read;
    taxii(
        200,
        &json!({ "collections": [
            { "id": "c0", "title": "feed", "can_read": true, "can_write": false },
            { "id": "c1", "title": "in", "can_read": can_read, "can_write": true },
        ]}),
    )
}

async fn push(State(inner): Shared, headers: HeaderMap, body: Bytes) -> Response {
    let mut inner = inner.lock().unwrap();
    for name in ["accept", "content-type"] {
        if headers.get(name).is_none_or(|it| it != MEDIA_TYPE) {
            inner.problems.push(format!("bad {name}"));
        }
    }
    if headers.get("authorization").is_none() {
        inner.problems.push("no authorization".into());
    }
    if body.len() > inner.bytes_max.unwrap_or(usize::MAX) {
        inner.problems.push("larger than max_content_length".into());
    }
    inner.bodies.push(body.to_vec());
    let Ok(envelope) = serde_json::from_slice::<Value>(&body) else {
        inner.problems.push("no JSON".into());
        return taxii(400, &json!({ "title": "no JSON" }));
    };
    let fault = inner.faults.pop_front();
    let error = |code: u16| taxii(code, &json!({ "title": "no", "description": "because" }));
    match &fault {
        Some(Fault::Status(code)) => return error(*code),
        Some(Fault::Later(code, after)) => {
            let mut response = error(*code);
            response.headers_mut().insert("retry-after", after.parse().unwrap());
            return response;
        }
        _ => {}
    }
    let (mut successes, mut failures) = (Vec::new(), Vec::new());
    for object in envelope["objects"].as_array().into_iter().flatten() {
        let (id, version) = key(object);
        let known = inner.objects.iter().any(|it| key(it) == (id.clone(), version.clone()));
        let refused = matches!(&fault, Some(Fault::Refuse(kind)) if object["type"] == *kind);
        let detail = json!({ "id": id, "version": version, "message": "Unable to process object" });
        if known || refused {
            failures.push(detail);
        } else {
            if !matches!(fault, Some(Fault::Lost)) {
                inner.objects.push(object.clone());
            }
            successes.push(detail);
        }
    }
    let id = format!("5-{}", inner.statuses.len());
    let complete = json!({
        "id": id, "status": "complete", "total_count": successes.len() + failures.len(),
        "success_count": successes.len(), "successes": successes,
        "failure_count": failures.len(), "failures": failures, "pending_count": 0,
    });
    let mut pending = complete.clone();
    pending["status"] = json!("pending");
    match fault {
        Some(Fault::Broken) => {
            let broken = Body::from_stream(futures_util::stream::iter([
                Ok(Bytes::from_static(b"{\"id\":")),
                Err(std::io::Error::other("cut")),
            ]));
            (StatusCode::ACCEPTED, broken).into_response()
        }
        Some(Fault::Pending(polls)) => {
            inner.statuses.push((id, polls, complete));
            taxii(202, &pending)
        }
        Some(Fault::Forgotten | Fault::Lost) => taxii(202, &pending),
        Some(Fault::CountsOnly) => {
            let mut bare = complete;
            bare.as_object_mut().unwrap().retain(|name, _| name != "successes");
            taxii(202, &bare)
        }
        _ => taxii(202, &complete),
    }
}

async fn status(State(inner): Shared, Path(id): Path<String>) -> Response {
    let mut inner = inner.lock().unwrap();
    let Some((_, polls, complete)) = inner.statuses.iter_mut().find(|it| it.0 == id) else {
        return taxii(404, &json!({ "title": "no such status" }));
    };
    let mut answer = complete.clone();
    if *polls > 0 {
        *polls -= 1;
        answer["status"] = json!("pending");
    }
    taxii(200, &answer)
}

async fn object(State(inner): Shared, Path(id): Path<String>) -> Response {
    let inner = inner.lock().unwrap();
    let found: Vec<_> = inner.objects.iter().filter(|it| it["id"] == id).cloned().collect();
    if found.is_empty() {
        return taxii(404, &json!({ "title": "no such object" }));
    }
    taxii(200, &json!({ "objects": found }))
}

async fn versions(State(inner): Shared, Path(id): Path<String>) -> Response {
    let inner = inner.lock().unwrap();
    let versions: Vec<_> =
        inner.objects.iter().filter(|it| it["id"] == id).map(|it| key(it).1).collect();
    if versions.is_empty() || !inner.has_versions {
        return taxii(404, &json!({ "title": "no such object" }));
    }
    taxii(200, &json!({ "more": false, "versions": versions }))
}
