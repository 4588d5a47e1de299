//! Settings a request may set by URL parameter: an allow-list, with caps.
//!
//! The library takes any `--name=value` silently and some names steer the engine itself, so a name
//! that is not listed here is refused as a ClickHouse server refuses an unknown one (code 115). A
//! `SETTINGS` clause inside a statement goes to the engine's own check.

use crate::exception::{Exception, code};
use crate::limits;

/// Settings that are handed to the engine, sorted. The tests compare it with `system.settings`.
pub(crate) const ALLOWED: &[&str] = &[
    "allow_nondeterministic_mutations",
    "allow_suspicious_low_cardinality_types",
    "alter_sync",
    "analyze_index_with_space_filling_curves",
    "apply_deleted_mask",
    "date_time_input_format",
    "date_time_output_format",
    "deduplicate_blocks_in_dependent_materialized_views",
    "describe_compact_output",
    "describe_extend_object_types",
    "describe_include_subcolumns",
    "do_not_merge_across_partitions_select_final",
    "enable_full_text_index",
    "extremes",
    "final",
    "force_data_skipping_indices",
    "force_index_by_date",
    "force_primary_key",
    "format_binary_max_array_size",
    "format_binary_max_string_size",
    "format_csv_delimiter",
    "group_by_overflow_mode",
    "ignore_data_skipping_indices",
    "input_format_allow_errors_num",
    "input_format_allow_errors_ratio",
    "input_format_binary_read_json_as_string",
    "input_format_defaults_for_omitted_fields",
    "input_format_import_nested_json",
    "input_format_native_decode_types_in_binary_format",
    "input_format_null_as_default",
    "input_format_skip_unknown_fields",
    "insert_deduplicate",
    "insert_deduplication_token",
    "insert_null_as_default",
    "insert_quorum",
    "insert_quorum_parallel",
    "join_algorithm",
    "join_use_nulls",
    "lightweight_deletes_sync",
    "max_ast_elements",
    "max_block_size",
    "max_bytes_before_external_group_by",
    "max_bytes_before_external_sort",
    "max_bytes_to_read",
    "max_columns_to_read",
    "max_execution_time",
    "max_memory_usage",
    "max_parallel_replicas",
    "max_partitions_per_insert_block",
    "max_query_size",
    "max_result_bytes",
    "max_result_rows",
    "max_rows_in_join",
    "max_rows_to_group_by",
    "max_rows_to_read",
    "max_rows_to_sort",
    "max_threads",
    "mutations_sync",
    "optimize_on_insert",
    "optimize_read_in_order",
    "output_format_binary_write_json_as_string",
    "output_format_json_escape_forward_slashes",
    "output_format_json_named_tuples_as_objects",
    "output_format_json_quote_64bit_integers",
    "output_format_json_quote_decimals",
    "output_format_json_quote_denormals",
    "output_format_native_encode_types_in_binary_format",
    "output_format_native_write_json_as_string",
    "output_format_pretty_color",
    "output_format_pretty_max_rows",
    "output_format_write_statistics",
    "parallel_view_processing",
    "prefer_column_name_to_alias",
    "query_plan_direct_read_from_text_index",
    "read_overflow_mode",
    "result_overflow_mode",
    "select_sequential_consistency",
    "session_timezone",
    "short_circuit_function_evaluation",
    "sort_overflow_mode",
    "timeout_overflow_mode",
    "transform_null_in",
    "use_skip_indexes",
    "use_skip_indexes_for_disjunctions",
    "use_skip_indexes_if_final",
    "use_skip_indexes_on_data_read",
];

/// Settings of ClickHouse's HTTP server, or of clusters: taken and without effect here.
const IGNORED: &[&str] = &[
    "add_http_cors_header",
    // every insert is synchronous here: stronger than what these ask for
    "async_insert",
    "buffer_size",
    "cancel_http_readonly_queries_on_client_close",
    "connect_timeout",
    "distributed_ddl_task_timeout",
    "http_headers_progress_interval_ms",
    "http_receive_timeout",
    "http_response_buffer_size",
    "http_send_timeout",
    "http_write_exception_in_output_format",
    "http_zlib_compression_level",
    "load_balancing",
    "output_format_parallel_formatting",
    "prefer_localhost_replica",
    "quota_key",
    "receive_timeout",
    "send_progress_in_http_headers",
    "send_timeout",
    "stacktrace",
    "wait_for_async_insert",
];

/// The settings of one request, checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Settings(Vec<(&'static str, String)>);

