//! `schema`: JSON Schemas (draft 2020-12), by which editors complete and check as one types.

use std::io::Write;

use rules_service::exit::Exit;

use crate::args::{SchemaArgs, SchemaKind};

const RULE: &str = include_str!("../schema/rule.schema.json");
const CASE: &str = include_str!("../schema/case.schema.json");

pub(crate) fn run(args: &SchemaArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let schema = match args.kind {
        SchemaKind::Rule => RULE,
        SchemaKind::Case => CASE,
    };
    out.write_all(schema.as_bytes())?;
    Ok(Exit::Done)
}
