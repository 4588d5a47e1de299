//! Watch: what the collector does with every stored range, inside the transaction that commits it.

use collector_incident::{Alert, record_alert};
use collector_ingest::{BoxError, FindingKind, Observer, Range};
use collector_store::{AlertRow, Store, StoredEvent};
use prometheus::{IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use rules_event::{Level, Timestamp};
use rules_pack::Loaded;
use rules_service::meter::Health;
use sha2::{Digest, Sha256};
use sqlx::{SqliteConnection, SqlitePool};

use crate::detect::{Detector, Load, Tally, alert_about_pipeline};

/// Hits that arrived this much earlier than the longest timespan are replayed as well: lines may be
/// stored that much later than they were written.
const LATENESS: std::time::Duration = std::time::Duration::from_secs(3600);

/// How long the insert of a range's alerts may hold SQLite's write lock; others wait 10 s for it.
const ALERTS_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

/// What health calls ingestion as a whole: set when it had to start again, cleared by the next range.
pub(crate) const INGEST: &str = "ingest";

/// Counters of detection.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    alerts: IntCounterVec,
    incidents: IntCounter,
    groups: IntGauge,
    bytes: IntGauge,
    evicted: IntGauge,
    tardy: IntGaugeVec,
}

impl Metrics {
    pub(crate) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let alerts = IntCounterVec::new(
            Opts::new("vonglau_alerts_total", "Alerts raised or updated, by level"),
            &["level"],
        )?;
        let incidents = IntCounter::new("vonglau_incidents_total", "Incidents opened")?;
        let groups = IntGauge::new("vonglau_correlation_groups", "Groups held by correlations")?;
        let evicted = IntGauge::new(
            "vonglau_correlation_evicted",
            "Groups that correlations gave up at their bound since the start",
        )?;
        let bytes = IntGauge::new(
            "vonglau_correlation_bytes",
            "Bytes that the groups of correlations take",
        )?;
        let tardy = IntGaugeVec::new(
            Opts::new(
                "vonglau_correlation_tardy",
                "Events out of time for correlations since the start: 'late' and judged with what \
                 was left, 'too_late' to count where all was judged, 'ahead' of the clock",
            ),
            &["reason"],
        )?;
        registry.register(Box::new(alerts.clone()))?;
        registry.register(Box::new(incidents.clone()))?;
        registry.register(Box::new(groups.clone()))?;
        registry.register(Box::new(evicted.clone()))?;
        registry.register(Box::new(bytes.clone()))?;
        registry.register(Box::new(tardy.clone()))?;
        Ok(Self { alerts, incidents, groups, bytes, evicted, tardy })
    }

    fn show(&self, load: Load) {
        let of = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        self.groups.set(of(load.groups as u64));
        self.bytes.set(of(load.bytes as u64));
        self.evicted.set(of(load.evicted));
        let reasons = [
            ("late", load.tardy.late),
            ("too_late", load.tardy.too_late),
            ("ahead", load.tardy.ahead),
        ];
        for (reason, number) in reasons {
            self.tardy.with_label_values(&[reason]).set(of(number));
        }
    }
}

/// Turns ranges into alerts and incidents.
pub(crate) struct Watch {
    detector: Detector,
    store: Store,
    db: SqlitePool,
    rules: Box<dyn Fn() -> anyhow::Result<Loaded> + Send + Sync>,
    metrics: Metrics,
    health: Health,
    /// The range handed over last. If it comes again, its transaction failed, and the memory of the
    /// correlations counts it already.
    last: Option<Timestamp>,
}

impl Watch {
    /// Loads the rules and rebuilds the memory of correlations from the store.
    pub(crate) async fn new(
        store: Store,
        db: SqlitePool,
        rules: Box<dyn Fn() -> anyhow::Result<Loaded> + Send + Sync>,
        metrics: Metrics,
        health: Health,
    ) -> anyhow::Result<Self> {
        let detector = rebuilt(&store, &db, rules()?).await?;
        Ok(Self { detector, store, db, rules, metrics, health, last: None })
    }

    /// Records an alert and returns its row for the store.
    async fn record(
        &self,
        tx: &mut SqliteConnection,
        mut alert: Alert,
        tally: Tally,
        now: Timestamp,
    ) -> Result<AlertRow, BoxError> {
        let before = collector_incident::recorded(tx, &alert.id).await?;
        if let (Tally::Added, Some(before)) = (tally, &before) {
            alert.count += before.count;
        }
        let raised = before.map_or(now, |before| before.at);
        let recorded = record_alert(tx, &alert, now).await?;
        self.metrics.alerts.with_label_values(&[alert.level.as_str()]).inc();
        if recorded.created {
            self.metrics.incidents.inc();
            tracing::info!(
                incident = recorded.incident,
                level = alert.level.as_str(),
                title = alert.title,
                summary = alert.summary,
                "incident opened"
            );
        }
        Ok(row_of(alert, recorded.incident, raised))
    }
}

/// Returns the row of an alert as it stands now.
fn row_of(alert: Alert, incident: String, raised: Timestamp) -> AlertRow {
    AlertRow {
        id: alert.id,
        version: alert.count,
        rule_id: alert.rule_id,
        title: alert.title,
        title_vi: alert.title_vi,
        level: alert.level.rank(),
        techniques: alert.techniques,
        source_ip: alert.entity.source_ip.unwrap_or_default(),
        user_name: alert.entity.user.unwrap_or_default(),
        host: alert.entity.host.unwrap_or_default(),
        organization: alert.organization.unwrap_or_default(),
        agents: alert.agents,
        event_ids: alert.event_ids,
        events: alert.count,
        first_at: alert.first.as_nanos(),
        last_at: alert.last.as_nanos(),
        raised_at: raised.as_nanos(),
        incident,
        summary: alert.summary,
    }
}

