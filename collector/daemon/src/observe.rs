//! Watch: what the collector does with every stored range, inside the transaction that commits it.

use collector_incident::{Alert, record_alert};
use collector_ingest::{BoxError, FindingKind, Observer, Range};
use collector_store::Store;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use rules_event::{Level, Timestamp};
use rules_pack::Loaded;
use sqlx::{SqliteConnection, SqlitePool};

use crate::detect::{Detector, Tally, alert_about_agent};

/// Hits that arrived this much earlier than the longest timespan are replayed as well: lines may be
/// stored that much later than they were written.
const LATENESS: std::time::Duration = std::time::Duration::from_secs(3600);

/// Counters of detection.
#[derive(Debug, Clone)]
pub(crate) struct Metrics {
    alerts: IntCounterVec,
    incidents: IntCounter,
    groups: IntGauge,
    evicted: IntGauge,
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
        registry.register(Box::new(alerts.clone()))?;
        registry.register(Box::new(incidents.clone()))?;
        registry.register(Box::new(groups.clone()))?;
        registry.register(Box::new(evicted.clone()))?;
        Ok(Self { alerts, incidents, groups, evicted })
    }
}

/// Turns ranges into alerts and incidents.
pub(crate) struct Watch {
    detector: Detector,
    store: Store,
    db: SqlitePool,
    rules: Box<dyn Fn() -> anyhow::Result<Loaded> + Send + Sync>,
    metrics: Metrics,
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
    ) -> anyhow::Result<Self> {
        let detector = rebuilt(&store, &db, rules()?).await?;
        Ok(Self { detector, store, db, rules, metrics, last: None })
    }

    async fn record(
        &self,
        tx: &mut SqliteConnection,
        mut alert: Alert,
        tally: Tally,
        now: Timestamp,
    ) -> Result<(), BoxError> {
        if tally == Tally::Added {
            alert.count += collector_incident::recorded_count(tx, &alert.id).await?;
        }
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
        Ok(())
    }
}

impl Observer for Watch {
    async fn observe(&mut self, tx: &mut SqliteConnection, range: &Range) -> Result<(), BoxError> {
        if self.last == Some(range.at) {
            self.detector = rebuilt(&self.store, &self.db, (self.rules)()?).await?;
        }
        self.last = Some(range.at);
        let now = crate::users::now();
        let alerts = self.detector.judge(range.events.iter().map(|(event, _)| event));
        for (alert, tally) in alerts.into_values() {
            self.record(tx, alert, tally, now).await?;
        }
        for finding in &range.findings {
            let level = finding.kind.level();
            if level < Level::Medium {
                continue;
            }
            let agent = finding.agent.map(|agent| agent.to_string()).unwrap_or_default();
            let kind = finding.kind.as_str();
            let alert = alert_about_agent(
                kind,
                titles(finding.kind),
                level,
                &agent,
                finding.detail.clone(),
                finding.at,
            );
            self.record(tx, alert, Tally::Total, now).await?;
        }
        let (groups, evicted) = self.detector.load();
        self.metrics.groups.set(i64::try_from(groups).unwrap_or(i64::MAX));
        self.metrics.evicted.set(i64::try_from(evicted).unwrap_or(i64::MAX));
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
        tracing::warn!(%problem, "a correlation cannot be used");
    }
    let open = collector_ingest::open_spans(db).await?;
    let since = crate::users::now().saturating_sub(detector.memory() + LATENESS);
    let count = store.hits_since(since, &open, |stored| detector.remember(&stored.event)).await?;
    tracing::info!(hits = count, "memory of correlations is rebuilt");
    Ok(detector)
}

fn titles(kind: FindingKind) -> (&'static str, &'static str) {
    match kind {
        FindingKind::ChainGap => ("Batches of an agent are missing", "Thiếu gói dữ liệu của tác nhân (agent)"),
        FindingKind::GapClosed => ("Missing batches have arrived", "Gói dữ liệu thiếu đã đến đủ"),
        FindingKind::NewEpoch => ("An agent began a new chain", "Tác nhân (agent) bắt đầu chuỗi mới"),
        FindingKind::Fork => ("Two agents claim one identity", "Hai tác nhân (agent) dùng chung một định danh"),
        FindingKind::BadSignature => ("A batch was altered or forged", "Gói dữ liệu bị sửa hoặc giả mạo"),
        FindingKind::UnknownKey => ("An unknown agent is sending", "Tác nhân (agent) lạ đang gửi dữ liệu"),
        FindingKind::RevokedKey => ("A revoked agent is sending", "Tác nhân (agent) đã bị thu hồi vẫn gửi dữ liệu"),
        FindingKind::Undecodable => ("A record cannot be read", "Bản ghi không đọc được"),
        FindingKind::BadContent => ("The content of a batch cannot be read", "Nội dung gói dữ liệu không đọc được"),
        FindingKind::LostByRetention => ("Records were deleted before they were read", "Bản ghi bị xoá trước khi được đọc"),
        FindingKind::TopicRecreated => ("A topic was deleted and made anew", "Chủ đề Kafka bị xoá và tạo lại"),
    }
}
