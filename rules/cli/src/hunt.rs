//! `hunt`: looks for a rule in stored events, by printing SQL or by asking a collector.

mod client;
mod report;

pub(crate) use client::Unavailable;

use std::io::Write;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rules_matcher::sql;
use rules_service::exit::Exit;
use rules_sigma::Rule;
use serde_json::json;

use crate::args::{Format, HuntArgs};
use crate::target::Target;

/// The longest look back: ten years. Nothing is kept longer.
const SINCE_MAX: Duration = Duration::from_secs(3_660 * 86_400);
/// Most events asked for at once: what a collector gives at most.
const LIMIT_MAX: u32 = 999;

pub(crate) fn run(args: &HuntArgs, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let since = span(&args.since)?;
    ensure!(
        (1..=LIMIT_MAX).contains(&args.limit),
        "--limit takes 1 to {LIMIT_MAX}, not {}",
        args.limit
    );
    let (target, index) = Target::of_rule(&args.rule, &args.paths)?;
    let Some(rule) = target.set.rules().get(index) else { bail!("no rule was found") };
    match &args.url {
        Some(url) => ask(args, url, since, rule, out)?,
        None => print(args, since, rule, out)?,
    }
    Ok(Exit::Done)
}

fn print(args: &HuntArgs, since: Duration, rule: &Rule, out: &mut dyn Write) -> anyhow::Result<()> {
    let sql = query(rule, since, args.limit)?;
    match args.format {
        // A title may hold anything but a line end; the comment ends there.
        Format::Text => writeln!(
            out,
            "-- {} ({}), the last {}\n{sql}",
            rule.title.replace(char::is_control, " "),
            rule.id.replace(char::is_control, " "),
            args.since
        )?,
        Format::Json => {
            let report = json!({
                "rule": rule.id, "title": rule.title, "since_seconds": since.as_secs(), "sql": sql,
            });
            writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
        }
    }
    Ok(())
}

/// Asks a collector. It compiles the rule itself, so that nothing else than a rule can be asked.
fn ask(
    args: &HuntArgs,
    url: &str,
    since: Duration,
    rule: &Rule,
    out: &mut dyn Write,
) -> anyhow::Result<()> {
    let body = json!({
        "rule": &*rule.source, "id": rule.id, "since_seconds": since.as_secs(), "limit": args.limit,
    });
    let answer = client::post(url, args.token.as_deref(), args.ca.as_deref(), "hunt", &body)?;
    ensure_ours(url, &answer)?;
    match args.format {
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(&answer)?)?,
        Format::Text => report::table(&answer, out)?,
    }
    Ok(())
}

/// Something else than a collector may answer with JSON, too.
fn ensure_ours(url: &str, answer: &serde_json::Value) -> Result<(), Unavailable> {
    let detail = "this is no answer of a collector".to_owned();
    let refused = || Unavailable::Refused { server: url.to_owned(), status: 200, detail };
    if answer["events"].is_array() { Ok(()) } else { Err(refused()) }
}

/// Returns a query that people can paste.
fn query(rule: &Rule, since: Duration, limit: u32) -> anyhow::Result<String> {
    let found = sql::predicate(rule);
    let found = found.with_context(|| format!("'{}' has no SQL", rule.title))?;
    let with = sql::with_clause([&found]);
    let with = if with.is_empty() { with } else { format!("{with}\n") };
    Ok(format!(
        "{with}SELECT ts, event_id, agent_host, dataset, message\nFROM events\nWHERE ts >= now64(9) \
         - INTERVAL {} SECOND\n  AND ({})\nORDER BY ts DESC, event_id DESC\nLIMIT {limit}",
        since.as_secs(),
        found.condition()
    ))
}

/// Reads a span: a whole number with s, m, h, d or w.
fn span(text: &str) -> anyhow::Result<Duration> {
    let bad = || format!("'{text}' is no span; write a number with s, m, h, d or w, such as 7d");
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).with_context(bad)?;
    let unit = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        "w" => 7 * 86_400,
        _ => bail!(bad()),
    };
    let seconds = number.parse::<u64>().ok().and_then(|it| it.checked_mul(unit));
    let span = Duration::from_secs(seconds.with_context(bad)?);
    ensure!(!span.is_zero() && span <= SINCE_MAX, "--since takes 1s to ten years, not {text}");
    Ok(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read() {
        for (text, seconds) in [("90s", 90), ("30m", 1_800), ("24h", 86_400), ("2w", 1_209_600)] {
            assert_eq!(span(text).unwrap().as_secs(), seconds);
        }
        for bad in ["", "7", "d", "7 d", "-7d", "0d", "7y", "99999999999999999999d", "9999w", "7đ"]
        {
            assert!(span(bad).is_err(), "{bad}");
        }
    }
}