/// Returns the token of a range's alerts: the same for the same alerts, so that a range done again
/// after a crash stores no second copy.
fn token_of(range: &Range, rows: &[AlertRow]) -> String {
    let mut digest = Sha256::new();
    for row in rows {
        digest.update(row.id.as_bytes());
        digest.update(row.version.to_le_bytes());
    }
    format!("alerts/{}/{}", range.at.as_nanos(), hex::encode(digest.finalize()))
}

impl Observer for Watch {
    async fn prepare(&mut self, range: &Range) -> Result<(), BoxError> {
        if self.last == Some(range.at) {
            self.detector = rebuilt(&self.store, &self.db, (self.rules)()?).await?;
            self.last = None;
        }
        Ok(())
    }

    async fn observe(&mut self, tx: &mut SqliteConnection, range: &Range) -> Result<(), BoxError> {
        self.last = Some(range.at);
        // The range's own time: the same if it is done again, and so the rows are the same.
        let now = range.at;
        let mut rows = Vec::new();
        self.detector.clock(now);
        let judged = self.detector.judge(range.events.iter().map(|(event, _)| event));
        let mut alerts: Vec<(Alert, Tally)> = judged.into_values().collect();
        // In the order of what happened: an incident then grows step by step, and an alert that
        // names address, host and user ties the ones before and after it together.
        alerts.sort_by(|(a, _), (b, _)| (a.last, a.first, &a.id).cmp(&(b.last, b.first, &b.id)));
        for (alert, tally) in alerts {
            rows.push(self.record(tx, alert, tally, now).await?);
        }
        for finding in &range.findings {
            let level = finding.kind.level();
            if level < Level::Medium {
                continue;
            }
            let alert = alert_about_pipeline(finding, titles(finding.kind));
            rows.push(self.record(tx, alert, Tally::Added, now).await?);
        }
        // SQLite is locked meanwhile: better to let go, roll back and try again than to hold up
        // approvals and receipts for as long as ClickHouse does not answer.
        let token = token_of(range, &rows);
        let inserted = self.store.insert_alerts(&token, &rows);
        tokio::time::timeout(ALERTS_TIMEOUT, inserted)
            .await
            .map_err(|_| "ClickHouse is slow")??;
        self.health.resolved(INGEST);
        self.metrics.show(self.detector.load());
        Ok(())
    }
}

/// Returns a detector whose correlations remember what was committed.
async fn rebuilt(store: &Store, db: &SqlitePool, loaded: Loaded) -> anyhow::Result<Detector> {
    for diagnostic in &loaded.diagnostics {
        tracing::warn!("{}", diagnostic.render());
    }
    let (mut detector, problems) = Detector::new(loaded);
    for problem in problems {
        tracing::warn!("{}", problem.render());
    }
    let open = collector_ingest::open_spans(db).await?;
    // Counted back from what has arrived, not from the clock: after an outage the backlog is old.
    // By topic, since the alerts lane runs ahead of the events lane, whose hits count as well.
    let Some(reached) = store.arrivals_reach().await? else { return Ok(detector) };
    let since = reached.saturating_sub(detector.memory() + LATENESS);
    detector.clock(reached);
    let heads = collector_ingest::committed_heads(db).await?;
    let mut hits = 0u64;
    let remember = |stored: &StoredEvent| {
        if heads.hold(&stored.place) {
            detector.remember(&stored.event);
            hits += 1;
        }
    };
    store.hits_since(since, &open, remember).await?;
    tracing::info!(hits, "memory of correlations is rebuilt");
    Ok(detector)
}

fn titles(kind: FindingKind) -> (&'static str, &'static str) {
    match kind {
        FindingKind::ChainGap => {
            ("Batches of an agent are missing", "Thiếu gói dữ liệu của tác nhân (agent)")
        }
        FindingKind::GapClosed => ("Missing batches have arrived", "Gói dữ liệu thiếu đã đến đủ"),
        FindingKind::NewEpoch => {
            ("An agent began a new chain", "Tác nhân (agent) bắt đầu chuỗi mới")
        }
        FindingKind::Fork => {
            ("Two agents claim one identity", "Hai tác nhân (agent) dùng chung một định danh")
        }
        FindingKind::BadSignature => {
            ("A batch was altered or forged", "Gói dữ liệu bị sửa hoặc giả mạo")
        }
        FindingKind::UnknownKey => {
            ("An unknown agent is sending", "Tác nhân (agent) lạ đang gửi dữ liệu")
        }
        FindingKind::RevokedKey => {
            ("A revoked agent is sending", "Tác nhân (agent) đã bị thu hồi vẫn gửi dữ liệu")
        }
        FindingKind::Undecodable => ("A record cannot be read", "Bản ghi không đọc được"),
        FindingKind::BadContent => {
            ("The content of a batch cannot be read", "Nội dung gói dữ liệu không đọc được")
        }
        FindingKind::LostByRetention => {
            ("Records were deleted before they were read", "Bản ghi bị xoá trước khi được đọc")
        }
        FindingKind::TopicRecreated => {
            ("A topic was deleted and made anew", "Chủ đề Kafka bị xoá và tạo lại")
        }
    }
}
