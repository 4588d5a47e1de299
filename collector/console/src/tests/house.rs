//! House: a console with one user of each role, an incident, and events; and how to ask it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use agent_wire::{Heartbeat, Identity, Lane};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Request, StatusCode, header};
use collector_incident::{Alert, Entity, Policy};
use collector_store::{
    EventQuery, HuntWindow, Ledger, LedgerLine, LedgerQuery, Place, SeenAgent, StoredEvent, Verdict,
};
use futures_util::FutureExt;
use rules_event::{Event, Level, Timestamp, field};
use rules_matcher::sql::Sql;
use serde_json::Value as Json;
use sqlx::SqlitePool;
use tower::ServiceExt;

use crate::events::Answer;
use crate::{ConsoleConfig, ConsoleState, EventStore, Role, moment, router, users};

pub(super) const PASSWORD: &str = "bốn chiếc thuyền nan";
pub(super) const SCRIPT: &str = "<script>alert('xin chào')</script>";

/// An event store in memory.
#[derive(Default)]
pub(super) struct FakeStore {
    pub(super) events: Vec<StoredEvent>,
    pub(super) broken: AtomicBool,
    pub(super) open: AtomicBool,
}

impl FakeStore {
    fn answer<T: Send + 'static>(&self, value: T) -> Answer<'_, T> {
        let down = self.broken.load(Ordering::SeqCst);
        let error = || collector_store::Error::Slow {
            doing: "search events".into(),
            url: "http://127.0.0.1:1".into(),
            seconds: 60,
        };
        let answer = if down { Err(error()) } else { Ok(value) };
        async move { answer }.boxed()
    }
}

impl EventStore for FakeStore {
    fn search<'a>(&'a self, query: &'a EventQuery) -> Answer<'a, Vec<StoredEvent>> {
        if query.filters.iter().any(|filter| filter.name == "source.port") {
            let error = collector_store::Error::BadQuery("source.port holds a number".into());
            return async move { Err(error) }.boxed();
        }
        let after = |stored: &&StoredEvent| {
            query.cursor.as_ref().is_none_or(|cursor| {
                (stored.event.time, stored.event.id.as_str()) < (cursor.time, cursor.id.as_str())
            })
        };
        let fits = |stored: &&StoredEvent| {
            query.filters.iter().all(|filter| {
                stored.event.get(&filter.name).map(|value| value.to_string())
                    == Some(filter.value.clone())
            })
        };
        let limit = usize::try_from(query.limit).unwrap();
        let found = self.events.iter().rev().filter(after).filter(fits).take(limit);
        self.answer(found.cloned().collect())
    }

    fn by_ids<'a>(&'a self, ids: &'a [String]) -> Answer<'a, Vec<StoredEvent>> {
        let found = self.events.iter().filter(|stored| ids.contains(&stored.event.id));
        self.answer(found.cloned().collect())
    }

    /// Knows no SQL: whatever the predicate, the newest events.
    fn hunt<'a>(&'a self, _: &'a Sql, window: HuntWindow) -> Answer<'a, Vec<StoredEvent>> {
        let limit = usize::try_from(window.limit).unwrap();
        let within =
            |stored: &&StoredEvent| (window.since..window.until).contains(&stored.event.time);
        self.answer(self.events.iter().rev().filter(within).take(limit).cloned().collect())
    }

    fn agents_seen(&self) -> Answer<'_, Vec<SeenAgent>> {
        let heartbeat = Heartbeat { host: "web01".into(), rules: 50, ..Heartbeat::default() };
        let agent = Identity::from_seed(&[7; 32]).agent_id();
        self.answer(vec![SeenAgent { agent, received: moment::now(), heartbeat }])
    }

    fn ledger<'a>(&'a self, _: &'a LedgerQuery) -> Answer<'a, Ledger> {
        let missing = u64::from(self.open.load(Ordering::SeqCst));
        let line = LedgerLine {
            agent: Identity::from_seed(&[7; 32]).agent_id().to_string(),
            lane: "events".into(),
            epoch: 1,
            batches: 9,
            missing_batches: missing,
            seq_min: 1,
            seq_max: 9 + missing,
            missing: if missing == 1 { vec![(4, 4)] } else { vec![] },
            ..LedgerLine::default()
        };
        let verdict = if missing == 0 { Verdict::Closed } else { Verdict::Open };
        self.answer(Ledger { lines: vec![line], verdict })
    }
}

