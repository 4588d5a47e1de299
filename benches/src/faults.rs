//! Faults at full scale: one JSON line per scenario; `tests::faults` holds the scenarios.

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use tests::faults::{Outcome, SCENARIOS, Scale};

/// Runs the scenarios of a set, or those that `VONGLAU_FAULTS` names, separated by commas. Goes on
/// after a broken promise, and fails at the end.
pub(crate) fn run(set: &str) -> Result<()> {
    let wanted = std::env::var("VONGLAU_FAULTS").ok();
    let is_wanted =
        |name: &str| wanted.as_ref().is_none_or(|list| list.split(',').any(|one| one == name));
    let mut broken = Vec::new();
    for scenario in SCENARIOS.iter().filter(|one| one.set == set && is_wanted(one.name)) {
        let outcome = (scenario.run)(&Scale::full()).with_context(|| scenario.name);
        match outcome {
            Ok(Some(outcome)) => {
                println!("{}", line(set, &outcome)?);
                broken.extend(outcome.keeps_the_promise().err());
            }
            Ok(None) => {}
            Err(error) => {
                eprintln!("{error:#}");
                broken.push(error);
            }
        }
    }
    anyhow::ensure!(broken.is_empty(), "{} scenarios failed", broken.len());
    Ok(())
}

fn line(set: &str, outcome: &Outcome) -> Result<Value> {
    let mut line = Map::from_iter([("bench".to_owned(), json!(set))]);
    let Value::Object(told) = serde_json::to_value(outcome)? else { anyhow::bail!("no object") };
    line.extend(told);
    line.insert("machine".to_owned(), json!(crate::figure::machine()));
    line.insert("date".to_owned(), json!(crate::figure::today()));
    Ok(Value::Object(line))
}
