//! `why`: the verdict of a rule on an event as a tree.

mod correlation;

use std::io::Write;

use rules_matcher::{Explanation, Step};
use rules_service::exit::Exit;
use serde_json::{Value, json};

use crate::args::{Format, WhyArgs};
use crate::events;
use crate::paint::Paint;
use crate::target::{Asked, Target};

pub(crate) fn run(args: &WhyArgs, paint: Paint, out: &mut dyn Write) -> anyhow::Result<Exit> {
    let (target, asked) = Target::of(&args.rule, &args.paths)?;
    let events = events::read(&args.event)?;
    let index = match asked {
        Asked::Rule(index) => index,
        Asked::Correlation(it) => {
            return correlation::run(&target, &it, events, args.format, paint, out);
        }
    };
    let mut matched = true;
    for event in &events {
        let why = target.set.why(index, event);
        matched &= why.matched;
        match args.format {
            Format::Text => writeln!(out, "{}", paint.rendered(&why.to_string()).trim_end())?,
            Format::Json => writeln!(out, "{}", to_json(&why))?,
        }
    }
    Ok(if matched { Exit::Done } else { Exit::Problems })
}

fn to_json(why: &Explanation) -> Value {
    json!({
        "rule": why.rule_id,
        "title": why.title,
        "matched": why.matched,
        "logsource": step(&why.logsource),
        "condition": step(&why.condition),
    })
}

fn step(it: &Step) -> Value {
    let children: Vec<Value> = it.children.iter().map(step).collect();
    json!({ "holds": it.holds, "text": it.text, "children": children })
}