/// A console to ask.
pub(super) struct House {
    pub(super) router: Router,
    pub(super) db: SqlitePool,
    pub(super) store: Arc<FakeStore>,
    _dir: tempfile::TempDir,
}

/// An answer, read to its end.
pub(super) struct Answered {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Answered {
    pub(super) fn json(&self) -> Json {
        serde_json::from_str(&self.text).unwrap_or_else(|_| panic!("no JSON: {}", self.text))
    }

    pub(super) fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[track_caller]
    pub(super) fn problem(&self, status: u16, name: &str) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.header(header::CONTENT_TYPE), "application/problem+json");
        let body = self.json();
        assert_eq!(body["type"], format!("urn:vonglau:problem:{name}"), "{body}");
        assert_eq!(body["request_id"], self.headers["x-request-id"].to_str().unwrap());
        body["detail"].as_str().unwrap().to_owned()
    }
}

pub(super) async fn house() -> House {
    house_with(ConsoleConfig::default()).await
}

pub(super) async fn house_with(config: ConsoleConfig) -> House {
    let dir = tempfile::tempdir().unwrap();
    let db = collector_store::database::open(&dir.path().join("c.db")).await.unwrap();
    crate::migrate(&db).await.unwrap();
    collector_incident::migrate(&db).await.unwrap();
    collector_forward::migrate(&db).await.unwrap();
    collector_ingest::migrate(&db).await.unwrap();
    let hash = crate::password::hash_new("anybody", PASSWORD).unwrap();
    for role in Role::ALL {
        // The hash is made once: argon2id is slow on purpose.
        sqlx::query(
            "INSERT INTO console_user (name, display_name, role, password_hash, created_at,
             changed_at) VALUES ($1, $1, $1, $2, 0, 0)",
        )
        .bind(role.as_str())
        .bind(&hash)
        .execute(&db)
        .await
        .unwrap();
    }
    let store = Arc::new(FakeStore { events: events(), ..FakeStore::default() });
    let state = ConsoleState::new(
        db.clone(),
        store.clone(),
        Policy::shipped().unwrap(),
        Arc::default(),
        config,
        rules_service::meter::Health::default(),
        prometheus::Registry::new(),
    )
    .unwrap();
    House { router: router(state), db, store, _dir: dir }
}

fn events() -> Vec<StoredEvent> {
    let agent = Identity::from_seed(&[7; 32]).agent_id();
    let of = |number: u32| {
        let time = Timestamp::from_seconds(1_795_000_000 + i64::from(number));
        let mut event = Event::new(time, format!("{number:032x}"));
        event.set(field::EVENT_ORIGINAL, format!("line {number} {SCRIPT}"));
        event.set(field::AGENT_HOST, "web01");
        event.set(field::SOURCE_IP, "203.0.113.9");
        event.set(field::RULE_ID, "rule-1");
        let place = Place {
            agent,
            lane: Lane::Events,
            epoch: 1,
            seq: 1,
            index: number,
            topic: "spool/events".into(),
            partition: 0,
            offset: 1,
            received: time,
        };
        StoredEvent { event, place }
    };
    (0..120).map(of).collect()
}

impl House {
    /// Records an alert and returns its incident's number.
    pub(super) async fn incident(&self, number: u32) -> String {
        self.incident_of(number, false).await
    }

    /// The same, of a rule that may say `forward: never`.
    pub(super) async fn incident_of(&self, number: u32, never_forward: bool) -> String {
        let at = Timestamp::from_seconds(1_795_000_000 + i64::from(number));
        let entity = Entity { source_ip: Some(format!("203.0.113.{number}")), ..Entity::default() };
        let alert = Alert {
            id: format!("alert-{number}"),
            rule_id: "rule-1".into(),
            title: format!("SSH guessing {SCRIPT}"),
            title_vi: format!("Dò mật khẩu SSH {SCRIPT}"),
            level: Level::High,
            techniques: vec!["T1110.001".into()],
            attack_version: "17".into(),
            entity,
            first: at,
            last: at,
            count: 2,
            event_ids: vec![format!("{:032x}", 0), format!("{:032x}", 1)],
            agents: vec![],
            organization: None,
            system: None,
            incident_type: None,
            runbook_vi: Some(format!("Chặn địa chỉ {SCRIPT}")),
            never_forward,
            runbook_en: Some("Block the address".into()),
            summary: format!("5 lần {SCRIPT}"),
        };
        let mut tx = self.db.begin_with("BEGIN IMMEDIATE").await.unwrap();
        let now = moment::now();
        let recorded = collector_incident::record_alert(&mut tx, &alert, now).await.unwrap();
        tx.commit().await.unwrap();
        collector_incident::get(&self.db, &recorded.incident).await.unwrap().number
    }

