//! Observer: who looks at every range once it is stored, within the transaction that commits it.

use std::future::Future;

use collector_store::{Place, SeenAgent};
use rules_event::{Event, Timestamp};
use sqlx::SqliteConnection;

use crate::{BoxError, Finding};

/// A range that is stored in ClickHouse and about to be committed.
#[derive(Debug, Default)]
pub struct Range {
    /// When it was taken in hand; the same if it is done again after a crash.
    pub at: Timestamp,
    /// Its events, by partition, offset and place in the batch.
    pub events: Vec<(Event, Place)>,
    /// Its heartbeats, verified and from trusted agents.
    pub heartbeats: Vec<SeenAgent>,
    /// What was noticed.
    pub findings: Vec<Finding>,
}

/// Looks at every range once it is stored: correlation, alerts, incidents, liveness.
pub trait Observer: Send {
    /// Gets ready for a range, outside any transaction: what may take long belongs here. Called
    /// before every try to commit, so also when the range comes again.
    fn prepare(
        &mut self,
        range: &Range,
    ) -> impl Future<Output = std::result::Result<(), BoxError>> + Send {
        let _ = range;
        std::future::ready(Ok(()))
    }

    /// Looks at a range. What it writes through `tx` is committed together with the positions, or
    /// not at all: on an error, or a crash before the commit, the same range comes again.
    fn observe(
        &mut self,
        tx: &mut SqliteConnection,
        range: &Range,
    ) -> impl Future<Output = std::result::Result<(), BoxError>> + Send;
}
