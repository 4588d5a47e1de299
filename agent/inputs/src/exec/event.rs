//! Event: what is told of a run that failed, or went well again.

use rules_event::{Event, Value, encode_lossless, field};

use super::child::{Outcome, Ran};
use super::config::Plan;
use super::state::State;
use crate::{Sample, clock};

/// `event.dataset` of runs.
const DATASET: &str = "vonglau.exec";

/// Returns the event of a run. It is known by command and time of the run.
pub(super) fn event(plan: &Plan, state: &State, ran: &Ran) -> Sample {
    let mut event = Event::new(clock::from_millis(state.run), String::new());
    let is_good = ran.outcome == Outcome::Success;
    event.set(field::EVENT_KIND, "state");
    event.set(field::EVENT_MODULE, "vonglau");
    event.set(field::EVENT_DATASET, DATASET);
    event.set(field::EVENT_ACTION, if is_good { "command_recovered" } else { "command_failed" });
    event.set(field::EVENT_OUTCOME, if is_good { "success" } else { "failure" });
    event.set("event.duration", Value::Int(i64::try_from(ran.took.as_nanos()).unwrap_or(i64::MAX)));
    event.set("event.reason", reason(plan, ran));
    event.set(field::PROCESS_EXECUTABLE, plan.config.command[0].clone());
    event.set(field::VONGLAU_EXEC_NAME, plan.name.clone());
    event.set("vonglau.exec.outcome", ran.outcome.as_str());
    match ran.outcome {
        Outcome::Success => event.set("process.exit_code", Value::Int(0)),
        Outcome::Failed(code) => event.set("process.exit_code", Value::Int(code.into())),
        // As a shell counts it.
        Outcome::Killed(signal) => {
            event.set("process.exit_code", Value::Int((128 + signal).into()))
        }
        _ => {}
    }
    for (name, number) in [
        ("vonglau.exec.bytes", ran.seen),
        ("vonglau.exec.failures", state.failures),
        ("vonglau.exec.skipped", state.skipped),
    ] {
        event.set(name, Value::Int(i64::try_from(number).unwrap_or(i64::MAX)));
    }
    let (stderr, _) = encode_lossless(ran.stderr.trim_ascii());
    if !stderr.is_empty() {
        event.set("vonglau.exec.stderr", stderr.into_owned());
    }
    if ran.left_behind {
        event.set("vonglau.exec.left_behind", true);
    }
    event.set(field::MESSAGE, format!("command {}: {}", plan.name, reason(plan, ran)));
    let instance = format!("\u{1}exec\u{1}{}", plan.name);
    Sample { event, instance }
}

/// What happened, in words, and what to do.
pub(super) fn reason(plan: &Plan, ran: &Ran) -> String {
    match &ran.outcome {
        Outcome::Success => "it runs well".to_owned(),
        Outcome::Failed(code) => format!("it ended with exit code {code}"),
        Outcome::Killed(signal) => format!("it was ended by signal {signal}"),
        Outcome::TimedOut => format!(
            "it took longer than {} ms and was ended; raise timeout_ms, or see why it hangs",
            plan.config.timeout_ms
        ),
        Outcome::OutputLimit => format!(
            "it printed more than {} bytes and was ended; raise output_bytes_max, or let it print less",
            plan.config.output_bytes_max
        ),
        Outcome::NotStarted(text) => format!("it was not started: {text}"),
        Outcome::Refused(text) => format!("it is not run: {text}"),
    }
}
