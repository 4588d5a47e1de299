//! Which fields have columns of their own: the table from ECS name to column, both ways.

use std::borrow::Cow;
use std::net::Ipv6Addr;

use rules_event::{Level, Value, field};

use crate::EventRow;
use crate::event_row::from_ipv6;

/// What a column holds, which decides how it is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Text; empty means absent.
    Text,
    /// 1 to 65535; 0 means absent.
    Small,
    /// 0 and more; -1 means absent.
    Count,
    /// An address; `::` means absent.
    Address,
    /// A level's rank; 0 means absent.
    Level,
    /// Several texts; none means absent.
    Texts,
}

/// One column of one row, for reading and writing.
pub(crate) enum Slot<'r, 'a> {
    Text(&'r mut Cow<'a, str>),
    Small(&'r mut u16),
    Count(&'r mut i64),
    Address(&'r mut Ipv6Addr),
    Level(&'r mut u8),
    Texts(&'r mut Vec<Cow<'a, str>>),
}

impl Slot<'_, '_> {
    /// Takes the value the column holds, if it holds one.
    pub(crate) fn take(self) -> Option<Value> {
        let text = |text: &mut Cow<'_, str>| Value::from(std::mem::take(text).into_owned());
        match self {
            Self::Text(column) => (!column.is_empty()).then(|| text(column)),
            Self::Small(column) => (*column != 0).then(|| Value::Int(i64::from(*column))),
            Self::Count(column) => (*column >= 0).then_some(Value::Int(*column)),
            Self::Address(column) => {
                (!column.is_unspecified()).then(|| Value::from(from_ipv6(*column).to_string()))
            }
            Self::Level(column) => {
                (*column != 0).then(|| Value::from(Level::from_rank(*column).as_str()))
            }
            Self::Texts(column) => {
                (!column.is_empty()).then(|| Value::List(column.iter_mut().map(text).collect()))
            }
        }
    }
}

macro_rules! promoted {
    ($($field:path => $column:ident: $kind:ident;)*) => {
        /// Every promoted field with its column and the column's kind.
        pub(crate) const FIELDS: &[(&str, (&str, Kind))] =
            &[$(($field, (stringify!($column), Kind::$kind)),)*];

        /// Returns the column of a promoted field in this row.
        pub(crate) fn slot<'r, 'a>(row: &'r mut EventRow<'a>, name: &str) -> Option<Slot<'r, 'a>> {
            match name {
                $($field => Some(Slot::$kind(&mut row.$column)),)*
                _ => None,
            }
        }
    };
}

promoted! {
    field::ORGANIZATION_ID => organization: Text;
    field::EVENT_DATASET => dataset: Text;
    field::EVENT_MODULE => module: Text;
    field::EVENT_KIND => kind: Text;
    field::EVENT_CATEGORY => category: Text;
    field::EVENT_ACTION => action: Text;
    field::EVENT_OUTCOME => outcome: Text;
    field::VONGLAU_LEVEL => level: Level;
    field::RULE_ID => rule_ids: Texts;
    field::RULE_RULESET => ruleset: Text;
    field::AGENT_HOST => agent_host: Text;
    field::HOST_NAME => host: Text;
    field::PROCESS_NAME => process_name: Text;
    field::PROCESS_PID => process_pid: Count;
    field::PROCESS_EXECUTABLE => process_executable: Text;
    field::PROCESS_COMMAND_LINE => process_command_line: Text;
    field::PROCESS_PARENT_EXECUTABLE => process_parent: Text;
    field::PROCESS_WORKING_DIRECTORY => working_directory: Text;
    field::USER_NAME => user_name: Text;
    field::USER_EFFECTIVE_NAME => user_effective: Text;
    field::SOURCE_IP => source_ip: Address;
    field::SOURCE_PORT => source_port: Small;
    field::DESTINATION_IP => destination_ip: Address;
    field::DESTINATION_PORT => destination_port: Small;
    field::HTTP_REQUEST_METHOD => http_method: Text;
    field::HTTP_RESPONSE_STATUS => http_status: Small;
    field::HTTP_RESPONSE_BYTES => http_bytes: Count;
    field::HTTP_REFERRER => http_referrer: Text;
    field::URL_ORIGINAL => url_original: Text;
    field::URL_PATH => url_path: Text;
    field::URL_QUERY => url_query: Text;
    field::USER_AGENT => user_agent: Text;
    field::FILE_PATH => file_path: Text;
    field::LOG_FILE_PATH => log_path: Text;
    field::LOG_OFFSET => log_offset: Count;
    field::MESSAGE => message: Text;
    field::EVENT_ORIGINAL => original: Text;
}

/// Returns the column of a field and what it holds, if the field has one.
pub(crate) fn column(name: &str) -> Option<(&'static str, Kind)> {
    FIELDS.iter().find(|(field, _)| *field == name).map(|(_, column)| *column)
}

#[cfg(test)]
mod tests {
    use rules_matcher::sql;

    use super::*;

    /// The SQL of rules names columns; these are the columns.
    #[test]
    fn rules_know_the_columns() {
        let ours =
            FIELDS.iter().map(|(field, (column, kind))| (*field, *column, format!("{kind:?}")));
        let theirs =
            sql::COLUMNS.iter().map(|(field, column, kind)| (*field, *column, format!("{kind:?}")));
        // Not promoted: every row has it.
        let agent = (field::AGENT_ID, "agent_id", "Text".to_owned());
        assert_eq!([agent].into_iter().chain(ours).collect::<Vec<_>>(), theirs.collect::<Vec<_>>());
    }
}
