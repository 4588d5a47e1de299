//! Report: what the inputs tell goes to health, log, metrics and, where it is evidence, into events.

use std::sync::Arc;

use agent_inputs::{Count, Report, Truncation};
use rules_event::{Value, field};
use rules_service::meter::Health;

use crate::metrics::Metrics;
use crate::witness::{self, Action, REASON, Witness, count};

/// What the inputs tell goes to health, log and metrics.
pub(crate) struct InputReport {
    health: Health,
    metrics: Metrics,
    witness: Witness,
}

impl InputReport {
    pub(crate) fn shared(health: Health, metrics: Metrics, witness: Witness) -> Arc<dyn Report> {
        Arc::new(Self { health, metrics, witness })
    }
}

impl Report for InputReport {
    fn problem(&self, subject: &str, text: String) {
        tracing::warn!(subject, "{text}");
        self.health.problem(subject, text);
    }

    fn resolved(&self, subject: &str) {
        tracing::info!(subject, "the problem is over");
        self.health.resolved(subject);
    }

    fn notice(&self, subject: &str, text: String) {
        self.witness.say(Action::LogLost, text.clone(), [place(subject), (REASON, text.into())]);
    }

    fn truncated(&self, cut: &Truncation<'_>) {
        let text = match cut.rotated {
            true => format!("{} was rotated by copying and truncating", cut.path),
            false => format!("{} became shorter after {} bytes were read", cut.path, cut.read),
        };
        // In a rotated copy what was not read still is.
        let lost = if cut.rotated { 0 } else { cut.unread };
        self.witness.say(
            Action::LogTruncated,
            text,
            [
                place(cut.path),
                ("vonglau.source.rotated", cut.rotated.into()),
                ("vonglau.source.bytes_read", count(cut.read)),
                ("vonglau.source.bytes_lost", count(lost)),
            ],
        );
    }

    fn count(&self, what: Count, amount: u64) {
        self.metrics.inputs.with_label_values(&[what.as_str()]).inc_by(amount);
    }
}

/// Returns the field that names a log: its path, or another name.
pub(crate) fn place(name: &str) -> (&'static str, Value) {
    let field = if name.starts_with('/') { field::LOG_FILE_PATH } else { "vonglau.source.name" };
    (field, witness::text(name))
}
