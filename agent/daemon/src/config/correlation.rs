//! The section `[correlation]`.

use serde::{Deserialize, Serialize};

use super::MIB;

/// What the agent's own correlations may take.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CorrelationSection {
    /// Whether correlations that one host can decide run here (default true). Without them only the
    /// collector correlates, over what reaches it.
    pub(crate) enabled: bool,
    /// Most memory of what they count, bytes (default 4 MiB, 1 to 64 MiB, and an eighth of
    /// `spool.bytes_max` at most): some 10,000 attackers at a time. Beyond it those go first that are
    /// furthest from firing.
    pub(crate) memory_bytes_max: u64,
}

/// The bounds of `correlation.memory_bytes_max`.
pub(super) const MEMORY_BYTES: (u64, u64) = (MIB, 64 * MIB);

impl Default for CorrelationSection {
    fn default() -> Self {
        Self { enabled: true, memory_bytes_max: 4 * MIB }
    }
}
