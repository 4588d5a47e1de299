//! SARIF 2.1.0: findings in the form that code review and editors read.
//!
//! Spec: Static Analysis Results Interchange Format 2.1.0, OASIS.

use std::path::Path;

use rules_sigma::{Diagnostic, codes};
use serde_json::{Value, json};

use crate::pages;

/// Where the schema of the form lies; readers use it to tell the version.
const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/\
                      sarif-schema-2.1.0.json";

/// Returns the log of one run.
pub(crate) fn log(diagnostics: &[Diagnostic]) -> Value {
    let mut used: Vec<&str> = diagnostics.iter().map(|it| it.code).collect();
    used.sort_unstable();
    used.dedup();
    let rules: Vec<Value> = used.iter().map(|code| rule(code)).collect();
    let results: Vec<Value> = diagnostics
        .iter()
        .map(|it| result(it, used.binary_search(&it.code).unwrap_or_default()))
        .collect();
    json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "vonglau-rules",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "results": results,
        }],
    })
}

/// A code as SARIF's `reportingDescriptor` (3.49).
fn rule(code: &str) -> Value {
    let page = pages::page(code).unwrap_or_default();
    json!({
        "id": code,
        "shortDescription": { "text": codes::meaning(code).unwrap_or(code) },
        "help": { "text": page, "markdown": page },
    })
}

/// A finding as SARIF's `result` (3.27).
fn result(diagnostic: &Diagnostic, rule_index: usize) -> Value {
    let message = match &diagnostic.help {
        Some(help) => format!("{}: {help}", diagnostic.message),
        None => diagnostic.message.clone(),
    };
    let mut result = json!({
        "ruleId": diagnostic.code,
        "ruleIndex": rule_index,
        "level": diagnostic.severity.as_str(),
        "message": { "text": message },
    });
    if !diagnostic.file.is_empty() {
        let mut place = json!({ "artifactLocation": { "uri": uri(&diagnostic.file) } });
        // A finding about the whole file has no region.
        if diagnostic.span.line > 0 {
            place["region"] = json!({
                "startLine": diagnostic.span.line,
                "startColumn": diagnostic.span.column.max(1),
                "endColumn": diagnostic.span.column.max(1) + diagnostic.span.len.max(1),
                "snippet": { "text": diagnostic.source_line },
            });
        }
        result["locations"] = json!([{ "physicalLocation": place }]);
    }
    if let Some(fix) = &diagnostic.fix {
        // A fix (3.55): one place replaced by a text.
        let region = json!({
            "startLine": fix.span.line,
            "startColumn": fix.span.column,
            "endColumn": fix.span.column + fix.span.len,
        });
        let replacement =
            json!({ "deletedRegion": region, "insertedContent": { "text": fix.replacement } });
        result["fixes"] = json!([{ "artifactChanges": [{
            "artifactLocation": { "uri": uri(&diagnostic.file) },
            "replacements": [replacement],
        }] }]);
    }
    result
}

/// Returns a path as a URI reference (RFC 3986, 4.1): absolute ones as `file:`.
fn uri(path: &str) -> String {
    let path = path.strip_prefix("./").unwrap_or(path);
    let mut uri = if Path::new(path).is_absolute() { "file://".to_owned() } else { String::new() };
    for byte in path.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                uri.push(char::from(byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    #[test]
    fn paths_become_uri_references() {
        assert_eq!(super::uri("./rules/a b.yml"), "rules/a%20b.yml");
        assert_eq!(super::uri("/etc/luật.yml"), "file:///etc/lu%E1%BA%ADt.yml");
        assert_eq!(super::uri("<stdin>"), "%3Cstdin%3E");
    }
}
