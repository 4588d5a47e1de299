//! Lost: the kernel says that it dropped audit records.

use rules_event::{Event, field};

use super::pairs::Pairs;

/// What the kernel writes, and what it means.
///
/// Source: Linux `kernel/audit.c`: `audit_log_lost`, `audit_log_start`, `kauditd_printk_skb`.
const WORDS: [(&str, &str); 6] = [
    ("audit_lost=", "the kernel has lost audit records since it began"),
    ("backlog limit exceeded", "the kernel's queue of audit records is full"),
    ("rate limit exceeded", "more audit records a second than the kernel's limit"),
    ("audit_backlog=", "the kernel's queue of audit records is full"),
    ("kauditd hold queue overflow", "nobody takes the kernel's audit records"),
    ("out of memory in audit_log_start", "the kernel had no memory for an audit record"),
];

/// Decodes a message about lost records; false when it is none.
pub(super) fn decode(message: &str, event: &mut Event) -> bool {
    let found = WORDS.iter().find(|(word, _)| message.starts_with(word));
    let Some((_, meaning)) = found else { return false };
    event.set(field::EVENT_MODULE, "auditd");
    event.set(field::EVENT_DATASET, "auditd.log");
    event.set(field::EVENT_ACTION, "audit-records-lost");
    event.set(field::EVENT_CATEGORY, "host");
    event.set("event.type", "error");
    event.set(field::EVENT_OUTCOME, "failure");
    event.set("event.reason", *meaning);
    let number = |name: &str| {
        let (_, value, _) = Pairs::of(message).find(|(key, ..)| *key == name)?;
        value.parse::<i64>().ok()
    };
    if let Some(lost) = number("audit_lost") {
        event.set("vonglau.audit.lost", lost);
    }
    if let Some(limit) = number("audit_backlog_limit") {
        event.set("vonglau.audit.backlog_limit", limit);
    }
    true
}