impl Settings {
    /// Takes a setting from a request; the last of equal names wins.
    pub(crate) fn set(&mut self, name: &str, value: &str) -> Result<(), Exception> {
        if IGNORED.binary_search(&name).is_ok() {
            return Ok(());
        }
        let Ok(index) = ALLOWED.binary_search(&name) else {
            return Err(Exception::new(
                code::UNKNOWN_SETTING,
                "UNKNOWN_SETTING",
                format!(
                    "Setting {name} is neither a builtin setting nor started with the prefix \
                     'param_' (the embedded engine allows a list of settings only)"
                ),
            ));
        };
        self.0.retain(|(known, _)| *known != name);
        self.0.push((ALLOWED[index], value.to_owned()));
        Ok(())
    }

    /// Returns the value a request gave.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// Returns the `SET` statement for a connection: our defaults first, then the request's, with the
    /// caps applied. `tag` marks the statement in `system.processes`; `whole_result` bounds a result
    /// that is held in memory.
    pub(crate) fn statement(&self, tag: &str, memory_bytes_max: u64, whole_result: bool) -> String {
        let mut pairs: Vec<(&str, String)> = vec![
            // 26.7 turns on asynchronous inserts by default; an answer must mean "stored".
            ("async_insert", "0".into()),
            // And it takes a bare expression for a SELECT, which hides misspelt keywords.
            ("implicit_select", "0".into()),
            // One insert is one block, whatever its chunks on the wire: deduplication sees the same
            // block again, and all of it is stored or nothing.
            ("min_insert_block_size_rows", limits::INSERT_BLOCK_ROWS.to_string()),
            ("min_insert_block_size_bytes", "0".into()),
            ("max_insert_threads", "1".into()),
            ("input_format_parallel_parsing", "0".into()),
            ("log_comment", tag.to_owned()),
        ];
        let capped = |name: &str, default: u64, max: u64| match self.get(name) {
            None => default.to_string(),
            // 0 means "no limit" to ClickHouse. What is no number goes to the engine, which says so.
            Some(value) => match value.trim().parse::<f64>() {
                Ok(number) if number <= 0.0 || number > max as f64 => max.to_string(),
                _ => value.to_owned(),
            },
        };
        for (name, value) in &self.0 {
            if !matches!(*name, "max_execution_time" | "max_memory_usage" | "max_result_bytes") {
                pairs.push((name, value.clone()));
            }
        }
        let seconds = limits::EXECUTION_SECONDS_DEFAULT;
        let execution = capped("max_execution_time", seconds, limits::EXECUTION_SECONDS_MAX);
        pairs.push(("max_execution_time", execution));
        let memory = capped("max_memory_usage", memory_bytes_max, memory_bytes_max);
        pairs.push(("max_memory_usage", memory));
        if whole_result {
            let max = limits::RESULT_BYTES_MAX;
            pairs.push(("max_result_bytes", capped("max_result_bytes", max, max)));
        } else if let Some(value) = self.get("max_result_bytes") {
            pairs.push(("max_result_bytes", value.to_owned()));
        }
        let list: Vec<_> =
            pairs.iter().map(|(name, value)| format!("{name} = {}", literal(value))).collect();
        format!("SET {}", list.join(", "))
    }
}

/// Returns a string literal of ClickHouse SQL.
pub(crate) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// Returns a quoted name of ClickHouse SQL.
pub(crate) fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('\\', "\\\\").replace('`', "\\`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted_for_the_search() {
        assert!(ALLOWED.is_sorted() && IGNORED.is_sorted());
    }

    #[test]
    fn an_unknown_setting_is_named() {
        let error = Settings::default().set("max_thread", "1").unwrap_err();
        assert_eq!(error.code, 115);
        assert!(error.text.contains("Setting max_thread is neither"), "{}", error.text);
        // Steers the engine itself, so it is as unknown as any other.
        assert!(Settings::default().set("path", "/etc").is_err());
        assert!(Settings::default().set("log_comment", "x").is_err());
        assert!(Settings::default().set("send_timeout", "1").is_ok());
    }

    #[test]
    fn values_are_quoted_and_bounded() {
        let mut settings = Settings::default();
        for (name, value) in [
            ("insert_deduplication_token", "a'b\\"),
            ("max_memory_usage", "0"),
            ("max_execution_time", "2.5"),
            ("max_threads", "1"),
            ("max_threads", "3"),
        ] {
            settings.set(name, value).unwrap();
        }
        let sql = settings.statement("tag", 1000, false);
        for part in [
            "SET async_insert = '0', ",
            "insert_deduplication_token = 'a\\'b\\\\'",
            "max_memory_usage = '1000'",
            "max_execution_time = '2.5'",
            "max_threads = '3'",
            "log_comment = 'tag'",
        ] {
            assert!(sql.contains(part), "{part} in {sql}");
        }
        assert!(!sql.contains("max_threads = '1'") && !sql.contains("max_result_bytes"), "{sql}");
        assert!(settings.statement("t", 1, true).contains("max_result_bytes = '268435456'"));
    }
}
