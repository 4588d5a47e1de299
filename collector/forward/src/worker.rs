//! Worker: takes the reports that are due, in order within an incident, side by side across them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use collector_incident::Policy;
use prometheus::Registry;
use rules_event::Timestamp;
use rules_service::logs::chain;
use rules_service::meter::Health;
use sqlx::{Row, SqlitePool};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::error::database;
use crate::step::{self, Action, Applied, Outcome};
use crate::taxii::{Session, Taxii, Trouble};
use crate::{Metrics, ReportState, Result, TaxiiConfig};

/// Reports sent side by side; each is of another incident.
const PARALLEL_MAX: usize = 4;
/// The database is asked for due reports this often.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Steps of one report in a row, before others get their turn.
const STEPS_MAX: usize = 64;
/// Gauges are drawn this often.
const GAUGES_INTERVAL: Duration = Duration::from_secs(15);
/// What `/healthz` calls us.
const HEALTH: &str = "forward";
/// What it calls missed deadlines: none passes silently.
const DEADLINES: &str = "legal deadlines";
/// What it calls reports that wait for a person.
const DEAD_LETTERS: &str = "forward dead letters";

/// Sends what is approved. All it knows lies in the database.
#[derive(Debug)]
pub struct Forwarder {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    db: SqlitePool,
    policy: Option<Policy>,
    taxii: Option<Taxii>,
    backoff: (Duration, Duration),
    metrics: Metrics,
    health: Health,
    session: Mutex<Option<Arc<Session>>>,
}

impl Forwarder {
    /// Builds a forwarder; nothing is sent before [`Forwarder::run`]. Without a server (`None`) it
    /// only keeps the gauges, and approved reports wait.
    ///
    /// # Errors
    /// [`crate::Error::Config`], [`crate::Error::ConfigFile`], [`crate::Error::Client`],
    /// [`crate::Error::Metrics`].
    pub fn new(
        db: SqlitePool,
        policy: Option<Policy>,
        taxii: Option<&TaxiiConfig>,
        registry: &Registry,
        health: Health,
    ) -> Result<Self> {
        let metrics = Metrics::new(registry)?;
        let delay = |ms: u64| Duration::from_millis(ms.max(1));
        let backoff = taxii.map_or((delay(5000), delay(900_000)), |it| {
            let min = delay(it.retry_delay_ms_min);
            (min, delay(it.retry_delay_ms_max).max(min))
        });
        let taxii = taxii.map(Taxii::new).transpose()?;
        let session = Mutex::new(None);
        let inner = Inner { db, policy, taxii, backoff, metrics, health, session };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Works until the token is cancelled. A request under way is given up then; it will be repeated
    /// with the same bytes.
    pub async fn run(self, stop: CancellationToken) {
        let mut at_work: JoinSet<String> = JoinSet::new();
        let mut busy: HashMap<tokio::task::Id, String> = HashMap::new();
        let mut drawn: Option<tokio::time::Instant> = None;
        loop {
            if drawn.is_none_or(|at| at.elapsed() >= GAUGES_INTERVAL) {
                self.draw().await;
                drawn = Some(tokio::time::Instant::now());
            }
            match self.inner.due(now()).await {
                Ok(due) => {
                    for (incident, report) in due {
                        if at_work.len() >= PARALLEL_MAX || busy.values().any(|it| *it == incident)
                        {
                            continue;
                        }
                        let inner = self.inner.clone();
                        let handle = at_work.spawn(async move {
                            inner.work(&report).await;
                            report
                        });
                        busy.insert(handle.id(), incident);
                    }
                }
                Err(error) => tracing::error!(error = chain(&error), "cannot look for due reports"),
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(POLL_INTERVAL) => {}
                Some(done) = at_work.join_next_with_id() => {
                    let id = match done {
                        Ok((id, _)) => id,
                        Err(error) => {
                            tracing::error!(%error, "sending a report ended with a bug");
                            error.id()
                        }
                    };
                    busy.remove(&id);
                }
            }
        }
        at_work.shutdown().await;
    }

    /// Takes one step of every report that is due, and returns how many were; for tests and for
    /// commands that send once.
    ///
    /// # Errors
    /// The database. Trouble with the centre is no error: it is stored with the report.
    pub async fn step_all(&self, now: Timestamp) -> Result<usize> {
        let due = self.inner.due(now).await?;
        for (_, report) in &due {
            self.inner.step(report, now).await?;
        }
        Ok(due.len())
    }

    async fn draw(&self) {
        if let Err(error) = self.inner.draw(now()).await {
            tracing::error!(error = chain(&error), "cannot count reports");
        }
    }
}

impl Inner {
    /// Returns incident and id of the reports to work on: of each incident the first in order that
    /// has not come to an end, if its time has come. One that a person must look at holds back those
    /// behind it, but no other incident.
    async fn due(&self, now: Timestamp) -> Result<Vec<(String, String)>> {
        if self.taxii.is_none() {
            return Ok(Vec::new());
        }
        sqlx::query_as(
            "SELECT r.incident_id, r.id FROM report r WHERE r.state IN ('approved', 'sending') \
             AND r.next_at <= $1 AND NOT EXISTS (SELECT 1 FROM report e \
             WHERE e.incident_id = r.incident_id AND e.place < r.place \
             AND e.state IN ('approved', 'sending', 'partial', 'rejected')) \
             ORDER BY r.next_at, r.place LIMIT $2",
        )
        .bind(now.as_nanos())
        .bind(i64::try_from(2 * PARALLEL_MAX).unwrap_or(8))
        .fetch_all(&self.db)
        .await
        .map_err(database("look for due reports"))
    }

