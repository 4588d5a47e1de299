//! Reports against a real SQLite file, a TAXII server that misbehaves on demand, and medallion.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails by panicking, like the test")]

mod approval;
mod centre;
mod content;
mod faults;
mod medallion;

use std::path::PathBuf;

use collector_forward::{
    Draft, ForwardConfig, Forwarder, Profile, Report, ReportKind, ReportState, Reporter,
    TaxiiConfig, approve, get, request, status, submit,
};
use collector_incident::{Actor, Alert, Entity, Policy, Role, record_alert};
use prometheus::Registry;
use rules_event::{Level, Timestamp};
use rules_service::meter::Health;
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};

pub(crate) struct Base {
    pub(crate) db: SqlitePool,
    pub(crate) dir: tempfile::TempDir,
}

pub(crate) async fn base() -> Base {
    let dir = tempfile::tempdir().unwrap();
    let options = SqliteConnectOptions::new()
        .filename(dir.path().join("vonglau.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .foreign_keys(true)
        .busy_timeout(std::time::Duration::from_secs(10));
    let db = SqlitePoolOptions::new().max_connections(8).connect_with(options).await.unwrap();
    collector_incident::migrate(&db).await.unwrap();
    collector_forward::migrate(&db).await.unwrap();
    collector_incident::migrate(&db).await.unwrap(); // they leave each other alone
    Base { db, dir }
}

/// A moment `hours` after the tests' start.
pub(crate) fn at(hours: i64) -> Timestamp {
    let start: Timestamp = "2026-11-21T08:00:00Z".parse().unwrap();
    Timestamp::from_seconds(start.as_seconds() + hours * 3600)
}

pub(crate) fn alert(id: &str, host: &str) -> Alert {
    Alert {
        id: id.into(),
        rule_id: "5f0a8c52-0d3b-4d7e-a1b6-0b7a3c1d2e4f".into(),
        title: "SSH brute force".into(),
        title_vi: "Dò mật khẩu SSH".into(),
        level: Level::High,
        techniques: vec!["T1110.001".into()],
        attack_version: "17".into(),
        entity: Entity::from_group(&[
            ("source.ip".into(), "203.0.113.9".into()),
            ("user.name".into(), "root".into()),
            ("host.name".into(), host.into()),
            (
                "process.command_line".into(),
                "curl -H 'Authorization: Bearer Zq9sesame' http://x/?token=Zq9sesame".into(),
            ),
        ]),
        first: at(-1),
        last: at(0),
        count: 42,
        event_ids: vec!["e1".into()],
        agents: vec!["agent-1".into()],
        organization: Some("H49.01".into()),
        system: None,
        incident_type: Some("N2".into()),
        runbook_vi: None,
        runbook_en: None,
        never_forward: false,
        summary: "42 failures, password=Zq9sesame".into(),
    }
}

pub(crate) async fn incident(db: &SqlitePool, host: &str) -> String {
    incident_at(db, host, at(0)).await
}

/// An incident known since `time`: legal clocks run from then on.
pub(crate) async fn incident_at(db: &SqlitePool, host: &str, time: Timestamp) -> String {
    let mut tx = db.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let first = Timestamp::from_seconds(time.as_seconds() - 3600);
    let alert = Alert { first, last: time, ..alert(&format!("alert-{host}"), host) };
    let it = record_alert(&mut tx, &alert, time).await.unwrap();
    tx.commit().await.unwrap();
    it.incident
}

pub(crate) fn profile() -> Profile {
    let rule = "title: SSH brute force\nlogsource: {product: linux, service: sshd}\n\
        detection: {s: {event.outcome: failure}, condition: s}\n";
    Profile {
        config: ForwardConfig {
            reporter: Reporter {
                name: "SOC tỉnh".into(),
                organ_id: "H49".into(),
                contact: "trực 24/7".into(),
            },
            ..ForwardConfig::default()
        },
        policy: Some(Policy::shipped().unwrap()),
        rules: [(alert("", "").rule_id, rule.to_owned())].into(),
        organizations: [("H49.01".to_owned(), "Sở Y tế".to_owned())].into(),
    }
}

pub(crate) fn actor(name: &str, role: Role) -> Actor {
    Actor { name: name.into(), role, address: "192.0.2.7".into() }
}

pub(crate) fn draft(kind: ReportKind) -> Draft {
    Draft {
        kind,
        text_vi: "Phát hiện dò mật khẩu, đã chặn địa chỉ nguồn.".into(),
        ..Draft::default()
    }
}

/// A report that is in the outbox.
pub(crate) async fn approved(db: &SqlitePool, incident: &str, kind: ReportKind) -> Report {
    approved_at(db, incident, kind, at(1)).await
}

pub(crate) async fn approved_at(
    db: &SqlitePool,
    incident: &str,
    kind: ReportKind,
    time: Timestamp,
) -> Report {
    let author = actor("an", Role::Analyst);
    let it = request(db, &profile(), incident, &draft(kind), &author, time).await.unwrap();
    let it = submit(db, &it.id, it.revision, &author, time).await.unwrap();
    approve(db, &it.id, it.revision, &actor("bình", Role::Lead), time).await.unwrap()
}

pub(crate) fn taxii(url: &str, password_file: Option<PathBuf>) -> TaxiiConfig {
    TaxiiConfig {
        url: url.into(),
        api_root: String::new(),
        collection: String::new(),
        user: "soc".into(),
        password_file,
        ca_file: None,
        identity_file: None,
        retry_delay_ms_min: 10,
        retry_delay_ms_max: 100,
    }
}

pub(crate) struct Sender {
    pub(crate) forwarder: Forwarder,
    pub(crate) registry: Registry,
    pub(crate) health: Health,
}

/// A forwarder as after a start: it knows nothing but the database.
pub(crate) fn sender(db: &SqlitePool, config: &TaxiiConfig) -> Sender {
    let (registry, health) = (Registry::new(), Health::default());
    let policy = Some(Policy::shipped().unwrap());
    let forwarder =
        Forwarder::new(db.clone(), policy, Some(config), &registry, health.clone()).unwrap();
    Sender { forwarder, registry, health }
}

/// Steps, an hour apart and with a new forwarder each time, until the report has come to an end.
pub(crate) async fn drive(db: &SqlitePool, config: &TaxiiConfig, report: &str) -> ReportState {
    for hour in 2..200 {
        sender(db, config).forwarder.step_all(at(hour)).await.unwrap();
        let state = get(db, report).await.unwrap().state;
        if !matches!(state, ReportState::Approved | ReportState::Sending) {
            return state;
        }
    }
    panic!("no end after 200 steps: {:?}", status(db, report).await.unwrap());
}