    pub(super) async fn send(&self, mut request: Request<Body>) -> Answered {
        let peer: SocketAddr = "192.0.2.10:5555".parse().unwrap();
        request.extensions_mut().insert(ConnectInfo(peer));
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = to_bytes(body, 10_000_000).await.unwrap();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        Answered { status: parts.status, headers: parts.headers, text }
    }

    pub(super) async fn api(
        &self,
        method: &str,
        path: &str,
        token: &str,
        body: Option<Json>,
    ) -> Answered {
        let mut request = Request::builder().method(method).uri(path);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        self.send(request.body(body).unwrap()).await
    }

    /// Returns a token of the user of this role.
    pub(super) async fn token(&self, role: Role) -> String {
        self.credential(crate::credential::Kind::Token, role).await
    }

    /// Returns the secret of a session of the user of this role.
    pub(super) async fn session(&self, role: Role) -> String {
        self.credential(crate::credential::Kind::Session, role).await
    }

    async fn credential(&self, kind: crate::credential::Kind, role: Role) -> String {
        let lifetime = std::time::Duration::from_secs(600);
        let (user, now) = (role.as_str(), moment::now());
        crate::credential::issue(&self.db, kind, user, "192.0.2.10", lifetime, now).await.unwrap()
    }

    pub(super) async fn page(&self, path: &str, session: &str) -> Answered {
        let request = Request::get(path).header("cookie", format!("vonglau_session={session}"));
        self.send(request.body(Body::empty()).unwrap()).await
    }

    /// Sends a form as the console's own page would.
    pub(super) async fn form(&self, path: &str, session: &str, fields: &str) -> Answered {
        let token = crate::credential::form_token(session);
        self.raw_form(path, session, "http://soc.example", &format!("csrf={token}&{fields}")).await
    }

    pub(super) async fn raw_form(
        &self,
        path: &str,
        session: &str,
        origin: &str,
        fields: &str,
    ) -> Answered {
        let mut request = Request::post(path)
            .header("host", "soc.example")
            .header("cookie", format!("vonglau_session={session}"))
            .header("content-type", "application/x-www-form-urlencoded");
        if !origin.is_empty() {
            request = request.header("origin", origin);
        }
        self.send(request.body(Body::from(fields.to_owned())).unwrap()).await
    }
}

#[tokio::test]
async fn users_are_managed() {
    let house = house().await;
    let (db, now) = (&house.db, moment::now());
    users::create(db, "Lan.Nguyen", "Nguyễn Thị Lan", Role::Analyst, PASSWORD, now).await.unwrap();
    let again = users::create(db, "lan.nguyen", "", Role::Lead, PASSWORD, now).await;
    assert!(matches!(again, Err(crate::Error::UserExists(_))));
    for bad in ["", "a b", "é", &"x".repeat(65)] {
        let made = users::create(db, bad, "", Role::Lead, PASSWORD, now).await;
        assert!(matches!(made, Err(crate::Error::BadName(_))), "{bad}");
    }
    let last = users::set_disabled(db, "admin", true, now).await;
    assert!(matches!(last, Err(crate::Error::LastAdmin(_))));
    assert!(users::set_role(db, "admin", Role::Lead, now).await.is_err());
    users::set_role(db, "lan.nguyen", Role::Admin, now).await.unwrap();
    users::set_role(db, "admin", Role::Lead, now).await.unwrap();
    let list = users::list(db).await.unwrap();
    let lan = list.iter().find(|user| user.name == "lan.nguyen").unwrap();
    assert_eq!((lan.display_name.as_str(), lan.role), ("Nguyễn Thị Lan", Role::Admin));
    assert!(users::set_password(db, "nobody", PASSWORD, now).await.is_err());
}

#[tokio::test]
async fn migrating_twice_is_migrating_once() {
    let house = house().await;
    crate::migrate(&house.db).await.unwrap();
}
