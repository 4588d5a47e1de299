//! Fired: what a correlation says, and the key under which it keeps saying it.

use rules_event::Timestamp;
use sha2::{Digest, Sha256};

/// At most this many event ids are named by one firing: enough evidence for a person to read.
pub const EVENT_IDS_MAX: usize = 100;

/// A correlation fired, or has more to say about an episode it fired for before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fired {
    /// Id of the correlation.
    pub correlation_id: String,
    /// The `group-by` fields and their values, in the order of the rule.
    pub group: Vec<(String, String)>,
    /// Time of the episode's first hit.
    pub first: Timestamp,
    /// Time of the episode's last hit so far.
    pub last: Timestamp,
    /// Hits of the episode so far.
    pub count: u64,
    /// Most distinct values (`value_count`) or rules (`temporal`, `temporal_ordered`) seen in one
    /// window of the episode; 0 for `event_count`.
    pub values: u64,
    /// Ids of the episode's first hits, at most [`EVENT_IDS_MAX`], oldest first.
    pub event_ids: Vec<String>,
    /// Names the episode: 32 hexadecimal digits, the same for every update. See the crate's text
    /// on when it may differ.
    pub key: String,
}

/// Returns the key of the episode of a group that began in the slot starting at `slot_ns`.
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
    hash.finalize().iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}
