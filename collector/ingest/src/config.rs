//! IngestConfig: the few things about ingestion that a site decides, and the bounds it does not.

use std::time::Duration;

use agent_wire::PublicKey;

/// A range holds about this many events; one batch more may come on top.
pub(crate) const RANGE_EVENTS_MAX: usize = 50_000;

/// Events of one batch. An agent seals at 256 KiB, at most some 5,000 events; ten times that is no agent of
/// ours. With [`RANGE_EVENTS_MAX`] it keeps an insert within `INSERT_ROWS_MAX`.
pub(crate) const BATCH_EVENTS_MAX: usize = 50_000;

/// A range holds about this much in values before they were compressed: 64 MiB.
pub(crate) const RANGE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A range holds at most this many records.
pub(crate) const RANGE_RECORDS_MAX: usize = if cfg!(test) { 7 } else { 20_000 };

/// A range is closed this long after its first record, so that quiet sites see events at once.
pub(crate) const RANGE_WAIT: Duration = Duration::from_millis(if cfg!(test) { 2 } else { 500 });

/// How often trust decisions are looked for while nothing arrives.
pub(crate) const IDLE_TICK: Duration = Duration::from_millis(500);

/// Findings handed on per range; more are counted only.
pub(crate) const FINDINGS_MAX: usize = 256;

/// Unknown keys listed; more are quarantined but not listed.
pub(crate) const UNKNOWN_KEYS_MAX: i64 = 10_000;

/// Delays between tries while a store is away.
pub(crate) const RETRY_DELAY_MIN: Duration =
    Duration::from_millis(if cfg!(test) { 1 } else { 100 });
pub(crate) const RETRY_DELAY_MAX: Duration =
    Duration::from_millis(if cfg!(test) { 2 } else { 10_000 });

/// How far behind the collector's clock a record's arrival time may lie. Older ones are stored as
/// if they had arrived then: a range must not scatter over more day partitions than that.
pub(crate) const ARRIVAL_AGE_MAX: Duration = Duration::from_secs(7 * 86_400);

/// What a site decides about ingestion.
#[derive(Debug, Clone, Default)]
pub struct IngestConfig {
    /// Keys trusted without anybody saying so in the console: the local agent of a standalone site.
    pub auto_trust: Vec<PublicKey>,
}
