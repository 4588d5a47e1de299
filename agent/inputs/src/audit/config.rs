//! AuditConfig: the `[input.audit]` part of the configuration.

use serde::{Deserialize, Serialize};

use crate::{Enabled, PolicyConfig};

/// Linux audit. Files that auditd writes are read like others (`[[input.files]]`, format `auditd`, or
/// `auto` for files named `audit.log…`); this part says how their events are put together, and where
/// records come from without a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AuditConfig {
    /// How long an event that misses a record waits for it in a log at rest, ms (default 10000, 100 to
    /// 120000). Events that are complete do not wait for this.
    pub wait_ms: u64,
    /// Path of the socket of auditd's `af_unix` plugin, such as `/var/run/audispd_events`; empty
    /// (default): not read. Its plugin must have `format = string`.
    pub socket: String,
    /// Records straight from the kernel, by multicast, without auditd (default `no`). Needs
    /// `CAP_AUDIT_READ` and Linux 3.16. `auto`: when neither `socket` nor a file named `audit.log…` is
    /// read.
    pub kernel: Enabled,
    /// What of `socket` and `kernel` leaves the host; for `audit.log` that of its files counts.
    pub policy: PolicyConfig,
}

impl Default for AuditConfig {
    fn default() -> Self {
        Self {
            wait_ms: 10_000,
            socket: String::new(),
            kernel: Enabled::No,
            policy: PolicyConfig::default(),
        }
    }
}
