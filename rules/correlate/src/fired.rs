//! Fired: what a correlation says, and the key under which it keeps saying it.

use std::borrow::Cow;
use std::sync::Arc;

use rules_event::Timestamp;
use sha2::{Digest, Sha256};

/// At most this many event ids are named by one firing: enough evidence for a person to read.
pub const EVENT_IDS_MAX: usize = 100;

/// A correlation fired, or has more to say about what it fired for before.
#[derive(Debug, Clone, PartialEq)]
pub struct Fired {
    /// Id of the correlation.
    pub correlation_id: String,
    /// The `group-by` fields and their values, in the order of the rule.
    pub group: Arc<[(String, String)]>,
    /// Time of the first hit.
    pub first: Timestamp,
    /// Time of the last hit so far.
    pub last: Timestamp,
    /// Hits so far.
    pub count: u64,
    /// Most distinct values (`value_count`) or rules (`temporal`, `temporal_ordered`) seen in one
    /// window; 0 for the others.
    pub values: u64,
    /// What `value_sum`, `value_avg`, `value_percentile` and `value_median` computed for the last
    /// window that satisfied the condition.
    pub measure: Option<f64>,
    /// A flood made the window too large to keep every hit: `count` and `values` may be off.
    pub estimated: bool,
    /// By how much they may be off: a share of the true number (three standard errors of a sketch,
    /// or the share of the timespan that hits were put together over); 0 when exact.
    pub error: f64,
    /// Ids of the first hits, at most [`EVENT_IDS_MAX`], oldest first.
    pub event_ids: Arc<[String]>,
    /// Who saw the last hit, as far as it is known.
    pub witness: Witness,
    /// Names the alert: 32 hexadecimal digits, the same for every update.
    pub key: String,
}

/// Where the last hit of a firing was seen, and as whom.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Witness {
    /// `agent.id`.
    pub agent: Option<String>,
    /// `organization.id`.
    pub organization: Option<String>,
    /// `vonglau.system.id`.
    pub system: Option<String>,
    /// For `temporal_ordered`, whose last hit is the outcome, and for counts: the host as the agent
    /// knows it, or else `host.name`.
    pub host: Option<String>,
    /// The same for `user.name`.
    pub user: Option<String>,
}

/// Returns the key of what a group fired for in the slot starting at `slot_ns`.
pub(crate) fn key(correlation_id: &str, group: &[(String, String)], slot_ns: i64) -> String {
    let mut hash = Sha256::new();
    // A length before every part, so that no two groups can be written alike.
    let mut part = |text: &str| {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    };
    part(correlation_id);
    for (name, value) in group {
        part(name);
        part(value);
    }
    hash.update(slot_ns.to_be_bytes());
    hex::encode(&hash.finalize()[..16])
}

/// Cuts a text to a length, with a digest in place of the rest.
pub(crate) fn shortened(text: &str, bytes_max: usize) -> Cow<'_, str> {
    if text.len() <= bytes_max {
        return Cow::Borrowed(text);
    }
    let digest = key(text, &[], 0);
    let end = text.floor_char_boundary(bytes_max - digest.len() - 1);
    Cow::Owned(format!("{}~{digest}", &text[..end]))
}
