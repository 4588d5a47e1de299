//! Incidents against a real SQLite file.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails by panicking, like the test")]

mod journal;
mod policy;
mod record;
mod work;

use collector_incident::{Actor, Alert, Entity, Recorded, Role, migrate, record_alert};
use rules_event::{Level, Timestamp};
use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions};

pub(crate) struct Base {
    pub(crate) db: SqlitePool,
    _dir: tempfile::TempDir,
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
    migrate(&db).await.unwrap();
    migrate(&db).await.unwrap(); // again: nothing to do
    Base { db, _dir: dir }
}

pub(crate) fn at(minutes: i64) -> Timestamp {
    let start: Timestamp = "2026-11-21T08:00:00Z".parse().unwrap();
    Timestamp::from_seconds(start.as_seconds() + minutes * 60)
}

pub(crate) fn alert(id: &str, entity: &str) -> Alert {
    let pairs: Vec<_> = entity
        .split_whitespace()
        .map(|it| it.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned())).unwrap())
        .collect();
    Alert {
        id: id.into(),
        rule_id: "rule-1".into(),
        title: "Many failed SSH logins".into(),
        title_vi: "Đăng nhập SSH thất bại nhiều lần".into(),
        level: Level::Medium,
        techniques: vec!["T1110.001".into()],
        attack_version: "17".into(),
        entity: Entity::from_group(&pairs),
        first: at(0),
        last: at(1),
        count: 3,
        event_ids: (0..3).map(|n| format!("{id}-event-{n}")).collect(),
        agents: vec!["agent-1".into()],
        organization: Some("H49.01".into()),
        system: Some("mot-cua".into()),
        incident_type: Some("N2".into()),
        runbook_vi: None,
        runbook_en: None,
        never_forward: false,
        summary: "12 failed logins".into(),
    }
}

pub(crate) async fn record(db: &SqlitePool, alert: &Alert, now: Timestamp) -> Recorded {
    let mut tx = db.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let recorded = record_alert(&mut tx, alert, now).await.unwrap();
    tx.commit().await.unwrap();
    recorded
}

pub(crate) fn actor(name: &str, role: Role) -> Actor {
    Actor { name: name.into(), role, address: "192.0.2.7".into() }
}