    /// Takes steps until the report ends or has to wait.
    async fn work(&self, report: &str) {
        for _ in 0..STEPS_MAX {
            match self.step(report, now()).await {
                Ok(true) => {}
                Ok(false) => return,
                Err(error) => {
                    tracing::error!(report, error = chain(&error), "cannot send a report");
                    self.health.problem(HEALTH, format!("report {report}: {}", chain(&error)));
                    return;
                }
            }
        }
    }

    /// Takes one step; `true` if the next can follow at once.
    async fn step(&self, report: &str, now: Timestamp) -> Result<bool> {
        let Some(taxii) = &self.taxii else { return Ok(false) };
        if !step::begin_sending(&self.db, report, now).await? {
            return Ok(false);
        }
        let action = step::plan(&self.db, report).await?;
        let outcome = self.perform(taxii, &action).await;
        let policy = self.policy.as_ref();
        let applied =
            step::apply(&self.db, policy, report, &action, outcome, self.backoff, now).await?;
        match applied {
            Applied::GoOn => Ok(true),
            Applied::Wait { remedy } => {
                if let Some(remedy) = remedy {
                    tracing::error!(report, problem = remedy, "the centre needs somebody's help");
                    self.health.problem(HEALTH, remedy);
                }
                Ok(false)
            }
            Applied::Ended(state) => {
                self.ended(report, state);
                Ok(false)
            }
        }
    }

    async fn perform(&self, taxii: &Taxii, action: &Action) -> Outcome {
        if *action == Action::Finish {
            return Outcome::Nothing;
        }
        let outcome = match self.session(taxii).await {
            Ok(session) => step::perform(taxii, &session, action).await,
            Err(trouble) => Outcome::Trouble(trouble),
        };
        let code = match &outcome {
            Outcome::Status(_, answer) | Outcome::Held(_, answer) => answer.http.to_string(),
            Outcome::Trouble(trouble) => trouble.code(),
            Outcome::Nothing | Outcome::TooLarge => return outcome,
        };
        self.metrics.attempts.with_label_values(&[&code]).inc();
        match outcome {
            // A password may have been changed, a collection moved: ask again.
            Outcome::Trouble(Trouble::Wait { .. } | Trouble::Absent(_)) => self.forget_session(),
            _ => self.health.resolved(HEALTH),
        }
        outcome
    }

    async fn session(&self, taxii: &Taxii) -> Result<Arc<Session>, Trouble> {
        if let Some(session) = self.kept_session().clone() {
            return Ok(session);
        }
        let session = Arc::new(taxii.open().await?);
        *self.kept_session() = Some(session.clone());
        Ok(session)
    }

    fn kept_session(&self) -> std::sync::MutexGuard<'_, Option<Arc<Session>>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget_session(&self) {
        *self.kept_session() = None;
    }

    fn ended(&self, report: &str, state: ReportState) {
        match state {
            ReportState::Delivered => {
                tracing::info!(report, "report delivered");
                self.metrics.delivered.inc();
            }
            _ => tracing::error!(report, %state, "the centre refused a report; a person must look"),
        }
    }

    async fn draw(&self, now: Timestamp) -> Result<()> {
        let doing = database("count reports");
        let rows = sqlx::query(
            "SELECT state, COUNT(*), MIN(COALESCE(approved_at, created_at)) FROM report \
             GROUP BY state",
        )
        .fetch_all(&self.db)
        .await
        .map_err(&doing)?;
        let mut oldest = now;
        let mut counts: HashMap<String, i64> = HashMap::new();
        for row in rows {
            let state: String = row.get(0);
            let waits = [ReportState::Approved, ReportState::Sending];
            if waits.iter().any(|it| it.as_str() == state) {
                oldest = oldest.min(Timestamp::from_nanos(row.get(2)));
            }
            counts.insert(state, row.get(1));
        }
        let of = |state: ReportState| counts.get(state.as_str()).copied().unwrap_or(0);
        match of(ReportState::Partial) + of(ReportState::Rejected) {
            0 => self.health.resolved(DEAD_LETTERS),
            dead => self.health.problem(
                DEAD_LETTERS,
                format!("{dead} reports were refused: look at each, then retry or discard it"),
            ),
        }
        for state in ReportState::ALL {
            let count = counts.get(state.as_str()).copied().unwrap_or(0);
            self.metrics.reports.with_label_values(&[state.as_str()]).set(count);
        }
        let age = i64::try_from(now.since(oldest).as_secs()).unwrap_or(i64::MAX);
        self.metrics.oldest_pending_seconds.set(age);
        let outcomes: Vec<(String, i64)> =
            sqlx::query_as("SELECT outcome, COUNT(*) FROM report_object GROUP BY outcome")
                .fetch_all(&self.db)
                .await
                .map_err(&doing)?;
        for (outcome, count) in outcomes {
            self.metrics.objects.with_label_values(&[&outcome]).set(count);
        }
        if let Some(policy) = &self.policy {
            let overdue = collector_incident::overdue(&self.db, policy, now).await?;
            match overdue.iter().map(|(_, count)| count).sum::<u64>() {
                0 => self.health.resolved(DEADLINES),
                missed => self.health.problem(
                    DEADLINES,
                    format!(
                        "{missed} legal deadlines were missed: report, or note the letter sent"
                    ),
                ),
            }
            for (deadline, count) in overdue {
                let count = i64::try_from(count).unwrap_or(i64::MAX);
                self.metrics.overdue.with_label_values(&[&deadline]).set(count);
            }
        }
        Ok(())
    }
}

fn now() -> Timestamp {
    let nanos = jiff::Timestamp::now().as_nanosecond();
    Timestamp::from_nanos(i64::try_from(nanos).unwrap_or(i64::MAX))
}
