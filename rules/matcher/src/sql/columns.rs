//! Which fields have columns of their own in the table `events`.
//!
//! The store owns the table; a test there (`collector/store/src/promoted.rs`) holds this list to it.

use rules_event::field;

/// What a column holds, and how it says that the field is absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text; empty means absent.
    Text,
    /// 1 to 65535; 0 means absent.
    Small,
    /// 0 and more; -1 means absent.
    Count,
    /// An address as IPv6; `::` means absent.
    Address,
    /// A level's rank; 0 means absent.
    Level,
    /// Several texts; none means absent.
    Texts,
}

/// Every field with a column: ECS name, column, what it holds.
pub const COLUMNS: &[(&str, &str, Kind)] = &[
    (field::AGENT_ID, "agent_id", Kind::Text),
    (field::ORGANIZATION_ID, "organization", Kind::Text),
    (field::EVENT_DATASET, "dataset", Kind::Text),
    (field::EVENT_MODULE, "module", Kind::Text),
    (field::EVENT_KIND, "kind", Kind::Text),
    (field::EVENT_CATEGORY, "category", Kind::Text),
    (field::EVENT_ACTION, "action", Kind::Text),
    (field::EVENT_OUTCOME, "outcome", Kind::Text),
    (field::VONGLAU_LEVEL, "level", Kind::Level),
    (field::RULE_ID, "rule_ids", Kind::Texts),
    (field::RULE_RULESET, "ruleset", Kind::Text),
    (field::AGENT_HOST, "agent_host", Kind::Text),
    (field::HOST_NAME, "host", Kind::Text),
    (field::PROCESS_NAME, "process_name", Kind::Text),
    (field::PROCESS_PID, "process_pid", Kind::Count),
    (field::PROCESS_EXECUTABLE, "process_executable", Kind::Text),
    (field::PROCESS_COMMAND_LINE, "process_command_line", Kind::Text),
    (field::PROCESS_PARENT_EXECUTABLE, "process_parent", Kind::Text),
    (field::PROCESS_WORKING_DIRECTORY, "working_directory", Kind::Text),
    (field::USER_NAME, "user_name", Kind::Text),
    (field::USER_EFFECTIVE_NAME, "user_effective", Kind::Text),
    (field::SOURCE_IP, "source_ip", Kind::Address),
    (field::SOURCE_PORT, "source_port", Kind::Small),
    (field::DESTINATION_IP, "destination_ip", Kind::Address),
    (field::DESTINATION_PORT, "destination_port", Kind::Small),
    (field::HTTP_REQUEST_METHOD, "http_method", Kind::Text),
    (field::HTTP_RESPONSE_STATUS, "http_status", Kind::Small),
    (field::HTTP_RESPONSE_BYTES, "http_bytes", Kind::Count),
    (field::HTTP_REFERRER, "http_referrer", Kind::Text),
    (field::URL_ORIGINAL, "url_original", Kind::Text),
    (field::URL_PATH, "url_path", Kind::Text),
    (field::URL_QUERY, "url_query", Kind::Text),
    (field::USER_AGENT, "user_agent", Kind::Text),
    (field::FILE_PATH, "file_path", Kind::Text),
    (field::LOG_FILE_PATH, "log_path", Kind::Text),
    (field::LOG_OFFSET, "log_offset", Kind::Count),
    (field::MESSAGE, "message", Kind::Text),
    (field::EVENT_ORIGINAL, "original", Kind::Text),
];

/// Returns the column of a field and what it holds, if the field has one.
pub(super) fn column(field: &str) -> Option<(&'static str, Kind)> {
    COLUMNS.iter().find(|(name, ..)| *name == field).map(|(_, column, kind)| (*column, *kind))
}
