//! The ledger: proof that nothing was lost or doubled between the agents' disks and the store.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use collector_store::{Ledger, LedgerLine, LedgerQuery, Verdict};
use rules_event::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::incidents::time;
use crate::ConsoleState;
use crate::body::QueryBody;
use crate::problem::{Problem, ProblemBody};

/// A ledger read while a range is being stored shows it as open, so it is read this often before
/// that is believed.
const READS_MAX: usize = 4;
/// Between reads: longer than storing one range takes.
const READ_PAUSE: Duration = Duration::from_millis(500);

/// Which arrivals.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LedgerParams {
    /// Arrived at or after, RFC 3339; everything if absent.
    since: Option<String>,
    /// Arrived before, RFC 3339; everything if absent.
    until: Option<String>,
    /// Language of pages; ignored here.
    lang: Option<String>,
}

/// The ledger.
#[derive(Serialize, ToSchema)]
pub(crate) struct LedgerBody {
    /// True if every batch and every event is stored, once.
    closes: bool,
    /// One line a chain: a lane of an agent in one epoch.
    lines: Vec<LedgerLineBody>,
}

/// One chain.
#[derive(Serialize, ToSchema)]
pub(crate) struct LedgerLineBody {
    /// Agent id.
    agent: String,
    /// `alerts` or `events`.
    lane: String,
    /// Chain epoch.
    epoch: u64,
    /// True if this chain closes.
    closes: bool,
    /// Batches stored.
    batches: u64,
    /// Batches stored more than once.
    repeated_batches: u64,
    /// Lowest batch number.
    seq_min: u64,
    /// Highest batch number.
    seq_max: u64,
    /// Batch numbers in between that are not there.
    missing_batches: u64,
    /// The missing numbers as ranges, both ends included.
    missing: Vec<[u64; 2]>,
    /// Events that the batches claim to hold.
    events_claimed: u64,
    /// Events stored.
    events_stored: u64,
    /// Distinct event ids among them.
    events_distinct: u64,
    /// When the last batch arrived, RFC 3339.
    last_received: String,
}

impl From<LedgerLine> for LedgerLineBody {
    fn from(line: LedgerLine) -> Self {
        Self {
            closes: line.is_closed(),
            agent: line.agent,
            lane: line.lane,
            epoch: line.epoch,
            batches: line.batches,
            repeated_batches: line.repeated_batches,
            seq_min: line.seq_min,
            seq_max: line.seq_max,
            missing_batches: line.missing_batches,
            missing: line.missing.into_iter().map(|(from, to)| [from, to]).collect(),
            events_claimed: line.events_claimed,
            events_stored: line.events_stored,
            events_distinct: line.events_distinct,
            last_received: Timestamp::from_nanos(line.last_received).to_string(),
        }
    }
}

impl LedgerParams {
    fn read(self) -> Result<LedgerQuery, Problem> {
        drop(self.lang);
        Ok(LedgerQuery {
            since: self.since.map(|text| time("since", &text)).transpose()?,
            until: self.until.map(|text| time("until", &text)).transpose()?,
        })
    }
}

/// Returns the ledger; one that stays open over several reads is open.
pub(crate) async fn settled(state: &ConsoleState, params: LedgerParams) -> Result<Ledger, Problem> {
    let query = params.read()?;
    let mut ledger = state.events.ledger(&query).await?;
    for _ in 1..READS_MAX {
        if ledger.verdict == Verdict::Closed {
            break;
        }
        tokio::time::sleep(READ_PAUSE).await;
        ledger = state.events.ledger(&query).await?;
    }
    Ok(ledger)
}

/// Compares what the agents signed with what is stored.
#[utoipa::path(get, path = "/api/v1/ledger", tag = "ledger", params(LedgerParams), responses(
    (status = 200, description = "The ledger; see `closes`", body = LedgerBody),
    (status = 503, description = "The event store does not answer", body = ProblemBody)))]
pub(crate) async fn show(
    State(state): State<ConsoleState>,
    QueryBody(params): QueryBody<LedgerParams>,
) -> Result<Json<LedgerBody>, Problem> {
    let ledger = settled(&state, params).await?;
    Ok(Json(LedgerBody {
        closes: ledger.verdict == Verdict::Closed,
        lines: ledger.lines.into_iter().map(Into::into).collect(),
    }))
}
