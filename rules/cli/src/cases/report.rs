//! Results of cases as text, JSON and JUnit XML.

use std::fmt::Write as _;
use std::io::Write;

use serde_json::json;

use super::{Outcome, Results, Subject, no_cases};
use crate::args::TestFormat;
use crate::check::to_json;
use crate::paint::{Paint, safe};

pub(super) fn print(
    results: &Results,
    format: TestFormat,
    paint: Paint,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    match format {
        TestFormat::Text => text(results, paint, out),
        TestFormat::Json => json(results, out),
        TestFormat::Junit => Ok(out.write_all(junit(results).as_bytes())?),
    }
}

/// Prints only what needs work, and the summary.
pub(super) fn print_quietly(
    results: &Results,
    paint: Paint,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let sound = |outcome: &Outcome| !outcome.failed() && !outcome.missing();
    for (subject, outcome) in results.rules.iter().filter(|(_, outcome)| !sound(outcome)) {
        rule(subject, outcome, paint, out)?;
    }
    summary(results, paint, out)
}

fn text(results: &Results, paint: Paint, out: &mut dyn Write) -> anyhow::Result<()> {
    for diagnostic in &results.broken {
        writeln!(out, "{}", paint.rendered(&diagnostic.render()))?;
    }
    for (subject, outcome) in &results.rules {
        rule(subject, outcome, paint, out)?;
    }
    summary(results, paint, out)
}

fn rule(
    subject: &Subject,
    outcome: &Outcome,
    paint: Paint,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let sign = match (outcome.failed(), outcome.missing()) {
        (true, _) => paint.bad("✘"),
        (false, true) => paint.bad("?"),
        (false, false) => paint.good("✔"),
    };
    let (matches, does_not_match) = (outcome.matches, outcome.does_not_match);
    writeln!(out, "{sign} {}: {matches} match, {does_not_match} do not", safe(&subject.name))?;
    for failure in outcome.failures() {
        writeln!(out, "{}", paint.rendered(&failure.render()))?;
    }
    if outcome.missing() {
        writeln!(out, "{}", paint.rendered(&no_cases(subject).render()))?;
    }
    Ok(())
}

fn summary(results: &Results, paint: Paint, out: &mut dyn Write) -> anyhow::Result<()> {
    let summary = format!(
        "{} rules tested: {} failed, {} without cases, {} broken",
        results.rules.len(),
        results.failed(),
        results.missing(),
        results.broken.len()
    );
    writeln!(out, "{}", if results.sound() { paint.good(&summary) } else { paint.bad(&summary) })?;
    Ok(())
}

fn json(results: &Results, out: &mut dyn Write) -> anyhow::Result<()> {
    let rules: Vec<_> = results
        .rules
        .iter()
        .map(|(subject, outcome)| {
            let mut found: Vec<_> = outcome.failures().map(to_json).collect();
            found.extend(outcome.missing().then(|| to_json(&no_cases(subject))));
            json!({
                "id": subject.id, "name": subject.name, "file": subject.file,
                "matches": outcome.matches, "does_not_match": outcome.does_not_match,
                "diagnostics": found,
            })
        })
        .collect();
    let broken: Vec<_> = results.broken.iter().map(to_json).collect();
    let report = json!({
        "rules": rules, "diagnostics": broken,
        "failed": results.failed(), "missing": results.missing(),
    });
    writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
    Ok(())
}

/// One suite a rule, one test a case; a broken rule is an error, a rule without cases a failure
/// (or skipped, where that is allowed). The form is the one Jenkins reads.
fn junit(results: &Results) -> String {
    let mut suites = String::new();
    let (mut tests, mut failures) = (0, 0);
    for (subject, outcome) in &results.rules {
        let suite = xml(&subject.name);
        let mut cases = String::new();
        let mut bad = 0;
        for (name, wrong) in &outcome.cases {
            let _ = write!(
                cases,
                "    <testcase classname=\"{suite}\" name=\"{}\" file=\"{}\"",
                xml(name),
                xml(&subject.file)
            );
            match wrong {
                None => cases.push_str("/>\n"),
                Some(wrong) => {
                    bad += 1;
                    let _ = writeln!(
                        cases,
                        ">\n      <failure type=\"{}\" message=\"{}\">{}</failure>\n    </testcase>",
                        wrong.code,
                        xml(&wrong.message),
                        xml(&wrong.render())
                    );
                }
            }
        }
        let mut others: Vec<_> = outcome.unreadable.iter().map(|it| (it.clone(), true)).collect();
        if outcome.missing() {
            others.push((no_cases(subject), !results.allow_missing));
        }
        for (diagnostic, fails) in &others {
            bad += usize::from(*fails);
            let (code, message) = (diagnostic.code, xml(&diagnostic.message));
            let outcome = if *fails {
                format!(
                    "<failure type=\"{code}\" message=\"{message}\">{}</failure>",
                    xml(&diagnostic.render())
                )
            } else {
                format!("<skipped message=\"{message}\"/>")
            };
            let _ = writeln!(
                cases,
                "    <testcase classname=\"{suite}\" name=\"{code}\">\n      {outcome}\n    \
                 </testcase>"
            );
        }
        let count = outcome.cases.len() + others.len();
        tests += count;
        failures += bad;
        let _ = write!(
            suites,
            "  <testsuite name=\"{suite}\" tests=\"{count}\" failures=\"{bad}\" errors=\"0\">\n\
             {cases}  </testsuite>\n"
        );
    }
    let errors = results.broken.len();
    if errors > 0 {
        let _ = writeln!(
            suites,
            "  <testsuite name=\"rules\" tests=\"{errors}\" failures=\"0\" errors=\"{errors}\">"
        );
        for broken in &results.broken {
            let _ = writeln!(
                suites,
                "    <testcase classname=\"rules\" name=\"{} {}:{}\">\n      <error type=\"{}\" \
                 message=\"{}\">{}</error>\n    </testcase>",
                broken.code,
                xml(&broken.file),
                broken.span.line,
                broken.code,
                xml(&broken.message),
                xml(&broken.render())
            );
        }
        suites.push_str("  </testsuite>\n");
        tests += errors;
    }
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"vonglau-rules\" \
         tests=\"{tests}\" failures=\"{failures}\" errors=\"{errors}\">\n{suites}</testsuites>\n"
    )
}

/// Escapes text for XML 1.0, which has no way to write most control characters.
fn xml(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\n' => escaped.push_str("&#10;"),
            '\t' => escaped.push(c),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => escaped.push('\u{fffd}'),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    #[test]
    fn xml_has_no_raw_markup_or_control_characters() {
        assert_eq!(
            super::xml("<a b=\"c\">\u{1}&\n"),
            "&lt;a b=&quot;c&quot;&gt;\u{fffd}&amp;&#10;"
        );
    }
}
