//! `check`: every mistake with its place.

use std::io::Write;

use rules_service::exit::Exit;
use rules_sigma::{Diagnostic, Severity};
use serde_json::{Value, json};

use crate::args::{CheckArgs, CheckFormat};
use crate::fix;
use crate::paint::Paint;
use crate::sarif;
use crate::target::Target;

pub(crate) fn run(args: &CheckArgs, paint: Paint, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let mut target = Target::load_beside(&args.paths)?;
    if args.diff || args.fix {
        let stdin = args.paths.iter().any(|path| path.as_os_str() == "-");
        anyhow::ensure!(!stdin, "standard input cannot be repaired; name the file");
    }
    if args.diff {
        let repaired = fix::repair(&target.diagnostics)?;
        repaired.iter().try_for_each(|it| fix::diff(it, paint, out))?;
        return Ok(if repaired.is_empty() { Exit::Done } else { Exit::Problems });
    }
    if args.fix {
        // A repair may let the next mistake be seen.
        for _ in 0..fix::ROUNDS_MAX {
            let repaired = fix::repair(&target.diagnostics)?;
            if repaired.is_empty() {
                break;
            }
            for it in &repaired {
                fix::write(it)?;
                if args.format == CheckFormat::Text {
                    writeln!(out, "{} repairs written to {}", it.repairs, it.file)?;
                }
            }
            target = Target::load_beside(&args.paths)?;
        }
    }
    let (errors, warnings) = (target.count(Severity::Error), target.count(Severity::Warning));
    let (rules, correlations) = target.loaded();
    match args.format {
        CheckFormat::Json => {
            let found: Vec<Value> = target.diagnostics.iter().map(to_json).collect();
            let report = json!({
                "rules": rules, "correlations": correlations,
                "errors": errors, "warnings": warnings, "diagnostics": found,
            });
            writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
        }
        CheckFormat::Sarif => {
            let log = sarif::log(&target.diagnostics);
            writeln!(out, "{}", serde_json::to_string_pretty(&log)?)?;
        }
        CheckFormat::Text => text(&target, paint, out)?,
    }
    let sound = errors == 0 && (warnings == 0 || !args.strict);
    Ok(if sound { Exit::Done } else { Exit::Problems })
}

/// Prints all findings, then how many there are.
pub(crate) fn text(target: &Target, paint: Paint, out: &mut dyn Write) -> anyhow::Result<()> {
    for diagnostic in &target.diagnostics {
        writeln!(out, "{}", paint.rendered(&diagnostic.render()))?;
    }
    let (errors, warnings) = (target.count(Severity::Error), target.count(Severity::Warning));
    let (rules, correlations) = target.loaded();
    let found = format!("{errors} errors, {warnings} warnings");
    let found = if errors > 0 { paint.bad(&found) } else { paint.good(&found) };
    writeln!(out, "{rules} rules and {correlations} correlations loaded: {found}")?;
    let repairs = target.diagnostics.iter().filter(|it| it.fix.is_some()).count();
    if repairs > 0 {
        writeln!(out, "{repairs} can be repaired: --diff shows how, --fix does it")?;
    }
    if let Some(first) = target.diagnostics.first() {
        writeln!(out, "'vonglau-rules explain {}' tells more about a code", first.code)?;
    }
    Ok(())
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
        "fix": diagnostic.fix.as_ref().map(|fix| json!({
            "line": fix.span.line, "column": fix.span.column, "length": fix.span.len,
            "replacement": fix.replacement,
        })),
    })
}
