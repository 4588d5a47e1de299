//! The schemas that editors use: they take what the program takes, and refuse what it refuses.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail loudly")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::{check, program, text, yaml};

/// A compiled JSON Schema; boon is an implementation that is not ours.
pub(crate) struct Schema {
    schemas: boon::Schemas,
    index: boon::SchemaIndex,
}

impl Schema {
    pub(crate) fn new(schema: Value) -> Self {
        let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
        compiler.set_default_draft(boon::Draft::V2020_12);
        compiler.add_resource("urn:test", schema).unwrap();
        let index = compiler.compile("urn:test", &mut schemas).unwrap();
        Self { schemas, index }
    }

    pub(crate) fn error(&self, value: &Value) -> Option<String> {
        self.schemas.validate(value, self.index).err().map(|error| format!("{error:#}"))
    }
}

fn printed(kind: &str) -> Schema {
    let output = program(Path::new("."), &["schema", kind], "");
    check(&output, 0, &["https://json-schema.org/draft/2020-12/schema"]);
    Schema::new(serde_json::from_str(&text(&output.stdout)).unwrap())
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else if path.extension().is_some_and(|it| it == "yml" || it == "yaml") {
            found.push(path);
        }
    }
}

#[test]
fn every_shipped_rule_and_case_file_is_valid() {
    let (rule, case) = (printed("rule"), printed("case"));
    let mut found = Vec::new();
    files(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../pack")), &mut found);
    let (mut rules, mut cases) = (0, 0);
    for path in found {
        let is_case = path.to_string_lossy().ends_with(".case.yml");
        for document in yaml::documents(&std::fs::read_to_string(&path).unwrap()) {
            let schema = if is_case { &case } else { &rule };
            let error = schema.error(&document);
            assert!(error.is_none(), "{}: {}", path.display(), error.unwrap_or_default());
            *(if is_case { &mut cases } else { &mut rules }) += 1;
        }
    }
    assert!(rules >= 28 && cases >= 28, "{rules} rules, {cases} case files");
}

#[test]
fn samples_of_the_language_that_load_are_valid() {
    let rule = printed("rule");
    let mut found = Vec::new();
    files(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../sigma/tests/golden")), &mut found);
    let mut documents = 0;
    for path in found {
        let source = std::fs::read_to_string(&path).unwrap();
        let parsed = rules_sigma::parse_file("rule.yml", &source);
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // Warnings are about what the schema may well refuse; anchors are the YAML reader's matter.
        if parsed.documents.is_empty()
            || !parsed.diagnostics.is_empty()
            || name.contains(".case.")
            || source.contains('&')
        {
            continue;
        }
        for document in yaml::documents(&source) {
            assert_eq!(rule.error(&document), None, "{name}");
            documents += 1;
        }
    }
    assert!(documents >= 10, "{documents} documents seen");
}

#[test]
fn foreign_rules_that_load_are_valid() {
    let root = std::env::var_os("VONGLAU_TEST_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"),
        PathBuf::from,
    );
    let folder = root.join("sigma_rules/rules");
    if !folder.is_dir() {
        eprintln!("skipped: no Sigma rules at {}", folder.display());
        return;
    }
    let rule = printed("rule");
    let mut found = Vec::new();
    files(&folder, &mut found);
    let (mut seen, mut wrong) = (0, Vec::new());
    for path in found {
        let source = std::fs::read_to_string(&path).unwrap();
        let parsed = rules_sigma::parse_file("rule.yml", &source);
        if parsed.documents.is_empty() || source.contains("*id0") {
            continue;
        }
        seen += 1;
        let invalid = yaml::documents(&source).iter().find_map(|it| rule.error(it));
        wrong.extend(invalid.map(|error| format!("{}: {error}", path.display())));
    }
    assert!(seen > 2_000, "{seen} rules seen");
    assert!(wrong.is_empty(), "{} of {seen}, first: {}", wrong.len(), wrong[0]);
}

#[test]
fn what_the_program_refuses_the_schema_refuses() {
    let schema = printed("rule");
    let rule = |key: &str, value: Value| {
        let mut rule = json!({
            "title": "a", "level": "low", "logsource": { "product": "linux" },
            "detection": { "selection": { "user.name": "root" }, "condition": "selection" },
        });
        rule[key] = value;
        rule
    };
    assert_eq!(schema.error(&rule("status", json!("test"))), None);
    let condition = json!("selection");
    let detection =
        |key: &str, value: Value| json!({ "condition": condition, "selection": { key: value } });
    for (key, value) in [
        ("level", json!("serious")),
        ("logsource", json!({})),
        ("title", json!("")),
        ("custom", json!({ "vonglau": { "titel_vi": "x" } })),
        ("custom", json!({ "vonglau": { "incident_type": "N10" } })),
        ("tags", json!(["attack"])),
        ("detection", json!({ "selection": { "a": 1 } })),
        ("detection", detection("a|contians", json!("x"))),
        ("detection", detection("a", json!([]))),
        ("detection", detection("a", json!({ "b": 1 }))),
        ("correlation", json!({ "type": "event_count", "rules": ["a"], "timespan": "1m" })),
    ] {
        assert!(schema.error(&rule(key, value.clone())).is_some(), "{key}: {value}");
    }
    let filter = json!({ "rules": "any", "lan": { "user.name": "lan" }, "condition": "not lan" });
    let filter = json!({ "title": "f", "logsource": { "product": "linux" }, "filter": filter });
    assert_eq!(schema.error(&filter), None);
    let schema = printed("placeholders");
    assert_eq!(schema.error(&json!({ "Administrators": ["root", 0], "one": "x" })), None);
    assert!(schema.error(&json!({ "Administrators": { "a": "b" } })).is_some());
    let schema = printed("case");
    for wrong in [
        json!({ "match": [] }),
        json!({ "matches": [{ "event": { "user.name": "x" } }] }),
        json!({ "matches": [{ "events": [{ "event.dataset": "a" }] }] }),
        json!({ "matches": [{}] }),
    ] {
        assert!(schema.error(&wrong).is_some(), "{wrong}");
    }
}

/// Returns the words that the parser says it knows in place of one that it does not.
fn known(rule: &str, start: &str) -> BTreeSet<String> {
    let parsed = rules_sigma::parse_file("a.yml", rule);
    let help = parsed.diagnostics.iter().filter_map(|it| it.help.as_deref());
    let list = help.filter_map(|help| help.strip_prefix(start)).next().unwrap();
    list.split(", ").map(str::to_owned).collect()
}

#[test]
fn modifiers_and_custom_keys_are_those_of_the_parser() {
    let output = program(Path::new("."), &["schema"], "");
    let schema: Value = serde_json::from_str(&text(&output.stdout)).unwrap();
    let pattern = schema["$defs"]["key"]["pattern"].as_str().unwrap();
    let inner = pattern.strip_prefix("^[^|]*(\\|(").unwrap().strip_suffix("))*$").unwrap();
    let modifiers: BTreeSet<String> = inner.split('|').map(str::to_owned).collect();
    let custom = schema["$defs"]["vonglau"]["properties"].as_object().unwrap();
    let rule = "title: a\nlogsource: {product: linux}\ndetection:\n  s: {'f|qqqqqqqq': 1}\n  condition: \
                s\ncustom: {vonglau: {qqqqqqqq: 1}}\n";
    assert_eq!(modifiers, known(rule, "known modifiers: "));
    assert_eq!(custom.keys().cloned().collect::<BTreeSet<_>>(), known(rule, "known keys: "));
}

#[test]
fn editors_are_offered_the_fields_of_events() {
    for (kind, place) in [("rule", "items"), ("case", "event")] {
        let output = program(Path::new("."), &["schema", kind], "");
        let schema: Value = serde_json::from_str(&text(&output.stdout)).unwrap();
        let fields = &schema["$defs"][place]["properties"];
        let meaning = fields["source.ip"]["description"].as_str().unwrap();
        assert_eq!(meaning, "Address the action came from.");
        assert_eq!(fields["@timestamp"].is_object(), kind == "case");
    }
}
