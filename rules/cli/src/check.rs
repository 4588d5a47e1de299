//! `check`: every mistake with its place.

use std::io::Write;

use rules_service::exit::Exit;
use rules_sigma::{Diagnostic, Severity};
use serde_json::{Value, json};

use crate::args::{CheckArgs, Format};
use crate::paint::Paint;
use crate::target::Target;

pub(crate) fn run(args: &CheckArgs, paint: Paint, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let target = Target::load(&args.paths)?;
    let count = |severity| target.diagnostics.iter().filter(|it| it.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let (rules, correlations) = (target.set.rules().len(), target.correlations.len());
    match args.format {
        Format::Json => {
            let found: Vec<Value> = target.diagnostics.iter().map(to_json).collect();
            let report = json!({
                "rules": rules, "correlations": correlations,
                "errors": errors, "warnings": warnings, "diagnostics": found,
            });
            writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
        }
        Format::Text => {
            for diagnostic in &target.diagnostics {
                writeln!(out, "{}", paint.rendered(&diagnostic.render()))?;
            }
            let found = format!("{errors} errors, {warnings} warnings");
            let found = if errors > 0 { paint.bad(&found) } else { paint.good(&found) };
            writeln!(out, "{rules} rules and {correlations} correlations loaded: {found}")?;
            if let Some(first) = target.diagnostics.first() {
                writeln!(out, "'vonglau-rules explain {}' tells more about a code", first.code)?;
            }
        }
    }
    let sound = errors == 0 && (warnings == 0 || !args.strict);
    Ok(if sound { Exit::Done } else { Exit::Problems })
}

/// Returns a diagnostic as JSON; names and meanings are those of the text form.
pub(crate) fn to_json(diagnostic: &Diagnostic) -> Value {
    json!({
        "code": diagnostic.code,
        "severity": diagnostic.severity.as_str(),
        "message": diagnostic.message,
        "file": diagnostic.file,
        "line": diagnostic.span.line,
        "column": diagnostic.span.column,
        "length": diagnostic.span.len,
        "source_line": diagnostic.source_line,
        "help": diagnostic.help,
    })
}
