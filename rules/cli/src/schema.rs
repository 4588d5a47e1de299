//! `schema`: JSON Schemas (draft 2020-12), by which editors complete and check as one types.

use std::io::Write;

use rules_event::field;
use rules_service::exit::Exit;
use serde_json::{Map, Value, json};

use crate::args::{SchemaArgs, SchemaKind};

const RULE: &str = include_str!("../schema/rule.schema.json");
const CASE: &str = include_str!("../schema/case.schema.json");
const PLACEHOLDERS: &str = include_str!("../schema/placeholders.schema.json");

pub(crate) fn run(args: &SchemaArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    // Where a schema speaks of the fields of events.
    let (text, place) = match args.kind {
        SchemaKind::Rule => (RULE, "items"),
        SchemaKind::Case => (CASE, "event"),
        SchemaKind::Placeholders => {
            return Ok(out.write_all(PLACEHOLDERS.as_bytes()).map(|()| Exit::Done)?);
        }
    };
    let mut schema: Value = serde_json::from_str(text)?;
    if let Value::Object(properties) = &mut schema["$defs"][place]["properties"] {
        properties.extend(fields(args.kind));
    }
    writeln!(out, "{}", serde_json::to_string_pretty(&schema)?)?;
    Ok(Exit::Done)
}

/// Returns the fields we set ourselves, so that editors can offer them; others are as good.
fn fields(kind: SchemaKind) -> Map<String, Value> {
    let of_rules = |name: &str| !matches!(name, field::TIMESTAMP | field::EVENT_ID);
    let listed = field::ALL.iter().filter(|(name, _)| kind == SchemaKind::Case || of_rules(name));
    listed
        .map(|(name, meaning)| {
            let meaning = meaning.trim().replace('`', "");
            let mut property = json!({ "description": meaning });
            if kind == SchemaKind::Rule {
                property["$ref"] = json!("#/$defs/values");
            }
            ((*name).to_owned(), property)
        })
        .collect()
}
